//! A FIFO of 16 entries of up to 12 bits (data and error bits).

/// Entries.
pub const DEPTH: usize = 16;

/// Ring of [`DEPTH`] entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fifo {
    entries: [u16; DEPTH],
    first: u8,
    len: u8,
}

impl Fifo {
    pub const fn new() -> Self {
        Self { entries: [0; DEPTH], first: 0, len: 0 }
    }

    /// `len` entries, oldest first. `None` if there are more than [`DEPTH`].
    pub fn load(entries: [u16; DEPTH], len: u32) -> Option<Self> {
        (len as usize <= DEPTH).then_some(Self { entries, first: 0, len: len as u8 })
    }

    /// Entries with the oldest first, then what is left of those read before.
    pub fn save(&self) -> [u16; DEPTH] {
        let mut entries = self.entries;
        entries.rotate_left(self.first as usize % DEPTH);
        entries
    }

    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Appends; nothing if full.
    pub fn push(&mut self, entry: u16) {
        let slot = (self.first as usize + self.len()) % DEPTH;
        if let Some(place) = self.entries.get_mut(slot).filter(|_| (self.len as usize) < DEPTH) {
            *place = entry;
            self.len += 1;
        }
    }

    pub fn pop(&mut self) -> Option<u16> {
        self.len = self.len.checked_sub(1)?;
        let entry = self.last();
        self.first = (self.first + 1) % DEPTH as u8;
        Some(entry)
    }

    /// The entry at the read position, even when it is empty.
    pub fn last(&self) -> u16 {
        self.entries.get(self.first as usize % DEPTH).copied().unwrap_or(0)
    }

    /// Empties it. The read position stays: what a read of the empty FIFO gives must not depend on where the ring starts,
    /// which is not saved.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
