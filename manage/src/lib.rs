//! The management channel: how the host tool asks a running system (`sosia ps`, `top`, `vm`), over a serial line.
//!
//! ```text
//!   frame = COBS( id, body, CRC-32 ), 0          id: u16; body: Request or Reply, in postcard's encoding
//! ```
//! The host sends requests, one at a time; root answers each with the request's id. COBS leaves no zero in a frame, so
//! that a zero always ends one: after garbage both sides are in step again with the next zero. What has a wrong checksum
//! is dropped without an answer, and counted.
//!
//! [`VERSION`] rises with each change of [`Request`] or [`Reply`]. `Hello` is the first variant of both, and its first
//! field is the sender's version, in all versions: each side can tell the other's and say so.
//!
//! May live here: messages, framing, the server's side of it as a state machine ([`server`]). May not: devices, sockets.
//! Go next to `root/src/manage.rs` (the server) and `cli/src/manage.rs` (the client).
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

pub mod frame;
pub mod message;
pub mod server;

pub use frame::{Deframer, FrameError, MAX_FRAME, decode, encode};
pub use message::{
    Cause, Command, Counters, Hello, Name, Refusal, Reply, Request, State, Stop, VcpuInfo, VmInfo, counts,
};

/// Version of the messages.
pub const VERSION: u16 = 1;
