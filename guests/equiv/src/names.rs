//! What has to be known of single system registers: names for readers, and those that cannot be dumped as they are.

use crate::encoding::SysReg;

const fn s(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> SysReg {
    SysReg::new(op0, op1, crn, crm, op2)
}

/// Values that depend on time, chance, or on what this program did before.
const VOLATILE: &[SysReg] = &[
    s(3, 3, 2, 4, 0),  // RNDR
    s(3, 3, 2, 4, 1),  // RNDRRS
    s(3, 3, 14, 0, 1), // CNTPCT_EL0
    s(3, 3, 14, 0, 2), // CNTVCT_EL0
    s(3, 3, 14, 0, 5), // CNTPCTSS_EL0
    s(3, 3, 14, 0, 6), // CNTVCTSS_EL0
    s(3, 3, 14, 2, 0), // CNTP_TVAL_EL0
    s(3, 3, 14, 3, 0), // CNTV_TVAL_EL0
    s(3, 3, 9, 13, 0), // PMCCNTR_EL0
    s(3, 0, 12, 0, 0), // VBAR_EL1: this program's vectors
    s(3, 0, 4, 0, 0),  // SPSR_EL1, and the next three: the last exception's
    s(3, 0, 4, 0, 1),  // ELR_EL1
    s(3, 0, 5, 2, 0),  // ESR_EL1
    s(3, 0, 6, 0, 0),  // FAR_EL1
    s(3, 3, 4, 2, 0),  // NZCV
];

/// Registers that must not be written: reset request, interrupt masks, the debug channel, and all that the reads
/// of which are volatile because they count.
const DANGEROUS: &[SysReg] = &[
    s(3, 0, 12, 0, 2), // RMR_EL1: requests a warm reset
    s(3, 3, 4, 2, 1),  // DAIF
    s(3, 3, 4, 2, 2),  // SVCR: entering streaming mode changes FPSR
    s(2, 3, 0, 4, 0),  // DBGDTR_EL0
    s(2, 3, 0, 5, 0),  // DBGDTRRX_EL0, DBGDTRTX_EL0
    s(3, 3, 2, 4, 0),
    s(3, 3, 2, 4, 1),
    s(3, 3, 14, 2, 0),
    s(3, 3, 14, 3, 0),
    s(3, 3, 9, 13, 0),
];

/// Whether the value is left out of the dump.
pub fn is_volatile(register: SysReg) -> bool {
    VOLATILE.contains(&register)
}

/// Whether the write test leaves the register alone.
pub fn is_dangerous(register: SysReg) -> bool {
    DANGEROUS.contains(&register)
}

/// Bits that the write test leaves 0: translation stays off (SCTLR_EL1.M), and ICC_BPR<n>_EL1 gets 8 bits, as QEMU takes
/// all ones for a negative number there.
pub fn keep(register: SysReg) -> u64 {
    const SCTLR_EL1: SysReg = s(3, 0, 1, 0, 0);
    const ICC_BPR0_EL1: SysReg = s(3, 0, 12, 8, 3);
    const ICC_BPR1_EL1: SysReg = s(3, 0, 12, 12, 3);
    match register {
        SCTLR_EL1 => 1,
        ICC_BPR0_EL1 | ICC_BPR1_EL1 => !0xff,
        _ => 0,
    }
}

/// Name in the Arm ARM, of those that readers look for.
pub fn name(register: SysReg) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == register).map(|(_, name)| *name)
}

