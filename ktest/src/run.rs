//! The runner.

use crate::env::{self, MACHINE};
use crate::outcome::{Failure, Outcome};
use crate::{check, shared, tests};
use abi::syscall::counter;
use rt::{log, sys};

/// A test.
pub struct Test {
    /// What it holds.
    pub name: &'static str,
    /// Cores that it needs.
    pub cores: u64,
    /// The test.
    pub run: fn() -> Outcome,
}

/// Objects that a test leaves on purpose: frames cannot be destroyed.
static LEFT: core::sync::atomic::AtomicU64 = core::sync::atomic::AtomicU64::new(0);

/// The running test leaves `objects` that cannot be destroyed.
pub fn leaves(objects: u64) {
    LEFT.store(objects, core::sync::atomic::Ordering::Relaxed);
}

/// Entry of the domain.
pub fn main(_: u64) -> ! {
    rt::log::init(MACHINE);
    if let Err(status) = env::setup() {
        log!("KTEST setup failed: {status:?}");
        let _ = sys::power_off(MACHINE);
    }
    env::clean_up();
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for test in tests::ALL.iter().copied().flatten() {
        if env::cores() < test.cores {
            log!("TEST {} ... SKIPPED needs {} cores", test.name, test.cores);
            skipped += 1;
            continue;
        }
        match checked(test) {
            Ok(()) => {
                passed += 1;
                log!("TEST {} ... ok", test.name);
            }
            Err(failure) => {
                failed += 1;
                log!("TEST {} ... FAILED {}", test.name, failure.text());
            }
        }
    }
    log!("MASKED max={}", env::read_counter(counter::MASKED_MAX));
    log!("KTEST end {passed} passed {failed} failed {skipped} skipped");
    loop {
        let _ = sys::power_off(MACHINE);
    }
}

/// Runs a test, destroys what it left, and compares the kernel's accounts.
fn checked(test: &Test) -> Result<(), Failure> {
    shared::clear();
    leaves(0);
    let before = env::accounts();
    let outcome = (test.run)();
    env::clean_up();
    let mut after = env::accounts();
    let left = LEFT.load(core::sync::atomic::Ordering::Relaxed);
    after.objects = after.objects.wrapping_sub(left);
    after.free = after.free.wrapping_add(left);
    outcome?;
    check!(after == before, "accounts {after:?}, before {before:?}");
    Ok(())
}
