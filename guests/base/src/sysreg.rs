//! Access to system registers by name.
#![allow(unsafe_code)]

/// Reads a system register that is named as a literal.
#[macro_export]
macro_rules! read_sysreg {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: an MRS at EL1 has no effect on memory that the compiler knows of.
        #[allow(unsafe_code)]
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags))
        };
        value
    }};
}

/// Writes a system register that is named as a literal, then synchronises the context.
///
/// The caller answers for what the register does to the running program.
#[macro_export]
macro_rules! write_sysreg {
    ($name:literal, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the registers written by the guests change translation, traps or interrupts in a way that the
        // calling code has prepared; memory is named as clobbered so that no access moves across.
        #[allow(unsafe_code)]
        unsafe {
            core::arch::asm!(concat!("msr ", $name, ", {}"), "isb", in(reg) value, options(nostack, preserves_flags))
        };
    }};
}

/// Waits until an interrupt is pending, masked or not.
#[inline(always)]
pub fn wfi() {
    // SAFETY: WFI changes no state that the compiler knows of.
    unsafe { core::arch::asm!("wfi", options(nostack, preserves_flags)) };
}

/// Takes interrupts (PSTATE.I = 0).
pub fn unmask_irq() {
    // SAFETY: the guest has installed its vectors before.
    unsafe { core::arch::asm!("msr daifclr, #2", options(nostack, preserves_flags)) };
}

/// Takes no interrupts (PSTATE.I = 1).
pub fn mask_irq() {
    // SAFETY: masks interrupts, nothing else.
    unsafe { core::arch::asm!("msr daifset, #2", options(nostack, preserves_flags)) };
}

/// Ticks of the virtual counter, after all earlier instructions.
#[inline(always)]
pub fn counter() -> u64 {
    let value: u64;
    // SAFETY: reads a counter; the ISB keeps the read in program order.
    unsafe {
        core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) value, options(nostack, preserves_flags));
    }
    value
}
