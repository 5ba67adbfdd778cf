//! The microhypervisor: the only code at EL2.
//!
//! Lives here: boot, the objects of `object`, their syscalls, traps, the world switch, the physical interrupt
//! controller and timer. May not: device models, guests' device trees, boot protocols, policy: those are domains
//! (`root`, `vmm`). Algorithms that need no hardware are in `kcore`, where the host tests them.
//!
//! Read `trap` (how the kernel is entered), `switch` (what changes between guest, handler and thread), `sched` (who is
//! next), `syscall` (what domains can ask for), `destroy` (how an object ends).
#![no_std]
#![no_main]

mod arch;
mod caps;
mod config;
mod core_local;
mod crash;
mod create;
mod destroy;
mod domain;
mod exclusive;
mod frame;
mod gic;
mod ipc;
mod irq;
mod log;
mod memory;
mod mmu;
mod notify;
mod object;
mod power;
mod root;
mod sched;
mod shadow;
mod space;
mod start;
mod state;
mod stats;
mod switch;
mod syscall;
mod trap;
