//! Saved state. RAM and CPU are the machine's and are given again at load.

use super::{NotAffected, Power, Psci};
use crate::{LoadError, MAX_VCPUS};
use core::ops::Range;

/// Version of [`PsciState`].
pub const STATE_VERSION: u32 = 1;

/// State of a [`Psci`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PsciState {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// Number of vCPUs, 1..=8.
    pub cpus: u32,
    /// [`Power`] of each.
    pub power: [u8; MAX_VCPUS],
    /// Calls that were not known.
    pub ignored: u32,
}

impl Psci {
    /// Its state.
    pub fn save(&self) -> PsciState {
        PsciState {
            version: STATE_VERSION,
            cpus: self.cpus as u32,
            power: self.power.map(|p| p as u8),
            ignored: self.ignored,
        }
    }

    /// From a saved state, for a machine as in [`Psci::new`].
    pub fn load(state: &PsciState, ram: Range<u64>, not_affected: NotAffected) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        if state.cpus == 0 || state.cpus > MAX_VCPUS as u32 {
            return Err(LoadError::Field("cpus"));
        }
        let mut psci = Self::new(state.cpus as u8, ram, not_affected);
        for (power, &saved) in psci.power.iter_mut().zip(&state.power) {
            *power = match saved {
                0 => Power::On,
                1 => Power::Off,
                2 => Power::OnPending,
                _ => return Err(LoadError::Field("power")),
            };
        }
        psci.ignored = state.ignored;
        Ok(psci)
    }
}
