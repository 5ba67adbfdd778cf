//! Writes a flattened device tree (Devicetree Specification 0.4, chapter 5) into a buffer, in one pass.
//!
//! ```text
//! header │ empty memory reservation block │ structure block … │ strings block
//! ```
//! Strings are gathered beside and follow the structure at the end. A buffer that is too small makes [`Writer::finish`]
//! fail, nothing else.

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const END: u32 = 9;
const MAGIC: u32 = 0xd00d_feed;
/// Version of the format, and the oldest that a reader may know.
const VERSION: (u32, u32) = (17, 16);
const HEADER_SIZE: usize = 40;
/// One terminating entry of two words.
const RESERVATIONS_SIZE: usize = 16;
/// Room for property names.
const STRINGS_SIZE: usize = 512;

/// A device tree being written.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    used: usize,
    strings: [u8; STRINGS_SIZE],
    strings_used: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Begins a tree in `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let mut writer = Self { buffer, used: 0, strings: [0; STRINGS_SIZE], strings_used: 0, overflow: false };
        writer.bytes(&[0; HEADER_SIZE + RESERVATIONS_SIZE]);
        writer
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let place = self.buffer.get_mut(self.used..).and_then(|rest| rest.get_mut(..bytes.len()));
        match place {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.used = self.used.saturating_add(bytes.len());
            }
            None => self.overflow = true,
        }
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }

    fn align(&mut self) {
        while !self.used.is_multiple_of(4) && !self.overflow {
            self.bytes(&[0]);
        }
    }

    /// Offset of a property's name in the strings block.
    fn string(&mut self, name: &str) -> u32 {
        let known = self.strings.get(..self.strings_used).unwrap_or_default();
        let found = known
            .windows(name.len().saturating_add(1))
            .position(|window| window.strip_suffix(&[0]) == Some(name.as_bytes()));
        let offset = found.unwrap_or(self.strings_used);
        if found.is_none() {
            let end = self.strings_used.saturating_add(name.len());
            match self.strings.get_mut(self.strings_used..end) {
                Some(place) if end < STRINGS_SIZE => {
                    place.copy_from_slice(name.as_bytes());
                    self.strings_used = end.saturating_add(1);
                }
                _ => self.overflow = true,
            }
        }
        offset as u32
    }

    /// A node named `name` with what `inside` writes.
    pub fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.word(BEGIN_NODE);
        self.bytes(name.as_bytes());
        self.bytes(&[0]);
        self.align();
        inside(self);
        self.word(END_NODE);
    }

    /// A node whose name ends in `@address` in hexadecimal.
    pub fn node_at(&mut self, name: &str, address: u64, inside: impl FnOnce(&mut Self)) {
        self.word(BEGIN_NODE);
        self.bytes(name.as_bytes());
        self.bytes(b"@");
        let digits = (64u32.saturating_sub(address.leading_zeros())).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            let nibble = (address >> digit.saturating_mul(4)) as u32 & 15;
            self.bytes(&[char::from_digit(nibble, 16).unwrap_or('0') as u8]);
        }
        self.bytes(&[0]);
        self.align();
        inside(self);
        self.word(END_NODE);
    }

    /// A property of any bytes.
    pub fn property(&mut self, name: &str, value: &[u8]) {
        let name = self.string(name);
        self.word(PROP);
        self.word(value.len() as u32);
        self.word(name);
        self.bytes(value);
        self.align();
    }

    /// A property of 32-bit cells.
    pub fn cells(&mut self, name: &str, cells: &[u32]) {
        let name = self.string(name);
        self.word(PROP);
        self.word((cells.len() as u32).saturating_mul(4));
        self.word(name);
        cells.iter().for_each(|&cell| self.word(cell));
    }

    /// A `reg` property with one range, for two address and two size cells.
    pub fn reg(&mut self, ranges: &[(u64, u64)]) {
        let name = self.string("reg");
        self.word(PROP);
        self.word((ranges.len() as u32).saturating_mul(16));
        self.word(name);
        for &(base, size) in ranges {
            self.bytes(&base.to_be_bytes());
            self.bytes(&size.to_be_bytes());
        }
    }

    /// A property of strings.
    pub fn strings(&mut self, name: &str, strings: &[&str]) {
        let name = self.string(name);
        let length = strings.iter().fold(0usize, |sum, text| sum.saturating_add(text.len()).saturating_add(1));
        self.word(PROP);
        self.word(length as u32);
        self.word(name);
        for text in strings {
            self.bytes(text.as_bytes());
            self.bytes(&[0]);
        }
        self.align();
    }

    /// Ends the tree; gives its bytes, or nothing if the buffer was too small.
    pub fn finish(mut self) -> Option<usize> {
        self.word(END);
        let structure = HEADER_SIZE.saturating_add(RESERVATIONS_SIZE);
        let strings = self.used;
        let (text, length) = (self.strings, self.strings_used);
        self.bytes(text.get(..length)?);
        let header = [
            MAGIC,
            self.used as u32,
            structure as u32,
            strings as u32,
            HEADER_SIZE as u32,
            VERSION.0,
            VERSION.1,
            0,
            length as u32,
            strings.saturating_sub(structure) as u32,
        ];
        let place = self.buffer.get_mut(..HEADER_SIZE)?;
        for (bytes, word) in place.as_chunks_mut::<4>().0.iter_mut().zip(header) {
            *bytes = word.to_be_bytes();
        }
        (!self.overflow).then_some(self.used)
    }
}
