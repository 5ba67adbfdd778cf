//! A value with one borrower at a time by the rules of its owner: a core's own, or under the management lock. As a
//! `RefCell` without the flag, whose check would be a panic.
#![allow(unsafe_code, reason = "the cell")]

use core::cell::UnsafeCell;

/// The value.
pub struct Exclusive<T>(UnsafeCell<T>);

// SAFETY: `with` says how the rules of the owners keep all but one core away.
unsafe impl<T> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    /// Holds `value`.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Uses the value. `f` is a few operations of the type itself: it uses no other `Exclusive` of its type.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: no other core has a reference (comments of fields and statics), interrupts are masked at EL2, and
        // `f` does not come back here: so this reference is the only one while `f` runs.
        f(unsafe { &mut *self.0.get() })
    }
}
