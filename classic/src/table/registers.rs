//! Registers, and operations of SYS.

use super::Gate::{
    Dze, El0Cten, El0Pcten, El0Pten, El0Vcten, El0Vten, EnRctx, EnTp2, Pmuserenr, Tdcc, Tscxt, Uci, Uct, Uma,
};
use super::Outcome::{Differs, Gated, Runs, Traps};
use super::{Direction, Handling, Outcome, Outcomes, Register, Sensitivity};
use crate::cpu::Slot;
use crate::reg;
use crate::{SysReg, sysreg};
use Handling::{
    At, Cache, CurrentEl, Daif, Hidden, HigherLevel, Icc, Identity, Isr, Native, Platform, SpSel, Timer, Tlbi, Zero,
};

/// EC of a trapped MSR, MRS or system instruction.
const SYSREG: u8 = 0x18;
/// EC of a trap of FP, by CPACR_EL1.FPEN.
const FP: u8 = 0x07;
/// EC of a trap of SME, by CPACR_EL1.SMEN.
const SME: u8 = 0x1d;
const UNKNOWN: Outcomes = all(Traps(0));

const fn all(outcome: Outcome) -> Outcomes {
    [outcome; 3]
}

/// On `max` alone.
const fn max(outcome: Outcome) -> Outcomes {
    [outcome, Traps(0), Traps(0)]
}

/// Of Armv8.2: on `max` and `cortex-a76`.
const fn v8_2(outcome: Outcome) -> Outcomes {
    [outcome, outcome, Traps(0)]
}

const fn entry(name: &'static str, register: SysReg, handling: Handling) -> Register {
    Register {
        name,
        register,
        direction: Direction::ReadWrite,
        handling,
        sensitivity: Sensitivity::BOTH,
        read: UNKNOWN,
        write: UNKNOWN,
    }
}

/// A register of EL1 that the engine keeps.
const fn kept(name: &'static str, register: SysReg, slot: usize) -> Register {
    entry(name, register, Handling::Slot(slot))
}

const fn read_only(mut register: Register) -> Register {
    register.direction = Direction::ReadOnly;
    register.sensitivity = Sensitivity::BEHAVIOUR;
    register
}

const fn write_only(mut register: Register) -> Register {
    register.direction = Direction::WriteOnly;
    register.sensitivity = Sensitivity::CONTROL;
    register
}

/// Of the ID space: its reads at EL0 have a syndrome with FEAT_IDST, which is `max`'s.
pub const fn id(name: &'static str, register: SysReg) -> Register {
    identity(name, register, Platform)
}

const fn identity(name: &'static str, register: SysReg, handling: Handling) -> Register {
    let mut register = read_only(entry(name, register, handling));
    register.read = max(Traps(SYSREG));
    register
}

/// Of self-hosted debug.
pub const fn debug(name: &'static str, register: SysReg) -> Register {
    entry(name, register, Platform)
}

const fn at_el0(mut register: Register, read: Outcomes, write: Outcomes) -> Register {
    register.read = read;
    register.write = write;
    register
}

/// State of a program at EL0, which the hardware keeps.
const fn user(name: &'static str, register: SysReg, outcomes: Outcomes) -> Register {
    let mut register = at_el0(entry(name, register, Native), outcomes, outcomes);
    register.sensitivity = Sensitivity::INNOCUOUS;
    register
}

const fn timer(name: &'static str, register: SysReg, gate: super::Gate) -> Register {
    let outcome = all(Gated(gate, SYSREG));
    at_el0(entry(name, register, Timer), outcome, outcome)
}

const fn counter(name: &'static str, register: SysReg, gate: super::Gate) -> Register {
    at_el0(read_only(entry(name, register, Timer)), all(Gated(gate, SYSREG)), UNKNOWN)
}

const fn hidden(name: &'static str, register: SysReg) -> Register {
    entry(name, register, Hidden)
}

/// Of the performance monitors, which guests have not.
const fn pmu(name: &'static str, register: SysReg) -> Register {
    let outcome = all(Gated(Pmuserenr, SYSREG));
    at_el0(hidden(name, register), outcome, outcome)
}

const fn el2(name: &'static str, register: SysReg) -> Register {
    entry(name, register, HigherLevel)
}

/// An operation of SYS.
const fn operation(name: &'static str, operation: SysReg, handling: Handling) -> Register {
    write_only(entry(name, operation, handling))
}

