//! ESR_ELx: exception classes and the syndromes that the VMM reads (Arm ARM D24.2.40).

/// Exception classes.
pub mod ec {
    /// Unknown reason.
    pub const UNKNOWN: u64 = 0x00;
    /// WFI, WFE, WFIT, WFET.
    pub const WFX: u64 = 0x01;
    /// Access to FP, SIMD or SVE.
    pub const FP: u64 = 0x07;
    /// HVC from AArch64.
    pub const HVC: u64 = 0x16;
    /// SMC from AArch64.
    pub const SMC: u64 = 0x17;
    /// MSR, MRS or system instruction.
    pub const SYSREG: u64 = 0x18;
    /// SVE.
    pub const SVE: u64 = 0x19;
    /// Instruction abort from a lower level.
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    /// Data abort from a lower level.
    pub const DATA_ABORT: u64 = 0x24;
}

/// Exception class of a syndrome.
#[must_use]
pub const fn class(esr: u64) -> u64 {
    esr >> 26 & 0x3f
}

/// IL: the instruction has 32 bits.
pub const IL: u64 = 1 << 25;

/// ISS of a data abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAbort(pub u64);

impl DataAbort {
    /// ISV: the other fields but WnR hold.
    #[must_use]
    pub const fn valid(self) -> bool {
        self.0 & 1 << 24 != 0
    }
    /// Whether it is a load of 16 or 32 bits that does not extend its sign: one comparison.
    #[must_use]
    pub const fn is_plain_load(self) -> bool {
        const ISV: u64 = 1 << 24;
        const SAS: u64 = 3 << 22;
        const SSE: u64 = 1 << 21;
        const WNR: u64 = 1 << 6;
        let sas = self.0 & SAS;
        self.0 & (ISV | SSE | WNR) == ISV && (sas == 1 << 22 || sas == 2 << 22)
    }
    /// Whether it is a store of 8 to 32 bits whose source is named.
    #[must_use]
    pub const fn is_plain_store(self) -> bool {
        const ISV: u64 = 1 << 24;
        const SAS: u64 = 3 << 22;
        const WNR: u64 = 1 << 6;
        self.0 & (ISV | WNR) == ISV | WNR && self.0 & SAS != SAS
    }
    /// SAS: log2 of the access's bytes.
    #[must_use]
    pub const fn size_log2(self) -> u32 {
        (self.0 >> 22 & 3) as u32
    }
    /// SSE: a load sign-extends.
    #[must_use]
    pub const fn sign_extend(self) -> bool {
        self.0 & 1 << 21 != 0
    }
    /// SRT: the register.
    #[must_use]
    pub const fn register(self) -> usize {
        (self.0 >> 16 & 31) as usize
    }
    /// SF: the register is 64 bits wide.
    #[must_use]
    pub const fn wide(self) -> bool {
        self.0 & 1 << 15 != 0
    }
    /// FnV: FAR is not valid.
    #[must_use]
    pub const fn far_invalid(self) -> bool {
        self.0 & 1 << 10 != 0
    }
    /// CM: a cache maintenance instruction.
    #[must_use]
    pub const fn cache_maintenance(self) -> bool {
        self.0 & 1 << 8 != 0
    }
    /// DFSC: whether stage 2 refused the access (translation, access flag, permission), and so whether the IPA holds.
    /// Anything else is an error of the machine under the access.
    #[must_use]
    pub const fn stage2(self) -> bool {
        matches!(self.0 >> 2 & 0xf, 0b0001..=0b0011)
    }
    /// S1PTW: a walk of stage 1 faulted.
    #[must_use]
    pub const fn walk(self) -> bool {
        self.0 & 1 << 7 != 0
    }
    /// WnR: a write.
    #[must_use]
    pub const fn write(self) -> bool {
        self.0 & 1 << 6 != 0
    }
}

/// ISS of a trapped MSR or MRS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sysreg(pub u64);

impl Sysreg {
    /// Direction: MRS.
    #[must_use]
    pub const fn read(self) -> bool {
        self.0 & 1 != 0
    }
    /// Rt.
    #[must_use]
    pub const fn register(self) -> usize {
        (self.0 >> 5 & 31) as usize
    }
    /// Whether this whole ESR is that of an MSR to the register with this [`encode`]d name: one comparison.
    #[must_use]
    pub const fn is_write_of(self, name: u32) -> bool {
        const RT: u64 = 31 << 5;
        let name = name as u64;
        let (op0, op1, crn) = (name >> 14 & 3, name >> 11 & 7, name >> 7 & 15);
        let (crm, op2) = (name >> 3 & 15, name & 7);
        let iss = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | crm << 1;
        self.0 & !RT == ec::SYSREG << 26 | IL | iss
    }
    /// The register's [`encode`]d name.
    #[must_use]
    pub const fn name(self) -> u32 {
        let (op0, op2, op1) = (self.0 >> 20 & 3, self.0 >> 17 & 7, self.0 >> 14 & 7);
        let (crn, crm) = (self.0 >> 10 & 15, self.0 >> 1 & 15);
        encode(op0 as u32, op1 as u32, crn as u32, crm as u32, op2 as u32)
    }
}

/// A system register's name as one number, in the order in which instructions hold it (bits 20:5 of MSR and MRS).
#[must_use]
pub const fn encode(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_abort_names_no_device() {
        // DFSC 0x10: synchronous external abort; 0x06, 0x0b, 0x0f: translation, access flag, permission.
        assert!(!DataAbort(0x9200_0010).stage2());
        assert!([0x06, 0x0b, 0x0f].iter().all(|dfsc| DataAbort(0x9200_0000 | dfsc).stage2()));
    }

    #[test]
    fn sysreg_of_icc_sgi1r_is_decoded() {
        // MSR ICC_SGI1R_EL1, x3: op0 3, op1 0, CRn 12, CRm 11, op2 5.
        let iss = 3 << 20 | 5 << 17 | 12 << 10 | 3 << 5 | 11 << 1;

        let trap = Sysreg(iss);

        assert_eq!(trap.name(), encode(3, 0, 12, 11, 5));
        assert_eq!((trap.register(), trap.read()), (3, false));
        assert!(Sysreg(iss | ec::SYSREG << 26 | IL).is_write_of(encode(3, 0, 12, 11, 5)));
        assert!(!Sysreg(iss | 1 | ec::SYSREG << 26 | IL).is_write_of(encode(3, 0, 12, 11, 5)));
    }

    #[test]
    fn plain_stores_are_told_by_one_comparison() {
        const ISV: u64 = 1 << 24;
        const WNR: u64 = 1 << 6;

        assert!((0..3).all(|sas| DataAbort(ISV | sas << 22 | WNR).is_plain_store()));
        let others = [ISV | 3 << 22 | WNR, ISV | 2 << 22, 2 << 22 | WNR];
        assert!(others.iter().all(|iss| !DataAbort(*iss).is_plain_store()));
    }

    #[test]
    fn data_abort_of_ldrb_is_decoded() {
        // LDRB w5: SAS 0, SRT 5, SF 0, read, translation fault level 3.
        let abort = DataAbort(0x9305_0007 & 0x1ff_ffff);

        assert!(abort.valid() && !abort.write() && !abort.wide());
        assert_eq!((abort.size_log2(), abort.register()), (0, 5));
    }
}
