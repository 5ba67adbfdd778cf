//! Exceptions that the guest takes to its EL1, and the return from them (Arm ARM D1.3, D1.4).

use super::file::{Slot, pstate_bits, sctlr};
use super::{Access, Cpu, Effect, Frame, mode};
use crate::insn::Insn;
use crate::table;
use devices::idregs::from_iss;

/// Exception classes (Arm ARM D24.2.40).
mod ec {
    pub const UNKNOWN: u64 = 0x00;
    pub const WFX: u64 = 0x01;
    pub const SVE: u64 = 0x19;
    pub const PAUTH: u64 = 0x09;
    pub const LS64: u64 = 0x0a;
    pub const BTI: u64 = 0x0d;
    pub const SYSREG: u64 = 0x18;
    pub const SYSREG_128: u64 = 0x14;
    pub const FPAC: u64 = 0x1c;
    pub const SME: u64 = 0x1d;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const PC_ALIGNMENT: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x24;
    pub const MOPS: u64 = 0x27;
    pub const GCS: u64 = 0x2d;
    pub const SERROR: u64 = 0x2f;
    pub const BREAKPOINT: u64 = 0x30;
    pub const STEP: u64 = 0x32;
    pub const WATCHPOINT: u64 = 0x34;
}

const IL: u64 = 1 << 25;
const CM: u64 = 1 << 8;
const WNR: u64 = 1 << 6;
/// FSC: synchronous External abort, not on a table walk.
const EXTERNAL: u64 = 0x10;

const NZCV: u64 = 0xf000_0000;
const DAIF: u64 = 0x3c0;
const PSTATE_IL: u64 = 1 << 20;
const PSTATE_SS: u64 = 1 << 21;
const PSTATE_DIT: u64 = 1 << 24;
const PSTATE_SSBS: u64 = 1 << 12;

const SYNCHRONOUS: u64 = 0;
const IRQ: u64 = 0x80;
const FIQ: u64 = 0x100;
const SERROR: u64 = 0x180;

const fn class(esr: u64) -> u64 {
    esr >> 26 & 0x3f
}

/// A synchronous exception, as it is to be reported from EL0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    esr: u64,
    far: Option<u64>,
}

impl Exception {
    /// The instruction is undefined.
    pub const UNDEFINED: Self = Self { esr: ec::UNKNOWN << 26 | IL, far: None };

    /// A data or instruction abort as the guest's own translation gives it: the hardware's syndrome `esr` with fault
    /// status `fsc`.
    pub const fn abort(esr: u64, far: u64, fsc: u8) -> Self {
        let kept = if class(esr) == ec::DATA_ABORT { CM | WNR } else { 0 };
        Self { esr: class(esr) << 26 | IL | esr & kept | fsc as u64 & 0x3f, far: Some(far) }
    }

    /// Nothing answers the access behind syndrome `esr`.
    pub const fn external(esr: u64, far: u64) -> Self {
        Self::abort(esr, far, EXTERNAL as u8)
    }

    /// A data abort of an emulated instruction, such as DC IVAC (`maintenance`).
    pub const fn data_abort(far: u64, write: bool, maintenance: bool, fsc: u8) -> Self {
        let esr = ec::DATA_ABORT << 26 | (write as u64) << 6 | (maintenance as u64) << 8;
        Self::abort(esr, far, fsc)
    }

    /// An instruction abort at this address.
    pub const fn instruction_abort(far: u64, fsc: u8) -> Self {
        Self::abort(ec::INSTRUCTION_ABORT << 26, far, fsc)
    }

    /// As the hardware reported it.
    const fn reported(esr: u64, far: Option<u64>) -> Self {
        Self { esr, far }
    }

    /// ESR_EL1, taken from EL1 or from EL0: some classes differ in that.
    const fn syndrome(self, privileged: bool) -> u64 {
        let levelled = matches!(
            class(self.esr),
            ec::INSTRUCTION_ABORT | ec::DATA_ABORT | ec::BREAKPOINT | ec::STEP | ec::WATCHPOINT
        );
        if levelled && privileged { self.esr | 1 << 26 } else { self.esr }
    }
}

/// What a synchronous exception at hardware EL0 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// Dealt with, but for the effect.
    Done(Effect),
    /// An instruction that is undefined at EL0: fetch the word at PC, then [`Cpu::execute`].
    Fetch,
    /// A data or instruction abort: the shadow tables' affair, else the guest's.
    Abort,
}

impl Cpu {
    /// A synchronous exception at hardware EL0 with these ESR and FAR.
    #[inline]
    pub fn trap(&mut self, esr: u64, far: u64, frame: &mut impl Frame) -> Trap {
        if class(esr) == ec::UNKNOWN && self.privileged() {
            return Trap::Fetch;
        }
        match class(esr) {
            ec::INSTRUCTION_ABORT | ec::DATA_ABORT => Trap::Abort,
            ec::SYSREG => Trap::Done(self.register_trap(esr, frame)),
            ec::WFX => Trap::Done(self.wait(esr, frame)),
            ec::PC_ALIGNMENT | ec::WATCHPOINT => Trap::Done(self.jump(Exception::reported(esr, Some(far)), frame)),
            // Features that the guest has not.
            ec::UNKNOWN
            | ec::SVE
            | ec::SME
            | ec::PAUTH
            | ec::FPAC
            | ec::LS64
            | ec::BTI
            | ec::MOPS
            | ec::GCS
            | ec::SYSREG_128 => Trap::Done(self.undefined(frame)),
            _ => Trap::Done(self.jump(Exception::reported(esr, None), frame)),
        }
    }

