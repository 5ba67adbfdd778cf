//! Power by the firmware's PSCI (DEN0022).

use crate::arch;
use core::sync::atomic::{AtomicBool, Ordering};

const CPU_ON_64: u64 = 0xc400_0003;
const SYSTEM_OFF: u64 = 0x8400_0008;
const SYSTEM_RESET: u64 = 0x8400_0009;

static SMC: AtomicBool = AtomicBool::new(true);

/// Sets the conduit.
pub fn init(smc: bool) {
    SMC.store(smc, Ordering::Relaxed);
}

fn call(function: u64, a: u64, b: u64, c: u64) -> i64 {
    arch::firmware_call(SMC.load(Ordering::Relaxed), function, a, b, c)
}

/// Turns a core on at the physical address `entry`, with `argument` in x0.
pub fn core_on(mpidr: u64, entry: u64, argument: u64) -> i64 {
    call(CPU_ON_64, mpidr, entry, argument)
}

/// Turns the machine off.
pub fn off() -> ! {
    last(SYSTEM_OFF)
}

/// Resets the machine.
pub fn reset() -> ! {
    last(SYSTEM_RESET)
}

fn last(function: u64) -> ! {
    call(function, 0, 0, 0);
    loop {
        arch::wfe();
    }
}
