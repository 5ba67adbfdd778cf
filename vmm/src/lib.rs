//! The VMM's parts that need no kernel and are tested on the host: the boot protocol ([`boot`]), the machine's memory map
//! ([`machine`]) and device tree ([`tree`], written by [`fdt`]), a vCPU's state at reset ([`reset`]), exceptions injected
//! into a guest ([`inject`]), guests of 32-bit Arm ([`aarch32`]), a guest's stage-1 tables ([`walk`]), and its
//! emulated timers ([`ptimer`], [`timers`]).
//!
//! May live here: pure functions over plain data. May not: system calls, memory of guests (`main.rs` and its modules).
//! Nothing here panics on what a guest or a file holds. Go next to `main.rs`.
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

pub mod aarch32;
pub mod boot;
pub mod fdt;
pub mod inject;
pub mod machine;
pub mod ptimer;
pub mod reset;
pub mod syndrome;
pub mod timers;
pub mod tree;
pub mod walk;
