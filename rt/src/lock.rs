//! A short spin lock for data that several threads of a domain share.
//!
//! Whoever holds it must not wait: a vCPU handler may be spinning on it. A section is some hundred instructions at most, so
//! who finds the lock taken looks some times, then yields.
#![allow(unsafe_code, reason = "interior mutability behind a lock")]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

/// Looks at a taken lock before the core is given away: about as long as a section takes.
const LOOKS: u32 = 64;

/// Data behind a spin lock.
pub struct SpinLock<T> {
    taken: AtomicU32,
    data: UnsafeCell<T>,
}

// SAFETY: `data` is reached only through a `Guard`, of which there is at most one: `taken` goes from 0 to 1 by a
// compare-and-exchange with acquire order, and back by a store with release order in the guard's `drop`.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self { taken: AtomicU32::new(0), data: UnsafeCell::new(data) }
    }

    /// Takes the lock, spinning until it is free.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        while self.taken.compare_exchange_weak(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait();
        }
        Guard { lock: self }
    }

    /// Takes the lock if it is free now.
    #[inline(always)]
    pub fn lock_if_free(&self) -> Option<Guard<'_, T>> {
        let taken = self.taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then(|| Guard { lock: self })
    }

    /// Takes the lock if it is free soon: for whoever may have it already.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        for _ in 0..LOOKS {
            if self.taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return Some(Guard { lock: self });
            }
            core::hint::spin_loop();
        }
        None
    }

    /// Waits until the lock looks free, or gives the core away: whoever holds it may have been preempted on this very
    /// core, and would then not go on while this thread waits.
    ///
    /// In line: the kernel keeps almost all registers, so that the common path has none to save for a call.
    #[inline(always)]
    fn wait(&self) {
        for _ in 0..LOOKS {
            if self.taken.load(Ordering::Relaxed) == 0 {
                return;
            }
            core::hint::spin_loop();
        }
        #[cfg(target_os = "none")]
        crate::sys::yield_now();
    }
}

/// The right to the data of a [`SpinLock`], which is free again when this is dropped.
pub struct Guard<'a, T> {
    lock: &'a SpinLock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one (see `Sync`), and lends its own lifetime.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one (see `Sync`), and is borrowed exclusively.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.taken.store(0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::SpinLock;

    #[test]
    fn try_lock_gives_up() {
        let lock = SpinLock::new(0);
        let guard = lock.lock();

        assert!(lock.try_lock().is_none());
        drop(guard);
        assert!(lock.try_lock().is_some());
    }

    #[test]
    fn spin_lock_two_threads_lose_no_increment() {
        let lock = SpinLock::new(0u32);

        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        *lock.lock() += 1;
                    }
                });
            }
        });

        assert_eq!(*lock.lock(), 20_000);
    }
}
