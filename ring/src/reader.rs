//! The end that reads.

use crate::channel::Ring;
use crate::fence;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

/// Reads bytes from a ring.
#[derive(Debug)]
pub struct Reader<'a> {
    ring: Ring<'a>,
    /// What this side has read: the word in memory is for the other side to read.
    tail: u32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(ring: Ring<'a>) -> Self {
        Self { ring, tail: ring.tail.load(Relaxed) }
    }

    /// Bytes that are there to read. If the other side says that there are more than the ring holds, it is broken, or was
    /// and has been started anew: all of them are dropped.
    pub fn available(&mut self) -> u32 {
        let head = self.ring.head.load(Acquire);
        let there = head.wrapping_sub(self.tail);
        if there <= self.ring.capacity {
            return there;
        }
        self.tail = head;
        self.ring.tail.store(head, Release);
        0
    }

    /// The next byte, which stays there.
    pub fn peek(&mut self) -> Option<u8> {
        (self.available() != 0).then(|| self.byte(self.tail))
    }

    /// Takes the next byte.
    pub fn pop(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.skip(1);
        Some(byte)
    }

    /// Takes as many bytes as there are and as `buffer` holds; gives how many.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(self.available() as usize);
        let mut at = self.tail;
        let mut rest = buffer.get_mut(..count).unwrap_or_default();
        while !rest.is_empty() {
            // Whole words where there are some.
            let step = if at & 3 == 0 && rest.len() >= 4 { 4 } else { 1 };
            let Some((word, shift)) = self.ring.place(at) else { break };
            let bytes = (word.load(Relaxed) >> shift).to_le_bytes();
            let Some((now, later)) = core::mem::take(&mut rest).split_at_mut_checked(step) else { break };
            match now.first_chunk_mut::<4>() {
                Some(four) => *four = bytes,
                None => now.iter_mut().zip(bytes).for_each(|(to, from)| *to = from),
            }
            (at, rest) = (at.wrapping_add(step as u32), later);
        }
        self.skip(count as u32);
        count
    }

    fn byte(&self, position: u32) -> u8 {
        self.ring.place(position).map_or(0, |(word, shift)| (word.load(Relaxed) >> shift) as u8)
    }

    fn skip(&mut self, count: u32) {
        self.tail = self.tail.wrapping_add(count);
        // The loads of the bytes come before their places are free.
        self.ring.tail.store(self.tail, Release);
    }

    /// After reading: whether the writer sleeps, and must be rung for. True once for each of its [`crate::Writer::sleep`].
    #[must_use]
    pub fn must_ring(&self) -> bool {
        // Orders the tail before the look at the flag (the writer: the flag before its look at the tail).
        fence(SeqCst);
        self.ring.writer_waits.load(Relaxed) != 0 && self.ring.writer_waits.swap(0, Relaxed) != 0
    }

    /// Says that this side sleeps until there is a byte; `false`: there is one, go on.
    #[must_use]
    pub fn sleep(&mut self) -> bool {
        self.ring.reader_waits.store(1, Relaxed);
        fence(SeqCst);
        self.available() == 0
    }
}
