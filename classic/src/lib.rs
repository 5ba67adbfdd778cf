//! The classic engine: virtualisation by trap and emulate, without the help of the virtualization extension.
//!
//! Guest kernel and guest user both run at EL0. What a kernel may do and a user may not traps, and is done here on a
//! virtual EL1: [`insn`] says what an instruction is, [`table`] which there are and how each is handled, [`cpu`] holds
//! the registers of EL1 and executes, [`id`] says what the guest may know of its CPU. The guest's own page tables are read
//! by [`walk`] and translated into those that it runs on by [`shadow`].
//!
//! Pure state machines, as in `devices`: nothing here touches memory or the machine. What has to happen in the world is a
//! return value ([`cpu::Effect`], [`cpu::Changed`]), and the VMM (`vmm/src/el0/classic`) does it. Nothing panics on what a
//! guest holds. Read [`cpu`] first.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod cpu;
pub mod id;
pub mod insn;
pub mod reg;
pub mod shadow;
pub mod table;
pub mod tlbi;
pub mod walk;

pub use devices::idregs::{SysReg, sysreg};
