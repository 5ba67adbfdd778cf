//! Ticket lock: FIFO, so that no core starves.
//!
//! Lock order: the one lock over management syscalls first, then the lock of a core's queues; never two cores' locks
//! at once. A holder runs with interrupts masked and does not wait for another core.
#![allow(unsafe_code, reason = "the cell that the lock guards")]

use crate::sync::{AtomicU32, Ordering};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// How a core waits for a lock.
pub trait Spin {
    /// Waits until some core may have called [`Spin::wake`]: WFE.
    fn wait();
    /// Ends the waits of all cores: DSB ISHST, SEV.
    fn wake();
}

/// A lock over `T`.
#[derive(Debug)]
pub struct TicketLock<T, S: Spin> {
    next: AtomicU32,
    owner: AtomicU32,
    data: UnsafeCell<T>,
    spin: PhantomData<fn() -> S>,
}

// SAFETY: data is reached only through a Guard, and one Guard exists at a time: `lock` returns when `owner` equals a
// ticket that no other core holds, and `owner` moves on only when that Guard is dropped. So sharing the lock only
// moves T between cores.
unsafe impl<T: Send, S: Spin> Sync for TicketLock<T, S> {}

impl<T, S: Spin> TicketLock<T, S> {
    /// A free lock.
    #[cfg(not(loom))]
    pub const fn new(data: T) -> Self {
        Self { next: AtomicU32::new(0), owner: AtomicU32::new(0), data: UnsafeCell::new(data), spin: PhantomData }
    }

    /// A free lock.
    #[cfg(loom)]
    pub fn new(data: T) -> Self {
        Self { next: AtomicU32::new(0), owner: AtomicU32::new(0), data: UnsafeCell::new(data), spin: PhantomData }
    }

    /// Takes the lock; waits its turn.
    pub fn lock(&self) -> Guard<'_, T, S> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // Acquire: what the last holder wrote is visible.
        while self.owner.load(Ordering::Acquire) != ticket {
            S::wait();
        }
        Guard { lock: self }
    }
}

/// The right to use what a [`TicketLock`] guards.
pub struct Guard<'a, T, S: Spin> {
    lock: &'a TicketLock<T, S>,
}

// SAFETY: a shared Guard gives only &T.
unsafe impl<T: Sync, S: Spin> Sync for Guard<'_, T, S> {}

impl<T, S: Spin> Deref for Guard<'_, T, S> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this is the only Guard (see the lock), and it is borrowed for as long as the reference lives.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T, S: Spin> DerefMut for Guard<'_, T, S> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only Guard (see the lock), and it is borrowed mutably for as long as the reference lives.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T, S: Spin> Drop for Guard<'_, T, S> {
    fn drop(&mut self) {
        // Only the holder writes `owner`. Release: the next holder sees what this one wrote.
        let ticket = self.lock.owner.load(Ordering::Relaxed);
        self.lock.owner.store(ticket.wrapping_add(1), Ordering::Release);
        S::wake();
    }
}
