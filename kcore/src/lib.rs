//! Kernel algorithms that need no hardware: [`cap`] capability words, [`pt`] stage-2 tables, [`queue`] and [`timerq`]
//! lists, [`notify`] and [`mpsc`] cross-core words, [`lock`], [`vmid`], [`pool`] and [`attach`]
//! accounting, [`budget`] processor time, [`spsr`] masks of what a VMM may load, [`dt`] the device tree reader.
//!
//! May live here: logic over plain words and over small traits that the kernel implements on physical memory. May
//! not: registers, assembly, pointers (the one exception is the cell in [`lock`]), anything that panics.
//!
//! Objects are named by the address of their page, `u64`, 0 for none.
//!
//! Tests: `cargo test -p kcore`, and for the cross-core words all interleavings:
//! `RUSTFLAGS="--cfg loom" cargo test --release -p kcore --test 'loom_*'`. Next: `kernel/src`, which calls this.
#![cfg_attr(not(loom), no_std)]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

pub mod attach;
pub mod budget;
pub mod cap;
pub mod dt;
pub mod lock;
pub mod mpsc;
pub mod notify;
pub mod pool;
pub mod pt;
pub mod queue;
pub mod spsr;
pub mod timerq;
pub mod vmid;

/// The atomics, or their loom models.
mod sync {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
}
