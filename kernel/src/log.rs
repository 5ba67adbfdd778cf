//! The kernel's log: the PL011 that the device tree names first. Used at boot, for the log syscall and crash records.
#![allow(unsafe_code, reason = "device registers")]

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

/// Writes text. Without the lock: only one core is up, or the kernel is dying, and another core may hold it.
pub fn text(text: &str) {
    text.bytes().for_each(put);
}

/// Writes ` name=0x…`, as [`text`].
pub fn word(name: &str, value: u64) {
    text(" ");
    text(name);
    text("=0x");
    let digits = 16 - (value | 1).leading_zeros() / 4;
    (0..digits).rev().for_each(|n| put(b"0123456789abcdef"[(value >> (4 * n)) as usize & 15]));
}
