//! Exceptions that the VMM makes a guest take to EL1 (Arm ARM D1.3, AArch64.TakeException).

use crate::syndrome::{IL, ec};
use abi::vcpu::{RegFrame, VcpuState, sys};

/// DFSC and IFSC: synchronous External abort, not on a table walk.
const EXTERNAL: u64 = 0x10;
/// EC bit that makes the class that of the same exception level.
const SAME_EL: u64 = 1;

/// SPSR.M[4]: AArch32.
const AARCH32: u64 = 0x10;
const M_MASK: u64 = 0xf;
const EL0T: u64 = 0;
const EL1T: u64 = 4;
const DAIF: u64 = 0xf << 6;
const EL1H: u64 = 5;
const PAN: u64 = 1 << 22;
const DIT: u64 = 1 << 24;
const NZCV: u64 = 0xf << 28;
const TCO: u64 = 1 << 25;
const SSBS: u64 = 1 << 12;
const SCTLR_SPAN: u64 = 1 << 23;
const SCTLR_DSSBS: u64 = 1 << 44;

/// What the guest takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// The instruction is undefined.
    Undefined,
    /// No device answers a data access at this virtual address.
    DataAbort {
        /// The address.
        far: u64,
        /// WnR.
        write: bool,
    },
    /// No memory is behind this instruction address.
    InstructionAbort {
        /// The address.
        far: u64,
    },
}

impl Exception {
    /// ESR_EL1 for an exception taken from `el0` or from EL1 itself.
    const fn syndrome(self, el0: bool) -> u64 {
        let same = if el0 { 0 } else { SAME_EL };
        match self {
            Self::Undefined => ec::UNKNOWN << 26 | IL,
            Self::DataAbort { write, .. } => (ec::DATA_ABORT | same) << 26 | IL | (write as u64) << 6 | EXTERNAL,
            Self::InstructionAbort { .. } => (ec::INSTRUCTION_ABORT | same) << 26 | IL | EXTERNAL,
        }
    }
}

/// Makes the vCPU take `exception` at its current instruction.
pub fn inject(frame: &mut RegFrame, state: &mut VcpuState, exception: Exception) {
    let spsr = frame.spsr;
    let el0 = spsr & M_MASK == EL0T;
    let offset = match spsr & M_MASK {
        EL0T if spsr & AARCH32 != 0 => 0x600,
        EL0T => 0x400,
        EL1T => 0,
        _ => 0x200,
    };
    let [sctlr, vbar] = [sys::SCTLR_EL1, sys::VBAR_EL1].map(|n| state.sys.get(n).copied().unwrap_or(0));
    let mut set = |register: usize, value| {
        if let Some(place) = state.sys.get_mut(register) {
            *place = value;
        }
    };
    set(sys::ESR_EL1, exception.syndrome(el0));
    set(sys::ELR_EL1, frame.elr);
    set(sys::SPSR_EL1, spsr);
    if let Exception::DataAbort { far, .. } | Exception::InstructionAbort { far } = exception {
        set(sys::FAR_EL1, far);
    }
    frame.elr = vbar.wrapping_add(offset);
    frame.spsr = pstate(spsr, sctlr);
}

/// PSTATE after an exception to EL1: flags, DIT and TCO are kept, PAN and SSBS go by SCTLR_EL1, all else is 0 or masks.
const fn pstate(spsr: u64, sctlr: u64) -> u64 {
    let pan = if sctlr & SCTLR_SPAN == 0 { PAN } else { spsr & PAN };
    let ssbs = if sctlr & SCTLR_DSSBS != 0 { SSBS } else { 0 };
    spsr & (NZCV | DIT) | pan | ssbs | spsr & TCO | DAIF | EL1H
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reset;

    fn vcpu(spsr: u64) -> (RegFrame, VcpuState) {
        let mut state = reset::state();
        state.sys[sys::VBAR_EL1] = 0x8000;
        (RegFrame { spsr, ..reset::frame(0x1234, 0) }, state)
    }

    #[test]
    fn undefined_from_el1h_enters_the_vector_of_the_current_level() {
        let (mut frame, mut state) = vcpu(0x6000_0005);

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!(frame.elr, 0x8200);
        assert_eq!(frame.spsr, 0x6000_03c5);
        assert_eq!(state.sys[sys::ESR_EL1], 1 << 25);
        assert_eq!(state.sys[sys::ELR_EL1], 0x1234);
        assert_eq!(state.sys[sys::SPSR_EL1], 0x6000_0005);
    }

    #[test]
    fn undefined_from_el0_enters_the_vector_of_the_lower_level() {
        let (mut frame, mut state) = vcpu(0);

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!(frame.elr, 0x8400);
    }

    #[test]
    fn undefined_from_aarch32_enters_the_vector_of_the_lower_level_in_aarch32() {
        let (mut frame, mut state) = vcpu(0x10);

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!(frame.elr, 0x8600);
    }

    #[test]
    fn data_abort_from_el1_gives_far_and_external_abort() {
        let (mut frame, mut state) = vcpu(5);

        inject(&mut frame, &mut state, Exception::DataAbort { far: 0xdead_0000, write: true });

        assert_eq!(state.sys[sys::FAR_EL1], 0xdead_0000);
        assert_eq!(state.sys[sys::ESR_EL1], 0x25 << 26 | 1 << 25 | 1 << 6 | 0x10);
    }

    #[test]
    fn inject_with_span_clear_sets_pan() {
        let (mut frame, mut state) = vcpu(5);
        state.sys[sys::SCTLR_EL1] &= !SCTLR_SPAN;

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_ne!(frame.spsr & PAN, 0);
    }
}
