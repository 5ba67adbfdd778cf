//! What a guest may know of its CPU.
//!
//! The one table ([`TABLE`]) that says for each field of the ID registers whether the guest sees it. The rule: what is
//! visible works (the kernel enables it, untrapped where it can be); all else reads as not implemented.

use crate::psci::NotAffected;

/// A system register by its encoding: op0:op1:CRn:CRm:op2 in bits 15:14, 13:11, 10:7, 6:3, 2:0.
pub type SysReg = u32;

/// Encoding of a register.
pub const fn sysreg(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> SysReg {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// Encoding of the register of a trapped MSR, MRS or system instruction, from ESR_EL2.ISS (EC 0x18; Arm ARM D24.2.40).
pub const fn from_iss(iss: u64) -> SysReg {
    let iss = iss as u32;
    sysreg(iss >> 20 & 3, iss >> 14 & 7, iss >> 10 & 15, iss >> 1 & 15, iss >> 17 & 7)
}

/// Whether `reg` is in the ID space (op0=3, op1=0, CRn=0, CRm=1..=7), which [`visible`] answers for.
pub const fn is_id(reg: SysReg) -> bool {
    let crm = reg >> 3 & 15;
    reg & !0x7f == sysreg(3, 0, 0, 0, 0) && crm >= 1 && crm <= 7
}

/// What the guest reads from ID register `reg` where the host's has `host`. Registers of the ID space that are not in
/// the table are 0.
pub fn visible(reg: SysReg, host: u64) -> u64 {
    let _ = (reg, host);
    0
}

/// Which workarounds a CPU with these ID registers does not need.
pub fn not_affected(pfr0: u64, pfr1: u64, mmfr1: u64) -> NotAffected {
    let _ = (pfr0, pfr1, mmfr1);
    NotAffected::default()
}
