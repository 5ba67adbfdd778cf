//! Decoding of ICC_SGI1R_EL1, ICC_SGI0R_EL1 and ICC_ASGI1R_EL1 (IHI0069 12.2).

use super::CpuMask;
use super::mailbox::Posted;

/// Which register was written. With one security state ASGI1R reaches only group 0 SGIs, as SGI0R (QEMU does the same).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgiRegister {
    /// ICC_SGI1R_EL1.
    Sgi1r,
    /// ICC_SGI0R_EL1.
    Sgi0r,
    /// ICC_ASGI1R_EL1.
    Asgi1r,
}

/// A software-generated interrupt on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sgi {
    /// INTID, 0..16.
    pub intid: u32,
    /// Sent as group 1.
    pub group1: bool,
    /// vCPUs it is for. The sender, when in it, takes it in by [`super::Redist::quick_sgi`] or
    /// [`super::Redist::accept`]; to the others it is posted.
    pub targets: CpuMask,
}

impl Sgi {
    /// What `value` written by vCPU `from` (of `cpus`) means: IRM (bit 40) all but self; else Aff3.2.1 must be 0.0.0 and
    /// RS (47:44) and TargetList (15:0) give Aff0. Targets that do not exist are left out.
    pub fn decode(register: SgiRegister, value: u64, from: u8, cpus: u8) -> Self {
        let everyone: CpuMask = (1 << cpus) - 1;
        let targets = if value >> 40 & 1 != 0 {
            everyone & !(1 << from)
        } else if value & AFF321_RS != 0 {
            0
        } else {
            value as u32 & 0xffff & everyone
        };
        Self { intid: (value >> 24 & 0xf) as u32, group1: register == SgiRegister::Sgi1r, targets }
    }

    /// What to post to each target.
    pub const fn posted(self) -> Posted {
        Posted::sgi(self.intid, self.group1)
    }
}

/// Aff3 (55:48), RS (47:44), Aff2 (39:32), Aff1 (23:16). RS counts in steps of 16, more than there are vCPUs.
const AFF321_RS: u64 = 0xff << 48 | 0xf << 44 | 0xff << 32 | 0xff << 16;
