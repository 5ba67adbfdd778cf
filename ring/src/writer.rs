//! The end that writes.

use crate::channel::Ring;
use crate::fence;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// Writes bytes into a ring.
#[derive(Debug)]
pub struct Writer<'a> {
    ring: Ring<'a>,
    /// What this side has written: the word in memory is for the other side to read.
    head: u32,
    /// Bytes that certainly have room: saves a look at the other side's word for each.
    room: u32,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(ring: Ring<'a>) -> Self {
        Self { ring, head: ring.head.load(Relaxed), room: 0 }
    }

    /// Bytes that have room now.
    pub fn room(&mut self) -> u32 {
        let used = self.head.wrapping_sub(self.ring.tail.load(Acquire));
        self.room = self.ring.capacity.saturating_sub(used);
        self.room
    }

    /// Whether `count` bytes have room. Looks at the other side's word only if that is not certain.
    #[inline]
    pub fn has_room(&mut self, count: u32) -> bool {
        self.room >= count || self.room() >= count
    }

    /// Whether the other side has read all that was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.tail.load(Acquire) == self.head
    }

    /// Writes one byte; `false`: there is no room.
    #[inline]
    pub fn push(&mut self, byte: u8) -> bool {
        if !self.put(byte) {
            return false;
        }
        self.ring.head.store(self.head, Release);
        true
    }

    /// Writes as many of `bytes` as have room; gives how many.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let mut count = 0usize;
        for byte in bytes {
            if !self.put(*byte) {
                break;
            }
            count = count.saturating_add(1);
        }
        self.ring.head.store(self.head, Release);
        count
    }

    /// Writes a byte that the other side does not see yet.
    #[inline]
    fn put(&mut self, byte: u8) -> bool {
        if self.room == 0 && self.room() == 0 {
            return false;
        }
        let Some((word, shift)) = self.ring.place(self.head) else { return false };
        // Only this side writes the ring's words: nothing comes between the load and the store.
        let others = word.load(Relaxed) & !(0xff << shift);
        word.store(others | u32::from(byte) << shift, Relaxed);
        self.head = self.head.wrapping_add(1);
        self.room = self.room.wrapping_sub(1);
        true
    }

    /// After writing: whether the reader sleeps, and must be rung for. True once for each of its [`crate::Reader::sleep`].
    #[inline]
    #[must_use]
    pub fn must_ring(&self) -> bool {
        // Orders the head before the look at the flag (the reader: the flag before its look at the head).
        fence(SeqCst);
        self.ring.reader_waits.load(Relaxed) != 0 && self.ring.reader_waits.swap(0, Relaxed) != 0
    }

    /// Says that this side sleeps until there is room; `false`: there is, go on.
    #[must_use]
    pub fn sleep(&mut self) -> bool {
        self.sleep_until_room(1)
    }

    /// Says that this side sleeps until there is room for `count` bytes; `false`: there is, go on. The other side rings
    /// when it has read anything: look again, and sleep again.
    #[must_use]
    pub fn sleep_until_room(&mut self, count: u32) -> bool {
        self.ring.writer_waits.store(1, Relaxed);
        fence(SeqCst);
        self.room() < count
    }
}
