//! How late the control loop was: worst, mean, histogram, in nanoseconds.

use core::fmt;

/// Buckets of the histogram: below 128 ns, then one for each power of two; the last has all from 2 ms on.
pub const BUCKETS: usize = 16;
/// The first bucket ends at 1 << FIRST.
const FIRST: u32 = 7;

/// Statistics of one series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lateness {
    /// Values.
    pub count: u64,
    /// Largest.
    pub worst: u64,
    sum: u64,
    histogram: [u32; BUCKETS],
}

impl Lateness {
    /// Nothing recorded yet.
    pub const fn new() -> Self {
        Self { count: 0, worst: 0, sum: 0, histogram: [0; BUCKETS] }
    }

    /// Records a value.
    pub fn record(&mut self, nanoseconds: u64) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(nanoseconds);
        self.worst = self.worst.max(nanoseconds);
        if let Some(bucket) = self.histogram.get_mut(bucket(nanoseconds)) {
            *bucket = bucket.saturating_add(1);
        }
    }

    /// Mean, 0 without a value.
    pub fn mean(&self) -> u64 {
        self.sum.checked_div(self.count).unwrap_or(0)
    }

    /// The histogram as text, empty buckets left out: `<512:97 <1024:3`.
    pub fn histogram(&self) -> impl fmt::Display + '_ {
        Histogram(&self.histogram)
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

fn bucket(nanoseconds: u64) -> usize {
    let bits = u64::BITS - nanoseconds.leading_zeros();
    (bits.saturating_sub(FIRST) as usize).min(BUCKETS - 1)
}

struct Histogram<'a>(&'a [u32; BUCKETS]);

impl fmt::Display for Histogram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for (n, count) in (FIRST..).zip(self.0).filter(|(_, count)| **count != 0) {
            match (n - FIRST) as usize {
                last if last == BUCKETS - 1 => write!(f, "{blank}more:{count}")?,
                _ => write!(f, "{blank}<{}:{count}", 1u64 << n)?,
            }
            blank = " ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn worst_and_mean_are_of_all_values() {
        let mut lateness = Lateness::new();

        [100, 700, 400].into_iter().for_each(|value| lateness.record(value));

        assert_eq!((lateness.count, lateness.worst, lateness.mean()), (3, 700, 400));
    }

    #[test]
    fn mean_of_nothing_is_zero() {
        assert_eq!(Lateness::new().mean(), 0);
    }

    #[test]
    fn histogram_names_used_buckets() {
        let mut lateness = Lateness::new();

        [0, 127, 128, 1_000, u64::MAX].into_iter().for_each(|value| lateness.record(value));

        assert_eq!(lateness.histogram().to_string(), "<128:2 <256:1 <1024:1 more:1");
    }
}
