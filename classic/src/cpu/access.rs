//! Registers that are more than a place.

use super::file::{self, SCTLR_RES1};
use super::{Access, Changed, Cpu, Effect, Frame, Slot, mode};
use crate::reg;
use crate::table::{self, Handling};

/// CurrentEL at EL1.
const EL1: u64 = 1 << 2;
const DAIF: u64 = 0x3c0;

impl Cpu {
    /// MRS or MSR at EL1.
    pub(super) fn access(&mut self, access: Access, frame: &mut impl Frame) -> Effect {
        let entry = table::find(access.register);
        let Some(entry) = entry.filter(|e| e.direction.allows(access.write)) else {
            return self.undefined(frame);
        };
        match entry.handling {
            Handling::Icc => Effect::Icc(access),
            Handling::Timer => Effect::Timer(access),
            Handling::Platform => Effect::Platform(access),
            Handling::Isr => Effect::Isr { rt: access.rt },
            // With SP_EL0 in use its name is undefined (Arm ARM C5.2.23).
            Handling::Slot(Slot::SP_EL0) if self.mode != mode::EL1H => self.undefined(frame),
            Handling::Hidden | Handling::HigherLevel => self.undefined(frame),
            _ if access.write => self.write(entry.handling, access, frame),
            _ => self.read(entry.handling, access, frame),
        }
    }

    fn read(&mut self, handling: Handling, access: Access, frame: &mut impl Frame) -> Effect {
        let value = match handling {
            Handling::Slot(slot) => self.get(slot),
            Handling::CurrentEl => EL1,
            Handling::SpSel => self.mode & 1,
            Handling::Daif => frame.pstate() & DAIF,
            Handling::Identity => self.identity(access.register),
            Handling::Zero => 0,
            // The hardware does it: let it.
            _ => return Effect::Jump,
        };
        frame.set_x(access.rt, value);
        frame.skip();
        Effect::Next
    }

    fn write(&mut self, handling: Handling, access: Access, frame: &mut impl Frame) -> Effect {
        let value = frame.x(access.rt);
        match handling {
            Handling::Slot(slot) => self.write_slot(slot, value),
            Handling::SpSel => self.set_mode(mode::EL1T | value & 1, frame),
            Handling::Daif => frame.set_pstate(frame.pstate() & !DAIF | value & DAIF),
            Handling::Zero => {}
            _ => return Effect::Jump,
        }
        frame.skip();
        Effect::Next
    }

    /// Writes the bits of a register that can be written.
    pub(super) fn write_slot(&mut self, slot: usize, value: u64) {
        let mask = self.masks.0.get(slot).copied().unwrap_or(0);
        let ones = if slot == Slot::SCTLR_EL1 { SCTLR_RES1 } else { 0 };
        self.put(slot, value & mask | ones);
        let changes = file::CHANGES.get(slot).copied().unwrap_or(Changed::NONE);
        self.changed = self.changed.and(changes);
    }

    fn identity(&self, register: u32) -> u64 {
        match register {
            reg::MIDR_EL1 => self.identity.midr,
            reg::MPIDR_EL1 => self.identity.mpidr,
            reg::REVIDR_EL1 => self.identity.revidr,
            reg::CLIDR_EL1 => self.identity.clidr,
            reg::CCSIDR_EL1 => {
                let index = self.get(Slot::CSSELR_EL1) as usize;
                self.identity.ccsidr.get(index).copied().unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Whether EL0 may access this register of the generic timer (CNTKCTL_EL1).
    pub(super) fn timer_open(&self, register: u32) -> bool {
        const EL0PCTEN: u64 = 1;
        const EL0VCTEN: u64 = 1 << 1;
        const EL0VTEN: u64 = 1 << 8;
        const EL0PTEN: u64 = 1 << 9;
        let gate = match register {
            reg::CNTFRQ_EL0 => EL0PCTEN | EL0VCTEN,
            reg::CNTPCT_EL0 => EL0PCTEN,
            reg::CNTVCT_EL0 => EL0VCTEN,
            reg::CNTP_TVAL_EL0 | reg::CNTP_CTL_EL0 | reg::CNTP_CVAL_EL0 => EL0PTEN,
            _ => EL0VTEN,
        };
        self.get(Slot::CNTKCTL_EL1) & gate != 0
    }

    /// PAR_EL1 after a translation that gave `pa` (its page), with memory attributes `attr` as in MAIR_EL1 and
    /// shareability `sh` as in a descriptor (Arm ARM D24.2.141).
    pub fn set_par(&mut self, pa: u64, attr: u8, sh: u8) {
        const NS: u64 = 1 << 9;
        const RES1: u64 = 1 << 11;
        const PA: u64 = 0x000f_ffff_ffff_f000;
        let sh = u64::from(sh & 3) << 7;
        self.put(Slot::PAR_EL1, u64::from(attr) << 56 | pa & PA | RES1 | NS | sh);
    }

    /// PAR_EL1 after a translation that faulted with this status.
    pub fn set_par_fault(&mut self, fsc: u8) {
        const F: u64 = 1;
        const RES1: u64 = 1 << 11;
        self.put(Slot::PAR_EL1, RES1 | u64::from(fsc & 0x3f) << 1 | F);
    }
}
