//! The kernel's accounting, for COUNTER.

use abi::syscall::counter;
use core::sync::atomic::AtomicU64;

static READINGS: [AtomicU64; counter::COUNT as usize] = [const { AtomicU64::new(0) }; counter::COUNT as usize];

/// The reading with this number ([`counter`]), if it is kept here.
pub fn get(which: u64) -> Option<&'static AtomicU64> {
    READINGS.get(which as usize)
}

/// A reading of the kernel's own choice.
pub const fn of(which: u64) -> &'static AtomicU64 {
    &READINGS[(which % counter::COUNT) as usize]
}
