//! Trapped coprocessor accesses: their syndromes, and the AArch64 registers that stand for theirs (Arm ARM D1.20.2).

use super::register;
use crate::syndrome::encode;

/// Exception classes of AArch32 (Arm ARM D24.2.40).
pub mod ec {
    /// MCR, MRC of coprocessor 15.
    pub const CP15: u64 = 0x03;
    /// MCRR, MRRC of coprocessor 15.
    pub const CP15_64: u64 = 0x04;
    /// MCR, MRC of coprocessor 14.
    pub const CP14: u64 = 0x05;
    /// LDC, STC of coprocessor 14.
    pub const CP14_MEMORY: u64 = 0x06;
    /// VMRS of an ID register.
    pub const VMRS: u64 = 0x08;
    /// MRRC of coprocessor 14.
    pub const CP14_64: u64 = 0x0c;
    /// HVC.
    pub const HVC: u64 = 0x12;
    /// SMC.
    pub const SMC: u64 = 0x13;
}

/// What an access names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The register that [`encode`] names so in AArch64.
    Register(u32),
    /// ICC_SGI1R, ICC_ASGI1R, ICC_SGI0R, by opc1.
    Sgi(u64),
    /// Debug (coprocessor 14): not there. Reads as zero, ignores writes.
    Debug,
    /// A write is a word for caches and says nothing here.
    Unknown,
}

/// An access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What it names.
    pub target: Target,
    /// A read: to a general register.
    pub read: bool,
    /// x register of the value or its lower half.
    pub rt: usize,
    /// x register of the upper half.
    pub rt2: Option<usize>,
}

/// The access of a trap of class `class`, in the mode of `spsr`; `None` for classes that are no such access.
#[must_use]
pub const fn decode(class: u64, esr: u64, spsr: u64) -> Option<Access> {
    let rt = register((esr >> 5 & 31) as usize, spsr);
    let rt2 = register((esr >> 10 & 31) as usize, spsr);
    let [opc2, opc1, crn, crm] = [esr >> 17 & 7, esr >> 14 & 7, esr >> 10 & 15, esr >> 1 & 15];
    let (target, rt2) = match class {
        ec::CP15 => (cp15(opc1, crn, crm, opc2), None),
        ec::CP15_64 => (cp15_64(esr >> 16 & 15, crm), Some(rt2)),
        ec::CP14 => (Target::Debug, None),
        ec::CP14_64 => (Target::Debug, Some(rt2)),
        ec::VMRS => (vmrs(crn), None),
        _ => return None,
    };
    Some(Access { target, read: esr & 1 != 0, rt, rt2 })
}

const fn cp15(opc1: u64, crn: u64, crm: u64, opc2: u64) -> Target {
    let (op0, op1) = match (opc1, crn, crm, opc2) {
        // ID_PFR0 … ID_MMFR5.
        (0, 0, 1..=7, _) => (3, 0),
        // ACTLR, ACTLR2.
        (0, 1, 0, 1 | 3) => return Target::Register(encode(3, 0, 1, 0, 1)),
        // DCISW, DCCSW, DCCISW.
        (0, 7, 6 | 10 | 14, 2) => (1, 0),
        // CNTP_TVAL, CNTP_CTL.
        (0, 14, 2, 0 | 1) => (3, 3),
        _ => return Target::Unknown,
    };
    Target::Register(encode(op0, op1, crn as u32, crm as u32, opc2 as u32))
}

const fn cp15_64(opc1: u64, crm: u64) -> Target {
    match (opc1, crm) {
        (0..=2, 12) => Target::Sgi(opc1),
        // CNTP_CVAL.
        (2, 14) => Target::Register(encode(3, 3, 14, 2, 2)),
        _ => Target::Unknown,
    }
}

/// MVFR0 is 7, MVFR1 6, MVFR2 5.
const fn vmrs(reg: u64) -> Target {
    match reg {
        5..=7 => Target::Register(encode(3, 0, 0, 3, 7u64.wrapping_sub(reg) as u32)),
        _ => Target::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mode;
    use super::*;

    const fn mcr(opc1: u64, rt: u64, crn: u64, crm: u64, opc2: u64) -> u64 {
        1 << 25 | 0x1e << 20 | opc2 << 17 | opc1 << 14 | crn << 10 | rt << 5 | crm << 1
    }

    #[test]
    fn mrc_of_id_pfr1_is_the_aarch64_registers() {
        let access = decode(ec::CP15, mcr(0, 3, 0, 1, 1) | 1, mode::SVC).unwrap();

        assert_eq!(access.target, Target::Register(encode(3, 0, 0, 1, 1)));
        assert_eq!((access.read, access.rt, access.rt2), (true, 3, None));
    }

    #[test]
    fn mcrr_of_icc_sgi1r_has_two_registers() {
        let access = decode(ec::CP15_64, 1 << 25 | 4 << 10 | 14 << 5 | 12 << 1, mode::SVC).unwrap();

        assert_eq!((access.target, access.read), (Target::Sgi(0), false));
        assert_eq!((access.rt, access.rt2), (18, Some(4)));
    }

    #[test]
    fn timer_registers_are_the_aarch64_ones() {
        let target = |class, iss| decode(class, iss, mode::SVC).unwrap().target;

        assert_eq!(target(ec::CP15, mcr(0, 0, 14, 2, 1)), Target::Register(encode(3, 3, 14, 2, 1)));
        assert_eq!(target(ec::CP15_64, 2 << 16 | 14 << 1), Target::Register(encode(3, 3, 14, 2, 2)));
    }

    #[test]
    fn vmrs_of_mvfr2_is_the_aarch64_register() {
        assert_eq!(decode(ec::VMRS, 5 << 10 | 1, 0).unwrap().target, Target::Register(encode(3, 0, 0, 3, 2)));
    }

    #[test]
    fn implementation_defined_registers_are_unknown() {
        assert_eq!(decode(ec::CP15, mcr(1, 0, 9, 0, 2), 0).unwrap().target, Target::Unknown);
        assert_eq!(decode(ec::HVC, 0, 0), None);
    }
}
