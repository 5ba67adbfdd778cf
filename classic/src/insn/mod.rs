//! What an A64 instruction is to a hypervisor: system instructions, exceptions, unprivileged loads and stores (Arm ARM
//! C4.1). Total: each word is something, if only [`Insn::Other`].

#[cfg(test)]
mod tests;

use crate::SysReg;

/// A field of PSTATE that MSR (immediate) writes, by its op1:op2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// SPSel.
    SpSel,
    /// DAIFSet.
    DaifSet,
    /// DAIFClr.
    DaifClr,
    /// UAO.
    Uao,
    /// PAN.
    Pan,
    /// SSBS.
    Ssbs,
    /// DIT.
    Dit,
    /// TCO.
    Tco,
    /// SVCR: SMSTART and SMSTOP.
    Svcr,
    /// ALLINT and PM.
    Allint,
    /// CFINV, XAFLAG, AXFLAG: flags, of any level.
    Flags,
    /// Not allocated.
    Other,
}

/// Which pointer authentication an ERET makes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// ERET.
    None,
    /// ERETAA.
    KeyA,
    /// ERETAB.
    KeyB,
}

/// An instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insn {
    /// MRS Xt, register.
    Mrs {
        /// The register.
        register: SysReg,
        /// Xt; 31 is XZR.
        rt: u8,
    },
    /// MSR register, Xt.
    Msr {
        /// The register.
        register: SysReg,
        /// Xt; 31 is XZR.
        rt: u8,
    },
    /// MSR field, #imm.
    MsrImmediate {
        /// The field.
        field: Field,
        /// 0..=15.
        value: u8,
    },
    /// SYS, with its aliases AT, DC, IC, TLBI, CFP …
    Sys {
        /// op1, CRn, CRm and op2, with op0 = 1.
        operation: SysReg,
        /// Xt; 31 is XZR.
        rt: u8,
    },
    /// SYSL.
    Sysl {
        /// op1, CRn, CRm and op2, with op0 = 1.
        operation: SysReg,
        /// Xt.
        rt: u8,
    },
    /// ERET, ERETAA, ERETAB.
    Eret(Authentication),
    /// SVC.
    Svc(u16),
    /// HVC.
    Hvc(u16),
    /// SMC.
    Smc(u16),
    /// BRK.
    Brk(u16),
    /// HLT.
    Hlt(u16),
    /// DCPS1 to DCPS3.
    Dcps(u8),
    /// UDF: permanently undefined.
    Udf(u16),
    /// WFI.
    Wfi,
    /// WFE.
    Wfe,
    /// WFIT Xt.
    Wfit(u8),
    /// WFET Xt.
    Wfet(u8),
    /// HINT #imm but WFI and WFE: 0..=127.
    Hint(u8),
    /// CLREX, DSB, DMB, ISB.
    Barrier,
    /// B, BL.
    Branch,
    /// LDTR, STTR and their kin: memory access with the rights of EL0.
    Unprivileged {
        /// Store, else load.
        store: bool,
        /// log2 of the bytes, 0..=3.
        size: u8,
        /// Xt; 31 is XZR.
        rt: u8,
        /// Base; 31 is SP.
        rn: u8,
        /// Offset in bytes.
        offset: i16,
    },
    /// Anything else: not for a hypervisor, or not allocated.
    Other,
}

impl Insn {
    /// The instruction whose trap names `register`, Rt and direction (ISS of EC 0x18).
    pub const fn of(register: SysReg, rt: u8, read: bool) -> Self {
        let word = 0xd500_0000 | (read as u32) << 21 | (register & 0xffff) << 5 | rt as u32 & 31;
        decode(word)
    }
}

const fn bits(word: u32, lsb: u32, width: u32) -> u32 {
    word >> lsb & ((1 << width) - 1)
}

