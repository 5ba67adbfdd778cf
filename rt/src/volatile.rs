//! Words that something else reads and writes too: device registers, pages shared with the kernel, guest memory.
#![allow(unsafe_code, reason = "volatile access to shared memory")]

use core::cell::UnsafeCell;

/// A word that others change at any time. Each access is one load or store of its size.
#[repr(transparent)]
pub struct Volatile<T>(UnsafeCell<T>);

// SAFETY: access is by single volatile loads and stores of plain integers, as to any device register; no reference to
// the inside is ever made, and a torn or stale value is one that the owner of the other side could have written.
unsafe impl<T: Copy + Send> Sync for Volatile<T> {}

impl<T: Copy> Volatile<T> {
    /// A word with this value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads the word.
    #[inline]
    pub fn get(&self) -> T {
        // SAFETY: `self` is a live, aligned word.
        unsafe { self.0.get().read_volatile() }
    }

    /// Writes the word.
    #[inline]
    pub fn set(&self, value: T) {
        // SAFETY: `self` is a live, aligned word in an `UnsafeCell`.
        unsafe { self.0.get().write_volatile(value) }
    }
}
