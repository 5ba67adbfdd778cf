//! The dump, collected in memory so that reading the UART's reset state comes before its first use.
#![allow(unsafe_code)] // Memory of its own, outside of what entry clears.

use core::fmt::{self, Write};
use core::mem::MaybeUninit;

use guest_base::uart;

const SIZE: usize = 1 << 20;

#[unsafe(link_section = ".noinit")]
static mut BUFFER: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();

/// Lines that were not printed yet.
pub struct Report {
    bytes: &'static mut [u8],
    used: usize,
}

impl Report {
    /// The report of this program; called once.
    pub fn take() -> Self {
        let start = &raw mut BUFFER;
        // SAFETY: the buffer is used nowhere else, and `take` is called once, by the only CPU. It is written here
        // before it is seen as bytes.
        let bytes = unsafe {
            (*start).as_mut_ptr().write_bytes(0, 1);
            (*start).assume_init_mut()
        };
        Self { bytes, used: 0 }
    }

    /// Adds one line; what does not fit any more ends the dump, so that it is seen to be incomplete.
    pub fn line(&mut self, text: fmt::Arguments) {
        let done = self.write_fmt(text).and_then(|()| self.write_str("\n"));
        assert!(done.is_ok(), "report is full");
    }

    /// Prints and forgets all lines.
    pub fn flush(&mut self) {
        uart::bytes(self.bytes.get(..self.used).unwrap_or_default());
        self.used = 0;
    }
}

impl Write for Report {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.used + text.len();
        self.bytes.get_mut(self.used..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.used = end;
        Ok(())
    }
}
