//! Cache maintenance by address. SCTLR_EL1.UCI and UCT are set for domains, so EL0 may do it.
#![allow(unsafe_code, reason = "cache instructions")]

use core::arch::asm;

/// Bytes of the smallest data cache line (CTR_EL0.DminLine, Arm ARM D24.2.34).
fn line() -> u64 {
    let ctr: u64;
    // SAFETY: reads an identification register.
    unsafe { asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags)) };
    4 << ((ctr >> 16) & 15)
}

/// Cleans and invalidates `[start, start + size)` to the Point of Coherency, so that an observer without caches (a guest
/// with its MMU off) sees what was written. The range must be mapped; pages that are not end the domain by a fault.
pub fn clean_to_poc(start: u64, size: u64) {
    let line = line();
    let end = start.saturating_add(size);
    let mut address = start & !(line - 1);
    while address < end {
        // SAFETY: maintenance by address does not change what memory holds.
        unsafe { asm!("dc civac, {}", in(reg) address, options(nostack, preserves_flags)) };
        address += line;
    }
    // SAFETY: a barrier. It completes the maintenance before anything that follows (Arm ARM D7.5.9).
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
