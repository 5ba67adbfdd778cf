//! A vCPU as it comes out of reset (Arm ARM D1.9), or out of CPU_ON (DEN0022 6.4).

use abi::vcpu::{RegFrame, STATE_VERSION, VcpuState, sys};

/// PSTATE at reset into EL1: EL1h, D, A, I and F masked.
pub const SPSR: u64 = 0x3c5;
/// SCTLR_EL1 with its RES1 bits of Armv8.0 (LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS), all else off.
pub const SCTLR_EL1: u64 = 0x30d0_0800;

/// General registers of a vCPU that starts at `entry` with `x0`.
#[must_use]
pub const fn frame(entry: u64, x0: u64) -> RegFrame {
    let mut x = [0; 31];
    x[0] = x0;
    RegFrame { x, elr: entry, spsr: SPSR, sp: 0 }
}

/// All other state of a vCPU at reset.
#[must_use]
pub const fn state() -> VcpuState {
    let mut registers = [0; sys::COUNT];
    registers[sys::SCTLR_EL1] = SCTLR_EL1;
    VcpuState { version: STATE_VERSION, fpcr: 0, fpsr: 0, reserved: 0, sys: registers, v: [0; 32] }
}

/// CPSR at reset of AArch32: Supervisor, A, I and F masked.
pub const SPSR_AARCH32: u64 = 0x1d3;
/// SCTLR of AArch32 with its RES1 bits (LSMAOE, nTLSMD, CP15BEN, nTWI, nTWE, SPAN …), all else off.
pub const SCTLR_AARCH32: u64 = 0x00c5_0878;

/// All state of an AArch32 vCPU that starts at `entry` (bit 0: in T32) with `r0`; r1 and r2 are as Linux wants them at
/// boot: no machine number, device tree.
#[must_use]
pub const fn aarch32(entry: u64, r0: u64, dtb: u64) -> (RegFrame, VcpuState) {
    let mut x = [0; 31];
    (x[0], x[1], x[2]) = (r0 & 0xffff_ffff, 0xffff_ffff, dtb);
    let thumb = if entry & 1 != 0 { crate::aarch32::T } else { 0 };
    let mut state = state();
    state.sys[sys::SCTLR_EL1] = SCTLR_AARCH32;
    (RegFrame { x, elr: entry & 0xffff_fffe, spsr: SPSR_AARCH32 | thumb, sp: 0 }, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aarch32_starts_in_supervisor_mode_with_the_device_tree() {
        let (frame, state) = aarch32(0x4200_0001, 0, 0x4220_0000);

        assert_eq!((frame.elr, frame.spsr), (0x4200_0000, 0x1f3));
        assert_eq!(frame.x[..3], [0, 0xffff_ffff, 0x4220_0000]);
        assert_eq!(state.sys[sys::SCTLR_EL1] & 1, 0);
    }

    #[test]
    fn frame_starts_in_el1h_with_all_masked() {
        let frame = frame(0x4000_0000, 0x4400_0000);

        assert_eq!((frame.elr, frame.x[0], frame.spsr), (0x4000_0000, 0x4400_0000, 0x3c5));
    }

    #[test]
    fn state_has_mmu_and_caches_off() {
        const M_C_I: u64 = 1 | 1 << 2 | 1 << 12;

        assert_eq!(state().sys[sys::SCTLR_EL1] & M_C_I, 0);
    }
}
