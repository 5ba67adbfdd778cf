//! The kernel's log: the PL011 that the device tree names as stdout. Used at boot, for the log syscall and crash records.
#![allow(unsafe_code, reason = "device registers")]

use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::lock::TicketLock;

static BASE: AtomicU64 = AtomicU64::new(0);
static LOCK: TicketLock<crate::memory::Wfe> = TicketLock::new();

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const CR: u64 = 0x30;
/// UARTEN, TXE, RXE.
const CR_ON: u32 = 0x301;
const FR_TXFF: u32 = 1 << 5;

/// Sets the address of the PL011, which must be mapped, and turns it on; speed and format stay as the firmware left them.
pub fn init(base: u64) {
    // SAFETY: the PL011's registers are mapped as device memory.
    unsafe { ((base + CR) as *mut u32).write_volatile(CR_ON) }
    BASE.store(base, Ordering::Relaxed);
}

/// Writes one byte; dropped when there is no UART, or when it stays full (a stuck UART must not stop the kernel).
fn put(byte: u8) {
    let base = BASE.load(Ordering::Relaxed);
    if base == 0 {
        return;
    }
    // SAFETY: the PL011's registers are mapped as device memory.
    unsafe {
        for _ in 0..1_000_000 {
            if ((base + FR) as *const u32).read_volatile() & FR_TXFF == 0 {
                ((base + DR) as *mut u32).write_volatile(u32::from(byte));
                return;
            }
        }
    }
}

/// Writes bytes as they are.
pub fn bytes(data: impl Iterator<Item = u8>) {
    let _guard = LOCK.lock();
    data.for_each(put);
}

struct Uart;
impl Write for Uart {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for byte in s.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

/// Prints formatted text.
pub fn print(args: fmt::Arguments) {
    let _guard = LOCK.lock();
    // The writer never fails.
    let _ = Uart.write_fmt(args);
}

/// Prints without the lock: the kernel is dying, another core may hold it.
pub fn print_dying(args: fmt::Arguments) {
    let _ = Uart.write_fmt(args);
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($arg:tt)*) => { $crate::log::print(format_args!("{}\n", format_args!($($arg)*))) };
}