/// Cache maintenance by address, which EL0 has by a gate.
const fn by_address(name: &'static str, register: SysReg, outcomes: Outcomes) -> Register {
    let mut register = operation(name, register, Native);
    register.sensitivity = Sensitivity::CONTEXT;
    register.write = outcomes;
    register
}

/// The same of allocation tags, which guests have not.
const fn tags(name: &'static str, register: SysReg, gate: super::Gate) -> Register {
    let mut register = by_address(name, register, max(Gated(gate, SYSREG)));
    register.handling = Hidden;
    register
}

const fn tlbi(name: &'static str, crm: u32, op2: u32) -> Register {
    operation(name, sysreg(1, 0, 8, crm, op2), Tlbi)
}

/// The table.
#[rustfmt::skip]
pub static REGISTERS: &[Register] = &[
    // ---- Identification ----
    identity("MIDR_EL1", reg::MIDR_EL1, Identity),
    identity("MPIDR_EL1", reg::MPIDR_EL1, Identity),
    identity("REVIDR_EL1", reg::REVIDR_EL1, Identity),
    id("ID_PFR0_EL1", sysreg(3, 0, 0, 1, 0)),
    id("ID_PFR1_EL1", sysreg(3, 0, 0, 1, 1)),
    id("ID_DFR0_EL1", sysreg(3, 0, 0, 1, 2)),
    id("ID_AFR0_EL1", sysreg(3, 0, 0, 1, 3)),
    id("ID_MMFR0_EL1", sysreg(3, 0, 0, 1, 4)),
    id("ID_MMFR1_EL1", sysreg(3, 0, 0, 1, 5)),
    id("ID_MMFR2_EL1", sysreg(3, 0, 0, 1, 6)),
    id("ID_MMFR3_EL1", sysreg(3, 0, 0, 1, 7)),
    id("ID_ISAR0_EL1", sysreg(3, 0, 0, 2, 0)),
    id("ID_ISAR1_EL1", sysreg(3, 0, 0, 2, 1)),
    id("ID_ISAR2_EL1", sysreg(3, 0, 0, 2, 2)),
    id("ID_ISAR3_EL1", sysreg(3, 0, 0, 2, 3)),
    id("ID_ISAR4_EL1", sysreg(3, 0, 0, 2, 4)),
    id("ID_ISAR5_EL1", sysreg(3, 0, 0, 2, 5)),
    id("ID_MMFR4_EL1", sysreg(3, 0, 0, 2, 6)),
    id("ID_ISAR6_EL1", sysreg(3, 0, 0, 2, 7)),
    id("MVFR0_EL1", sysreg(3, 0, 0, 3, 0)),
    id("MVFR1_EL1", sysreg(3, 0, 0, 3, 1)),
    id("MVFR2_EL1", sysreg(3, 0, 0, 3, 2)),
    id("ID_PFR2_EL1", sysreg(3, 0, 0, 3, 4)),
    id("ID_DFR1_EL1", sysreg(3, 0, 0, 3, 5)),
    id("ID_MMFR5_EL1", sysreg(3, 0, 0, 3, 6)),
    id("ID_AA64PFR0_EL1", sysreg(3, 0, 0, 4, 0)),
    id("ID_AA64PFR1_EL1", sysreg(3, 0, 0, 4, 1)),
    id("ID_AA64PFR2_EL1", sysreg(3, 0, 0, 4, 2)),
    id("ID_AA64ZFR0_EL1", sysreg(3, 0, 0, 4, 4)),
    id("ID_AA64SMFR0_EL1", sysreg(3, 0, 0, 4, 5)),
    id("ID_AA64FPFR0_EL1", sysreg(3, 0, 0, 4, 7)),
    id("ID_AA64DFR0_EL1", sysreg(3, 0, 0, 5, 0)),
    id("ID_AA64DFR1_EL1", sysreg(3, 0, 0, 5, 1)),
    id("ID_AA64DFR2_EL1", sysreg(3, 0, 0, 5, 2)),
    id("ID_AA64AFR0_EL1", sysreg(3, 0, 0, 5, 4)),
    id("ID_AA64AFR1_EL1", sysreg(3, 0, 0, 5, 5)),
    id("ID_AA64ISAR0_EL1", sysreg(3, 0, 0, 6, 0)),
    id("ID_AA64ISAR1_EL1", sysreg(3, 0, 0, 6, 1)),
    id("ID_AA64ISAR2_EL1", sysreg(3, 0, 0, 6, 2)),
    id("ID_AA64ISAR3_EL1", sysreg(3, 0, 0, 6, 3)),
    id("ID_AA64MMFR0_EL1", sysreg(3, 0, 0, 7, 0)),
    id("ID_AA64MMFR1_EL1", sysreg(3, 0, 0, 7, 1)),
    id("ID_AA64MMFR2_EL1", sysreg(3, 0, 0, 7, 2)),
    id("ID_AA64MMFR3_EL1", sysreg(3, 0, 0, 7, 3)),
    id("ID_AA64MMFR4_EL1", sysreg(3, 0, 0, 7, 4)),
    identity("CCSIDR_EL1", reg::CCSIDR_EL1, Identity),
    identity("CLIDR_EL1", reg::CLIDR_EL1, Identity),
    identity("AIDR_EL1", reg::AIDR_EL1, Identity),
    identity("CCSIDR2_EL1", sysreg(3, 1, 0, 0, 2), Hidden),
    identity("GMID_EL1", sysreg(3, 1, 0, 0, 4), Hidden),
    identity("SMIDR_EL1", sysreg(3, 1, 0, 0, 6), Hidden),
    kept("CSSELR_EL1", reg::CSSELR_EL1, Slot::CSSELR_EL1),
    at_el0(read_only(entry("CTR_EL0", reg::CTR_EL0, Native)), all(Gated(Uct, SYSREG)), UNKNOWN),
    // DZP tells of SCTLR_EL1.DZE, but not to EL1.
    at_el0(read_only(entry("DCZID_EL0", reg::DCZID_EL0, Native)), all(Differs), UNKNOWN),
    // ---- Control of EL1 ----
    kept("SCTLR_EL1", reg::SCTLR_EL1, Slot::SCTLR_EL1),
    kept("CPACR_EL1", reg::CPACR_EL1, Slot::CPACR_EL1),
    kept("TTBR0_EL1", reg::TTBR0_EL1, Slot::TTBR0_EL1),
    kept("TTBR1_EL1", reg::TTBR1_EL1, Slot::TTBR1_EL1),
    kept("TCR_EL1", reg::TCR_EL1, Slot::TCR_EL1),
    kept("MAIR_EL1", reg::MAIR_EL1, Slot::MAIR_EL1),
    kept("CONTEXTIDR_EL1", reg::CONTEXTIDR_EL1, Slot::CONTEXTIDR_EL1),
    kept("VBAR_EL1", reg::VBAR_EL1, Slot::VBAR_EL1),
    kept("PAR_EL1", reg::PAR_EL1, Slot::PAR_EL1),
    kept("CNTKCTL_EL1", reg::CNTKCTL_EL1, Slot::CNTKCTL_EL1),
    kept("TPIDR_EL1", reg::TPIDR_EL1, Slot::TPIDR_EL1),
    entry("ACTLR_EL1", reg::ACTLR_EL1, Platform),
    entry("AMAIR_EL1", reg::AMAIR_EL1, Zero),
    entry("AFSR0_EL1", reg::AFSR0_EL1, Zero),
    entry("AFSR1_EL1", reg::AFSR1_EL1, Zero),
    // ---- Exceptions and PSTATE ----
    kept("SPSR_EL1", reg::SPSR_EL1, Slot::SPSR_EL1),
    kept("ELR_EL1", reg::ELR_EL1, Slot::ELR_EL1),
    kept("ESR_EL1", reg::ESR_EL1, Slot::ESR_EL1),
    kept("FAR_EL1", reg::FAR_EL1, Slot::FAR_EL1),
    kept("SP_EL0", reg::SP_EL0, Slot::SP_EL0),
    read_only(entry("CurrentEL", reg::CURRENTEL, CurrentEl)),
    entry("SPSel", reg::SPSEL, SpSel),
    at_el0(entry("DAIF", reg::DAIF, Daif), all(Gated(Uma, SYSREG)), all(Gated(Uma, SYSREG))),
    user("NZCV", reg::NZCV, all(Runs)),
    user("DIT", reg::DIT, max(Runs)),
    user("SSBS", reg::SSBS, v8_2(Runs)),
    user("TCO", sysreg(3, 3, 4, 2, 7), max(Runs)),
    hidden("PAN", reg::PAN),
    hidden("UAO", reg::UAO),
    hidden("ALLINT", sysreg(3, 0, 4, 3, 0)),
    read_only(entry("ISR_EL1", reg::ISR_EL1, Isr)),
    // ---- Threads, FP ----
    user("TPIDR_EL0", reg::TPIDR_EL0, all(Runs)),
    at_el0(kept("TPIDRRO_EL0", reg::TPIDRRO_EL0, Slot::TPIDRRO_EL0), all(Runs), UNKNOWN),
    at_el0(hidden("TPIDR2_EL0", sysreg(3, 3, 13, 0, 5)), max(Gated(EnTp2, SYSREG)), max(Gated(EnTp2, SYSREG))),
    user("FPCR", sysreg(3, 3, 4, 4, 0), all(Gated(super::Gate::Fpen, FP))),
    user("FPSR", sysreg(3, 3, 4, 4, 1), all(Gated(super::Gate::Fpen, FP))),
    hidden("SCXTNUM_EL1", sysreg(3, 0, 13, 0, 7)),
    at_el0(hidden("SCXTNUM_EL0", sysreg(3, 3, 13, 0, 7)), max(Gated(Tscxt, SYSREG)), max(Gated(Tscxt, SYSREG))),
    // ---- Generic timer ----
    at_el0(read_only(entry("CNTFRQ_EL0", reg::CNTFRQ_EL0, Timer)), all(Gated(El0Cten, SYSREG)), UNKNOWN),
    counter("CNTPCT_EL0", reg::CNTPCT_EL0, El0Pcten),
    counter("CNTVCT_EL0", reg::CNTVCT_EL0, El0Vcten),
    timer("CNTP_TVAL_EL0", reg::CNTP_TVAL_EL0, El0Pten),
    timer("CNTP_CTL_EL0", reg::CNTP_CTL_EL0, El0Pten),
    timer("CNTP_CVAL_EL0", reg::CNTP_CVAL_EL0, El0Pten),
    timer("CNTV_TVAL_EL0", reg::CNTV_TVAL_EL0, El0Vten),
    timer("CNTV_CTL_EL0", reg::CNTV_CTL_EL0, El0Vten),
    timer("CNTV_CVAL_EL0", reg::CNTV_CVAL_EL0, El0Vten),
    at_el0(read_only(hidden("CNTPCTSS_EL0", sysreg(3, 3, 14, 0, 5))), max(Gated(El0Pcten, SYSREG)), UNKNOWN),
    at_el0(read_only(hidden("CNTVCTSS_EL0", sysreg(3, 3, 14, 0, 6))), max(Gated(El0Vcten, SYSREG)), UNKNOWN),
    // ---- GIC CPU interface ----
    entry("ICC_PMR_EL1", reg::ICC_PMR_EL1, Icc),
    read_only(entry("ICC_IAR0_EL1", reg::ICC_IAR0_EL1, Icc)),
    write_only(entry("ICC_EOIR0_EL1", reg::ICC_EOIR0_EL1, Icc)),
    read_only(entry("ICC_HPPIR0_EL1", reg::ICC_HPPIR0_EL1, Icc)),
    entry("ICC_BPR0_EL1", reg::ICC_BPR0_EL1, Icc),
    entry("ICC_AP0R0_EL1", reg::ICC_AP0R0_EL1, Icc),
    entry("ICC_AP0R1_EL1", reg::ICC_AP0R1_EL1, Icc),
    entry("ICC_AP0R2_EL1", reg::ICC_AP0R2_EL1, Icc),
    entry("ICC_AP0R3_EL1", reg::ICC_AP0R3_EL1, Icc),
    entry("ICC_AP1R0_EL1", reg::ICC_AP1R0_EL1, Icc),
    entry("ICC_AP1R1_EL1", reg::ICC_AP1R1_EL1, Icc),
    entry("ICC_AP1R2_EL1", reg::ICC_AP1R2_EL1, Icc),
    entry("ICC_AP1R3_EL1", reg::ICC_AP1R3_EL1, Icc),
    write_only(entry("ICC_DIR_EL1", reg::ICC_DIR_EL1, Icc)),
    read_only(entry("ICC_RPR_EL1", reg::ICC_RPR_EL1, Icc)),
    write_only(entry("ICC_SGI1R_EL1", reg::ICC_SGI1R_EL1, Icc)),
    write_only(entry("ICC_ASGI1R_EL1", reg::ICC_ASGI1R_EL1, Icc)),
    write_only(entry("ICC_SGI0R_EL1", reg::ICC_SGI0R_EL1, Icc)),
    read_only(entry("ICC_IAR1_EL1", reg::ICC_IAR1_EL1, Icc)),
    write_only(entry("ICC_EOIR1_EL1", reg::ICC_EOIR1_EL1, Icc)),
    read_only(entry("ICC_HPPIR1_EL1", reg::ICC_HPPIR1_EL1, Icc)),
    entry("ICC_BPR1_EL1", reg::ICC_BPR1_EL1, Icc),
    entry("ICC_CTLR_EL1", reg::ICC_CTLR_EL1, Icc),
    entry("ICC_SRE_EL1", reg::ICC_SRE_EL1, Icc),
    entry("ICC_IGRPEN0_EL1", reg::ICC_IGRPEN0_EL1, Icc),
    entry("ICC_IGRPEN1_EL1", reg::ICC_IGRPEN1_EL1, Icc),
    // ---- Debug ----
    debug("OSDTRRX_EL1", sysreg(2, 0, 0, 0, 2)),
    debug("MDCCINT_EL1", sysreg(2, 0, 0, 2, 0)),
    debug("MDSCR_EL1", sysreg(2, 0, 0, 2, 2)),
    debug("OSDTRTX_EL1", sysreg(2, 0, 0, 3, 2)),
    debug("OSECCR_EL1", sysreg(2, 0, 0, 6, 2)),
    read_only(debug("MDRAR_EL1", sysreg(2, 0, 1, 0, 0))),
    write_only(debug("OSLAR_EL1", sysreg(2, 0, 1, 0, 4))),
    read_only(debug("OSLSR_EL1", sysreg(2, 0, 1, 1, 4))),
    debug("OSDLR_EL1", sysreg(2, 0, 1, 3, 4)),
    debug("DBGCLAIMSET_EL1", sysreg(2, 0, 7, 8, 6)),
    debug("DBGCLAIMCLR_EL1", sysreg(2, 0, 7, 9, 6)),
    debug("DBGBVR0_EL1", sysreg(2, 0, 0, 0, 4)),
    debug("DBGBCR0_EL1", sysreg(2, 0, 0, 0, 5)),
    debug("DBGWVR0_EL1", sysreg(2, 0, 0, 0, 6)),
    debug("DBGWCR0_EL1", sysreg(2, 0, 0, 0, 7)),
    at_el0(read_only(debug("MDCCSR_EL0", reg::MDCCSR_EL0)), all(Gated(Tdcc, SYSREG)), UNKNOWN),
    debug("DBGDTR_EL0", reg::DBGDTR_EL0), // QEMU has it not.
    at_el0(debug("DBGDTRRX_EL0", reg::DBGDTRRX_EL0), all(Gated(Tdcc, SYSREG)), all(Gated(Tdcc, SYSREG))),
    // ---- Features that the guest has not ----
    at_el0(read_only(hidden("RNDR", sysreg(3, 3, 2, 4, 0))), max(Runs), UNKNOWN),
    at_el0(read_only(hidden("RNDRRS", sysreg(3, 3, 2, 4, 1))), max(Runs), UNKNOWN),
    hidden("SCTLR2_EL1", sysreg(3, 0, 1, 0, 3)),
    hidden("RGSR_EL1", sysreg(3, 0, 1, 0, 5)),
    hidden("GCR_EL1", sysreg(3, 0, 1, 0, 6)),
    hidden("ZCR_EL1", sysreg(3, 0, 1, 2, 0)),
    hidden("TRFCR_EL1", sysreg(3, 0, 1, 2, 1)),
    hidden("SMPRI_EL1", sysreg(3, 0, 1, 2, 4)),
    hidden("SMCR_EL1", sysreg(3, 0, 1, 2, 6)),
    hidden("TCR2_EL1", sysreg(3, 0, 2, 0, 3)),
    hidden("APIAKeyLo_EL1", sysreg(3, 0, 2, 1, 0)),
    hidden("APIAKeyHi_EL1", sysreg(3, 0, 2, 1, 1)),
    hidden("APIBKeyLo_EL1", sysreg(3, 0, 2, 1, 2)),
    hidden("APIBKeyHi_EL1", sysreg(3, 0, 2, 1, 3)),
    hidden("APDAKeyLo_EL1", sysreg(3, 0, 2, 2, 0)),
    hidden("APDAKeyHi_EL1", sysreg(3, 0, 2, 2, 1)),
    hidden("APDBKeyLo_EL1", sysreg(3, 0, 2, 2, 2)),
    hidden("APDBKeyHi_EL1", sysreg(3, 0, 2, 2, 3)),
    hidden("APGAKeyLo_EL1", sysreg(3, 0, 2, 3, 0)),
    hidden("APGAKeyHi_EL1", sysreg(3, 0, 2, 3, 1)),
    hidden("ERRIDR_EL1", sysreg(3, 0, 5, 3, 0)),
    hidden("ERRSELR_EL1", sysreg(3, 0, 5, 3, 1)),
    hidden("TFSR_EL1", sysreg(3, 0, 5, 6, 0)),
    hidden("TFSRE0_EL1", sysreg(3, 0, 5, 6, 1)),
    hidden("PMSCR_EL1", sysreg(3, 0, 9, 9, 0)),
    hidden("MAIR2_EL1", sysreg(3, 0, 10, 2, 1)),
    hidden("PIRE0_EL1", sysreg(3, 0, 10, 2, 2)),
    hidden("PIR_EL1", sysreg(3, 0, 10, 2, 3)),
    hidden("AMAIR2_EL1", sysreg(3, 0, 10, 3, 1)),
    hidden("LORSA_EL1", sysreg(3, 0, 10, 4, 0)),
    hidden("LOREA_EL1", sysreg(3, 0, 10, 4, 1)),
    hidden("LORN_EL1", sysreg(3, 0, 10, 4, 2)),
    hidden("LORC_EL1", sysreg(3, 0, 10, 4, 3)),
    hidden("LORID_EL1", sysreg(3, 0, 10, 4, 7)),
    hidden("RVBAR_EL1", sysreg(3, 0, 12, 0, 1)),
    hidden("RMR_EL1", sysreg(3, 0, 12, 0, 2)),
    hidden("DISR_EL1", sysreg(3, 0, 12, 1, 1)),
    at_el0(hidden("SVCR", sysreg(3, 3, 4, 2, 2)), max(Gated(super::Gate::Smen, SME)), max(Gated(super::Gate::Smen, SME))),
    hidden("PMINTENSET_EL1", sysreg(3, 0, 9, 14, 1)),
    hidden("PMINTENCLR_EL1", sysreg(3, 0, 9, 14, 2)),
    hidden("PMMIR_EL1", sysreg(3, 0, 9, 14, 6)),
    pmu("PMCR_EL0", sysreg(3, 3, 9, 12, 0)),
    pmu("PMCNTENSET_EL0", sysreg(3, 3, 9, 12, 1)),
    pmu("PMCNTENCLR_EL0", sysreg(3, 3, 9, 12, 2)),
    pmu("PMOVSCLR_EL0", sysreg(3, 3, 9, 12, 3)),
    pmu("PMSELR_EL0", sysreg(3, 3, 9, 12, 5)),
    pmu("PMCCNTR_EL0", sysreg(3, 3, 9, 13, 0)),
    pmu("PMXEVTYPER_EL0", sysreg(3, 3, 9, 13, 1)),
    pmu("PMXEVCNTR_EL0", sysreg(3, 3, 9, 13, 2)),
    pmu("PMOVSSET_EL0", sysreg(3, 3, 9, 14, 3)),
    write_only(at_el0(hidden("PMSWINC_EL0", sysreg(3, 3, 9, 12, 4)), UNKNOWN, all(Gated(Pmuserenr, SYSREG)))),
    read_only(at_el0(hidden("PMCEID0_EL0", sysreg(3, 3, 9, 12, 6)), all(Gated(Pmuserenr, SYSREG)), UNKNOWN)),
    read_only(at_el0(hidden("PMCEID1_EL0", sysreg(3, 3, 9, 12, 7)), all(Gated(Pmuserenr, SYSREG)), UNKNOWN)),
    pmu("PMEVCNTR0_EL0", sysreg(3, 3, 14, 8, 0)),
    pmu("PMEVCNTR1_EL0", sysreg(3, 3, 14, 8, 1)),
    pmu("PMEVCNTR2_EL0", sysreg(3, 3, 14, 8, 2)),
    pmu("PMEVCNTR3_EL0", sysreg(3, 3, 14, 8, 3)),
    pmu("PMEVCNTR4_EL0", sysreg(3, 3, 14, 8, 4)),
    pmu("PMEVCNTR5_EL0", sysreg(3, 3, 14, 8, 5)),
    pmu("PMEVTYPER0_EL0", sysreg(3, 3, 14, 12, 0)),
    pmu("PMEVTYPER1_EL0", sysreg(3, 3, 14, 12, 1)),
    pmu("PMEVTYPER2_EL0", sysreg(3, 3, 14, 12, 2)),
    pmu("PMEVTYPER3_EL0", sysreg(3, 3, 14, 12, 3)),
    pmu("PMEVTYPER4_EL0", sysreg(3, 3, 14, 12, 4)),
    pmu("PMEVTYPER5_EL0", sysreg(3, 3, 14, 12, 5)),
    pmu("PMCCFILTR_EL0", sysreg(3, 3, 14, 15, 7)),
    at_el0(hidden("PMUSERENR_EL0", sysreg(3, 3, 9, 14, 0)), all(Runs), UNKNOWN),
    // ---- Registers of EL2 and EL3 ----
    el2("VPIDR_EL2", sysreg(3, 4, 0, 0, 0)),
    el2("VMPIDR_EL2", sysreg(3, 4, 0, 0, 5)),
    el2("SCTLR_EL2", sysreg(3, 4, 1, 0, 0)),
    el2("HCR_EL2", sysreg(3, 4, 1, 1, 0)),
    el2("MDCR_EL2", sysreg(3, 4, 1, 1, 1)),
    el2("CPTR_EL2", sysreg(3, 4, 1, 1, 2)),
    el2("HSTR_EL2", sysreg(3, 4, 1, 1, 3)),
    el2("TTBR0_EL2", sysreg(3, 4, 2, 0, 0)),
    el2("TCR_EL2", sysreg(3, 4, 2, 0, 2)),
    el2("VTTBR_EL2", sysreg(3, 4, 2, 1, 0)),
    el2("VTCR_EL2", sysreg(3, 4, 2, 1, 2)),
    el2("SPSR_EL2", sysreg(3, 4, 4, 0, 0)),
    el2("ELR_EL2", sysreg(3, 4, 4, 0, 1)),
    el2("SP_EL1", sysreg(3, 4, 4, 1, 0)),
    el2("ESR_EL2", sysreg(3, 4, 5, 2, 0)),
    el2("FAR_EL2", sysreg(3, 4, 6, 0, 0)),
    el2("HPFAR_EL2", sysreg(3, 4, 6, 0, 4)),
    el2("MAIR_EL2", sysreg(3, 4, 10, 2, 0)),
    el2("VBAR_EL2", sysreg(3, 4, 12, 0, 0)),
    el2("ICH_HCR_EL2", sysreg(3, 4, 12, 11, 0)),
    el2("ICH_LR0_EL2", sysreg(3, 4, 12, 12, 0)),
    el2("TPIDR_EL2", sysreg(3, 4, 13, 0, 2)),
    el2("CNTVOFF_EL2", sysreg(3, 4, 14, 0, 3)),
    el2("CNTHCTL_EL2", sysreg(3, 4, 14, 1, 0)),
    el2("CNTHP_CTL_EL2", sysreg(3, 4, 14, 2, 1)),
    el2("SCTLR_EL12", sysreg(3, 5, 1, 0, 0)),
    el2("SCTLR_EL3", sysreg(3, 6, 1, 0, 0)),
    el2("SCR_EL3", sysreg(3, 6, 1, 1, 0)),
    el2("VBAR_EL3", sysreg(3, 6, 12, 0, 0)),
    // ---- Cache maintenance ----
    operation("DC IVAC", reg::DC_IVAC, Cache),
    operation("DC ISW", reg::DC_ISW, Cache),
    operation("DC CSW", reg::DC_CSW, Cache),
    operation("DC CISW", reg::DC_CISW, Cache),
    operation("IC IALLU", reg::IC_IALLU, Cache),
    operation("IC IALLUIS", reg::IC_IALLUIS, Cache),
    by_address("DC CVAC", reg::DC_CVAC, all(Gated(Uci, SYSREG))),
    by_address("DC CVAU", reg::DC_CVAU, all(Gated(Uci, SYSREG))),
    by_address("DC CVAP", reg::DC_CVAP, v8_2(Gated(Uci, SYSREG))),
    by_address("DC CVADP", reg::DC_CVADP, max(Gated(Uci, SYSREG))),
    by_address("DC CIVAC", reg::DC_CIVAC, all(Gated(Uci, SYSREG))),
    by_address("IC IVAU", reg::IC_IVAU, all(Gated(Uci, SYSREG))),
    by_address("DC ZVA", reg::DC_ZVA, all(Gated(Dze, SYSREG))),
    tags("DC GVA", sysreg(1, 3, 7, 4, 3), Dze),
    tags("DC GZVA", sysreg(1, 3, 7, 4, 4), Dze),
    tags("DC CGVAC", sysreg(1, 3, 7, 10, 3), Uci),
    tags("DC CGDVAC", sysreg(1, 3, 7, 10, 5), Uci),
    tags("DC CGVAP", sysreg(1, 3, 7, 12, 3), Uci),
    tags("DC CGDVAP", sysreg(1, 3, 7, 12, 5), Uci),
    tags("DC CGVADP", sysreg(1, 3, 7, 13, 3), Uci),
    tags("DC CGDVADP", sysreg(1, 3, 7, 13, 5), Uci),
    tags("DC CIGVAC", sysreg(1, 3, 7, 14, 3), Uci),
    tags("DC CIGDVAC", sysreg(1, 3, 7, 14, 5), Uci),
    write_only(at_el0(hidden("CFP RCTX", sysreg(1, 3, 7, 3, 4)), UNKNOWN, max(Gated(EnRctx, SYSREG)))),
    write_only(at_el0(hidden("DVP RCTX", sysreg(1, 3, 7, 3, 5)), UNKNOWN, max(Gated(EnRctx, SYSREG)))),
    write_only(at_el0(hidden("CPP RCTX", sysreg(1, 3, 7, 3, 7)), UNKNOWN, max(Gated(EnRctx, SYSREG)))),
    // ---- Address translation ----
    operation("AT S1E1R", reg::AT_S1E1R, At),
    operation("AT S1E1W", reg::AT_S1E1W, At),
    operation("AT S1E0R", reg::AT_S1E0R, At),
    operation("AT S1E0W", reg::AT_S1E0W, At),
    operation("AT S1E1RP", sysreg(1, 0, 7, 9, 0), Hidden),
    operation("AT S1E1WP", sysreg(1, 0, 7, 9, 1), Hidden),
    operation("AT S12E1R", sysreg(1, 4, 7, 8, 4), HigherLevel),
    operation("AT S1E2R", sysreg(1, 4, 7, 8, 0), HigherLevel),
    // ---- TLB maintenance (with FEAT_XS each also as nXS, CRn = 9) ----
    tlbi("TLBI VMALLE1", 7, 0),
    tlbi("TLBI VAE1", 7, 1),
    tlbi("TLBI ASIDE1", 7, 2),
    tlbi("TLBI VAAE1", 7, 3),
    tlbi("TLBI VALE1", 7, 5),
    tlbi("TLBI VAALE1", 7, 7),
    tlbi("TLBI VMALLE1IS", 3, 0),
    tlbi("TLBI VAE1IS", 3, 1),
    tlbi("TLBI ASIDE1IS", 3, 2),
    tlbi("TLBI VAAE1IS", 3, 3),
    tlbi("TLBI VALE1IS", 3, 5),
    tlbi("TLBI VAALE1IS", 3, 7),
    tlbi("TLBI VMALLE1OS", 1, 0),
    tlbi("TLBI VAE1OS", 1, 1),
    tlbi("TLBI ASIDE1OS", 1, 2),
    tlbi("TLBI VAAE1OS", 1, 3),
    tlbi("TLBI VALE1OS", 1, 5),
    tlbi("TLBI VAALE1OS", 1, 7),
    tlbi("TLBI RVAE1", 6, 1),
    tlbi("TLBI RVAAE1", 6, 3),
    tlbi("TLBI RVALE1", 6, 5),
    tlbi("TLBI RVAALE1", 6, 7),
    tlbi("TLBI RVAE1IS", 2, 1),
    tlbi("TLBI RVAAE1IS", 2, 3),
    tlbi("TLBI RVALE1IS", 2, 5),
    tlbi("TLBI RVAALE1IS", 2, 7),
    tlbi("TLBI RVAE1OS", 5, 1),
    tlbi("TLBI RVAAE1OS", 5, 3),
    tlbi("TLBI RVALE1OS", 5, 5),
    tlbi("TLBI RVAALE1OS", 5, 7),
    operation("TLBI ALLE1", sysreg(1, 4, 8, 7, 4), HigherLevel),
    operation("TLBI VMALLS12E1", sysreg(1, 4, 8, 7, 6), HigherLevel),
    operation("TLBI IPAS2E1", sysreg(1, 4, 8, 4, 1), HigherLevel),
    operation("TLBI ALLE2", sysreg(1, 4, 8, 7, 0), HigherLevel),
    operation("TLBI ALLE3", sysreg(1, 6, 8, 7, 0), HigherLevel),
];
