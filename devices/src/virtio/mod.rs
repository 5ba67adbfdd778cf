//! Virtio devices (VIRTIO 1.2): the MMIO transport ([`Transport`]), split virtqueues ([`Queue`], [`Chain`]) and the first
//! device on them, the console with its ports ([`console`]).
//!
//! ```text
//!   guest ──store to QueueNotify──▶ Transport ──Notify(n)──▶ device ──Queue::next──▶ Chain ──▶ buffers in guest RAM
//!   guest ◀──interrupt while InterruptStatus is not 0─── Transport ◀── device ◀──Queue::finish, used ring
//! ```
//!
//! The driver is not trusted. Rings and buffers are reached through [`Memory`], which refuses all that is not RAM; each
//! descriptor is read once into a [`Chain`], so that it cannot change between check and use. A driver that breaks the
//! rules of the ring gets DEVICE_NEEDS_RESET (2.1.2), and nothing happens until it resets the device.

mod chain;
pub mod console;
mod queue;
pub mod regs;
mod transport;

pub use chain::{Chain, Segment};
pub use queue::{Queue, QueueState};
pub use transport::{Event, STATE_VERSION, Transport, TransportState, no_device};

/// Most descriptors of a queue of any device here.
pub const MAX_QUEUE_SIZE: u16 = 32;

/// Guest RAM, by guest-physical address. Any address may come.
pub trait Memory {
    /// Copies bytes out of RAM; nothing if not all of them are RAM.
    fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()>;
    /// Copies `bytes` into RAM; nothing, and nothing is written, if not all of their places are RAM.
    fn write(&self, address: u64, bytes: &[u8]) -> Option<()>;
    /// Reads an aligned half-word in one access, before all that is read later (acquire).
    fn load(&self, address: u64) -> Option<u16>;
    /// Writes an aligned half-word in one access, after all that was written before (release).
    fn store(&self, address: u64, value: u16) -> Option<()>;
}

/// The driver broke the rules of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;
