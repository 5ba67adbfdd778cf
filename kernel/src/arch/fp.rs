//! FP/SIMD state, switched lazily.

use core::cell::Cell;

/// V0–V31, FPCR, FPSR.
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

/// V0–V31 by `ldp` or `stp`, then what follows.
macro_rules! transfer {
    ($pair:literal, $place:expr, $($then:literal),*) => {
        core::arch::asm!(
            ".arch_extension fp", ".arch_extension simd",
            ".macro fp_pair a, b, at", concat!($pair, " q\\a, q\\b, [{p}, #\\at]"), ".endm",
            "fp_pair 0, 1, 0", "fp_pair 2, 3, 32", "fp_pair 4, 5, 64", "fp_pair 6, 7, 96",
            "fp_pair 8, 9, 128", "fp_pair 10, 11, 160", "fp_pair 12, 13, 192", "fp_pair 14, 15, 224",
            "fp_pair 16, 17, 256", "fp_pair 18, 19, 288", "fp_pair 20, 21, 320", "fp_pair 22, 23, 352",
            "fp_pair 24, 25, 384", "fp_pair 26, 27, 416", "fp_pair 28, 29, 448", "fp_pair 30, 31, 480",
            ".purgem fp_pair", $($then,)*
            ".arch_extension nofp",
            p = in(reg) $place, t = out(reg) _, options(nostack, preserves_flags)
        )
    };
}

/// Registers → memory.
pub fn save(to: &Cell<Regs>) {
    // SAFETY: CPTR_EL2 lets EL2 use FP here (the caller has cleared TFP); the memory is ours, and only the vCPU's core
    // touches it.
    unsafe {
        transfer!("stp", to.as_ptr(), "mrs {t}, fpcr", "str {t}, [{p}, #512]", "mrs {t}, fpsr", "str {t}, [{p}, #520]");
    }
}

/// Memory → registers.
pub fn load(from: &Cell<Regs>) {
    // SAFETY: as in `save`; the registers belong to the vCPU that is being given FP.
    unsafe {
        transfer!(
            "ldp",
            from.as_ptr(),
            "ldr {t}, [{p}, #512]",
            "msr fpcr, {t}",
            "ldr {t}, [{p}, #520]",
            "msr fpsr, {t}"
        );
    }
}
