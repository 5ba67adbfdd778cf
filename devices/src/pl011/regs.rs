//! Offsets and bits of the PL011 (DDI 0183 chapter 3).

pub const DR: u64 = 0x00;
pub const RSR: u64 = 0x04;
pub const FR: u64 = 0x18;
pub const ILPR: u64 = 0x20;
pub const IBRD: u64 = 0x24;
pub const FBRD: u64 = 0x28;
pub const LCR_H: u64 = 0x2c;
pub const CR: u64 = 0x30;
pub const IFLS: u64 = 0x34;
pub const IMSC: u64 = 0x38;
pub const RIS: u64 = 0x3c;
pub const MIS: u64 = 0x40;
pub const ICR: u64 = 0x44;
pub const DMACR: u64 = 0x48;
pub const PERIPH_ID: u64 = 0xfe0;
pub const PERIPH_ID_LAST: u64 = 0xfff;

/// UARTPeriphID0–3 (part 011, Arm, r1p0 as QEMU reports) and UARTPCellID0–3.
pub const IDS: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// UARTDR: break error.
pub const DR_BE: u16 = 1 << 10;
/// UARTRSR: overrun error.
pub const RSR_OE: u32 = 1 << 3;

pub const FR_CTS: u32 = 1 << 0;
pub const FR_DSR: u32 = 1 << 1;
pub const FR_DCD: u32 = 1 << 2;
pub const FR_BUSY: u32 = 1 << 3;
pub const FR_RXFE: u32 = 1 << 4;
pub const FR_TXFF: u32 = 1 << 5;
pub const FR_RXFF: u32 = 1 << 6;
pub const FR_TXFE: u32 = 1 << 7;
pub const FR_RI: u32 = 1 << 8;

pub const LCR_BRK: u32 = 1 << 0;
pub const LCR_FEN: u32 = 1 << 4;

pub const CR_LBE: u32 = 1 << 7;
pub const CR_DTR: u32 = 1 << 10;
pub const CR_RTS: u32 = 1 << 11;
pub const CR_OUT1: u32 = 1 << 12;
pub const CR_OUT2: u32 = 1 << 13;
pub const CR_MASK: u32 = 0xffff;
/// TXE and RXE.
pub const CR_RESET: u32 = 0x300;

/// Both triggers at half.
pub const IFLS_RESET: u32 = 0x12;

pub const INT_RI: u32 = 1 << 0;
pub const INT_CTS: u32 = 1 << 1;
pub const INT_DCD: u32 = 1 << 2;
pub const INT_DSR: u32 = 1 << 3;
pub const INT_RX: u32 = 1 << 4;
pub const INT_TX: u32 = 1 << 5;
pub const INT_BE: u32 = 1 << 9;
pub const INT_OE: u32 = 1 << 10;
pub const INT_MODEM: u32 = INT_RI | INT_CTS | INT_DCD | INT_DSR;
pub const INT_ALL: u32 = 0x7ff;

/// Credit that is never spent.
pub const UNLIMITED: u32 = u32::MAX;
