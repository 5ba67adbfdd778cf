//! What our bare-metal guests share: the arm64 Image header and entry, an identity map, the GICv3 CPU interface,
//! a polled PL011 and the PSCI calls.
//!
//! The guests run at EL1 on the memory map of QEMU's `virt` machine, on the bare machine as well as under a
//! hypervisor, and must not be able to tell: nothing here asks what is below. No heap, no device tree: the
//! addresses are constants of [`machine`].
//!
//! A guest defines `guest_main(dtb)`, links with `image.ld` and installs its own exception vectors.
#![no_std]

pub mod entry;
pub mod gic;
pub mod machine;
pub mod mmu;
pub mod psci;
pub mod sysreg;
pub mod uart;
