//! Encodings of the few instructions that are written one by one, and of system registers.

use core::fmt;

/// RET.
pub const RET: u32 = 0xd65f_03c0;
/// ISB.
pub const ISB: u32 = 0xd503_3fdf;

/// A system register by its encoding (Arm ARM C5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SysReg {
    /// 2 or 3.
    pub op0: u32,
    /// 0 to 7.
    pub op1: u32,
    /// 0 to 15.
    pub crn: u32,
    /// 0 to 15.
    pub crm: u32,
    /// 0 to 7.
    pub op2: u32,
}

impl SysReg {
    /// Shorthand for tables.
    pub const fn new(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Self {
        Self { op0, op1, crn, crm, op2 }
    }

    fn fields(self) -> u32 {
        (self.op0 & 1) << 19 | self.op1 << 16 | self.crn << 12 | self.crm << 8 | self.op2 << 5
    }

    /// MRS Xt, register.
    pub fn mrs(self, t: u32) -> u32 {
        0xd530_0000 | self.fields() | t
    }

    /// MSR register, Xt.
    pub fn msr(self, t: u32) -> u32 {
        0xd510_0000 | self.fields() | t
    }
}

impl fmt::Display for SysReg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{}_{}_C{}_C{}_{}", self.op0, self.op1, self.crn, self.crm, self.op2)?;
        crate::names::name(*self).map_or(Ok(()), |name| write!(f, ".{name}"))
    }
}
