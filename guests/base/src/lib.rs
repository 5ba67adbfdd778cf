//! What our bare-metal guests share: the arm64 Image header and entry, an identity map, the GICv3 CPU interface,
//! a polled PL011, the PSCI calls and the command line.
//!
//! The guests run at EL1 on the memory map of QEMU's `virt` machine, on the bare machine as well as under a
//! hypervisor, and must not be able to tell: nothing here asks what is below. No heap; addresses are
//! constants of [`machine`].
//!
//! A guest defines `guest_main(dtb)`, links with `image.ld` and installs exception vectors: those of
//! [`irq`], or its own.
#![no_std]

pub mod args;
pub mod code;
pub mod entry;
pub mod gic;
pub mod guard;
pub mod irq;
pub mod machine;
pub mod mmu;
pub mod psci;
pub mod smp;
pub mod sysreg;
pub mod uart;
