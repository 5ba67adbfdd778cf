//! What runs at EL0: set-up, exit handlers, input.

mod aarch32;
mod bell;
mod call;
mod classic;
#[cfg(feature = "fault-test")]
mod fault;
mod host;
mod irq;
mod memory;
mod mmio;
mod page;
mod plan;
mod ports;
mod serial;
mod slow;
pub mod start;
mod stats;
mod sysreg;
mod vcpu;
mod vm;
mod watchdog;
