//! Buckets.

/// The bucket of a key among so many, 1..=65536 (Fibonacci hashing).
#[inline]
pub const fn bucket(key: u64, buckets: usize) -> usize {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    ((mixed * buckets as u64) >> 32) as usize
}
