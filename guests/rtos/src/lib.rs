//! The pure parts of the real-time guest, which the host tests: controller and plant, statistics of lateness, commands.
//! The guest itself is `main.rs`.
#![no_std]
#![forbid(unsafe_code)]

pub mod controller;
pub mod lateness;
pub mod shell;
