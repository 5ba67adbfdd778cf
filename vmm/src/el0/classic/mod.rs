//! The classic engine: a VM without the virtualisation extensions (`docs/internals/classic.md`). Guest kernel and guest user run at EL0, and
//! all that a kernel may do more traps; crate `classic` knows what it means. Here it meets the kernel, memory and devices.
//!
//! ```text
//!   exit ─ handler ─┬─ instruction ── code (fetch) ── Cpu::execute ── effect ─┬─ interrupt, mmio, call: as any VM
//!                   ├─ abort ── shadow MMU ── SHADOW_MAP, or a device         └─ TLBI, AT: shadow MMU
//!                   └─ virtual IRQ, kick, timer
//!          resume ◄─ settle: what the hardware must be told (view, gates, pending IRQ)
//! ```
//! Lock order: the VM's [`Shadow`], then a vCPU's [`Virtual`]. Neither is held while a lock of the others (redistributor,
//! distributor, devices) is taken. Unlike those the shadow's is held over system calls, which change the very tables that
//! it describes; they are bounded, and who waits for it gives its core away.

mod abort;
mod code;
mod effect;
mod frame;
mod handler;
mod interrupt;
mod memory;
mod settle;
mod start;
mod table;
mod vcpus;

pub use handler::entry_address;
pub use interrupt::{exact_lrs, update_timer};
pub use start::{engine, make, vcpu};
pub use vcpus::restart;
