//! The layout in memory, and the way to its two ends.

use crate::{MAGIC, Reader, VERSION, Word, Writer, layout};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Why memory is no channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It does not start with [`MAGIC`]: nobody has made a channel there yet.
    NoChannel,
    /// Another version.
    Version(u32),
    /// Its rings do not fit in the memory, or are no power of two.
    Capacity(u32),
}

/// Two rings in a slice of words.
#[derive(Clone, Copy, Debug)]
pub struct Channel<'a> {
    words: &'a [Word],
    capacity: u32,
}

/// Bytes that each ring has in a channel of `words` words: the largest power of two; 0: too small.
#[must_use]
pub const fn capacity_of(words: usize) -> u32 {
    // Two rings share the words behind the header: half as many words for each, four bytes a word.
    let bytes = words.saturating_sub(layout::DATA).saturating_mul(2);
    match bytes {
        0..4 => 0,
        bytes if bytes >= 1 << 30 => 1 << 30,
        bytes => 1 << bytes.ilog2(),
    }
}

/// Words that a channel with rings of `capacity` bytes takes.
#[must_use]
pub const fn words_for(capacity: u32) -> usize {
    layout::DATA.saturating_add((capacity as usize).div_ceil(2))
}

impl<'a> Channel<'a> {
    /// Makes an empty channel of all of `words`. `None`: there are too few. Nobody may use the memory meanwhile.
    #[must_use]
    pub fn format(words: &'a [Word]) -> Option<Self> {
        let capacity = capacity_of(words.len());
        if capacity == 0 {
            return None;
        }
        let set = |index: usize, value: u32| words.get(index).map(|word| word.store(value, Relaxed));
        for ring in layout::RING {
            // Whoever reads or writes first is told.
            for (offset, value) in [(0, 0), (layout::TAIL, 0), (layout::WRITER_WAITS, 0), (layout::READER_WAITS, 1)] {
                set(ring.saturating_add(offset), value)?;
            }
        }
        set(layout::CAPACITY, capacity)?;
        set(layout::VERSION, VERSION)?;
        set(layout::MAGIC_HIGH, (MAGIC >> 32) as u32)?;
        words.get(layout::MAGIC_LOW)?.store(MAGIC as u32, Release);
        Some(Self { words, capacity })
    }

    /// The channel that someone made of `words`, or of the first part of them.
    pub fn open(words: &'a [Word]) -> Result<Self, OpenError> {
        let word = |index: usize| words.get(index).map_or(0, |word| word.load(Acquire));
        if u64::from(word(layout::MAGIC_LOW)) | u64::from(word(layout::MAGIC_HIGH)) << 32 != MAGIC {
            return Err(OpenError::NoChannel);
        }
        if word(layout::VERSION) != VERSION {
            return Err(OpenError::Version(word(layout::VERSION)));
        }
        let capacity = word(layout::CAPACITY);
        if capacity < 4 || !capacity.is_power_of_two() || capacity > capacity_of(words.len()) {
            return Err(OpenError::Capacity(capacity));
        }
        Ok(Self { words, capacity })
    }

    /// The channel that fills `words`, of which both sides know that it is one: what the header says is not looked at.
    #[must_use]
    pub fn known(words: &'a [Word]) -> Option<Self> {
        let capacity = capacity_of(words.len());
        (capacity != 0).then_some(Self { words, capacity })
    }

    /// Bytes of each ring.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The end of `side` (0, or 1 for any other number), where whoever had it before has left it. One party at a time has it.
    #[must_use]
    pub fn side(self, side: u64) -> Option<(Writer<'a>, Reader<'a>)> {
        let own = usize::from(side != 0);
        let writer = Writer::new(Ring::new(self, own)?);
        let reader = Reader::new(Ring::new(self, own ^ 1)?);
        Some((writer, reader))
    }
}

/// One ring: its control words and its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ring<'a> {
    pub head: &'a Word,
    pub writer_waits: &'a Word,
    pub tail: &'a Word,
    pub reader_waits: &'a Word,
    data: &'a [Word],
    pub capacity: u32,
}

impl<'a> Ring<'a> {
    fn new(channel: Channel<'a>, index: usize) -> Option<Self> {
        let first = *layout::RING.get(index)?;
        let word = |offset: usize| channel.words.get(first.checked_add(offset)?);
        let words = (channel.capacity / 4) as usize;
        let start = layout::DATA.checked_add(if index == 0 { 0 } else { words })?;
        Some(Self {
            head: word(0)?,
            writer_waits: word(layout::WRITER_WAITS)?,
            tail: word(layout::TAIL)?,
            reader_waits: word(layout::READER_WAITS)?,
            data: channel.words.get(start..)?.get(..words)?,
            capacity: channel.capacity,
        })
    }

    /// The word with the byte at `position`, and the byte's shift in it.
    #[inline]
    pub fn place(&self, position: u32) -> Option<(&'a Word, u32)> {
        let at = position & self.capacity.wrapping_sub(1);
        self.data.get((at >> 2) as usize).map(|word| (word, (at & 3) << 3))
    }
}
