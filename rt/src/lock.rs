//! A short spin lock for data that several threads of a domain share. Waits by WFE.
//!
//! Whoever holds it must not make a system call or wait: a vCPU handler may be spinning on it.
#![allow(unsafe_code, reason = "interior mutability behind a lock")]

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

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

    /// Waits until the lock looks free. The exclusive load arms the monitor: the owner's store is the event that ends
    /// WFE (Arm ARM D1.6.1), also when it comes between the load and the WFE.
    #[cold]
    fn wait(&self) {
        #[cfg(target_arch = "aarch64")]
        // SAFETY: reads the lock word, which lives as long as `self`, and waits.
        unsafe {
            core::arch::asm!(
                "2: ldaxr {value:w}, [{word}]",
                "cbz {value:w}, 3f",
                "wfe",
                "b 2b",
                "3: clrex",
                value = out(reg) _,
                word = in(reg) self.taken.as_ptr(),
                options(nostack),
            );
        }
        #[cfg(not(target_arch = "aarch64"))]
        core::hint::spin_loop();
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
