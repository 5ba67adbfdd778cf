//! Lengths of time as people write them: `500us`, `10ms`, `2s`.

/// Reads a whole number with us, ms or s behind it; gives microseconds.
pub fn parse_time(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no length of time: write a whole number with us, ms or s, as in \"10ms\"");
    let text = text.trim();
    let units = [("us", 1), ("ms", 1_000), ("s", 1_000_000)];
    let (digits, unit) =
        units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit))).ok_or_else(wrong)?;
    let number: u64 = digits.trim_end().parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

/// Writes microseconds in the largest unit that leaves no rest.
pub fn show_time(us: u64) -> String {
    match us {
        0 => "0".into(),
        us if us.is_multiple_of(1_000_000) => format!("{}s", us / 1_000_000),
        us if us.is_multiple_of(1_000) => format!("{}ms", us / 1_000),
        us => format!("{us}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_microseconds() {
        assert_eq!(parse_time("250us"), Ok(250));
        assert_eq!(parse_time("10ms"), Ok(10_000));
        assert_eq!(parse_time("2 s"), Ok(2_000_000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "s", "10", "1.5s", "-1ms", "1min", "99999999999999999999s", "18446744073709551615s"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_without_rest() {
        assert_eq!(show_time(2_000_000), "2s");
        assert_eq!(show_time(1_500_000), "1500ms");
        assert_eq!(show_time(1_001), "1001us");
        assert_eq!(show_time(0), "0");
    }
}
