//! What a TLBI instruction asks for (Arm ARM C5.5, D8.17.5).

#[cfg(test)]
mod tests;

use crate::{SysReg, sysreg};

/// Which translations a TLBI drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of the VM.
    All,
    /// All that are not global, of one ASID.
    Asid(u16),
    /// Those of some addresses.
    Addresses {
        /// First, sign-extended from bit 55; bits below the granule in use mean nothing.
        va: u64,
        /// Bytes; at least one page of 4 KiB.
        bytes: u64,
        /// Of this ASID and global; `None`: of all.
        asid: Option<u16>,
        /// Last level only: intermediate levels may stay.
        last: bool,
    },
}

/// A TLBI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlbi {
    /// What it drops.
    pub scope: Scope,
    /// On all of the VM's vCPUs (IS, OS), else on this one at least.
    pub broadcast: bool,
}

/// Features of TLB maintenance (ID_AA64ISAR0_EL1.TLB, ID_AA64ISAR1_EL1.XS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// FEAT_TLBIOS.
    pub outer: bool,
    /// FEAT_TLBIRANGE.
    pub range: bool,
    /// FEAT_XS: the forms with nXS.
    pub xs: bool,
}

const fn field(value: u64, lsb: u32, width: u32) -> u64 {
    value >> lsb & ((1 << width) - 1)
}

/// `value`'s low `width` bits as a signed number, `shift` places up, mod 2^64.
const fn extend(value: u64, width: u32, shift: u32) -> u64 {
    let up = 64 - width;
    ((value << up) as i64 >> up << shift) as u64
}

/// The TLBI that SYS `operation` with this register value is at EL1; `None` if there is none there.
pub const fn decode(operation: SysReg, value: u64, features: Features) -> Option<Tlbi> {
    let (crn, crm, op2) = (operation >> 7 & 15, operation >> 3 & 15, operation & 7);
    if operation & !0x7ff != sysreg(1, 0, 0, 0, 0) || crn != 8 && !(crn == 9 && features.xs) {
        return None;
    }
    let (broadcast, range) = match crm {
        1 if features.outer => (true, false),
        3 => (true, false),
        7 => (false, false),
        2 | 5 if features.range => (true, true),
        6 if features.range => (false, true),
        _ => return None,
    };
    let scope = if range { ranges(op2, value) } else { single(op2, value) };
    match scope {
        Some(scope) => Some(Tlbi { scope, broadcast }),
        None => None,
    }
}

impl Tlbi {
    /// The TLBI of an operation that the CPU has ([`crate::cpu::Effect::Tlbi`]).
    pub const fn of(operation: SysReg, value: u64) -> Self {
        match decode(operation, value, Features { outer: true, range: true, xs: true }) {
            Some(tlbi) => tlbi,
            // Not a TLBI: all of the VM is a superset of anything.
            None => Self { scope: Scope::All, broadcast: true },
        }
    }
}

const fn asid(value: u64) -> u16 {
    (value >> 48) as u16
}

const fn single(op2: u32, value: u64) -> Option<Scope> {
    let asid_of = match op2 {
        0 => return Some(Scope::All),
        2 => return Some(Scope::Asid(asid(value))),
        1 | 5 => Some(asid(value)),
        3 | 7 => None,
        _ => return None,
    };
    // Bits 43:0 are VA[55:12]; 47:44 are a hint.
    Some(Scope::Addresses { va: extend(value, 44, 12), bytes: 1 << 12, asid: asid_of, last: op2 >= 5 })
}

const fn ranges(op2: u32, value: u64) -> Option<Scope> {
    let asid_of = match op2 {
        1 | 5 => Some(asid(value)),
        3 | 7 => None,
        _ => return None,
    };
    // TG: 4, 16 or 64 KiB. 0 is reserved: all is a superset of what it may mean.
    let granule = match field(value, 46, 2) {
        0 => return Some(Scope::All),
        tg => 10 + 2 * tg as u32,
    };
    let pages = (field(value, 39, 5) + 1) << (5 * field(value, 44, 2) as u32 + 1);
    Some(Scope::Addresses { va: extend(value, 37, granule), bytes: pages << granule, asid: asid_of, last: op2 >= 5 })
}
