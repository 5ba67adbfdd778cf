//! What a guest may know of its CPU.
//!
//! The one table ([`TABLE`]) that says for each field of the ID registers whether the guest sees it. The rule: what is
//! visible works (it needs no EL2 control, or the kernel enables it, and its state is switched with the vCPU); all else
//! reads as not implemented, so does each field that the table does not name. The kernel relies on no answer given here:
//! what is hidden traps or is harmless.

mod table;

#[cfg(all(test, not(loom)))]
mod tests;

pub use table::TABLE;

use crate::psci::NotAffected;

/// A system register by its encoding: op0:op1:CRn:CRm:op2 in bits 15:14, 13:11, 10:7, 6:3, 2:0.
pub type SysReg = u32;

/// Encoding of a register.
pub const fn sysreg(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> SysReg {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// Encoding of the register of a trapped MSR, MRS or system instruction, from ESR_EL2.ISS (EC 0x18; Arm ARM, "ISS
/// encoding for an exception from MSR, MRS, or System instruction execution").
pub const fn from_iss(iss: u64) -> SysReg {
    let iss = iss as u32;
    sysreg(iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7)
}

/// Whether `reg` is in the ID space (op0=3, op1=0, CRn=0, CRm=1..=7), which [`visible`] answers for.
pub const fn is_id(reg: SysReg) -> bool {
    let crm = reg >> 3 & 15;
    reg & !0x7f == sysreg(3, 0, 0, 0, 0) && crm >= 1 && crm <= 7
}

/// What becomes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The guest sees what the host has.
    Pass,
    /// The guest sees the host's value, but at most this one (unsigned fields).
    AtMost(u64),
    /// The guest sees 0: not implemented.
    Hide,
}

/// A field of an ID register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its register.
    pub register: SysReg,
    /// Its name in the Arm ARM.
    pub name: &'static str,
    /// Lowest bit.
    pub lsb: u32,
    /// Number of bits.
    pub width: u32,
    /// What becomes of it.
    pub policy: Policy,
    /// Why.
    pub reason: &'static str,
}

impl Feature {
    /// The field as the guest sees it, in its place.
    const fn visible(&self, host: u64) -> u64 {
        let mask = u64::MAX >> (64 - self.width);
        let field = host >> self.lsb & mask;
        let shown = match self.policy {
            Policy::Pass => field,
            Policy::AtMost(max) if field > max => max,
            Policy::AtMost(_) => field,
            Policy::Hide => 0,
        };
        shown << self.lsb
    }
}

/// What the guest reads from ID register `reg` where the host's has `host`. Registers of the ID space that are not in
/// the table are 0.
pub fn visible(reg: SysReg, host: u64) -> u64 {
    let fields = TABLE.iter().filter(|f| f.register == reg);
    fields.fold(0, |value, field| value | field.visible(host))
}

/// Name of an ID register of the table.
pub fn name(reg: SysReg) -> Option<&'static str> {
    table::NAMES.iter().find(|(r, _)| *r == reg).map(|(_, name)| *name)
}

/// Which workarounds a CPU with these (host's) registers does not need: ID_AA64PFR0_EL1.CSV2 ≥ 1 says so for Spectre v2,
/// CSV2 ≥ 3 or ID_AA64MMFR1_EL1.ECBHB for Spectre BHB. Spectre v4 is the guest's own affair (PSTATE.SSBS): no word of the
/// firmware.
pub fn not_affected(pfr0: u64, mmfr1: u64) -> NotAffected {
    let csv2 = pfr0 >> 56 & 0xf;
    NotAffected { workaround_1: csv2 >= 1, workaround_2: false, workaround_3: csv2 >= 3 || mmfr1 >> 60 != 0 }
}
