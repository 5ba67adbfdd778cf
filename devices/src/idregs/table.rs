//! The table. Fields and encodings: Arm ARM (DDI0487) D24.2, "General system control registers".

use super::Policy::{AtMost, Hide, Pass};
use super::{Feature, Policy, SysReg, sysreg};

const fn id(crm: u32, op2: u32) -> SysReg {
    sysreg(3, 0, 0, crm, op2)
}

const PFR0: SysReg = id(4, 0);
const PFR1: SysReg = id(4, 1);
const PFR2: SysReg = id(4, 2);
const ZFR0: SysReg = id(4, 4);
const SMFR0: SysReg = id(4, 5);
const FPFR0: SysReg = id(4, 7);
const DFR0: SysReg = id(5, 0);
const DFR1: SysReg = id(5, 1);
const DFR2: SysReg = id(5, 2);
const AFR0: SysReg = id(5, 4);
const AFR1: SysReg = id(5, 5);
const ISAR0: SysReg = id(6, 0);
const ISAR1: SysReg = id(6, 1);
const ISAR2: SysReg = id(6, 2);
const ISAR3: SysReg = id(6, 3);
const MMFR0: SysReg = id(7, 0);
const MMFR1: SysReg = id(7, 1);
const MMFR2: SysReg = id(7, 2);
const MMFR3: SysReg = id(7, 3);
const MMFR4: SysReg = id(7, 4);

const PFR0_32: SysReg = id(1, 0);
const PFR1_32: SysReg = id(1, 1);
const DFR0_32: SysReg = id(1, 2);
const AFR0_32: SysReg = id(1, 3);
const MMFR0_32: SysReg = id(1, 4);
const MMFR1_32: SysReg = id(1, 5);
const MMFR2_32: SysReg = id(1, 6);
const MMFR3_32: SysReg = id(1, 7);
const ISAR0_32: SysReg = id(2, 0);
const ISAR1_32: SysReg = id(2, 1);
const ISAR2_32: SysReg = id(2, 2);
const ISAR3_32: SysReg = id(2, 3);
const ISAR4_32: SysReg = id(2, 4);
const ISAR5_32: SysReg = id(2, 5);
const MMFR4_32: SysReg = id(2, 6);
const ISAR6_32: SysReg = id(2, 7);
const MVFR0: SysReg = id(3, 0);
const MVFR1: SysReg = id(3, 1);
const MVFR2: SysReg = id(3, 2);
const PFR2_32: SysReg = id(3, 4);
const DFR1_32: SysReg = id(3, 5);
const MMFR5_32: SysReg = id(3, 6);

/// Names of the registers in the table.
pub const NAMES: &[(SysReg, &str)] = &[
    (PFR0, "ID_AA64PFR0_EL1"),
    (PFR1, "ID_AA64PFR1_EL1"),
    (PFR2, "ID_AA64PFR2_EL1"),
    (ZFR0, "ID_AA64ZFR0_EL1"),
    (SMFR0, "ID_AA64SMFR0_EL1"),
    (FPFR0, "ID_AA64FPFR0_EL1"),
    (DFR0, "ID_AA64DFR0_EL1"),
    (DFR1, "ID_AA64DFR1_EL1"),
    (DFR2, "ID_AA64DFR2_EL1"),
    (AFR0, "ID_AA64AFR0_EL1"),
    (AFR1, "ID_AA64AFR1_EL1"),
    (ISAR0, "ID_AA64ISAR0_EL1"),
    (ISAR1, "ID_AA64ISAR1_EL1"),
    (ISAR2, "ID_AA64ISAR2_EL1"),
    (ISAR3, "ID_AA64ISAR3_EL1"),
    (MMFR0, "ID_AA64MMFR0_EL1"),
    (MMFR1, "ID_AA64MMFR1_EL1"),
    (MMFR2, "ID_AA64MMFR2_EL1"),
    (MMFR3, "ID_AA64MMFR3_EL1"),
    (MMFR4, "ID_AA64MMFR4_EL1"),
    (PFR0_32, "ID_PFR0_EL1"),
    (PFR1_32, "ID_PFR1_EL1"),
    (DFR0_32, "ID_DFR0_EL1"),
    (AFR0_32, "ID_AFR0_EL1"),
    (MMFR0_32, "ID_MMFR0_EL1"),
    (MMFR1_32, "ID_MMFR1_EL1"),
    (MMFR2_32, "ID_MMFR2_EL1"),
    (MMFR3_32, "ID_MMFR3_EL1"),
    (ISAR0_32, "ID_ISAR0_EL1"),
    (ISAR1_32, "ID_ISAR1_EL1"),
    (ISAR2_32, "ID_ISAR2_EL1"),
    (ISAR3_32, "ID_ISAR3_EL1"),
    (ISAR4_32, "ID_ISAR4_EL1"),
    (ISAR5_32, "ID_ISAR5_EL1"),
    (MMFR4_32, "ID_MMFR4_EL1"),
    (ISAR6_32, "ID_ISAR6_EL1"),
    (MVFR0, "MVFR0_EL1"),
    (MVFR1, "MVFR1_EL1"),
    (MVFR2, "MVFR2_EL1"),
    (PFR2_32, "ID_PFR2_EL1"),
    (DFR1_32, "ID_DFR1_EL1"),
    (MMFR5_32, "ID_MMFR5_EL1"),
];

