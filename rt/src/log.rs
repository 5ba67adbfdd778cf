//! Lines for people: to where the domain says ([`set_sink`]), else to the kernel's log through a machine capability.

use crate::lock::SpinLock;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes that one `LOG` call takes.
const CHUNK: usize = 32;
/// Longest line, with its end; what is longer is cut off.
const LINE: usize = 512;

/// Takes a line with its end (`\r\n`); `false`: it cannot.
pub type Sink = fn(&[u8]) -> bool;

static MACHINE: AtomicU64 = AtomicU64::new(0);
static SINK: SpinLock<Option<Sink>> = SpinLock::new(None);

/// Sets the slot of the machine capability that lines go to where there is no sink. Without either, lines are lost.
pub fn init(machine: u64) {
    MACHINE.store(machine, Ordering::Relaxed);
}

/// Sets where lines go from now on.
pub fn set_sink(sink: Sink) {
    *SINK.lock() = Some(sink);
}

/// Writes one line.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::log::line(format_args!($($argument)*)) };
}

/// Writes `line` and its end.
pub fn line(line: fmt::Arguments) {
    let mut writer = Line { bytes: [0; LINE], used: 0 };
    // The writer cannot fail; a formatter that does so costs its own line only.
    let _ = writer.write_fmt(line);
    let _ = writer.bytes.get_mut(writer.used..).and_then(|rest| rest.first_chunk_mut()).map(|end| *end = *b"\r\n");
    let line = writer.bytes.get(..writer.used.saturating_add(2)).unwrap_or_default();
    let sink = *SINK.lock();
    if !sink.is_some_and(|sink| sink(line)) {
        to_kernel(line);
    }
}

fn to_kernel(line: &[u8]) {
    let machine = MACHINE.load(Ordering::Relaxed);
    if machine == 0 {
        return;
    }
    for chunk in line.chunks(CHUNK) {
        let mut bytes = [0; CHUNK];
        bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        let _ = crate::sys::log(machine, &bytes, chunk.len());
    }
}

struct Line {
    bytes: [u8; LINE],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Room for the end is kept.
        let free = self.bytes.get_mut(self.used..LINE - 2).unwrap_or_default();
        let count = text.len().min(free.len());
        free.iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        self.used += count;
        Ok(())
    }
}
