//! One channel: the rings that it shares with a VM (or root), its history, and where its view is.

use crate::history::History;
use ring::{Reader, Writer};

/// Most bytes taken from a ring at once, so that all have their turn.
const TURN: u64 = 4096;
/// Bytes that are copied at once.
const PIECE: usize = 256;

/// A channel.
pub struct Channel<'a> {
    /// Its name, for people.
    pub name: &'a str,
    /// What it wrote.
    pub history: History<'a>,
    /// What of that was sent to the UART.
    pub shown: u64,
    output: Reader<'a>,
    input: Writer<'a>,
    /// Output was read, input written, since the other side was asked whether it waits for that.
    touched: (bool, bool),
    /// Since when a byte of input waits for room.
    waits: Option<u64>,
    /// Its input is dropped: nobody reads it.
    deaf: bool,
    /// Bytes of input that were dropped.
    pub dropped: u64,
}

impl<'a> Channel<'a> {
    /// A channel with nothing in it yet.
    pub fn new(name: &'a str, history: History<'a>, output: Reader<'a>, input: Writer<'a>) -> Self {
        Self { name, history, shown: 0, output, input, touched: (false, false), waits: None, deaf: false, dropped: 0 }
    }

    /// Takes output from the ring. `held`: no byte that was not shown may go. Gives whether there was some.
    pub fn pull(&mut self, held: bool) -> bool {
        let kept = self.history.end().saturating_sub(self.shown.max(self.history.start()));
        let room = if held { self.history.capacity().saturating_sub(kept) } else { TURN };
        let mut left = room.min(TURN);
        let mut some = false;
        let mut buffer = [0; PIECE];
        while left != 0 {
            let wanted = buffer.get_mut(..left.min(PIECE as u64) as usize).unwrap_or_default();
            let count = self.output.read(wanted);
            if count == 0 {
                break;
            }
            self.history.extend(wanted.get(..count).unwrap_or_default());
            left -= count as u64;
            some = true;
        }
        self.touched.0 |= some;
        some
    }

    /// Bytes to show, at the cursor: as many as lie together, at most `limit`.
    pub fn chunk(&self, limit: u64) -> &[u8] {
        self.history.slice(self.shown.max(self.history.start()), limit)
    }

    /// So many bytes of [`Self::chunk`] were shown.
    pub fn sent(&mut self, count: usize) {
        self.shown = self.shown.max(self.history.start()).saturating_add(count as u64);
    }

    /// The next byte to show, at the cursor.
    pub fn take(&mut self) -> Option<u8> {
        self.shown = self.shown.max(self.history.start());
        let byte = self.history.get(self.shown)?;
        self.shown += 1;
        Some(byte)
    }

    /// Whether there is something to show.
    pub fn has_more(&self) -> bool {
        self.shown < self.history.end()
    }

    /// Whether everything that was written is in the history.
    pub fn is_empty(&mut self) -> bool {
        self.output.available() == 0
    }

    /// Whether the other side waits for what was done here since the last time, and has to be told.
    pub fn must_ring(&mut self) -> bool {
        let (read, written) = core::mem::take(&mut self.touched);
        // Both are asked: each is true once.
        (read && self.output.must_ring()) | (written && self.input.must_ring())
    }

    /// Sleeps until there is output; `false`: there is.
    pub fn sleep(&mut self) -> bool {
        self.output.sleep()
    }

    /// Takes a byte of input. `false`: it has no room, and has to be held back. When it was held back for long, the VM
    /// does not read, and input is dropped until it does.
    pub fn type_in(&mut self, byte: u8, now: u64, patience: u64) -> bool {
        // A look again after it has said that it waits, so that the VM tells of room.
        if self.input.push(byte) || !self.input.sleep() && self.input.push(byte) {
            (self.waits, self.deaf, self.touched.1) = (None, false, true);
            return true;
        }
        let since = *self.waits.get_or_insert(now);
        self.deaf |= now.saturating_sub(since) >= patience;
        self.dropped += u64::from(self.deaf);
        self.deaf
    }
}
