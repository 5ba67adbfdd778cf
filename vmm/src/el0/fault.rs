//! Failures by the guest's wish, for the tests of root: only in a VMM built with the feature `fault-test`.
#![allow(unsafe_code, clippy::panic, reason = "failures are wanted here")]

use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use rt::sys;
use sysdesc::{vmm_slot, worker};

/// The function, in the range of the vendor's hypervisor services (SMCCC 1.5, DEN0028 6.1). x1 says how to fail.
const FAIL: u64 = 0xc600_ff00;
/// Nothing is mapped there.
const NOWHERE: *mut u64 = 0x1000 as *mut u64;

static WORKER_LOOPS: AtomicBool = AtomicBool::new(false);

/// Fails if the guest's call says so.
pub fn call([function, how, ..]: [u64; 4]) {
    match (function, how) {
        (FAIL, 0) => panic!("as its guest wished"),
        // SAFETY: it ends this domain, which is what is wanted.
        (FAIL, 1) => unsafe { NOWHERE.write_volatile(1) },
        (FAIL, 2) => forever(),
        (FAIL, 3) => {
            WORKER_LOOPS.store(true, Relaxed);
            let _ = sys::signal(vmm_slot::WORKER, worker::OWN);
        }
        (FAIL, code) => sys::exit(code),
        _ => {}
    }
}

/// The worker was woken.
pub fn worker() {
    if WORKER_LOOPS.load(Relaxed) {
        forever();
    }
}

fn forever() {
    loop {
        core::hint::spin_loop();
    }
}
