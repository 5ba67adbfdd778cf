//! What the VMM reads of the machine itself: counter, random numbers.
#![allow(unsafe_code, reason = "MRS")]

use core::arch::asm;
use rt::sys;

/// CRm << 3 | op2.
const ID_AA64ISAR0_EL1: u64 = 6 << 3;

/// Counter ticks (CNTPCT_EL0).
pub fn counter() -> u64 {
    let ticks;
    // SAFETY: reads the counter; the barrier keeps the read in program order (Arm ARM D12.1.2).
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// 64 random bits of the core (FEAT_RNG), if it has them and they are ready.
pub fn entropy() -> Option<u64> {
    if sys::id_register(ID_AA64ISAR0_EL1) >> 60 == 0 {
        return None;
    }
    let (random, failed): (u64, u64);
    // SAFETY: RNDR exists (above); it sets NZCV, of which Z tells that there is no number (Arm ARM D24.2.147).
    unsafe { asm!("mrs {}, s3_3_c2_c4_0", "cset {}, eq", out(reg) random, out(reg) failed, options(nomem, nostack)) };
    (failed == 0).then_some(random)
}
