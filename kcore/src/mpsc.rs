//! Wake-ups sent to a core by others: a stack that any core pushes on and only its owner takes from.
//!
//! An object is on at most one stack at a time: its `queued` flag is claimed before the push and released when the owner
//! takes it off, before it looks at why it was woken. So: first write the reason, then push; a push that finds the
//! flag set is seen with the earlier one, because the owner's release of the flag comes later in the flag's order.

use crate::sync::{AtomicBool, AtomicU64, Ordering};

/// An object's place on a stack. All zeros is on none.
#[derive(Debug, Default)]
pub struct WakeLink {
    /// The next object.
    next: AtomicU64,
    queued: AtomicBool,
}

/// The stack. All zeros is empty.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct WakeStack(AtomicU64);

impl WakeStack {
    /// Pushes `id`, unless it is queued already. True: the stack was empty, the owner must be told by an SGI (with a
    /// DSB ISHST before it).
    #[must_use]
    pub fn push<'a>(&self, link: impl Fn(u64) -> &'a WakeLink, id: u64) -> bool {
        if link(id).queued.swap(true, Ordering::AcqRel) {
            return false;
        }
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            link(id).next.store(head, Ordering::Relaxed);
            // Release: the link is visible before the head that leads to it.
            match self.0.compare_exchange_weak(head, id, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return head == 0,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all that is there, the youngest first. The result must be drained.
    pub fn take_all(&self) -> Taken {
        // Acquire: the links that lead on from the head are visible.
        Taken(self.0.swap(0, Ordering::Acquire))
    }
}

/// Objects taken off a stack.
#[derive(Debug)]
#[must_use = "what is not drained is lost"]
pub struct Taken(u64);

impl Taken {
    /// The next object; from here on it can be pushed again.
    pub fn next<'a>(&mut self, link: impl Fn(u64) -> &'a WakeLink) -> Option<u64> {
        let id = self.0;
        if id == 0 {
            return None;
        }
        self.0 = link(id).next.load(Ordering::Relaxed);
        // Release: the link was read before another push can change it. Acquire: the reasons of all pushes that found
        // the flag set are visible.
        link(id).queued.swap(false, Ordering::AcqRel);
        Some(id)
    }
}
