//! What runs at EL0: set-up, exit handlers, input.

mod call;
mod host;
mod irq;
mod memory;
mod mmio;
mod page;
mod serial;
mod slow;
pub mod start;
mod sysreg;
mod vcpu;
mod vm;
