//! Lines for the kernel's log, through a machine capability.

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes that one `LOG` call takes.
const CHUNK: usize = 32;

static MACHINE: AtomicU64 = AtomicU64::new(0);

/// Sets the slot of the machine capability that [`log!`](crate::log!) writes through. Before that, lines are lost.
pub fn init(machine: u64) {
    MACHINE.store(machine, Ordering::Relaxed);
}

/// Writes one line to the kernel's log.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}

/// Writes `line` and its end to the kernel's log.
pub fn line(line: fmt::Arguments) {
    let machine = MACHINE.load(Ordering::Relaxed);
    if machine == 0 {
        return;
    }
    let mut writer = Writer { machine, buffer: [0; CHUNK], used: 0 };
    // The writer cannot fail; a formatter that does so costs its own line only.
    let _ = writer.write_fmt(line);
    let _ = writer.write_str("\n");
    writer.flush();
}

struct Writer {
    machine: u64,
    buffer: [u8; CHUNK],
    used: usize,
}

impl Writer {
    fn flush(&mut self) {
        let _ = crate::sys::log(self.machine, &self.buffer, self.used);
        self.buffer = [0; CHUNK];
        self.used = 0;
    }
}

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.used == CHUNK {
                self.flush();
            }
            if let Some(place) = self.buffer.get_mut(self.used) {
                *place = byte;
                self.used += 1;
            }
        }
        Ok(())
    }
}
