//! Saved state (a versioned plain struct).

use super::{CpuInterface, PRIORITY_MASK};
use crate::LoadError::{self, Field, Version};
use crate::vgic::MAX_LRS;

/// Version of [`State`].
pub const STATE_VERSION: u32 = 1;
/// Least ICC_BPR0_EL1 with 5 bits of preemption; that of ICC_BPR1_EL1 is one more.
pub(super) const MIN_BPR: u8 = 2;
/// ICC_CTLR_EL1.CBPR and EOImode.
const CONTROL: u32 = 3;

/// State of a [`CpuInterface`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// ICC_CTLR_EL1.{EOImode, CBPR}, bits 1 and 0.
    pub ctlr: u32,
    /// ICC_PMR_EL1.
    pub pmr: u32,
    /// ICC_BPR0_EL1, ICC_BPR1_EL1.
    pub bpr: [u32; 2],
    /// ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1.
    pub igrpen: [u32; 2],
    /// ICC_AP0R0_EL1, ICC_AP1R0_EL1.
    pub apr: [u32; 2],
    /// 0.
    pub reserved: u32,
    /// List registers.
    pub lr: [u64; MAX_LRS],
}

impl CpuInterface {
    /// Its state.
    pub fn save(&self) -> State {
        State {
            version: STATE_VERSION,
            ctlr: self.control() as u32 & CONTROL,
            pmr: self.pmr.into(),
            bpr: self.bpr.map(u32::from),
            igrpen: self.enabled.map(u32::from),
            apr: self.apr,
            reserved: 0,
            lr: self.lrs(),
        }
    }

    /// From a saved state. Refused: another version, values that the registers cannot have.
    pub fn load(state: &State) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(Version(state.version));
        }
        let [bpr0, bpr1] = state.bpr;
        let [enabled0, enabled1] = state.igrpen;
        let least = u32::from(MIN_BPR);
        for (ok, field) in [
            (state.ctlr & !CONTROL == 0, "ctlr"),
            (state.pmr & !u32::from(PRIORITY_MASK) == 0, "pmr"),
            ((least..8).contains(&bpr0) && (least + 1..8).contains(&bpr1), "bpr"),
            (enabled0 | enabled1 <= 1, "igrpen"),
            (state.reserved == 0, "reserved"),
            (state.lr.iter().all(|lr| lr & !super::LR_MASK == 0), "lr"),
        ] {
            if !ok {
                return Err(Field(field));
            }
        }
        let mut interface = Self::new();
        interface.common_bpr = state.ctlr & 1 != 0;
        interface.eoi_split = state.ctlr & 2 != 0;
        interface.pmr = state.pmr as u8;
        interface.bpr = state.bpr.map(|point| point as u8);
        interface.enabled = state.igrpen.map(|on| on != 0);
        interface.apr = state.apr;
        interface.set_preempting();
        (0..).zip(state.lr).for_each(|(n, lr)| interface.install(n, lr));
        Ok(interface)
    }
}
