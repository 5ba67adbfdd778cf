//! Threads and their scheduling: THREAD, YIELD, priorities, time slices.

use crate::env::{FREE, MACHINE, SELF, after_ms, now, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, sleep_ms, slots, wait_until};
use crate::{check, check_eq, tests};
use abi::syscall::Status;
use rt::sys::{self, create};

tests! {
    1 higher_priority_preempts_at_once;
    1 equal_priorities_share_by_slices;
    1 equals_share_though_a_higher_one_interrupts;
    1 yield_lets_an_equal_run;
    1 yield_does_not_let_a_lower_one_run;
    1 stop_and_start_again;
    2 stop_and_start_on_another_core;
    1 a_thread_goes_on_with_its_registers;
    2 both_cores_run;
    1 a_scheduling_context_serves_one_thread;
}

fn count(n: usize) {
    word(n).set(word(n).get().wrapping_add(1));
}

fn spinner(n: u64) {
    loop {
        count(n as usize);
    }
}

fn once(n: u64) {
    count(n as usize);
}

fn higher_priority_preempts_at_once() -> Outcome {
    thread::spawn(0, 0, 5, spinner, 0)?;
    check!(wait_until(5000, || word(0).get() > 0), "the spinner does not run");
    // A thread of priority 6 starts from a thread of priority 31; then that sleeps: 6 runs, 5 does not.
    thread::spawn(1, 0, 6, spinner, 1)?;
    check!(wait_until(5000, || word(1).get() > 0), "the higher one does not run");
    let before = word(0).get();

    sleep_ms(30);

    check_eq!(word(0).get(), before, "the lower one ran");
    Ok(())
}

fn equal_priorities_share_by_slices() -> Outcome {
    (0..3).try_for_each(|n| thread::make(n, 0, 5, spinner, n as u64))?;
    (0..3).try_for_each(thread::go)?;

    for _ in 0..2 {
        let before = [0, 1, 2].map(|n| word(n).get());
        let all = || [0, 1, 2].iter().all(|n| word(*n).get() != before[*n]);
        check!(wait_until(5000, all), "counts {:?}", [0, 1, 2].map(|n| word(n).get()));
    }
    Ok(())
}

fn equals_share_though_a_higher_one_interrupts() -> Outcome {
    thread::spawn(0, 0, 5, spinner, 0)?;
    thread::spawn(1, 0, 5, spinner, 1)?;

    // This thread, of priority 31, runs every 2 ms: less than a slice.
    for _ in 0..1000 {
        sleep_ms(2);
        if word(0).get() > 0 && word(1).get() > 0 {
            return Ok(());
        }
    }
    check!(false, "counts {:?}", [0, 1].map(|n| word(n).get()));
    Ok(())
}

/// Writes its letter into the sequence from word 10 on, whose length is word 9, and yields; three times.
fn letters(n: u64) {
    for _ in 0..3 {
        word(10 + word(9).get() as usize).set(n);
        count(9);
        sys::yield_now();
    }
}

fn yield_lets_an_equal_run() -> Outcome {
    thread::spawn(0, 0, 5, letters, 1)?;
    thread::spawn(1, 0, 5, letters, 2)?;
    check!(wait_until(5000, || word(9).get() == 6), "not done");

    let sequence = [0, 1, 2, 3, 4, 5].map(|n| word(10 + n).get());

    check!(sequence == [1, 2, 1, 2, 1, 2], "sequence {sequence:?}");
    Ok(())
}

fn yield_does_not_let_a_lower_one_run() -> Outcome {
    thread::spawn(0, 0, 5, once, 0)?;

    (0..50).for_each(|_| sys::yield_now());

    check_eq!(word(0).get(), 0, "count of the lower one");
    Ok(())
}

/// Whether word `n` does not change for 2 ms.
fn is_still(n: usize) -> bool {
    let before = word(n).get();
    sleep_ms(2);
    word(n).get() == before
}

fn stops_and_starts(core: u64) -> Outcome {
    thread::spawn(0, core, 5, spinner, 0)?;
    for _ in 0..20 {
        let before = word(0).get();
        check!(wait_until(5000, || word(0).get() != before), "does not run");
        sys::thread_stop(slots(0).0)?;
        check!(wait_until(5000, || is_still(0)), "runs though stopped");
        sys::thread_start(slots(0).0, 0)?;
    }
    Ok(())
}

fn stop_and_start_again() -> Outcome {
    stops_and_starts(0)
}

fn stop_and_start_on_another_core() -> Outcome {
    stops_and_starts(1)
}

/// Holds a pattern in x0–x5 while it waits to be stopped, then compares.
#[allow(unsafe_code, reason = "holds values in registers")]
fn register_holder(_: u64) {
    let mut x0: u64 = 0x1111;
    let mut left: u64 = 1;
    word(0).set(1);
    while word(2).get() == 0 {
        // SAFETY: a loop over registers.
        unsafe {
            core::arch::asm!("mov x1, #20000", "2: subs x1, x1, #1", "b.ne 2b", inout("x0") x0, out("x1") left);
        }
        if x0 != 0x1111 || left != 0 {
            word(1).set(x0 | 1 << 63);
        }
    }
    word(3).set(1);
}

fn a_thread_goes_on_with_its_registers() -> Outcome {
    thread::spawn(0, 0, 5, register_holder, 0)?;
    check!(wait_until(5000, || word(0).get() == 1), "does not run");
    for n in 0..30 {
        sleep_ms(1);
        sys::thread_stop(slots(0).0)?;
        sys::thread_start(slots(0).0, 0xbad0 + n)?;
    }
    word(2).set(1);
    check!(wait_until(5000, || word(3).get() == 1), "does not end");

    check!(word(1).get() == 0, "x0 was {:#x}", word(1).get());
    Ok(())
}

fn both_cores_run() -> Outcome {
    thread::spawn(0, 0, 5, spinner, 0)?;
    thread::spawn(1, 1, 5, spinner, 1)?;

    check!(wait_until(5000, || word(0).get() > 0 && word(1).get() > 0), "not both");
    let (before, end) = (word(1).get(), after_ms(5000));
    while word(1).get() == before {
        check!(now() < end, "core 1 waits for core 0");
    }
    Ok(())
}

#[allow(unsafe_code, reason = "makes threads that are never started")]
fn a_scheduling_context_serves_one_thread() -> Outcome {
    create::sched_context(FREE, MACHINE, 0, 5, 0)?;
    let (entry, stack) = (thread::entry(), thread::stack_top(0));
    // SAFETY: the threads are never started.
    let made = unsafe { [FREE + 1, FREE + 2].map(|slot| status(create::thread(slot, SELF, FREE, entry, stack))) };

    check_eq!(made, [Status::Ok, Status::Taken], "two threads");
    check_eq!(status(sys::destroy(FREE)), Status::BadState, "destroying a used context");
    sys::destroy(FREE + 1)?;
    check_eq!(status(sys::destroy(FREE)), Status::Ok, "destroying a free context");
    Ok(())
}
