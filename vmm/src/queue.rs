//! A queue of bytes between two threads, without a lock: console input from the worker to the handlers.

use core::sync::atomic::{
    AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

/// Bytes that wait; a power of two.
const SIZE: usize = 256;

/// The queue. One thread at a time pushes, and one at a time pops (the handlers do so under the UART's lock).
#[derive(Debug)]
pub struct Queue {
    bytes: [AtomicU8; SIZE],
    pushed: AtomicUsize,
    popped: AtomicUsize,
}

impl Queue {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [const { AtomicU8::new(0) }; SIZE], pushed: AtomicUsize::new(0), popped: AtomicUsize::new(0) }
    }

    /// Whether there is no room, as far as the one who pushes can tell.
    pub fn is_full(&self) -> bool {
        self.pushed.load(Relaxed).wrapping_sub(self.popped.load(Acquire)) >= SIZE
    }

    /// Appends a byte; the caller has seen that there is room.
    ///
    /// The acquire of `popped` in `is_full` orders this store after the read of what was there.
    pub fn push(&self, byte: u8) {
        let at = self.pushed.load(Relaxed);
        if let Some(place) = self.bytes.get(at % SIZE) {
            place.store(byte, Relaxed);
        }
        self.pushed.store(at.wrapping_add(1), Release);
    }

    /// The oldest byte.
    pub fn peek(&self) -> Option<u8> {
        let at = self.popped.load(Relaxed);
        if at == self.pushed.load(Acquire) {
            return None;
        }
        self.bytes.get(at % SIZE).map(|byte| byte.load(Relaxed))
    }

    /// Drops the oldest byte, which [`Queue::peek`] gave.
    pub fn pop(&self) {
        self.popped.store(self.popped.load(Relaxed).wrapping_add(1), Release);
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn peek_of_an_empty_queue_gives_nothing() {
        assert_eq!(Queue::new().peek(), None);
    }

    #[test]
    fn queue_is_full_after_as_many_bytes_as_it_holds() {
        let queue = Queue::new();

        (0..SIZE).for_each(|_| queue.push(0));

        assert!(queue.is_full());
        queue.pop();
        assert!(!queue.is_full());
    }

    #[test]
    fn bytes_come_out_of_another_thread_in_order() {
        const BYTES: usize = 10_000;
        let queue = Queue::new();

        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..BYTES {
                    while queue.is_full() {
                        std::thread::yield_now();
                    }
                    queue.push(n as u8);
                }
            });
            for n in 0..BYTES {
                while queue.peek().is_none() {
                    std::thread::yield_now();
                }
                assert_eq!(queue.peek(), Some(n as u8));
                queue.pop();
            }
        });
    }
}
