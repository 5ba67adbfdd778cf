//! Calls to the firmware by HVC, the conduit of the `virt` machine (PSCI: Arm DEN0022; SMCCC: Arm DEN0028).
#![allow(unsafe_code)]

/// PSCI_VERSION, DEN0022 5.1.
pub const VERSION: u64 = 0x8400_0000;
/// CPU_ON (SMC64), DEN0022 5.6.
pub const CPU_ON: u64 = 0xc400_0003;
/// SYSTEM_OFF, DEN0022 5.10.
pub const SYSTEM_OFF: u64 = 0x8400_0008;
/// SYSTEM_RESET, DEN0022 5.11.
pub const SYSTEM_RESET: u64 = 0x8400_0009;
/// NOT_SUPPORTED, DEN0022 5.2.2.
pub const NOT_SUPPORTED: u64 = u64::MAX;

/// Makes an HVC #0 call with a function identifier and three arguments.
pub fn hvc(function: u64, arguments: [u64; 3]) -> u64 {
    let [x1, x2, x3] = arguments;
    let result;
    // SAFETY: the calls of this module either start another CPU at an address that is meant to be run, end the
    // machine, or only return a value. SMCCC lets x0 to x17 change.
    unsafe {
        core::arch::asm!("hvc #0", inout("x0") function => result, inout("x1") x1 => _, inout("x2") x2 => _,
            inout("x3") x3 => _, clobber_abi("C"), options(nostack));
    }
    result
}

/// Ends the machine.
pub fn system_off() -> ! {
    crate::uart::flush();
    hvc(SYSTEM_OFF, [0; 3]);
    loop {
        crate::sysreg::wfi();
    }
}

/// Resets the machine.
pub fn system_reset() -> ! {
    crate::uart::flush();
    hvc(SYSTEM_RESET, [0; 3]);
    loop {
        crate::sysreg::wfi();
    }
}
