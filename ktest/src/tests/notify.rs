//! Notifications: SIGNAL, WAIT, on one core and across cores.

use crate::env::{DONE, FREE, RW, SELF, after_ms, now, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, settle, wait_until};
use crate::{check, check_eq, tests};
use abi::cap::rights;
use abi::syscall::Status;
use rt::boot::frequency;
use rt::sys::{self, create};

tests! {
    1 poll_takes_the_bits_once;
    1 badge_chooses_the_bit;
    1 kernel_bits_cannot_be_signalled;
    1 wait_ends_at_its_deadline;
    1 signal_wakes_a_waiter_of_this_core;
    2 signal_wakes_a_waiter_of_another_core;
    1 second_waiter_is_refused;
    1 signal_and_timeout_race_loses_no_bit;
    2 signal_and_timeout_race_across_cores;
    2 stolen_bits_leave_the_waiter_waiting;
    1 destroyed_notification_tells_its_waiter;
    2 destroyed_notification_tells_its_waiter_elsewhere;
}

const N: u64 = FREE;
const BADGED: u64 = FREE + 1;

fn poll_takes_the_bits_once() -> Outcome {
    create::notification(N)?;

    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "poll of nothing");
    sys::signal(N, 0b101)?;
    sys::signal(N, 0b010)?;
    check_eq!(sys::wait(N, 0)?, 0b111, "poll");
    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "second poll");
    sys::signal(N, 0)?;
    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "signal without bits");
    sys::signal(N, 4)?;
    check_eq!(sys::wait(N, u64::MAX)?, 4, "wait for what is there");
    Ok(())
}

fn badge_chooses_the_bit() -> Outcome {
    create::notification(N)?;
    for badge in [1, 2, 61, 62, 63, 64, 1000, abi::cap::MAX_BADGE] {
        sys::copy(SELF, BADGED, N, RW, badge)?;
        sys::signal(BADGED, u64::MAX)?;
        check_eq!(sys::wait(N, 0)?, 1 << ((badge - 1) % 62), "bit of the badge");
        sys::delete(BADGED)?;
    }
    Ok(())
}

fn kernel_bits_cannot_be_signalled() -> Outcome {
    create::notification(N)?;

    sys::signal(N, u64::MAX)?;
    check_eq!(sys::wait(N, 0)?, (1 << 62) - 1, "all bits");
    sys::signal(N, 3 << 62)?;
    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "the kernel's bits");
    Ok(())
}

fn wait_ends_at_its_deadline() -> Outcome {
    create::notification(N)?;
    for ms in [0, 1, 3, 10] {
        let deadline = after_ms(ms);
        check_eq!(status(sys::wait(N, deadline)), Status::Timeout, "wait");
        check!(now() >= deadline, "too early");
    }
    check_eq!(status(sys::wait(N, 1)), Status::Timeout, "deadline long ago");
    Ok(())
}

/// Waits for [`N`] for ever, puts status and bits into words 0 and 1.
fn waiter(_: u64) {
    word(2).set(1);
    let result = sys::wait(N, u64::MAX);
    word(1).set(result.unwrap_or(0));
    word(0).set(100 + status(result) as u64);
    let _ = sys::signal(DONE, 1);
}

fn start_waiter(core: u64) -> Outcome {
    thread::spawn(0, core, 5, waiter, 0)?;
    settle(core)?;
    check_eq!(word(2).get(), 1, "start of the waiter");
    Ok(())
}

fn waiter_is_woken(core: u64) -> Outcome {
    create::notification(N)?;
    start_waiter(core)?;
    check_eq!(word(0).get(), 0, "woken without a signal");

    sys::signal(N, 0x30)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "not woken");
    check_eq!((word(0).get(), word(1).get()), (100, 0x30), "status and bits");
    Ok(())
}

fn signal_wakes_a_waiter_of_this_core() -> Outcome {
    waiter_is_woken(0)
}

fn signal_wakes_a_waiter_of_another_core() -> Outcome {
    waiter_is_woken(1)
}

fn second_waiter_is_refused() -> Outcome {
    create::notification(N)?;
    start_waiter(0)?;

    check_eq!(status(sys::wait(N, after_ms(5))), Status::Taken, "second waiter");
    check_eq!(status(sys::wait(N, u64::MAX)), Status::Taken, "second waiter, for ever");
    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "poll beside a waiter");
    sys::copy(SELF, BADGED, N, rights::WRITE, 0)?;
    check_eq!(status(sys::wait(BADGED, 0)), Status::NoRights, "wait without READ");
    sys::signal(BADGED, 1)?;
    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the first waiter is lost");
    Ok(())
}

/// Signals [`N`] `rounds` times, each when the last was taken (word 4), after a delay that grows.
fn signaller(rounds: u64) {
    for round in 0..rounds {
        while word(4).get() < round {
            sys::yield_now();
        }
        let end = now() + round * word(5).get();
        while now() < end {}
        let _ = sys::signal(N, 1);
    }
}

fn race(core: u64, rounds: u64) -> Outcome {
    create::notification(N)?;
    let step = frequency() / 2_000_000;
    word(5).set(step.max(1));
    thread::spawn(0, core, 5, signaller, rounds)?;
    let (mut taken, mut timeouts) = (0, 0);
    let end = after_ms(30_000);
    while taken < rounds {
        check!(now() < end, "{taken} of {rounds} signals came, {timeouts} timeouts");
        match sys::wait(N, now() + rounds * step / 2) {
            Ok(bits) => {
                check_eq!(bits, 1, "bits");
                taken += 1;
                word(4).set(taken);
            }
            Err(Status::Timeout) => timeouts += 1,
            Err(other) => check!(false, "wait: {other:?}"),
        }
    }
    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "a signal too many");
    Ok(())
}

fn signal_and_timeout_race_loses_no_bit() -> Outcome {
    race(0, 200)
}

fn signal_and_timeout_race_across_cores() -> Outcome {
    race(1, 400)
}

/// Waits for [`N`] again and again until the stop bit 1 comes; counts in word 0.
fn repeated_waiter(_: u64) {
    while sys::wait(N, u64::MAX).is_ok_and(|bits| bits & 2 == 0) {
        word(0).set(word(0).get() + 1);
    }
    word(1).set(1);
}

fn stolen_bits_leave_the_waiter_waiting() -> Outcome {
    create::notification(N)?;
    thread::spawn(0, 1, 5, repeated_waiter, 0)?;
    settle(1)?;

    let mut stolen = 0;
    for _ in 0..2000 {
        sys::signal(N, 1)?;
        stolen += u64::from(sys::wait(N, 0).is_ok());
    }
    sys::signal(N, 2)?;

    check!(wait_until(5000, || word(1).get() == 1), "the waiter was not woken any more, {stolen} were stolen");
    Ok(())
}

fn destruction_is_told(core: u64) -> Outcome {
    create::notification(N)?;
    start_waiter(core)?;

    sys::destroy(N)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the waiter still waits");
    check_eq!(word(0).get(), 100 + Status::Dead as u64, "status of the waiter");
    Ok(())
}

fn destroyed_notification_tells_its_waiter() -> Outcome {
    destruction_is_told(0)
}

fn destroyed_notification_tells_its_waiter_elsewhere() -> Outcome {
    destruction_is_told(1)
}