const INSTRUCTIONS: &str = "instructions of EL0 and EL1 without an EL2 control";
const EL1: &str = "control and state are EL1's own, or part of PSTATE";
const FP: &str = "acts on FP/SIMD state, which is switched";
const PAUTH: &str = "HCR_EL2.API and APK are set, keys are switched";
const WALK: &str = "stage 1 walks are the guest's own";
const PROPERTY: &str = "a property of the CPU, nothing to enable";
const EL2: &str = "a feature of EL2, which the guest does not have";
const STATE: &str = "its registers are not switched";
const TRAPPED: &str = "trapped, not emulated";
const NO_PMU: &str = "no PMU, profiling or trace for guests";
const AARCH32: &str = "AArch32 at EL0 runs untrapped";

const fn field(register: SysReg, name: &'static str, lsb: u32, policy: Policy, reason: &'static str) -> Feature {
    Feature { register, name, lsb, width: 4, policy, reason }
}

/// Bits 31:0 of an AArch32 register as a whole.
const fn aarch32(register: SysReg, policy: Policy, reason: &'static str) -> Feature {
    Feature { register, name: "(all)", lsb: 0, width: 32, policy, reason }
}

/// A whole register.
const fn whole(register: SysReg, policy: Policy, reason: &'static str) -> Feature {
    Feature { register, name: "(all)", lsb: 0, width: 64, policy, reason }
}

