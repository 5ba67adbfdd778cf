//! Saved state.

use super::{Changed, Cpu, Features, Identity, Masks, Slot, mode};
use devices::LoadError;

/// Version of [`State`].
pub const STATE_VERSION: u32 = 1;

/// State of a [`Cpu`]; what the hardware holds ([`super::Frame`]) is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// PSTATE.M: one of [`mode`].
    pub mode: u32,
    /// By [`Slot`].
    pub regs: [u64; Slot::COUNT],
}

impl Cpu {
    /// Its state.
    pub const fn save(&self) -> State {
        State { version: STATE_VERSION, mode: self.mode as u32, regs: self.regs }
    }

    /// From a saved state. Bits that a register does not have are dropped.
    pub fn load(state: &State, identity: Identity, features: Features) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        let mode = u64::from(state.mode);
        if !matches!(mode, mode::EL0T | mode::EL1T | mode::EL1H) {
            return Err(LoadError::Field("mode"));
        }
        let mut cpu = Self::new(identity, features);
        let masks: Masks = cpu.masks;
        for ((place, mask), value) in cpu.regs.iter_mut().zip(masks.0).zip(state.regs) {
            // RES1 bits are in the reset values.
            *place |= value & mask;
        }
        cpu.mode = mode;
        cpu.changed = Changed::ALL;
        Ok(cpu)
    }
}