/// What `word` is.
pub const fn decode(word: u32) -> Insn {
    match word >> 22 {
        0b11_0101_0100 => system(word),
        _ if word >> 24 == 0b1101_0100 => exception(word),
        _ if word >> 16 == 0 => Insn::Udf(word as u16),
        _ if word & 0x3f20_0c00 == 0x3800_0800 => unprivileged(word),
        _ if word & 0x7c00_0000 == 0x1400_0000 => Insn::Branch,
        _ => match word {
            0xd69f_03e0 => Insn::Eret(Authentication::None),
            0xd69f_0bff => Insn::Eret(Authentication::KeyA),
            0xd69f_0fff => Insn::Eret(Authentication::KeyB),
            _ => Insn::Other,
        },
    }
}

/// `1101010100 L op0 op1 CRn CRm op2 Rt`.
const fn system(word: u32) -> Insn {
    let register = word >> 5 & 0xffff;
    let rt = bits(word, 0, 5) as u8;
    let read = bits(word, 21, 1) == 1;
    match (bits(word, 19, 2), read) {
        (0, false) => without_register(word),
        (0, true) => Insn::Other,
        (1, false) => Insn::Sys { operation: register, rt },
        (1, true) => Insn::Sysl { operation: register, rt },
        (_, false) => Insn::Msr { register, rt },
        (_, true) => Insn::Mrs { register, rt },
    }
}

/// op0 = 0: hints, barriers, MSR (immediate), WFET and WFIT.
const fn without_register(word: u32) -> Insn {
    let (op1, crn, crm, op2) = (bits(word, 16, 3), bits(word, 12, 4), bits(word, 8, 4), bits(word, 5, 3));
    let rt = bits(word, 0, 5) as u8;
    match (op1, crn) {
        (_, 4) if rt == 31 => Insn::MsrImmediate { field: field(op1, op2), value: crm as u8 },
        (3, 1) if crm == 0 && op2 == 0 => Insn::Wfet(rt),
        (3, 1) if crm == 0 && op2 == 1 => Insn::Wfit(rt),
        (3, 2) if rt == 31 => match crm << 3 | op2 {
            2 => Insn::Wfe,
            3 => Insn::Wfi,
            hint => Insn::Hint(hint as u8),
        },
        (3, 3) if rt == 31 && matches!(op2, 2 | 4..=6) => Insn::Barrier,
        _ => Insn::Other,
    }
}

const fn field(op1: u32, op2: u32) -> Field {
    match (op1, op2) {
        (0, 0..=2) => Field::Flags,
        (0, 3) => Field::Uao,
        (0, 4) => Field::Pan,
        (0, 5) => Field::SpSel,
        (1, 0) => Field::Allint,
        (3, 1) => Field::Ssbs,
        (3, 2) => Field::Dit,
        (3, 3) => Field::Svcr,
        (3, 4) => Field::Tco,
        (3, 6) => Field::DaifSet,
        (3, 7) => Field::DaifClr,
        _ => Field::Other,
    }
}

/// `11010100 opc imm16 op2 LL`.
const fn exception(word: u32) -> Insn {
    let imm = bits(word, 5, 16) as u16;
    match (bits(word, 21, 3), bits(word, 0, 5)) {
        (0, 1) => Insn::Svc(imm),
        (0, 2) => Insn::Hvc(imm),
        (0, 3) => Insn::Smc(imm),
        (1, 0) => Insn::Brk(imm),
        (2, 0) => Insn::Hlt(imm),
        (5, level @ 1..=3) => Insn::Dcps(level as u8),
        _ => Insn::Other,
    }
}

/// `size 111 0 00 opc 0 imm9 10 Rn Rt`. A prefetch is not allocated here, nor is a load to W of 32 bits with sign.
const fn unprivileged(word: u32) -> Insn {
    let (size, opc) = (bits(word, 30, 2) as u8, bits(word, 22, 2));
    if size == 3 && opc >= 2 || size == 2 && opc == 3 {
        return Insn::Other;
    }
    let offset = (bits(word, 12, 9) << 7) as u16 as i16 >> 7;
    Insn::Unprivileged { store: opc == 0, size, rt: bits(word, 0, 5) as u8, rn: bits(word, 5, 5) as u8, offset }
}
