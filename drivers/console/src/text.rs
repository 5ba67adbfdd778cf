//! Text of the server's own that waits to be sent: marks, prefixes, messages.

use core::fmt::{self, Write};

/// Bytes of the longest message: the help with the names of all VMs.
const SIZE: usize = 4096;

/// A buffer that is filled while empty, then sent byte by byte. What does not fit is cut off.
#[derive(Debug)]
pub struct Text {
    bytes: [u8; SIZE],
    first: usize,
    end: usize,
}

impl Text {
    /// An empty one.
    pub const fn new() -> Self {
        Self { bytes: [0; SIZE], first: 0, end: 0 }
    }

    /// The next byte to send.
    pub fn pop(&mut self) -> Option<u8> {
        if self.first == self.end {
            (self.first, self.end) = (0, 0);
            return None;
        }
        let byte = self.bytes.get(self.first).copied();
        self.first += 1;
        byte
    }

    /// Whether all was sent.
    pub fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// Appends a byte.
    pub fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.end) {
            *place = byte;
            self.end += 1;
        }
    }

    /// Appends a line of the server's own.
    pub fn message(&mut self, message: fmt::Arguments) {
        // Neither the writer nor what is written fails.
        let _ = write!(self, "[sosia: {message}]\r\n");
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}
