//! The registers by their encodings (IHI0069 12.2).

use super::state::MIN_BPR;
use super::{CpuInterface, Effect, Group, pair_mut};
use crate::idregs::{SysReg, sysreg};

/// ICC_PMR_EL1.
pub const ICC_PMR_EL1: SysReg = sysreg(3, 0, 4, 6, 0);
/// ICC_IAR0_EL1.
pub const ICC_IAR0_EL1: SysReg = sysreg(3, 0, 12, 8, 0);
/// ICC_EOIR0_EL1.
pub const ICC_EOIR0_EL1: SysReg = sysreg(3, 0, 12, 8, 1);
/// ICC_HPPIR0_EL1.
pub const ICC_HPPIR0_EL1: SysReg = sysreg(3, 0, 12, 8, 2);
/// ICC_BPR0_EL1.
pub const ICC_BPR0_EL1: SysReg = sysreg(3, 0, 12, 8, 3);
/// ICC_AP0R0_EL1. There are no others: 5 bits of preemption.
pub const ICC_AP0R0_EL1: SysReg = sysreg(3, 0, 12, 8, 4);
/// ICC_AP1R0_EL1.
pub const ICC_AP1R0_EL1: SysReg = sysreg(3, 0, 12, 9, 0);
/// ICC_DIR_EL1.
pub const ICC_DIR_EL1: SysReg = sysreg(3, 0, 12, 11, 1);
/// ICC_RPR_EL1.
pub const ICC_RPR_EL1: SysReg = sysreg(3, 0, 12, 11, 3);
/// ICC_IAR1_EL1.
pub const ICC_IAR1_EL1: SysReg = sysreg(3, 0, 12, 12, 0);
/// ICC_EOIR1_EL1.
pub const ICC_EOIR1_EL1: SysReg = sysreg(3, 0, 12, 12, 1);
/// ICC_HPPIR1_EL1.
pub const ICC_HPPIR1_EL1: SysReg = sysreg(3, 0, 12, 12, 2);
/// ICC_BPR1_EL1.
pub const ICC_BPR1_EL1: SysReg = sysreg(3, 0, 12, 12, 3);
/// ICC_CTLR_EL1.
pub const ICC_CTLR_EL1: SysReg = sysreg(3, 0, 12, 12, 4);
/// ICC_SRE_EL1.
pub const ICC_SRE_EL1: SysReg = sysreg(3, 0, 12, 12, 5);
/// ICC_IGRPEN0_EL1.
pub const ICC_IGRPEN0_EL1: SysReg = sysreg(3, 0, 12, 12, 6);
/// ICC_IGRPEN1_EL1.
pub const ICC_IGRPEN1_EL1: SysReg = sysreg(3, 0, 12, 12, 7);

/// ICC_CTLR_EL1.CBPR.
const CBPR: u64 = 1 << 0;
/// ICC_CTLR_EL1.EOImode.
const EOI_MODE: u64 = 1 << 1;
/// ICC_CTLR_EL1: A3V, IDbits (24), PRIbits (5).
const CTLR_FIXED: u64 = 1 << 15 | 1 << 11 | 4 << 8;
/// ICC_SRE_EL1: SRE, DFB, DIB, all fixed.
const SRE: u64 = 7;

impl CpuInterface {
    /// Reads a register. `None`: there is no such one to read. ICC_IAR0_EL1 and ICC_IAR1_EL1 may change the lines.
    #[inline]
    pub fn read(&mut self, reg: SysReg) -> Option<u64> {
        if reg == ICC_IAR1_EL1 {
            return Some(u64::from(self.acknowledge(Group::One)));
        }
        self.read_any(reg)
    }

    /// Writes a register. `None`: there is no such one to write.
    #[inline]
    pub fn write(&mut self, reg: SysReg, value: u64) -> Option<Effect> {
        match reg {
            ICC_EOIR1_EL1 => Some(self.end(Group::One, value as u32)),
            ICC_PMR_EL1 => Some(self.set_priority_mask(value as u8)),
            _ => self.write_any(reg, value),
        }
    }

    #[inline(never)]
    fn read_any(&mut self, reg: SysReg) -> Option<u64> {
        let [bpr0, _] = self.bpr;
        let [enabled0, enabled1] = self.enabled;
        let [ap0, ap1] = self.apr;
        Some(match reg {
            ICC_PMR_EL1 => self.pmr.into(),
            ICC_IAR0_EL1 => self.acknowledge(Group::Zero).into(),
            ICC_HPPIR0_EL1 => self.highest_pending(Group::Zero).into(),
            ICC_HPPIR1_EL1 => self.highest_pending(Group::One).into(),
            ICC_BPR0_EL1 => bpr0.into(),
            ICC_BPR1_EL1 => self.bpr1().into(),
            ICC_AP0R0_EL1 => ap0.into(),
            ICC_AP1R0_EL1 => ap1.into(),
            ICC_RPR_EL1 => self.running_priority().into(),
            ICC_CTLR_EL1 => self.control(),
            ICC_SRE_EL1 => SRE,
            ICC_IGRPEN0_EL1 => enabled0.into(),
            ICC_IGRPEN1_EL1 => enabled1.into(),
            _ => return None,
        })
    }

    #[inline(never)]
    fn write_any(&mut self, reg: SysReg, value: u64) -> Option<Effect> {
        match reg {
            ICC_EOIR0_EL1 => return Some(self.end(Group::Zero, value as u32)),
            ICC_DIR_EL1 => return Some(self.deactivate(value as u32)),
            ICC_SRE_EL1 => return Some(Effect::None),
            ICC_BPR0_EL1 => self.set_bpr(Group::Zero, value),
            ICC_BPR1_EL1 => self.set_bpr(Group::One, value),
            ICC_AP0R0_EL1 => *pair_mut(&mut self.apr, Group::Zero) = value as u32,
            ICC_AP1R0_EL1 => *pair_mut(&mut self.apr, Group::One) = value as u32,
            ICC_CTLR_EL1 => {
                self.common_bpr = value & CBPR != 0;
                self.eoi_split = value & EOI_MODE != 0;
            }
            ICC_IGRPEN0_EL1 => *pair_mut(&mut self.enabled, Group::Zero) = value & 1 != 0,
            ICC_IGRPEN1_EL1 => *pair_mut(&mut self.enabled, Group::One) = value & 1 != 0,
            _ => return None,
        }
        self.set_preempting();
        self.update();
        Some(Effect::Line)
    }

    pub(super) fn control(&self) -> u64 {
        let common = if self.common_bpr { CBPR } else { 0 };
        let split = if self.eoi_split { EOI_MODE } else { 0 };
        CTLR_FIXED | common | split
    }

    /// With CBPR, reads of ICC_BPR1_EL1 give ICC_BPR0_EL1 + 1, at most 7, and writes are ignored.
    fn bpr1(&self) -> u8 {
        let [zero, one] = self.bpr;
        if self.common_bpr { (zero + 1).min(7) } else { one }
    }

    fn set_bpr(&mut self, group: Group, value: u64) {
        let least = match group {
            Group::Zero => MIN_BPR,
            Group::One if self.common_bpr => return,
            Group::One => MIN_BPR + 1,
        };
        *pair_mut(&mut self.bpr, group) = (value as u8 & 7).max(least);
    }
}
