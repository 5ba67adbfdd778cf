//! Instructions of the guest's kernel that are undefined at EL0.

use super::{Access, Cache, Cpu, Effect, Frame, Slot, file, mode};
use crate::insn::{Authentication, Field, Insn, decode};
use crate::reg;
use crate::table::{self, ICC, QUICK};
use crate::tlbi;

/// MSR of op0 = 3, op1 = 0, in the upper half of the word; MRS has [`READ`] too.
const MSR_OF_EL1: u32 = 0xd518;
const READ: u32 = 0x20;
const ERET: u32 = 0xd69f_03e0;

impl Cpu {
    /// Executes the instruction `word` at PC, which trapped as undefined.
    #[inline]
    pub fn execute(&mut self, word: u32, frame: &mut impl Frame) -> Effect {
        if self.mode == mode::EL1H {
            let upper = word >> 16;
            if upper & !READ == MSR_OF_EL1 {
                let rt = (word & 31) as u8;
                let code = QUICK.get((word >> 5 & 0x7ff) as usize).copied().unwrap_or(0xff);
                if let Some(effect) = self.quick(code, upper & READ == 0, rt, word >> 5 & 0xffff, frame) {
                    return effect;
                }
            } else if word == ERET {
                return self.eret(frame);
            }
        }
        self.slow(word, frame)
    }

    /// Registers that are a place and no more, and those of the GIC.
    #[inline]
    fn quick(&mut self, code: u8, write: bool, rt: u8, register: u32, frame: &mut impl Frame) -> Option<Effect> {
        if code & !3 == ICC && code >> u8::from(write) & 1 != 0 {
            return Some(Effect::Icc(Access { register, rt, write }));
        }
        let slot = usize::from(code);
        let place = self.regs.get_mut(slot)?;
        if write {
            *place = frame.x(rt) & self.masks.0.get(slot).copied().unwrap_or(0);
            self.changed = self.changed.and(file::CHANGES.get(slot).copied().unwrap_or_default());
        } else {
            frame.set_x(rt, *place);
        }
        frame.skip();
        Some(Effect::Next)
    }

    #[inline(never)]
    fn slow(&mut self, word: u32, frame: &mut impl Frame) -> Effect {
        if self.privileged() { self.perform(decode(word), frame) } else { self.undefined(frame) }
    }

    /// Executes an instruction at EL1.
    pub(super) fn perform(&mut self, insn: Insn, frame: &mut impl Frame) -> Effect {
        match insn {
            Insn::Mrs { register, rt } => self.access(Access { register, rt, write: false }, frame),
            Insn::Msr { register, rt } => self.access(Access { register, rt, write: true }, frame),
            Insn::MsrImmediate { field, value } => self.immediate(field, value.into(), frame),
            Insn::Sys { operation, rt } => self.system(operation, frame.x(rt), frame),
            Insn::Eret(Authentication::None) => self.eret(frame),
            Insn::Hvc(immediate) => Effect::Hvc(immediate),
            Insn::Smc(immediate) => Effect::Smc(immediate),
            Insn::Wfi => Effect::Wfi,
            Insn::Wfe => Effect::Wfe,
            // Not undefined at EL0: another vCPU has changed the word since (Arm ARM B2.2.5). The hardware runs it.
            Insn::Svc(_) | Insn::Brk(_) | Insn::Hint(_) | Insn::Barrier | Insn::Branch => Effect::Jump,
            _ => self.undefined(frame),
        }
    }

    fn immediate(&mut self, field: Field, value: u64, frame: &mut impl Frame) -> Effect {
        match field {
            Field::SpSel => self.set_mode(mode::EL1T | value & 1, frame),
            Field::DaifSet => frame.set_pstate(frame.pstate() | value << 6),
            Field::DaifClr => frame.set_pstate(frame.pstate() & !(value << 6)),
            _ => return self.undefined(frame),
        }
        frame.skip();
        Effect::Next
    }

    /// SYS at EL1.
    fn system(&mut self, operation: u32, value: u64, frame: &mut impl Frame) -> Effect {
        let at = |user, write| Effect::At { va: value, user, write };
        match operation {
            reg::DC_IVAC => Effect::Cache(Cache::Invalidate(value)),
            reg::DC_ISW | reg::DC_CSW | reg::DC_CISW => Effect::Cache(Cache::SetWay),
            reg::IC_IALLU | reg::IC_IALLUIS => Effect::Cache(Cache::Instructions),
            reg::AT_S1E1R => at(false, false),
            reg::AT_S1E1W => at(false, true),
            reg::AT_S1E0R => at(true, false),
            reg::AT_S1E0W => at(true, true),
            _ => match tlbi::decode(operation, value, self.features.tlbi) {
                Some(tlbi) => Effect::Tlbi(tlbi),
                // The hardware's own affair with the kernel's gates open.
                None if table::is_native(operation) => Effect::Jump,
                None => self.undefined(frame),
            },
        }
    }
}

const _: () = assert!(Slot::COUNT < ICC as usize);
