//! Exceptions that the VMM makes a guest take in AArch32 (Arm ARM G1.13, AArch32.TakeUndefInstrException and others).

use super::{T, mode};
use crate::inject::Exception;
use abi::vcpu::{RegFrame, VcpuState, sys};

const SCTLR_V: u64 = 1 << 13;
const SCTLR_SPAN: u64 = 1 << 23;
const SCTLR_EE: u64 = 1 << 25;
const SCTLR_TE: u64 = 1 << 30;
const SCTLR_DSSBS: u64 = 1 << 31;
/// TTBCR.EAE: long descriptors, and so the long format of fault status registers.
const EAE: u64 = 1 << 31;
/// FSR.LPAE with STATUS 0b010000: synchronous External abort.
const LONG: u64 = 1 << 9 | 0x10;
/// FSR.FS 0b01000: synchronous External abort.
const SHORT: u64 = 0x08;
/// DFSR.WnR.
const WNR: u64 = 1 << 11;
const HIGH_VECTORS: u64 = 0xffff_0000;

const E: u64 = 1 << 9;
const A: u64 = 1 << 8;
const I: u64 = 1 << 7;
const PAN: u64 = 1 << 22;
const SSBS: u64 = 1 << 23;
/// Where SPSR_EL2 has DIT, and where an SPSR of AArch32 has it; the latter is SPSR_EL2.SS.
const DIT: u64 = 1 << 24;
const DIT32: u64 = 1 << 21;
/// N, Z, C, V, Q, GE and F: as they were.
const KEPT: u64 = 0xf80f_0040;

/// How an exception is taken: mode, vector, where LR points from the instruction on in A32 and in T32, its SPSR, its
/// LR as an x register.
const fn entry(exception: Exception) -> (u64, u64, [u64; 2], usize, usize) {
    match exception {
        Exception::Undefined => (mode::UND, 0x04, [4, 2], sys::SPSR_UND, 22),
        Exception::InstructionAbort { .. } => (mode::ABT, 0x0c, [4, 4], sys::SPSR_ABT, 20),
        Exception::DataAbort { .. } => (mode::ABT, 0x10, [8, 8], sys::SPSR_ABT, 20),
    }
}

/// Makes the vCPU take `exception` at its current instruction.
pub fn inject(frame: &mut RegFrame, state: &mut VcpuState, exception: Exception) {
    let spsr = frame.spsr;
    let [sctlr, vbar] = [sys::SCTLR_EL1, sys::VBAR_EL1].map(|n| state.sys.get(n).copied().unwrap_or(0));
    let (mode, vector, [arm, thumb], saved, lr) = entry(exception);
    fault(state, exception);
    if let Some(place) = state.sys.get_mut(saved) {
        *place = spsr & !(DIT | DIT32) & 0xffff_ffff | if spsr & DIT != 0 { DIT32 } else { 0 };
    }
    if let Some(place) = frame.x.get_mut(lr) {
        *place = frame.elr.wrapping_add(if spsr & T != 0 { thumb } else { arm }) & 0xffff_ffff;
    }
    let base = if sctlr & SCTLR_V != 0 { HIGH_VECTORS } else { vbar & 0xffff_ffe0 };
    frame.elr = base.wrapping_add(vector);
    frame.spsr = pstate(spsr, sctlr, mode);
}

/// CPSR in the exception's handler. Aborts mask SErrors, too.
const fn pstate(spsr: u64, sctlr: u64, mode: u64) -> u64 {
    const fn bit(set: bool, bit: u64) -> u64 {
        if set { bit } else { 0 }
    }
    let pan = spsr & PAN | bit(sctlr & SCTLR_SPAN == 0, PAN);
    let control = bit(sctlr & SCTLR_TE != 0, T) | bit(sctlr & SCTLR_EE != 0, E) | bit(sctlr & SCTLR_DSSBS != 0, SSBS);
    spsr & (KEPT | A | DIT) | pan | control | bit(mode == mode::ABT, A) | I | mode
}

