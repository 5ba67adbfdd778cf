//! What the kernel and the domains agree on: syscall numbers and status codes ([`syscall`]), capabilities
//! ([`cap`]), the page that a vCPU shares with its VMM ([`vcpu`]), the boot image ([`pack`]), what root is given
//! ([`boot`]) and the crash record ([`crash`]).
//!
//! May live here: plain data layouts and constants. May not: logic of either side, hardware access, `unsafe`.
//! The host tool reads the same definitions. Go next to `kernel/src/syscall.rs` (the callee) and `rt/src/sys.rs`
//! (the caller).
#![no_std]
#![forbid(unsafe_code)]

pub mod boot;
pub mod cap;
pub mod crash;
pub mod pack;
pub mod syscall;
pub mod vcpu;

/// Bytes in a page; the granule of all translation tables and of all frame accounting.
pub const PAGE_SIZE: u64 = 4096;
/// log2 of [`PAGE_SIZE`].
pub const PAGE_SHIFT: u32 = 12;
/// First address of the window that domains are linked in; no guest uses it, so counts by address tell them apart.
pub const DOMAIN_BASE: u64 = 0x7c_0000_0000;
/// Size of an intermediate physical (or domain) address space in bits: one level-1 root table of 512 entries.
pub const IPA_BITS: u32 = 39;
/// Most cores that the kernel drives.
pub const MAX_CORES: usize = 8;
