//! FP/SIMD state, switched lazily.

use core::cell::UnsafeCell;

/// V0–V31, FPCR, FPSR.
#[repr(C, align(16))]
pub struct FpState {
    regs: UnsafeCell<Regs>,
}

/// Its content.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Regs {
    /// V0–V31.
    pub v: [u128; 32],
    /// FPCR.
    pub fpcr: u64,
    /// FPSR.
    pub fpsr: u64,
}

impl FpState {
    /// A copy of the saved state.
    pub fn get(&self) -> Regs {
        // SAFETY: only the vCPU's core touches the state, and no reference to it is kept.
        unsafe { *self.regs.get() }
    }

    /// Replaces the saved state.
    pub fn set(&self, regs: Regs) {
        // SAFETY: as above.
        unsafe { *self.regs.get() = regs }
    }

    /// Registers → memory.
    pub fn save(&self) {
        // SAFETY: CPTR_EL2 lets EL2 use FP here (the caller has cleared TFP); the memory is ours.
        unsafe {
            core::arch::asm!(
                ".arch_extension fp", ".arch_extension simd",
                "stp q0, q1, [{p}, #0]", "stp q2, q3, [{p}, #32]", "stp q4, q5, [{p}, #64]", "stp q6, q7, [{p}, #96]",
                "stp q8, q9, [{p}, #128]", "stp q10, q11, [{p}, #160]", "stp q12, q13, [{p}, #192]",
                "stp q14, q15, [{p}, #224]", "stp q16, q17, [{p}, #256]", "stp q18, q19, [{p}, #288]",
                "stp q20, q21, [{p}, #320]", "stp q22, q23, [{p}, #352]", "stp q24, q25, [{p}, #384]",
                "stp q26, q27, [{p}, #416]", "stp q28, q29, [{p}, #448]", "stp q30, q31, [{p}, #480]",
                "mrs {t}, fpcr", "str {t}, [{p}, #512]", "mrs {t}, fpsr", "str {t}, [{p}, #520]",
                ".arch_extension nofp",
                p = in(reg) self.regs.get(), t = out(reg) _, options(nostack, preserves_flags)
            );
        }
    }

    /// Memory → registers.
    pub fn load(&self) {
        // SAFETY: as in `save`; the registers belong to the vCPU that is being given FP.
        unsafe {
            core::arch::asm!(
                ".arch_extension fp", ".arch_extension simd",
                "ldp q0, q1, [{p}, #0]", "ldp q2, q3, [{p}, #32]", "ldp q4, q5, [{p}, #64]", "ldp q6, q7, [{p}, #96]",
                "ldp q8, q9, [{p}, #128]", "ldp q10, q11, [{p}, #160]", "ldp q12, q13, [{p}, #192]",
                "ldp q14, q15, [{p}, #224]", "ldp q16, q17, [{p}, #256]", "ldp q18, q19, [{p}, #288]",
                "ldp q20, q21, [{p}, #320]", "ldp q22, q23, [{p}, #352]", "ldp q24, q25, [{p}, #384]",
                "ldp q26, q27, [{p}, #416]", "ldp q28, q29, [{p}, #448]", "ldp q30, q31, [{p}, #480]",
                "ldr {t}, [{p}, #512]", "msr fpcr, {t}", "ldr {t}, [{p}, #520]", "msr fpsr, {t}",
                ".arch_extension nofp",
                p = in(reg) self.regs.get(), t = out(reg) _, options(nostack, preserves_flags)
            );
        }
    }
}
