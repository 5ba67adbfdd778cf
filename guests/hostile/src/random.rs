//! Deterministic random numbers: xorshift64* (Vigna 2016).

use core::cell::Cell;

/// Generator; equal seeds give equal numbers.
pub struct Random(Cell<u64>);

impl Random {
    /// Any seed.
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1))
    }

    /// 64 random bits.
    pub fn word(&self) -> u64 {
        let mut state = self.0.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0.set(state);
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&self, bound: u64) -> u64 {
        (self.word() >> 16) % bound
    }

    /// One of a list that is not empty.
    pub fn pick<T: Copy>(&self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    /// A value of the kinds that find faults: nothing, one bit, all bits, few bits, anything.
    pub fn value(&self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => 1 << self.below(64),
            3 => u64::from(self.word() as u32),
            4 => self.below(256),
            _ => self.word(),
        }
    }
}
