//! Instructions of the guest's kernel that are undefined at EL0.

use super::{Access, Cache, Cpu, Effect, Frame, Slot, mode};
use crate::insn::{Authentication, Field, Insn, decode};
use crate::reg;
use crate::table::{self, ICC, NOTED, QUICK, SLOW};
use crate::tlbi;

/// MSR of op0 = 3, op1 = 0, in the upper half of the word; MRS has [`READ`] too.
const MSR_OF_EL1: u32 = 0xd518;
const READ: u32 = 0x20;
const ERET: u32 = 0xd69f_03e0;

/// [`QUICK`] of the register that MRS or MSR `word` names.
#[inline]
fn code_of(word: u32) -> u8 {
    let code = QUICK.get((word >> 5 & 0x7ff) as usize).copied().unwrap_or(SLOW);
    if word >> 16 & !READ == MSR_OF_EL1 { code } else { SLOW }
}

impl Cpu {
    /// Executes the instruction `word` at PC, which trapped as undefined.
    #[inline]
    pub fn execute(&mut self, word: u32, frame: &mut impl Frame) -> Effect {
        if self.quick(word, frame) {
            return Effect::Next;
        }
        if self.mode == mode::EL1H {
            let code = code_of(word);
            let (write, rt) = (word >> 16 & READ == 0, (word & 31) as u8);
            if code & !3 == ICC && code >> u8::from(write) & 1 != 0 {
                return Effect::Icc(Access { register: word >> 5 & 0xffff, rt, write });
            }
            if word == ERET {
                return self.eret(frame);
            }
        }
        self.slow(word, frame)
    }

    /// Executes `word` if it is an MRS or MSR of a register that is a place and no more: nothing but registers of the
    /// vCPU changes, and PC is at the next instruction. Most traps of a kernel are such.
    #[inline]
    pub fn quick(&mut self, word: u32, frame: &mut impl Frame) -> bool {
        if self.mode != mode::EL1H || word >> 16 & !READ != MSR_OF_EL1 {
            return false;
        }
        let slot = usize::from(QUICK.get((word >> 5 & 0x7ff) as usize).copied().unwrap_or(SLOW));
        let rt = (word & 31) as u8;
        if word >> 16 & READ != 0 {
            let Some(value) = self.regs.get(slot & !NOTED) else { return false };
            frame.set_x(rt, *value);
        } else {
            let Some((place, mask)) = self.regs.get_mut(slot).zip(self.masks.0.get(slot)) else { return false };
            *place = frame.x(rt) & mask;
        }
        frame.skip();
        true
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
        let cache = |cache| Effect::Cache { cache, value };
        let at = |user, write| Effect::At { va: value, user, write };
        match operation {
            reg::DC_IVAC => cache(Cache::Invalidate),
            reg::DC_ISW | reg::DC_CSW | reg::DC_CISW => cache(Cache::SetWay),
            reg::IC_IALLU | reg::IC_IALLUIS => cache(Cache::Instructions),
            reg::AT_S1E1R => at(false, false),
            reg::AT_S1E1W => at(false, true),
            reg::AT_S1E0R => at(true, false),
            reg::AT_S1E0W => at(true, true),
            _ => match tlbi::decode(operation, value, self.features.tlbi) {
                Some(_) => Effect::Tlbi { operation, value },
                // The hardware's own affair with the kernel's gates open.
                None if table::is_native(operation) => Effect::Jump,
                None => self.undefined(frame),
            },
        }
    }
}

const _: () = assert!(Slot::COUNT <= NOTED && ICC as usize & !NOTED >= Slot::COUNT);
