//! Cache maintenance and zeroing.

use super::sysreg;

/// Bytes of the smallest data cache line (CTR_EL0.DminLine).
fn line() -> u64 {
    4 << ((sysreg::ctr_el0::read() >> 16) & 0xf)
}

/// Zeroes a page and cleans it to the point of coherency, so that a guest that runs with its caches off sees zeros too.
pub fn scrub_page(page: u64) {
    let dczid = sysreg::dczid_el0::read();
    if dczid & 0x10 == 0 {
        let step = 4u64 << (dczid & 0xf);
        let mut at = page;
        while at < page + abi::PAGE_SIZE {
            // SAFETY: the caller owns the page; it is identity-mapped normal memory.
            unsafe { core::arch::asm!("dc zva, {}", in(reg) at, options(nostack, preserves_flags)) }
            at += step;
        }
    } else {
        // SAFETY: as above.
        unsafe { core::ptr::write_bytes(page as *mut u8, 0, abi::PAGE_SIZE as usize) }
    }
    clean(page, abi::PAGE_SIZE);
}

/// Cleans a range to the point of coherency.
pub fn clean(start: u64, bytes: u64) {
    let step = line();
    let mut at = start & !(step - 1);
    while at < start + bytes {
        // SAFETY: cleaning changes no value; the range is mapped.
        unsafe { core::arch::asm!("dc cvac, {}", in(reg) at, options(nostack, preserves_flags)) }
        at += step;
    }
    super::dsb_sy();
}

/// IC IALLUIS: instruction caches of all cores.
pub fn invalidate_instructions() {
    // SAFETY: dropping cache lines changes no value.
    unsafe { core::arch::asm!("ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) }
}