const NAMES: &[(SysReg, &str)] = &[
    (s(3, 0, 0, 0, 0), "MIDR_EL1"),
    (s(3, 0, 0, 0, 5), "MPIDR_EL1"),
    (s(3, 0, 0, 0, 6), "REVIDR_EL1"),
    (s(3, 0, 0, 1, 0), "ID_PFR0_EL1"),
    (s(3, 0, 0, 1, 1), "ID_PFR1_EL1"),
    (s(3, 0, 0, 1, 2), "ID_DFR0_EL1"),
    (s(3, 0, 0, 1, 3), "ID_AFR0_EL1"),
    (s(3, 0, 0, 1, 4), "ID_MMFR0_EL1"),
    (s(3, 0, 0, 1, 5), "ID_MMFR1_EL1"),
    (s(3, 0, 0, 1, 6), "ID_MMFR2_EL1"),
    (s(3, 0, 0, 1, 7), "ID_MMFR3_EL1"),
    (s(3, 0, 0, 2, 0), "ID_ISAR0_EL1"),
    (s(3, 0, 0, 2, 1), "ID_ISAR1_EL1"),
    (s(3, 0, 0, 2, 2), "ID_ISAR2_EL1"),
    (s(3, 0, 0, 2, 3), "ID_ISAR3_EL1"),
    (s(3, 0, 0, 2, 4), "ID_ISAR4_EL1"),
    (s(3, 0, 0, 2, 5), "ID_ISAR5_EL1"),
    (s(3, 0, 0, 2, 6), "ID_MMFR4_EL1"),
    (s(3, 0, 0, 2, 7), "ID_ISAR6_EL1"),
    (s(3, 0, 0, 3, 0), "MVFR0_EL1"),
    (s(3, 0, 0, 3, 1), "MVFR1_EL1"),
    (s(3, 0, 0, 3, 2), "MVFR2_EL1"),
    (s(3, 0, 0, 3, 4), "ID_PFR2_EL1"),
    (s(3, 0, 0, 3, 5), "ID_DFR1_EL1"),
    (s(3, 0, 0, 3, 6), "ID_MMFR5_EL1"),
    (s(3, 0, 0, 4, 0), "ID_AA64PFR0_EL1"),
    (s(3, 0, 0, 4, 1), "ID_AA64PFR1_EL1"),
    (s(3, 0, 0, 4, 2), "ID_AA64PFR2_EL1"),
    (s(3, 0, 0, 4, 4), "ID_AA64ZFR0_EL1"),
    (s(3, 0, 0, 4, 5), "ID_AA64SMFR0_EL1"),
    (s(3, 0, 0, 4, 7), "ID_AA64FPFR0_EL1"),
    (s(3, 0, 0, 5, 0), "ID_AA64DFR0_EL1"),
    (s(3, 0, 0, 5, 1), "ID_AA64DFR1_EL1"),
    (s(3, 0, 0, 5, 2), "ID_AA64DFR2_EL1"),
    (s(3, 0, 0, 5, 4), "ID_AA64AFR0_EL1"),
    (s(3, 0, 0, 5, 5), "ID_AA64AFR1_EL1"),
    (s(3, 0, 0, 6, 0), "ID_AA64ISAR0_EL1"),
    (s(3, 0, 0, 6, 1), "ID_AA64ISAR1_EL1"),
    (s(3, 0, 0, 6, 2), "ID_AA64ISAR2_EL1"),
    (s(3, 0, 0, 6, 3), "ID_AA64ISAR3_EL1"),
    (s(3, 0, 0, 7, 0), "ID_AA64MMFR0_EL1"),
    (s(3, 0, 0, 7, 1), "ID_AA64MMFR1_EL1"),
    (s(3, 0, 0, 7, 2), "ID_AA64MMFR2_EL1"),
    (s(3, 0, 0, 7, 3), "ID_AA64MMFR3_EL1"),
    (s(3, 0, 0, 7, 4), "ID_AA64MMFR4_EL1"),
    (s(3, 0, 1, 0, 0), "SCTLR_EL1"),
    (s(3, 0, 1, 0, 1), "ACTLR_EL1"),
    (s(3, 0, 1, 0, 2), "CPACR_EL1"),
    (s(3, 0, 1, 0, 3), "SCTLR2_EL1"),
    (s(3, 0, 1, 0, 5), "RGSR_EL1"),
    (s(3, 0, 1, 0, 6), "GCR_EL1"),
    (s(3, 0, 1, 2, 0), "ZCR_EL1"),
    (s(3, 0, 1, 2, 1), "TRFCR_EL1"),
    (s(3, 0, 1, 2, 4), "SMPRI_EL1"),
    (s(3, 0, 1, 2, 6), "SMCR_EL1"),
    (s(3, 0, 2, 0, 0), "TTBR0_EL1"),
    (s(3, 0, 2, 0, 1), "TTBR1_EL1"),
    (s(3, 0, 2, 0, 2), "TCR_EL1"),
    (s(3, 0, 2, 0, 3), "TCR2_EL1"),
    (s(3, 0, 2, 1, 0), "APIAKeyLo_EL1"),
    (s(3, 0, 2, 1, 1), "APIAKeyHi_EL1"),
    (s(3, 0, 2, 1, 2), "APIBKeyLo_EL1"),
    (s(3, 0, 2, 1, 3), "APIBKeyHi_EL1"),
    (s(3, 0, 2, 2, 0), "APDAKeyLo_EL1"),
    (s(3, 0, 2, 2, 1), "APDAKeyHi_EL1"),
    (s(3, 0, 2, 2, 2), "APDBKeyLo_EL1"),
    (s(3, 0, 2, 2, 3), "APDBKeyHi_EL1"),
    (s(3, 0, 2, 3, 0), "APGAKeyLo_EL1"),
    (s(3, 0, 2, 3, 1), "APGAKeyHi_EL1"),
    (s(3, 0, 4, 0, 0), "SPSR_EL1"),
    (s(3, 0, 4, 0, 1), "ELR_EL1"),
    (s(3, 0, 4, 1, 0), "SP_EL0"),
    (s(3, 0, 4, 2, 0), "SPSel"),
    (s(3, 0, 4, 2, 2), "CurrentEL"),
    (s(3, 0, 4, 2, 3), "PAN"),
    (s(3, 0, 4, 2, 4), "UAO"),
    (s(3, 0, 4, 3, 0), "ALLINT"),
    (s(3, 0, 4, 6, 0), "ICC_PMR_EL1"),
    (s(3, 0, 5, 1, 0), "AFSR0_EL1"),
    (s(3, 0, 5, 1, 1), "AFSR1_EL1"),
    (s(3, 0, 5, 2, 0), "ESR_EL1"),
    (s(3, 0, 5, 3, 0), "ERRIDR_EL1"),
    (s(3, 0, 5, 3, 1), "ERRSELR_EL1"),
    (s(3, 0, 5, 6, 0), "TFSR_EL1"),
    (s(3, 0, 5, 6, 1), "TFSRE0_EL1"),
    (s(3, 0, 6, 0, 0), "FAR_EL1"),
    (s(3, 0, 7, 4, 0), "PAR_EL1"),
    (s(3, 0, 9, 14, 1), "PMINTENSET_EL1"),
    (s(3, 0, 9, 14, 2), "PMINTENCLR_EL1"),
    (s(3, 0, 9, 14, 6), "PMMIR_EL1"),
    (s(3, 0, 10, 2, 0), "MAIR_EL1"),
    (s(3, 0, 10, 2, 1), "MAIR2_EL1"),
    (s(3, 0, 10, 2, 2), "PIRE0_EL1"),
    (s(3, 0, 10, 2, 3), "PIR_EL1"),
    (s(3, 0, 10, 3, 0), "AMAIR_EL1"),
    (s(3, 0, 10, 3, 1), "AMAIR2_EL1"),
    (s(3, 0, 10, 4, 3), "LORC_EL1"),
    (s(3, 0, 10, 4, 7), "LORID_EL1"),
    (s(3, 0, 12, 0, 0), "VBAR_EL1"),
    (s(3, 0, 12, 0, 1), "RVBAR_EL1"),
    (s(3, 0, 12, 0, 2), "RMR_EL1"),
    (s(3, 0, 12, 1, 0), "ISR_EL1"),
    (s(3, 0, 12, 1, 1), "DISR_EL1"),
    (s(3, 0, 12, 8, 0), "ICC_IAR0_EL1"),
    (s(3, 0, 12, 8, 1), "ICC_EOIR0_EL1"),
    (s(3, 0, 12, 8, 2), "ICC_HPPIR0_EL1"),
    (s(3, 0, 12, 8, 3), "ICC_BPR0_EL1"),
    (s(3, 0, 12, 8, 4), "ICC_AP0R0_EL1"),
    (s(3, 0, 12, 9, 0), "ICC_AP1R0_EL1"),
    (s(3, 0, 12, 11, 1), "ICC_DIR_EL1"),
    (s(3, 0, 12, 11, 3), "ICC_RPR_EL1"),
    (s(3, 0, 12, 11, 5), "ICC_SGI1R_EL1"),
    (s(3, 0, 12, 11, 6), "ICC_ASGI1R_EL1"),
    (s(3, 0, 12, 11, 7), "ICC_SGI0R_EL1"),
    (s(3, 0, 12, 12, 0), "ICC_IAR1_EL1"),
    (s(3, 0, 12, 12, 1), "ICC_EOIR1_EL1"),
    (s(3, 0, 12, 12, 2), "ICC_HPPIR1_EL1"),
    (s(3, 0, 12, 12, 3), "ICC_BPR1_EL1"),
    (s(3, 0, 12, 12, 4), "ICC_CTLR_EL1"),
    (s(3, 0, 12, 12, 5), "ICC_SRE_EL1"),
    (s(3, 0, 12, 12, 6), "ICC_IGRPEN0_EL1"),
    (s(3, 0, 12, 12, 7), "ICC_IGRPEN1_EL1"),
    (s(3, 0, 13, 0, 1), "CONTEXTIDR_EL1"),
    (s(3, 0, 13, 0, 4), "TPIDR_EL1"),
    (s(3, 0, 13, 0, 7), "SCXTNUM_EL1"),
    (s(3, 0, 14, 1, 0), "CNTKCTL_EL1"),
    (s(3, 1, 0, 0, 0), "CCSIDR_EL1"),
    (s(3, 1, 0, 0, 1), "CLIDR_EL1"),
    (s(3, 1, 0, 0, 2), "CCSIDR2_EL1"),
    (s(3, 1, 0, 0, 4), "GMID_EL1"),
    (s(3, 1, 0, 0, 6), "SMIDR_EL1"),
    (s(3, 1, 0, 0, 7), "AIDR_EL1"),
    (s(3, 2, 0, 0, 0), "CSSELR_EL1"),
    (s(3, 3, 0, 0, 1), "CTR_EL0"),
    (s(3, 3, 0, 0, 7), "DCZID_EL0"),
    (s(3, 3, 2, 4, 0), "RNDR"),
    (s(3, 3, 2, 4, 1), "RNDRRS"),
    (s(3, 3, 4, 2, 0), "NZCV"),
    (s(3, 3, 4, 2, 1), "DAIF"),
    (s(3, 3, 4, 2, 2), "SVCR"),
    (s(3, 3, 4, 2, 5), "DIT"),
    (s(3, 3, 4, 2, 6), "SSBS"),
    (s(3, 3, 4, 2, 7), "TCO"),
    (s(3, 3, 4, 4, 0), "FPCR"),
    (s(3, 3, 4, 4, 1), "FPSR"),
    (s(3, 3, 9, 12, 0), "PMCR_EL0"),
    (s(3, 3, 9, 12, 1), "PMCNTENSET_EL0"),
    (s(3, 3, 9, 12, 2), "PMCNTENCLR_EL0"),
    (s(3, 3, 9, 12, 3), "PMOVSCLR_EL0"),
    (s(3, 3, 9, 12, 5), "PMSELR_EL0"),
    (s(3, 3, 9, 12, 6), "PMCEID0_EL0"),
    (s(3, 3, 9, 12, 7), "PMCEID1_EL0"),
    (s(3, 3, 9, 13, 0), "PMCCNTR_EL0"),
    (s(3, 3, 9, 13, 1), "PMXEVTYPER_EL0"),
    (s(3, 3, 9, 13, 2), "PMXEVCNTR_EL0"),
    (s(3, 3, 9, 14, 0), "PMUSERENR_EL0"),
    (s(3, 3, 9, 14, 3), "PMOVSSET_EL0"),
    (s(3, 3, 13, 0, 2), "TPIDR_EL0"),
    (s(3, 3, 13, 0, 3), "TPIDRRO_EL0"),
    (s(3, 3, 13, 0, 5), "TPIDR2_EL0"),
    (s(3, 3, 13, 0, 7), "SCXTNUM_EL0"),
    (s(3, 3, 14, 0, 0), "CNTFRQ_EL0"),
    (s(3, 3, 14, 0, 1), "CNTPCT_EL0"),
    (s(3, 3, 14, 0, 2), "CNTVCT_EL0"),
    (s(3, 3, 14, 0, 5), "CNTPCTSS_EL0"),
    (s(3, 3, 14, 0, 6), "CNTVCTSS_EL0"),
    (s(3, 3, 14, 2, 0), "CNTP_TVAL_EL0"),
    (s(3, 3, 14, 2, 1), "CNTP_CTL_EL0"),
    (s(3, 3, 14, 2, 2), "CNTP_CVAL_EL0"),
    (s(3, 3, 14, 3, 0), "CNTV_TVAL_EL0"),
    (s(3, 3, 14, 3, 1), "CNTV_CTL_EL0"),
    (s(3, 3, 14, 3, 2), "CNTV_CVAL_EL0"),
    (s(3, 3, 14, 15, 7), "PMCCFILTR_EL0"),
    (s(2, 0, 0, 0, 2), "OSDTRRX_EL1"),
    (s(2, 0, 0, 2, 0), "MDCCINT_EL1"),
    (s(2, 0, 0, 2, 2), "MDSCR_EL1"),
    (s(2, 0, 0, 3, 2), "OSDTRTX_EL1"),
    (s(2, 0, 0, 6, 2), "OSECCR_EL1"),
    (s(2, 0, 1, 0, 0), "MDRAR_EL1"),
    (s(2, 0, 1, 0, 4), "OSLAR_EL1"),
    (s(2, 0, 1, 1, 4), "OSLSR_EL1"),
    (s(2, 0, 1, 3, 4), "OSDLR_EL1"),
    (s(2, 0, 1, 4, 4), "DBGPRCR_EL1"),
    (s(2, 0, 7, 8, 6), "DBGCLAIMSET_EL1"),
    (s(2, 0, 7, 9, 6), "DBGCLAIMCLR_EL1"),
    (s(2, 0, 7, 14, 6), "DBGAUTHSTATUS_EL1"),
    (s(2, 3, 0, 1, 0), "MDCCSR_EL0"),
];
