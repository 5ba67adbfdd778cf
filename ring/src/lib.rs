//! Byte rings in memory that two parties share: a [`Channel`] is one in each direction. Consoles and virtio ports of VMs
//! use it, and so may guests.
//!
//! ```text
//!   word  0  magic (2 words), version, bytes per ring
//!   word 16  ring 0: head,  writer waits      side 0 writes ring 0 and reads ring 1,
//!   word 32  ring 0: tail,  reader waits      side 1 writes ring 1 and reads ring 0
//!   word 48  ring 1: head,  writer waits
//!   word 64  ring 1: tail,  reader waits
//!   word 128 bytes of ring 0, bytes of ring 1
//! ```
//! Head and tail count bytes and never stop growing (modulo 2^32); a ring has a power of two of bytes. A ring that is full
//! takes nothing: what does not fit stays with its writer.
//!
//! The other side is not trusted. It can write any word at any time, and thereby garble what is read or stop it; nothing
//! it writes leads out of the ring's bytes, into a panic or into an endless loop.
//!
//! Who sleeps says so first ([`Reader::sleep`], [`Writer::sleep`]), and is woken by the doorbell of whoever asks for it
//! ([`Writer::must_ring`], [`Reader::must_ring`]); the model of this protocol under loom is in `tests/loom_ring.rs`.
//!
//! May live here: the layout and its two ends. May not: doorbells, mappings, `unsafe`. Users make the slice of atomics
//! from mapped memory. Go next to `vmm/src/el0/serial.rs` and `drivers/console`.
#![no_std]
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg_attr(
    not(any(test, loom)),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod channel;
mod reader;
mod writer;

pub use channel::{Channel, OpenError, capacity_of, words_for};
pub use reader::Reader;
pub use writer::Writer;

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU32, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU32, fence};

/// A word of the shared memory, little-endian as all data here.
pub type Word = AtomicU32;

/// First two words: "SOSIARNG".
pub const MAGIC: u64 = u64::from_le_bytes(*b"SOSIARNG");
/// Third word.
pub const VERSION: u32 = 1;

/// Word indices of the header.
pub mod layout {
    /// [`super::MAGIC`], low half.
    pub const MAGIC_LOW: usize = 0;
    /// [`super::MAGIC`], high half.
    pub const MAGIC_HIGH: usize = 1;
    /// [`super::VERSION`].
    pub const VERSION: usize = 2;
    /// Bytes of each ring.
    pub const CAPACITY: usize = 3;
    /// Ring 0's first word: its head. The reader's words are in a cache line of their own.
    pub const RING: [usize; 2] = [16, 48];
    /// Words from a ring's head to the word that says that its writer waits for room.
    pub const WRITER_WAITS: usize = 1;
    /// Words from a ring's head to its tail.
    pub const TAIL: usize = 16;
    /// Words from a ring's head to the word that says that its reader waits for bytes.
    pub const READER_WAITS: usize = 17;
    /// First word of the bytes.
    #[cfg(not(loom))]
    pub const DATA: usize = 128;
    /// First word of the bytes: right behind the header, as models have little room.
    #[cfg(loom)]
    pub const DATA: usize = 66;
}
