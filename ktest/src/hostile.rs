//! Instructions that a domain may not execute: each is the first instruction of a function, so that the kernel's ELR of
//! the fault is the function's address.
#![allow(unsafe_code, reason = "hostile code")]

/// An instruction, and the exception class that the kernel must report.
pub struct Case {
    /// The instruction.
    pub name: &'static str,
    /// The function that starts with it.
    pub run: extern "C" fn(),
    /// ESR_EL2.EC (Arm ARM D24.2.40).
    pub class: u64,
}

macro_rules! cases {
    ($($function:ident $class:literal $instruction:literal;)*) => {
        $(
            #[unsafe(naked)]
            extern "C" fn $function() {
                core::arch::naked_asm!(".arch_extension fp", $instruction, "ret", ".arch_extension nofp")
            }
        )*
        /// All of them.
        pub static ALL: &[Case] = &[$(Case { name: $instruction, run: $function, class: $class }),*];
    };
}

cases! {
    undefined 0x00 "udf #0";
    hvc 0x00 "hvc #0";
    smc 0x00 "smc #0";
    exception_return 0x00 "eret";
    mrs_currentel 0x00 "mrs x0, CurrentEL";
    mrs_daif 0x18 "mrs x0, DAIF";
    msr_daifset 0x18 "msr DAIFSet, #15";
    msr_daif 0x18 "msr DAIF, x0";
    msr_spsel 0x00 "msr SPSel, #1";
    msr_vbar_el1 0x00 "msr VBAR_EL1, x0";
    msr_sctlr_el1 0x00 "msr SCTLR_EL1, x0";
    mrs_ttbr0_el1 0x00 "mrs x0, TTBR0_EL1";
    msr_ttbr1_el1 0x00 "msr TTBR1_EL1, x0";
    msr_tpidr_el1 0x00 "msr TPIDR_EL1, x0";
    mrs_hcr_el2 0x00 "mrs x0, HCR_EL2";
    msr_hcr_el2 0x00 "msr HCR_EL2, x0";
    msr_vttbr_el2 0x00 "msr VTTBR_EL2, x0";
    mrs_tpidr_el2 0x00 "mrs x0, TPIDR_EL2";
    msr_elr_el1 0x00 "msr ELR_EL1, x0";
    msr_spsr_el1 0x00 "msr SPSR_EL1, x0";
    tlbi_vmalle1 0x00 "tlbi vmalle1";
    tlbi_alle2 0x00 "tlbi alle2";
    at_s1e1r 0x00 "at s1e1r, x0";
    dc_ivac 0x00 "dc ivac, x0";
    dc_isw 0x00 "dc isw, x0";
    ic_iallu 0x00 "ic iallu";
    icc_iar1 0x00 "mrs x0, s3_0_c12_c12_0";
    icc_dir 0x00 "msr s3_0_c12_c11_1, x0";
    icc_sgi1r 0x00 "msr s3_0_c12_c11_5, x0";
    ich_hcr 0x00 "msr s3_4_c12_c11_0, x0";
    msr_cntp_ctl 0x18 "msr CNTP_CTL_EL0, x0";
    msr_cntv_cval 0x18 "msr CNTV_CVAL_EL0, x0";
    msr_cnthp_cval 0x00 "msr CNTHP_CVAL_EL2, x0";
    pmu 0x18 "msr PMCR_EL0, x0";
    breakpoint 0x3c "brk #7";
    halting 0x00 "hlt #0";
    fp_move 0x07 "fmov d0, #1.0";
    fp_load 0x07 "ldr q0, [sp]";
    fpcr 0x07 "mrs x0, FPCR";
}
