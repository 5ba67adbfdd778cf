//! What the guest may know of its CPU: what any guest may (`devices::idregs`), less the features that a kernel at EL0
//! cannot have.
//!
//! Hidden are those whose instructions or controls do not trap at EL0 and would act otherwise there (PAC, BTI, MTE,
//! RNDR), whose state is PSTATE that EL0 has not (PAN, UAO), and those that the walker of the guest's tables does not
//! know (hardware update of flags, 52 bits). Three fields say more than the hardware may: E0PD is the shadow tables' own
//! doing, and with it CSV2 and CSV3 keep a guest from measures that cost traps and protect nothing here.

#[cfg(test)]
mod tests;

use crate::{SysReg, sysreg};
use devices::idregs;

const fn id(crm: u32, op2: u32) -> SysReg {
    sysreg(3, 0, 0, crm, op2)
}

const PFR0: SysReg = id(4, 0);
const PFR1: SysReg = id(4, 1);
const ISAR0: SysReg = id(6, 0);
const ISAR1: SysReg = id(6, 1);
const ISAR2: SysReg = id(6, 2);
const ISAR3: SysReg = id(6, 3);
const MMFR0: SysReg = id(7, 0);
const MMFR1: SysReg = id(7, 1);
const MMFR2: SysReg = id(7, 2);
const MMFR3: SysReg = id(7, 3);

/// What becomes of a field of four bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The value, whatever the hardware has.
    Is(u64),
    /// The hardware's value, but at most this one.
    AtMost(u64),
    /// As [`Policy::AtMost`], of a signed field.
    AtMostSigned(i64),
}

/// A field that this engine shows otherwise than `devices::idregs` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// Its register.
    pub register: SysReg,
    /// Its name in the Arm ARM.
    pub name: &'static str,
    /// Lowest of its four bits.
    pub lsb: u32,
    /// What becomes of it.
    pub policy: Policy,
    /// Why.
    pub reason: &'static str,
}

impl Override {
    const fn shown(&self, value: u64) -> u64 {
        let field = value >> self.lsb & 0xf;
        match self.policy {
            Policy::Is(value) => value,
            Policy::AtMost(most) if field > most => most,
            Policy::AtMostSigned(most) if ((field as i64) << 60 >> 60) > most => most as u64 & 0xf,
            _ => field,
        }
    }
}

const fn hide(register: SysReg, name: &'static str, lsb: u32, reason: &'static str) -> Override {
    Override { register, name, lsb, policy: Policy::Is(0), reason }
}

const fn to(register: SysReg, name: &'static str, lsb: u32, policy: Policy, reason: &'static str) -> Override {
    Override { register, name, lsb, policy, reason }
}

const AARCH64: &str = "no AArch32 at EL0 of this engine";
const PAUTH: &str = "its instructions do not trap at EL0, and its keys are the hypervisor's";
const PSTATE: &str = "EL0 has not that field of PSTATE";
const GATE: &str = "a control of SCTLR_EL1 that is not passed on";
const WALK: &str = "the walker of the guest's tables does not know it";
const ENDIAN: &str = "the guest's kernel runs at the endianness of EL0, little";
const STAGE2: &str = "stage 2: means nothing without EL2";

/// Each such field.
#[rustfmt::skip]
pub const TABLE: &[Override] = &[
    to(PFR0, "EL0", 0, Policy::AtMost(1), AARCH64),
    to(PFR0, "EL1", 4, Policy::AtMost(1), AARCH64),
    to(PFR0, "CSV2", 56, Policy::Is(1), "branch predictors are not shared with another level: the kernel is at EL0 too"),
    to(PFR0, "CSV3", 60, Policy::Is(1), "the user's view maps nothing of the kernel"),
    hide(PFR1, "BT", 0, "SCTLR_EL1.BT is not passed on"),
    hide(PFR1, "CSV2_frac", 32, "CSV2 is 1"),
    hide(ISAR0, "RNDR", 60, "does not trap at EL0, so that the VMM cannot decide"),
    hide(ISAR1, "APA", 4, PAUTH),
    hide(ISAR1, "API", 8, PAUTH),
    hide(ISAR1, "GPA", 24, PAUTH),
    hide(ISAR1, "GPI", 28, PAUTH),
    hide(ISAR1, "SPECRES", 40, GATE),
    hide(ISAR2, "GPA3", 8, PAUTH),
    hide(ISAR2, "APA3", 12, PAUTH),
    hide(ISAR2, "MOPS", 16, GATE),
    hide(ISAR2, "PAC_frac", 24, PAUTH),
    hide(ISAR2, "ATS1A", 60, "address translation is emulated in the first forms"),
    hide(ISAR3, "LSUI", 24, "acts with the rights of the kernel's view"),
    hide(MMFR0, "BigEnd", 8, ENDIAN),
    hide(MMFR0, "BigEndEL0", 16, ENDIAN),
    to(MMFR0, "TGran16", 20, Policy::AtMost(1), "no 52-bit addresses (LPA2)"),
    to(MMFR0, "TGran4", 28, Policy::AtMostSigned(0), "no 52-bit addresses (LPA2)"),
    hide(MMFR0, "TGran16_2", 32, STAGE2),
    hide(MMFR0, "TGran64_2", 36, STAGE2),
    hide(MMFR0, "TGran4_2", 40, STAGE2),
    hide(MMFR0, "ExS", 44, "exceptions are taken in software: always synchronising"),
    hide(MMFR1, "HAFDBS", 0, WALK),
    hide(MMFR1, "HPDS", 12, WALK),
    hide(MMFR1, "PAN", 20, PSTATE),
    hide(MMFR1, "XNX", 28, STAGE2),
    hide(MMFR1, "TIDCP1", 52, GATE),
    hide(MMFR1, "CMOW", 56, GATE),
    hide(MMFR2, "CnP", 0, "translations are shared by the shadow tables as they are"),
    hide(MMFR2, "UAO", 4, PSTATE),
    hide(MMFR2, "LSM", 8, AARCH64),
    hide(MMFR2, "VARange", 16, WALK),
    hide(MMFR2, "CCIDX", 20, "CCSIDR_EL1 is emulated in its first form"),
    hide(MMFR2, "ST", 28, WALK),
    hide(MMFR2, "AT", 32, "SCTLR_EL1.nAA is not passed on"),
    hide(MMFR2, "FWB", 40, STAGE2),
    to(MMFR2, "E0PD", 60, Policy::Is(1), "the shadow tables do it"),
    hide(MMFR3, "Spec_FPACC", 60, PAUTH),
];

/// Whether `reg` describes AArch32, of which this engine's guests have nothing: it reads as zero.
const fn is_aarch32(register: SysReg) -> bool {
    register >= id(1, 0) && register <= id(3, 7)
}

/// What the guest reads from ID register `register` where any other guest would read `value`
/// (`devices::idregs::visible`).
pub fn narrow(register: SysReg, value: u64) -> u64 {
    if is_aarch32(register) {
        return 0;
    }
    let fields = TABLE.iter().filter(|field| field.register == register);
    fields.fold(value, |value, field| value & !(0xf << field.lsb) | field.shown(value) << field.lsb)
}

/// What the guest reads from ID register `register` where the host's has `host`.
pub fn visible(register: SysReg, host: u64) -> u64 {
    narrow(register, idregs::visible(register, host))
}
