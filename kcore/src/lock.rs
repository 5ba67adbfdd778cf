//! Ticket lock: FIFO, so that no core starves. It guards no value of its own: what belongs to it says so.
//!
//! A holder runs with interrupts masked, waits for no other core, and takes no second lock.

use crate::sync::{AtomicU32, Ordering};
use core::marker::PhantomData;

/// How a core waits for a lock.
pub trait Spin {
    /// Waits until some core may have called [`Spin::wake`]: WFE.
    fn wait();
    /// Ends the waits of all cores: DSB ISHST, SEV.
    fn wake();
}

/// The lock.
#[derive(Debug)]
pub struct TicketLock<S: Spin> {
    next: AtomicU32,
    owner: AtomicU32,
    spin: PhantomData<fn() -> S>,
}

#[allow(clippy::new_without_default, reason = "const, and loom's is not")]
impl<S: Spin> TicketLock<S> {
    /// A free lock.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self { next: AtomicU32::new(0), owner: AtomicU32::new(0), spin: PhantomData }
    }

    /// A free lock.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self { next: AtomicU32::new(0), owner: AtomicU32::new(0), spin: PhantomData }
    }

    /// Takes the lock; waits its turn.
    #[must_use = "the lock is free again when the guard is dropped"]
    pub fn lock(&self) -> Guard<'_, S> {
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // Acquire: what the last holder wrote is visible.
        while self.owner.load(Ordering::Acquire) != ticket {
            S::wait();
        }
        Guard(self)
    }
}

/// The right to use what belongs to a [`TicketLock`].
pub struct Guard<'a, S: Spin>(&'a TicketLock<S>);

impl<S: Spin> Drop for Guard<'_, S> {
    fn drop(&mut self) {
        // Only the holder writes `owner`. Release: the next holder sees what this one wrote.
        let ticket = self.0.owner.load(Ordering::Relaxed);
        self.0.owner.store(ticket.wrapping_add(1), Ordering::Release);
        S::wake();
    }
}
