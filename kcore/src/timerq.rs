//! Timers of one core: a list sorted by deadline. Insertion is linear in the timers of that core, all else constant.

use crate::queue::{Links, List};

/// Links of timers, with their deadlines.
pub trait Timers: Links {
    /// Deadline of `id` in counter ticks; constant while `id` is queued.
    fn deadline(&self, id: u64) -> u64;
}

/// Timers by deadline; equal ones in the order of insertion. All zeros is empty.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct TimerQueue {
    list: List,
}

impl TimerQueue {
    /// Queues `id`, which is not queued. Returns whether it is the first now (the hardware timer must be set).
    pub fn insert(&mut self, timers: &mut impl Timers, id: u64) -> bool {
        let deadline = timers.deadline(id);
        let mut before = self.list.last();
        while before != 0 && timers.deadline(before) > deadline {
            before = timers.link(before).prev;
        }
        self.list.insert_after(timers, before, id);
        before == 0
    }

    /// Takes `id`, which is queued, off the queue.
    pub fn remove(&mut self, timers: &mut impl Timers, id: u64) {
        self.list.remove(timers, id);
    }

    /// The earliest: (deadline, id).
    #[must_use]
    pub fn first(&self, timers: &impl Timers) -> Option<(u64, u64)> {
        let id = self.list.first();
        (id != 0).then(|| (timers.deadline(id), id))
    }

    /// Takes the earliest off if its deadline has come.
    pub fn pop_expired(&mut self, timers: &mut impl Timers, now: u64) -> Option<u64> {
        let (deadline, id) = self.first(timers)?;
        if deadline > now {
            return None;
        }
        self.list.remove(timers, id);
        Some(id)
    }
}
