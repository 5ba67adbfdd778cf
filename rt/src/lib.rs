//! Runtime of EL0 domains: start-up ([`main!`]), system calls ([`sys`]), logging ([`log!`]), panics, locks
//! ([`lock`]), the machine ([`boot`], for the first domain), memory shared with devices and with the kernel ([`volatile`]), cache maintenance ([`cache`]) and the
//! entry of vCPU handlers ([`vcpu_handler!`]).
//!
//! May live here: what every domain needs. May not: what only one of them needs, allocation, device models.
//! Domains are linked by `domain.ld` (see [`abi::DOMAIN_BASE`]). On a host only what needs no EL0 is compiled.
//! Go next to `abi/src/syscall.rs`.
#![no_std]

pub mod lock;
pub mod volatile;

#[cfg(target_os = "none")]
pub mod boot;
#[cfg(target_os = "none")]
pub mod cache;
#[cfg(target_os = "none")]
pub mod log;
#[cfg(target_os = "none")]
mod start;
#[cfg(target_os = "none")]
pub mod sys;

#[cfg(target_os = "none")]
pub use start::{PANIC_EXIT, STACK, Stack};

pub use abi;
