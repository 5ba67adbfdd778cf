//! Device models of the user-level VMM, as pure state machines.
//!
//! Here lives what a guest sees of its platform: interrupt controller ([`vgic`]; its CPU interface
//! where that must be emulated: [`icc`]), UART ([`pl011`]), clock ([`pl031`]),
//! power control ([`psci`]), watchdog ([`watchdog`]), virtio devices ([`virtio`]), the loads and stores that must be
//! emulated by hand ([`a64`]) and what the guest may know of its CPU ([`idregs`]). No model does I/O, takes a lock, reads a
//! clock or makes a system call: what has to happen in the world is a return value, and the VMM does it; guest RAM and
//! channels are traits.
//!
//! Rules of all models: a register that does not exist, or an access of a width that it does not take, is RAZ/WI and
//! counted (`ignored`). `save` gives a plain versioned struct, `load` takes one from anywhere: any bit pattern is
//! accepted or refused with [`LoadError`], none panics.
//!
//! Next: `vmm` calls these models from its exit handlers. Their tests (`tests/`) drive them as a guest would.
#![no_std]
#![forbid(unsafe_code)]
#![allow(unexpected_cfgs, reason = "`--cfg loom` is set by RUSTFLAGS")]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod a64;
pub mod icc;
pub mod idregs;
pub mod pl011;
pub mod pl031;
pub mod psci;
pub mod vgic;
pub mod virtio;
pub mod watchdog;

/// Most vCPUs that a VM has.
pub const MAX_VCPUS: usize = 8;

/// Width of a guest's access to a device register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    B1,
    /// 16 bits.
    B2,
    /// 32 bits.
    B4,
    /// 64 bits.
    B8,
}

impl Width {
    /// From ESR_ELx.ISS.SAS (Arm ARM D24.2.40): log2 of the number of bytes. Bits above the field are ignored.
    pub const fn from_sas(sas: u64) -> Self {
        match sas & 3 {
            0 => Self::B1,
            1 => Self::B2,
            2 => Self::B4,
            _ => Self::B8,
        }
    }

    /// Number of bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::B1 => 1,
            Self::B2 => 2,
            Self::B4 => 4,
            Self::B8 => 8,
        }
    }

    /// Mask of the bits of a value of this width.
    pub const fn mask(self) -> u64 {
        match self {
            Self::B1 => 0xff,
            Self::B2 => 0xffff,
            Self::B4 => 0xffff_ffff,
            Self::B8 => u64::MAX,
        }
    }
}

/// Why a saved state was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// Unknown version of the struct.
    Version(u32),
    /// A field has a value that the device cannot have.
    Field(&'static str),
}
