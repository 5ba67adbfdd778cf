//! The parts of root that need no kernel: which slots and memory are free, where vCPUs go, who hears which doorbell,
//! what follows when a VM stops, and whether a VMM lives.
//!
//! May live here: pure logic, tested on the host. May not: system calls (`main.rs` and what it names).
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod dt;
pub mod free;
pub mod need;
pub mod place;
pub mod policy;
pub mod pulse;
pub mod slots;
pub mod wiring;

pub use free::{Frame, Free, Split};
pub use slots::Slots;