/// Each field of the ID registers and what the guest sees of it. A field that is not here reads as 0.
#[rustfmt::skip]
pub const TABLE: &[Feature] = &[
    field(PFR0, "EL0", 0, Pass, "AArch32 at EL0 runs untrapped"),
    field(PFR0, "EL1", 4, Pass, PROPERTY),
    field(PFR0, "EL2", 8, Hide, EL2),
    field(PFR0, "EL3", 12, Hide, "firmware is the hypervisor"),
    field(PFR0, "FP", 16, Pass, FP),
    field(PFR0, "AdvSIMD", 20, Pass, FP),
    field(PFR0, "GIC", 24, AtMost(1), "GICv3 CPU interface by system registers; GICv4.1 is not for guests"),
    field(PFR0, "RAS", 28, Hide, "error records are the hypervisor's"),
    field(PFR0, "SVE", 32, Hide, STATE),
    field(PFR0, "SEL2", 36, Hide, EL2),
    field(PFR0, "MPAM", 40, Hide, STATE),
    field(PFR0, "AMU", 44, Hide, NO_PMU),
    field(PFR0, "DIT", 48, Pass, EL1),
    field(PFR0, "RME", 52, Hide, "a feature of EL3"),
    field(PFR0, "CSV2", 56, AtMost(1), "2 has SCXTNUM_ELx, which are not switched"),
    field(PFR0, "CSV3", 60, Pass, PROPERTY),

    field(PFR1, "BT", 0, Pass, EL1),
    field(PFR1, "SSBS", 4, Pass, EL1),
    field(PFR1, "MTE", 8, Hide, STATE),
    field(PFR1, "RAS_frac", 12, Hide, "with RAS"),
    field(PFR1, "MPAM_frac", 16, Hide, "with MPAM"),
    field(PFR1, "SME", 24, Hide, STATE),
    field(PFR1, "RNDR_trap", 28, Hide, "a feature of EL3"),
    field(PFR1, "CSV2_frac", 32, AtMost(1), "2 has SCXTNUM_ELx, which are not switched"),
    field(PFR1, "NMI", 36, Hide, STATE),
    field(PFR1, "MTE_frac", 40, Hide, "with MTE"),
    field(PFR1, "GCS", 44, Hide, STATE),
    field(PFR1, "THE", 48, Hide, STATE),
    field(PFR1, "MTEX", 52, Hide, "with MTE"),
    field(PFR1, "DF2", 56, Hide, "with RAS"),
    field(PFR1, "PFAR", 60, Hide, STATE),

    whole(PFR2, Hide, "MTE extensions, FPMR, injection of undefined exceptions: not switched"),
    whole(ZFR0, Hide, "with SVE"),
    whole(SMFR0, Hide, "with SME"),
    whole(FPFR0, Hide, "with FPMR"),

    field(DFR0, "DebugVer", 0, Pass, PROPERTY),
    field(DFR0, "TraceVer", 4, Hide, NO_PMU),
    field(DFR0, "PMUVer", 8, Hide, NO_PMU),
    field(DFR0, "BRPs", 12, Pass, PROPERTY),
    field(DFR0, "PMSS", 16, Hide, NO_PMU),
    field(DFR0, "WRPs", 20, Pass, PROPERTY),
    field(DFR0, "SEBEP", 24, Hide, NO_PMU),
    field(DFR0, "CTX_CMPs", 28, Pass, PROPERTY),
    field(DFR0, "PMSVer", 32, Hide, NO_PMU),
    field(DFR0, "DoubleLock", 36, Pass, PROPERTY),
    field(DFR0, "TraceFilt", 40, Hide, NO_PMU),
    field(DFR0, "TraceBuffer", 44, Hide, NO_PMU),
    field(DFR0, "MTPMU", 48, Hide, NO_PMU),
    field(DFR0, "BRBE", 52, Hide, NO_PMU),
    field(DFR0, "ExtTrcBuff", 56, Hide, NO_PMU),
    field(DFR0, "HPMN0", 60, Hide, EL2),
    whole(DFR1, Hide, NO_PMU),
    whole(DFR2, Hide, NO_PMU),
    whole(AFR0, Hide, "IMPLEMENTATION DEFINED"),
    whole(AFR1, Hide, "IMPLEMENTATION DEFINED"),

    field(ISAR0, "AES", 4, Pass, FP),
    field(ISAR0, "SHA1", 8, Pass, FP),
    field(ISAR0, "SHA2", 12, Pass, FP),
    field(ISAR0, "CRC32", 16, Pass, INSTRUCTIONS),
    field(ISAR0, "Atomic", 20, Pass, INSTRUCTIONS),
    field(ISAR0, "TME", 24, Hide, "no real core has it"),
    field(ISAR0, "RDM", 28, Pass, FP),
    field(ISAR0, "SHA3", 32, Pass, FP),
    field(ISAR0, "SM3", 36, Pass, FP),
    field(ISAR0, "SM4", 40, Pass, FP),
    field(ISAR0, "DP", 44, Pass, FP),
    field(ISAR0, "FHM", 48, Pass, FP),
    field(ISAR0, "TS", 52, Pass, INSTRUCTIONS),
    field(ISAR0, "TLB", 56, Pass, "TLB maintenance of EL1 acts on the guest's VMID, untrapped"),
    field(ISAR0, "RNDR", 60, Pass, INSTRUCTIONS),

    field(ISAR1, "DPB", 0, Pass, "cache maintenance by address, untrapped"),
    field(ISAR1, "APA", 4, Pass, PAUTH),
    field(ISAR1, "API", 8, Pass, PAUTH),
    field(ISAR1, "JSCVT", 12, Pass, FP),
    field(ISAR1, "FCMA", 16, Pass, FP),
    field(ISAR1, "LRCPC", 20, Pass, INSTRUCTIONS),
    field(ISAR1, "GPA", 24, Pass, PAUTH),
    field(ISAR1, "GPI", 28, Pass, PAUTH),
    field(ISAR1, "FRINTTS", 32, Pass, FP),
    field(ISAR1, "SB", 36, Pass, INSTRUCTIONS),
    field(ISAR1, "SPECRES", 40, Pass, INSTRUCTIONS),
    field(ISAR1, "BF16", 44, Pass, FP),
    field(ISAR1, "DGH", 48, Pass, INSTRUCTIONS),
    field(ISAR1, "I8MM", 52, Pass, FP),
    field(ISAR1, "XS", 56, Pass, "HCRX_EL2.FnXS and FGTnXS are zero"),
    field(ISAR1, "LS64", 60, Hide, TRAPPED),

    field(ISAR2, "WFxT", 0, Hide, "WFET and WFIT trap as WFE and WFI, without their time-out"),
    field(ISAR2, "RPRES", 4, Pass, FP),
    field(ISAR2, "GPA3", 8, Pass, PAUTH),
    field(ISAR2, "APA3", 12, Pass, PAUTH),
    field(ISAR2, "MOPS", 16, AtMost(1), "HCRX_EL2.MSCEn is set"),
    field(ISAR2, "BC", 20, Pass, INSTRUCTIONS),
    field(ISAR2, "PAC_frac", 24, Pass, PAUTH),
    field(ISAR2, "CLRBHB", 28, Pass, INSTRUCTIONS),
    field(ISAR2, "SYSREG_128", 32, Hide, STATE),
    field(ISAR2, "SYSINSTR_128", 36, Hide, "with SYSREG_128"),
    field(ISAR2, "PRFMSLC", 40, Pass, INSTRUCTIONS),
    field(ISAR2, "PCDPHINT", 44, Pass, INSTRUCTIONS),
    field(ISAR2, "RPRFM", 48, Pass, INSTRUCTIONS),
    field(ISAR2, "CSSC", 52, Pass, INSTRUCTIONS),
    field(ISAR2, "LUT", 56, Pass, FP),
    field(ISAR2, "ATS1A", 60, Pass, WALK),

    field(ISAR3, "CPA", 0, Hide, "with SCTLR2_EL1"),
    field(ISAR3, "FAMINMAX", 4, Pass, FP),
    field(ISAR3, "TLBIW", 8, Hide, EL2),
    field(ISAR3, "PACM", 12, Hide, "HCRX_EL2.PACMEn is zero"),
    field(ISAR3, "LSFE", 16, Pass, FP),
    field(ISAR3, "OCCMO", 20, Pass, "cache maintenance by address, untrapped"),
    field(ISAR3, "LSUI", 24, Pass, INSTRUCTIONS),
    field(ISAR3, "FPRCVT", 28, Pass, FP),

    field(MMFR0, "PARange", 0, AtMost(2), "the guest's physical addresses have 40 bits"),
    field(MMFR0, "ASIDBits", 4, Pass, WALK),
    field(MMFR0, "BigEnd", 8, Pass, EL1),
    field(MMFR0, "SNSMem", 12, Pass, PROPERTY),
    field(MMFR0, "BigEndEL0", 16, Pass, EL1),
    field(MMFR0, "TGran16", 20, Pass, WALK),
    field(MMFR0, "TGran64", 24, Pass, WALK),
    field(MMFR0, "TGran4", 28, Pass, WALK),
    field(MMFR0, "TGran16_2", 32, Pass, "stage 2: means nothing without EL2"),
    field(MMFR0, "TGran64_2", 36, Pass, "stage 2: means nothing without EL2"),
    field(MMFR0, "TGran4_2", 40, Pass, "stage 2: means nothing without EL2"),
    field(MMFR0, "ExS", 44, Pass, EL1),
    field(MMFR0, "FGT", 56, Hide, EL2),
    field(MMFR0, "ECV", 60, Hide, "the self-synchronised counters and CNTPOFF_EL2 are not set up"),

    field(MMFR1, "HAFDBS", 0, AtMost(2), "hardware updates of stage 1; 3 and above need TCR2_EL1"),
    field(MMFR1, "VMIDBits", 4, Hide, EL2),
    field(MMFR1, "VH", 8, Hide, EL2),
    field(MMFR1, "HPDS", 12, Pass, WALK),
    field(MMFR1, "LO", 16, Hide, TRAPPED),
    field(MMFR1, "PAN", 20, Pass, EL1),
    field(MMFR1, "SpecSEI", 24, Pass, PROPERTY),
    field(MMFR1, "XNX", 28, Pass, "stage 2: means nothing without EL2"),
    field(MMFR1, "TWED", 32, Hide, EL2),
    field(MMFR1, "ETS", 36, Pass, PROPERTY),
    field(MMFR1, "HCX", 40, Hide, EL2),
    field(MMFR1, "AFP", 44, Pass, FP),
    field(MMFR1, "nTLBPA", 48, Pass, PROPERTY),
    field(MMFR1, "TIDCP1", 52, Pass, EL1),
    field(MMFR1, "CMOW", 56, Pass, EL1),
    field(MMFR1, "ECBHB", 60, Pass, PROPERTY),

    field(MMFR2, "CnP", 0, Pass, WALK),
    field(MMFR2, "UAO", 4, Pass, EL1),
    field(MMFR2, "LSM", 8, Pass, EL1),
    field(MMFR2, "IESB", 12, Hide, "with RAS"),
    field(MMFR2, "VARange", 16, AtMost(1), "52 bits by TCR_EL1; 2 needs 128-bit descriptors"),
    field(MMFR2, "CCIDX", 20, Pass, PROPERTY),
    field(MMFR2, "NV", 24, Hide, EL2),
    field(MMFR2, "ST", 28, Pass, WALK),
    field(MMFR2, "AT", 32, Pass, PROPERTY),
    field(MMFR2, "IDS", 36, Pass, "traps of the ID space are reported as such"),
    field(MMFR2, "FWB", 40, Pass, "stage 2: means nothing without EL2"),
    field(MMFR2, "TTL", 48, Pass, WALK),
    field(MMFR2, "BBM", 52, Pass, WALK),
    field(MMFR2, "EVT", 56, Hide, EL2),
    field(MMFR2, "E0PD", 60, Pass, WALK),

    field(MMFR3, "TCRX", 0, Hide, STATE),
    field(MMFR3, "SCTLRX", 4, Hide, STATE),
    field(MMFR3, "S1PIE", 8, Hide, STATE),
    field(MMFR3, "S2PIE", 12, Hide, EL2),
    field(MMFR3, "S1POE", 16, Hide, STATE),
    field(MMFR3, "S2POE", 20, Hide, EL2),
    field(MMFR3, "AIE", 24, Hide, STATE),
    field(MMFR3, "MEC", 28, Hide, EL2),
    field(MMFR3, "D128", 32, Hide, STATE),
    field(MMFR3, "D128_2", 36, Hide, EL2),
    field(MMFR3, "SNERR", 40, Hide, "with RAS"),
    field(MMFR3, "ANERR", 44, Hide, "with RAS"),
    field(MMFR3, "SDERR", 52, Hide, "with RAS"),
    field(MMFR3, "ADERR", 56, Hide, "with RAS"),
    field(MMFR3, "Spec_FPACC", 60, Pass, PROPERTY),
    whole(MMFR4, Hide, EL2),

    field(PFR0_32, "State0", 0, Pass, AARCH32),
    field(PFR0_32, "State1", 4, Pass, AARCH32),
    field(PFR0_32, "State2", 8, Pass, AARCH32),
    field(PFR0_32, "State3", 12, Pass, AARCH32),
    field(PFR0_32, "CSV2", 16, AtMost(1), "as ID_AA64PFR0_EL1"),
    field(PFR0_32, "AMU", 20, Hide, NO_PMU),
    field(PFR0_32, "DIT", 24, Pass, AARCH32),
    field(PFR0_32, "RAS", 28, Hide, "as ID_AA64PFR0_EL1"),
    field(PFR1_32, "ProgMod", 0, Pass, AARCH32),
    field(PFR1_32, "Security", 4, Hide, "firmware is the hypervisor"),
    field(PFR1_32, "MProgMod", 8, Pass, AARCH32),
    field(PFR1_32, "Virtualization", 12, Hide, EL2),
    field(PFR1_32, "GenTimer", 16, AtMost(1), "as ID_AA64MMFR0_EL1.ECV"),
    field(PFR1_32, "Sec_frac", 20, Hide, "firmware is the hypervisor"),
    field(PFR1_32, "Virt_frac", 24, Hide, EL2),
    field(PFR1_32, "GIC", 28, AtMost(1), "as ID_AA64PFR0_EL1"),
    field(PFR2_32, "CSV3", 0, Pass, PROPERTY),
    field(PFR2_32, "SSBS", 4, Pass, AARCH32),
    field(PFR2_32, "RAS_frac", 8, Hide, "with RAS"),
    field(DFR0_32, "CopDbg", 0, Pass, PROPERTY),
    field(DFR0_32, "CopSDbg", 4, Hide, "firmware is the hypervisor"),
    field(DFR0_32, "MMapDbg", 8, Hide, NO_PMU),
    field(DFR0_32, "CopTrc", 12, Hide, NO_PMU),
    field(DFR0_32, "MMapTrc", 16, Hide, NO_PMU),
    field(DFR0_32, "MProfDbg", 20, Hide, NO_PMU),
    field(DFR0_32, "PerfMon", 24, Hide, NO_PMU),
    field(DFR0_32, "TraceFilt", 28, Hide, NO_PMU),
    aarch32(DFR1_32, Hide, NO_PMU),
    aarch32(AFR0_32, Hide, "IMPLEMENTATION DEFINED"),
    aarch32(MMFR0_32, Pass, AARCH32),
    aarch32(MMFR1_32, Pass, AARCH32),
    aarch32(MMFR2_32, Pass, AARCH32),
    aarch32(MMFR3_32, Pass, AARCH32),
    field(MMFR4_32, "SpecSEI", 0, Pass, PROPERTY),
    field(MMFR4_32, "AC2", 4, Pass, PROPERTY),
    field(MMFR4_32, "XNX", 8, Pass, "stage 2: means nothing without EL2"),
    field(MMFR4_32, "CnP", 12, Pass, AARCH32),
    field(MMFR4_32, "HPDS", 16, Pass, AARCH32),
    field(MMFR4_32, "LSM", 20, Pass, AARCH32),
    field(MMFR4_32, "CCIDX", 24, Pass, PROPERTY),
    field(MMFR4_32, "EVT", 28, Hide, EL2),
    field(MMFR5_32, "ETS", 0, Pass, PROPERTY),
    field(MMFR5_32, "nTLBPA", 4, Pass, PROPERTY),
    aarch32(ISAR0_32, Pass, AARCH32),
    aarch32(ISAR1_32, Pass, AARCH32),
    aarch32(ISAR2_32, Pass, AARCH32),
    aarch32(ISAR3_32, Pass, AARCH32),
    aarch32(ISAR4_32, Pass, AARCH32),
    aarch32(ISAR5_32, Pass, AARCH32),
    aarch32(ISAR6_32, Pass, AARCH32),
    aarch32(MVFR0, Pass, FP),
    aarch32(MVFR1, Pass, FP),
    aarch32(MVFR2, Pass, FP),
];
