//! Polled output over the PL011.
#![allow(unsafe_code)] // Register access by address.

use core::fmt::{self, Write};

use crate::machine::UART;

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const FR_TXFF: u32 = 1 << 5;
const FR_RXFE: u32 = 1 << 4;
const FR_BUSY: u32 = 1 << 3;

fn read(offset: u64) -> u32 {
    let value: u32;
    // SAFETY: the PL011 is at this address on every machine the guests are made for; its reads have no effect on
    // memory.
    unsafe { core::arch::asm!("ldr {:w}, [{}]", out(reg) value, in(reg) UART + offset, options(nostack)) };
    value
}

fn write(offset: u64, value: u32) {
    // SAFETY: as for `read`; no DMA, so memory is not touched.
    unsafe { core::arch::asm!("str {:w}, [{}]", in(reg) value, in(reg) UART + offset, options(nostack)) };
}

/// Enables the transmitter: 8 bits, FIFOs on (PL011 TRM, DDI 0183, 3.3.7 and 3.3.8).
pub fn init() {
    write(LCR_H, 0x70);
    write(CR, 0x301);
}

/// Writes bytes as they are.
pub fn bytes(bytes: &[u8]) {
    for &byte in bytes {
        while read(FR) & FR_TXFF != 0 {}
        write(DR, u32::from(byte));
    }
}

/// A byte that has come in.
pub fn take() -> Option<u8> {
    (read(FR) & FR_RXFE == 0).then(|| read(DR) as u8)
}

/// Waits until the last character has left.
pub fn flush() {
    while read(FR) & FR_BUSY != 0 {}
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        bytes(text.as_bytes());
        Ok(())
    }
}

/// Writes one line.
pub fn line(text: fmt::Arguments) {
    // `Uart` never fails, and an error of a value's own formatter has nowhere else to go.
    let _ = Uart.write_fmt(text);
    bytes(b"\n");
}
