//! Code that is written at run time.
#![allow(unsafe_code)] // Writes instructions and makes them visible to the fetch.

/// Instructions that fit.
pub const WORDS: usize = 1024;

#[repr(C, align(4096))]
struct Buffer([u32; WORDS]);

static mut BUFFER: Buffer = Buffer([0; WORDS]);

/// Writes instructions to the buffer, makes them visible to instruction fetch (DC CVAU, IC IVAU: Arm ARM B2) and returns their
/// address. Too many are cut off.
pub fn install(words: &[u32]) -> u64 {
    let start = (&raw mut BUFFER).cast::<u32>();
    let words = words.get(..WORDS).unwrap_or(words);
    for (n, &word) in words.iter().enumerate() {
        // SAFETY: `n` is below WORDS; nobody holds a reference to the buffer.
        unsafe { start.add(n).write_volatile(word) };
    }
    // 16 bytes is the smallest line that CTR_EL0 can tell.
    for offset in (0..words.len() * 4).step_by(16) {
        let address = start as u64 + offset as u64;
        // SAFETY: cache maintenance by address on our own buffer.
        unsafe { core::arch::asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", in(reg) address, options(nostack)) };
    }
    // SAFETY: barriers.
    unsafe { core::arch::asm!("dsb ish", "isb", options(nostack)) };
    start as u64
}
