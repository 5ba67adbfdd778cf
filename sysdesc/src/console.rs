//! The console server: what root gives it, and the stream that it speaks with programs.
//!
//! Channel 0 is root's, channel n + 1 is VM n's. Each channel is a `ring::Channel` in [`RING_PAGES`] pages: side 0 is
//! root's or the VMM's, side 1 is the server's.
//!
//! A terminal is shown one channel, or the lines of all with names before them. A program
//! ([`crate::SYSTEM_MUX`]) is sent all bytes of all channels: [`DLE`] and [`FIRST_CHANNEL`] + n say that
//! what follows is channel n's, [`DLE`] [`DLE`] is one such byte. What a program sends has the same marks.

use crate::MAX_VMS;
use crate::pack::NAME_LEN;

/// Most channels.
pub const MAX_CHANNELS: usize = 1 + MAX_VMS;
/// Pages of a channel's rings: two rings of 4 KiB and their header.
pub const RING_PAGES: u64 = 3;
/// Bytes of the output that the server keeps of each channel.
pub const HISTORY: u64 = 64 << 10;

/// Data link escape: the next byte says what is meant.
pub const DLE: u8 = 0x10;
/// After [`DLE`]: channel 0; larger bytes are the other channels.
pub const FIRST_CHANNEL: u8 = 0x40;

/// Where the server finds [`ConsoleInfo`], mapped read-only.
pub const INFO: u64 = 0x7c_4000_0000;
/// Where the server finds the physical PL011, mapped as a device.
pub const UART: u64 = 0x7c_5000_0000;
/// Where the server finds the rings of channel 0; those of the others follow.
pub const RINGS: u64 = 0x7c_5800_0000;
/// Where the server finds memory of [`HISTORY`] bytes for each channel.
pub const HISTORIES: u64 = 0x7c_6000_0000;

/// Slots of the server's capability table at start.
pub mod slot {
    /// The server's own domain.
    pub const SELF: u64 = 1;
    /// Its notification (READ): see [`super::signal`].
    pub const EVENTS: u64 = 2;
    /// Irq of the PL011.
    pub const UART_IRQ: u64 = 3;
    /// Root's notification (WRITE): everything was written that was there when root set [`super::signal::DRAIN`].
    pub const DRAINED: u64 = 4;
    /// Notifications (WRITE) of those who have the channels, one slot each; signalled with
    /// [`crate::worker::CONSOLE`]. Empty: nobody has the channel now.
    pub const OWNERS: u64 = 16;
}

/// Bits of the server's notification.
pub mod signal {
    /// The PL011's interrupt.
    pub const UART: u64 = 1;
    /// There is output, or room for input, in a channel.
    pub const CHANNEL: u64 = 2;
    /// Root wants to know when all output is out.
    pub const DRAIN: u64 = 4;
}

/// The page at [`INFO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ConsoleInfo {
    /// [`crate::SYSTEM_MAGIC`].
    pub magic: u64,
    /// Channels: one more than there are VMs.
    pub channels: u64,
    /// Whether it speaks with a program.
    pub mux: u64,
    /// CNTFRQ_EL0, Hz.
    pub cntfrq: u64,
    /// Names of the channels, zero padded.
    pub names: [[u8; NAME_LEN]; MAX_CHANNELS],
}

const _: () = assert!(size_of::<ConsoleInfo>() <= 4096);
