//! Counters by range and exception level, and their JSON.

use std::fmt::Write;

use crate::args::Range;

/// Exception levels.
pub const LEVELS: usize = 4;

/// The counter of an instruction: the first range that holds `pc`, else one past them ("other").
pub fn range_index(ranges: &[Range], pc: u64) -> usize {
    ranges.iter().position(|range| (range.start..range.end).contains(&pc)).unwrap_or(ranges.len())
}

/// Counts of each range and, last, of all other addresses; by exception level.
pub type Counts = Vec<[u64; LEVELS]>;

/// JSON: `ranges`, `other` and `total`; `el` sums by exception level, `by_el` has each range's; `marks` has the same at
/// each mark, from the beginning on.
pub fn json(ranges: &[Range], executed: &Counts, writes: Option<&Counts>, marks: &[Counts]) -> String {
    let mut text = format!("{{ {}", sums(ranges, executed));
    let by_el: Vec<String> =
        names(ranges).zip(executed).map(|(name, counts)| format!("\"{name}\": {counts:?}")).collect();
    // Writing to a String cannot fail.
    let _ = write!(text, ", \"el\": {:?}, \"by_el\": {{ {} }}", levels(executed), by_el.join(", "));
    if !marks.is_empty() {
        let mark = |counts| format!("{{ {}, \"el\": {:?} }}", sums(ranges, counts), levels(counts));
        let marks: Vec<String> = marks.iter().map(mark).collect();
        let _ = write!(text, ", \"marks\": [{}]", marks.join(", "));
    }
    if let Some(writes) = writes {
        let _ = write!(text, ", \"writes\": {{ {} }}", sums(ranges, writes));
    }
    text + " }\n"
}

fn levels(counts: &Counts) -> [u64; LEVELS] {
    std::array::from_fn(|level| counts.iter().map(|counts| counts[level]).sum())
}

fn names(ranges: &[Range]) -> impl Iterator<Item = &str> {
    ranges.iter().map(|range| range.name.as_str()).chain(["other"])
}

fn sums(ranges: &[Range], counts: &Counts) -> String {
    let sums: Vec<u64> = counts.iter().map(|levels| levels.iter().sum()).collect();
    let named: Vec<String> =
        ranges.iter().zip(&sums).map(|(range, sum)| format!("\"{}\": {sum}", range.name)).collect();
    let other = sums.last().copied().unwrap_or(0);
    let total: u64 = sums.iter().sum();
    format!("\"ranges\": {{ {} }}, \"other\": {other}, \"total\": {total}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges() -> Vec<Range> {
        vec![
            Range { name: "kernel".to_owned(), start: 0x1000, end: 0x2000 },
            Range { name: "domains".to_owned(), start: 0x7000, end: 0x8000 },
        ]
    }

    #[test]
    fn range_index_is_half_open() {
        let ranges = ranges();

        assert_eq!([0xfff, 0x1000, 0x1fff, 0x2000].map(|pc| range_index(&ranges, pc)), [2, 0, 0, 2]);
    }

    #[test]
    fn json_sums_levels_and_ranges() {
        let executed = vec![[0, 0, 10, 0], [3, 0, 0, 0], [100, 200, 1, 0]];

        let text = json(&ranges(), &executed, None, &[]);

        assert_eq!(
            text,
            "{ \"ranges\": { \"kernel\": 10, \"domains\": 3 }, \"other\": 301, \"total\": 314, \
             \"el\": [103, 200, 11, 0], \"by_el\": { \"kernel\": [0, 0, 10, 0], \"domains\": [3, 0, 0, 0], \
             \"other\": [100, 200, 1, 0] } }\n"
        );
    }

    #[test]
    fn json_appends_writes() {
        let counts = vec![[0; LEVELS], [0; LEVELS], [0, 7, 0, 0]];

        let text = json(&ranges(), &counts, Some(&counts), &[]);

        assert!(text.contains("\"writes\": { \"ranges\": { \"kernel\": 0, \"domains\": 0 }, \"other\": 7,"), "{text}");
    }

    #[test]
    fn json_has_a_sum_for_each_mark() {
        let counts = vec![[0, 1, 0, 0], [2, 0, 0, 0], [0; LEVELS]];

        let text = json(&ranges(), &counts, None, std::slice::from_ref(&counts));

        let mark =
            "{ \"ranges\": { \"kernel\": 1, \"domains\": 2 }, \"other\": 0, \"total\": 3, \"el\": [2, 1, 0, 0] }";
        assert!(text.contains(&format!("\"marks\": [{mark}]")), "{text}");
    }
}
