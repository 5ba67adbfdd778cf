//! What the VMM reads of the machine itself: counter, ID registers.
#![allow(unsafe_code, reason = "MRS")]

use core::arch::asm;

/// Counter ticks (CNTPCT_EL0).
pub fn counter() -> u64 {
    let ticks;
    // SAFETY: reads the counter; the barrier keeps the read in program order (Arm ARM D12.1.2).
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}

/// Calls `$each`(CRm << 3 | op2, value) for each register of `MRS op0=3, op1=0, CRn=0, CRm=$crm`.
macro_rules! id_group {
    ($each:ident, $($crm:literal)+) => { $( id_group!(@ $each, $crm, 0 1 2 3 4 5 6 7); )+ };
    (@ $each:ident, $crm:literal, $($op2:literal)+) => { $({
        let value: u64;
        // SAFETY: an ID register; the kernel answers, with 0 for those that the core does not have.
        unsafe {
            asm!(concat!("mrs {}, s3_0_c0_c", $crm, "_", $op2), out(reg) value, options(nomem, nostack, preserves_flags));
        }
        $each($crm << 3 | $op2, value);
    })+ };
}

/// Calls `each` with the index (CRm << 3 | op2) and the value of each register of the ID space (op0=3, op1=0, CRn=0,
/// CRm=1..=7).
pub fn id_registers(mut each: impl FnMut(usize, u64)) {
    id_group!(each, 1 2 3 4 5 6 7);
}

/// 64 random bits of the core (FEAT_RNG), if it has them and they are ready.
pub fn entropy() -> Option<u64> {
    let isar0: u64;
    // SAFETY: an ID register.
    unsafe { asm!("mrs {}, id_aa64isar0_el1", out(reg) isar0, options(nomem, nostack, preserves_flags)) };
    if isar0 >> 60 == 0 {
        return None;
    }
    let (random, failed): (u64, u64);
    // SAFETY: RNDR exists (above); it sets NZCV, of which Z tells that there is no number (Arm ARM D24.2.147).
    unsafe { asm!("mrs {}, s3_3_c2_c4_0", "cset {}, eq", out(reg) random, out(reg) failed, options(nomem, nostack)) };
    (failed == 0).then_some(random)
}
