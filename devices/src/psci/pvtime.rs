//! Paravirtualized time (DEN0057A): where a vCPU reads how much time was stolen from it.

use super::ret;

/// PV_TIME_FEATURES.
pub const PV_TIME_FEATURES: u32 = 0xc500_0020;
/// PV_TIME_ST.
pub const PV_TIME_ST: u32 = 0xc500_0021;

/// The stolen time structures of a VM, one for each vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StolenTime {
    /// Guest physical address of vCPU 0's, a multiple of 64.
    pub base: u64,
    /// Bytes from one to the next, a multiple of 64.
    pub stride: u64,
}

/// x0 that `function` returns to vCPU `cpu`; `None` if it is not known. `a1` is x1.
pub fn call(stolen: Option<StolenTime>, cpu: u8, function: u32, a1: u64) -> Option<u64> {
    let StolenTime { base, stride } = stolen?;
    match function {
        PV_TIME_FEATURES if matches!(a1 as u32, PV_TIME_FEATURES | PV_TIME_ST) => Some(ret::SUCCESS),
        PV_TIME_FEATURES => Some(ret::NOT_SUPPORTED),
        PV_TIME_ST => Some(base.wrapping_add(stride.wrapping_mul(u64::from(cpu)))),
        _ => None,
    }
}
