//! Arm architecture calls (DEN0028 7).

use super::{Psci, pvtime, ret, trng, with_x0};

/// SMCCC_VERSION.
pub const SMCCC_VERSION: u32 = 0x8000_0000;
/// SMCCC_ARCH_FEATURES.
const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
/// SMCCC_ARCH_WORKAROUND_1.
const SMCCC_ARCH_WORKAROUND_1: u32 = 0x8000_8000;
/// SMCCC_ARCH_WORKAROUND_2.
const SMCCC_ARCH_WORKAROUND_2: u32 = 0x8000_7fff;
/// SMCCC_ARCH_WORKAROUND_3.
const SMCCC_ARCH_WORKAROUND_3: u32 = 0x8000_3fff;
/// SMCCC 1.1.
const VERSION: u64 = 1 << 16 | 1;
/// A workaround is implemented and this CPU does not need it.
const NOT_REQUIRED: u64 = 1;

/// x0–x3 that `function` returns; `None` if it is not known. `a1` is x1 cut to the calling convention.
pub fn call(
    psci: &Psci,
    cpu: u8,
    function: u32,
    a1: u64,
    x: [u64; 4],
    entropy: &mut dyn FnMut() -> Option<u64>,
) -> Option<[u64; 4]> {
    let value = match function {
        SMCCC_VERSION => VERSION,
        SMCCC_ARCH_FEATURES => arch_features(psci, a1 as u32),
        SMCCC_ARCH_WORKAROUND_1 | SMCCC_ARCH_WORKAROUND_2 | SMCCC_ARCH_WORKAROUND_3
            if arch_features(psci, function) == NOT_REQUIRED =>
        {
            ret::SUCCESS
        }
        _ => match pvtime::call(psci.stolen_time, cpu, function, a1) {
            Some(value) => value,
            None => return trng::call(function, a1, x, entropy),
        },
    };
    Some(with_x0(x, value))
}

fn arch_features(psci: &Psci, function: u32) -> u64 {
    let not_affected = match function {
        SMCCC_VERSION | SMCCC_ARCH_FEATURES => return ret::SUCCESS,
        // The one function of another range that may be asked for here (DEN0057A 3.1).
        pvtime::PV_TIME_FEATURES if psci.stolen_time.is_some() => return ret::SUCCESS,
        SMCCC_ARCH_WORKAROUND_1 => psci.not_affected.workaround_1,
        SMCCC_ARCH_WORKAROUND_2 => psci.not_affected.workaround_2,
        SMCCC_ARCH_WORKAROUND_3 => psci.not_affected.workaround_3,
        _ => false,
    };
    if not_affected { NOT_REQUIRED } else { ret::NOT_SUPPORTED }
}