/// Fault address and status: DFAR and IFAR are the halves of FAR_EL1, DFSR is ESR_EL1.
fn fault(state: &mut VcpuState, exception: Exception) {
    let register = |n: usize| state.sys.get(n).copied().unwrap_or(0);
    let status = if register(sys::TCR_EL1) & EAE != 0 { LONG } else { SHORT };
    let addresses = register(sys::FAR_EL1);
    let mut set = |n: usize, value| {
        if let Some(place) = state.sys.get_mut(n) {
            *place = value;
        }
    };
    match exception {
        Exception::Undefined => {}
        Exception::DataAbort { far, write } => {
            set(sys::FAR_EL1, addresses & !0xffff_ffff | far & 0xffff_ffff);
            set(sys::ESR_EL1, status | if write { WNR } else { 0 });
        }
        Exception::InstructionAbort { far } => {
            set(sys::FAR_EL1, addresses & 0xffff_ffff | far << 32);
            set(sys::IFSR32_EL2, status);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reset;

    const IRQS_OFF: u64 = 0xc0;

    fn vcpu(spsr: u64) -> (RegFrame, VcpuState) {
        let (frame, mut state) = reset::aarch32(0x8000, 0, 0);
        state.sys[sys::VBAR_EL1] = 0xc000_0000;
        (RegFrame { spsr, ..frame }, state)
    }

    #[test]
    fn undefined_in_user_mode_enters_undefined_mode() {
        let (mut frame, mut state) = vcpu(0x6000_0000 | mode::USR);

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!((frame.elr, frame.x[22]), (0xc000_0004, 0x8004));
        assert_eq!(frame.spsr, 0x6000_0000 | I | mode::UND);
        assert_eq!(state.sys[sys::SPSR_UND], 0x6000_0000 | mode::USR);
    }

    #[test]
    fn undefined_in_thumb_code_returns_behind_two_bytes() {
        let (mut frame, mut state) = vcpu(T | mode::SVC | IRQS_OFF);

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!(frame.x[22], 0x8002);
        assert_eq!(frame.spsr & T, 0);
    }

    #[test]
    fn data_abort_with_long_descriptors_gives_address_and_status() {
        let (mut frame, mut state) = vcpu(mode::SVC);
        state.sys[sys::TCR_EL1] = EAE;
        state.sys[sys::FAR_EL1] = 0x1234_5678_0000_0000;

        inject(&mut frame, &mut state, Exception::DataAbort { far: 0xf000_0004, write: true });

        assert_eq!((frame.elr, frame.x[20]), (0xc000_0010, 0x8008));
        assert_eq!(frame.spsr, A | I | mode::ABT);
        assert_eq!(state.sys[sys::FAR_EL1], 0x1234_5678_f000_0004);
        assert_eq!(state.sys[sys::ESR_EL1], 0xa10);
    }

    #[test]
    fn prefetch_abort_with_short_descriptors_gives_address_and_status() {
        let (mut frame, mut state) = vcpu(mode::SVC);

        inject(&mut frame, &mut state, Exception::InstructionAbort { far: 0xf000_0004 });

        assert_eq!((frame.elr, frame.x[20]), (0xc000_000c, 0x8004));
        assert_eq!(state.sys[sys::FAR_EL1] >> 32, 0xf000_0004);
        assert_eq!(state.sys[sys::IFSR32_EL2], 0x008);
    }

    #[test]
    fn sctlr_says_how_the_handler_runs() {
        let (mut frame, mut state) = vcpu(mode::SVC | DIT);
        state.sys[sys::SCTLR_EL1] = SCTLR_V | SCTLR_TE | SCTLR_EE;

        inject(&mut frame, &mut state, Exception::Undefined);

        assert_eq!(frame.elr, 0xffff_0004);
        assert_eq!(frame.spsr, T | E | I | PAN | DIT | mode::UND);
        assert_eq!(state.sys[sys::SPSR_UND], DIT32 | mode::SVC);
    }
}
