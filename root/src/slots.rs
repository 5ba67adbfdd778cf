//! Free slots of root's capability table.

use abi::cap::CAP_SLOTS;

const WORDS: usize = (CAP_SLOTS / 64) as usize;

/// A bit for each slot that is taken.
#[derive(Clone, Debug)]
pub struct Slots([u64; WORDS]);

impl Slots {
    /// All free but slot 0, which means none.
    pub const fn new() -> Self {
        let mut words = [0; WORDS];
        words[0] = 1;
        Self(words)
    }

    /// Marks a slot as taken.
    pub fn reserve(&mut self, slot: u64) {
        if let Some(word) = self.0.get_mut((slot / 64) as usize) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Takes the lowest free slot.
    pub fn take(&mut self) -> Option<u64> {
        let (n, word) = self.0.iter_mut().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1u64.checked_shl(bit)?;
        Some(n as u64 * 64 + u64::from(bit))
    }

    /// Gives a slot back, which is empty again.
    pub fn give(&mut self, slot: u64) {
        if let Some(word) = self.0.get_mut((slot / 64) as usize).filter(|_| slot != 0) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Slots that are taken, slot 0 not counted.
    pub fn used(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum::<u64>().saturating_sub(1)
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_slots_are_given_once() {
        let mut slots = Slots::new();
        slots.reserve(2);

        let given: Vec<u64> = core::iter::from_fn(|| slots.take()).collect();

        let expected: Vec<u64> = (1..CAP_SLOTS).filter(|slot| *slot != 2).collect();
        assert_eq!(given, expected);
        assert_eq!(slots.used(), CAP_SLOTS - 1);
    }

    #[test]
    fn slot_that_came_back_is_given_again() {
        let mut slots = Slots::new();
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();

        slots.give(first);

        assert_eq!(slots.take(), Some(first));
        assert_eq!(slots.used(), second);
    }

    #[test]
    fn slot_out_of_range_changes_nothing() {
        let mut slots = Slots::new();
        slots.reserve(CAP_SLOTS);
        slots.give(CAP_SLOTS + 7);
        slots.give(0);
        assert_eq!((slots.used(), slots.take()), (0, Some(1)));
    }
}