    /// Makes the guest take `exception` at PC.
    pub fn take(&mut self, exception: Exception, frame: &mut impl Frame) {
        let esr = exception.syndrome(self.privileged());
        self.put(Slot::ESR_EL1, esr);
        if let Some(far) = exception.far {
            self.put(Slot::FAR_EL1, far);
        }
        self.enter(SYNCHRONOUS, frame);
    }

    /// Takes an IRQ. The caller knows that it is pending and not masked.
    pub fn take_irq(&mut self, frame: &mut impl Frame) {
        self.enter(IRQ, frame);
    }

    /// Takes an FIQ.
    pub fn take_fiq(&mut self, frame: &mut impl Frame) {
        self.enter(FIQ, frame);
    }

    /// Takes an SError with this ISS.
    pub fn take_serror(&mut self, iss: u64, frame: &mut impl Frame) {
        self.put(Slot::ESR_EL1, ec::SERROR << 26 | IL | iss & 0x1ff_ffff);
        self.enter(SERROR, frame);
    }

    pub(super) fn jump(&mut self, exception: Exception, frame: &mut impl Frame) -> Effect {
        self.take(exception, frame);
        Effect::Jump
    }

    pub(super) fn undefined(&mut self, frame: &mut impl Frame) -> Effect {
        self.jump(Exception::UNDEFINED, frame)
    }

    /// AArch64.TakeException: flags and DIT are kept, SSBS goes by SCTLR_EL1.DSSBS, all else is 0 or masks.
    #[inline]
    fn enter(&mut self, kind: u64, frame: &mut impl Frame) {
        let pstate = frame.pstate();
        let from = match self.mode {
            mode::EL0T => 0x400,
            mode::EL1T => 0,
            _ => 0x200,
        };
        self.put(Slot::SPSR_EL1, pstate & pstate_bits(self.features) | self.mode);
        self.put(Slot::ELR_EL1, frame.pc());
        let ssbs = if self.get(Slot::SCTLR_EL1) & sctlr::DSSBS != 0 { PSTATE_SSBS } else { 0 };
        frame.set_pstate(pstate & (NZCV | PSTATE_DIT) | ssbs | DAIF);
        frame.set_pc(self.get(Slot::VBAR_EL1).wrapping_add(from | kind));
        self.set_mode(mode::EL1H, frame);
    }

    /// ERET at EL1 (AArch64.ExceptionReturn). A return to a mode that is not there sets PSTATE.IL and keeps the mode:
    /// the hardware then reports an illegal execution state at once.
    #[inline]
    pub(super) fn eret(&mut self, frame: &mut impl Frame) -> Effect {
        const M: u64 = 0x1f;
        let spsr = self.get(Slot::SPSR_EL1);
        frame.set_pc(self.get(Slot::ELR_EL1));
        if let mode @ (mode::EL0T | mode::EL1T | mode::EL1H) = spsr & M {
            // Software step is never active: MDSCR_EL1.SS is 0.
            frame.set_pstate(spsr & !(PSTATE_SS | M));
            self.set_mode(mode, frame);
        } else {
            let kept = frame.pstate() & !(NZCV | DAIF);
            frame.set_pstate(kept | spsr & (NZCV | DAIF) | PSTATE_IL);
        }
        Effect::Jump
    }

    /// WFI, WFE, WFIT, WFET: the hardware traps them all. Only those at EL0 whose gate is closed are the guest's affair.
    fn wait(&mut self, esr: u64, frame: &mut impl Frame) -> Effect {
        let sctlr = self.get(Slot::SCTLR_EL1);
        let (gate, effect) = match esr & 3 {
            0 => (sctlr::NTWI, Effect::Wfi),
            1 => (sctlr::NTWE, Effect::Wfe),
            // FEAT_WFxT is hidden.
            _ => return self.undefined(frame),
        };
        if self.privileged() || sctlr & gate != 0 {
            return effect;
        }
        self.jump(Exception::reported(esr, None), frame)
    }

    /// MSR, MRS or a system instruction that traps with its syndrome.
    fn register_trap(&mut self, esr: u64, frame: &mut impl Frame) -> Effect {
        let register = from_iss(esr);
        let rt = (esr >> 5 & 31) as u8;
        let read = esr & 1 != 0;
        if self.privileged() {
            return self.perform(Insn::of(register, rt, read), frame);
        }
        let access = Access { register, rt, write: !read };
        match table::user(register) {
            table::User::Gated => self.jump(Exception::reported(esr, None), frame),
            table::User::Timer if self.timer_open(register) => Effect::Timer(access),
            table::User::Timer => self.jump(Exception::reported(esr, None), frame),
            table::User::Platform => Effect::Platform(access),
            table::User::Undefined => self.undefined(frame),
        }
    }
}
