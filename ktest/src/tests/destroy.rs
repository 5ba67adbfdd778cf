//! DESTROY: of what runs, on each core, by several at a time.

use crate::child::{Child, GRANTED, Role};
use crate::env::{FREE, MACHINE, RW, SELF, accounts, frame, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, settle, sleep_ms, slots, wait_until};
use crate::{check, check_eq, tests};
use abi::cap::rights::{self, ALL};
use abi::syscall::{self as sc, Status};
use rt::sys::{self, create};

tests! {
    1 destroy_needs_all_rights;
    1 frames_and_the_machine_cannot_be_destroyed;
    1 own_domain_cannot_be_destroyed;
    1 a_running_thread_is_destroyed;
    2 a_thread_that_runs_on_another_core_is_destroyed;
    2 a_domain_that_runs_on_both_cores_is_destroyed;
    1 a_space_in_use_is_not_destroyed;
    2 two_destroyers_both_come_to_an_end;
    1 destruction_ends_what_it_was_called_for;
    2 objects_vanish_while_others_use_them;
    1 the_watch_of_a_destroyed_notification_is_silent;
    1 a_thread_that_destroys_itself_is_gone;
}

fn destroy_needs_all_rights() -> Outcome {
    create::notification(FREE)?;
    for rights in 0..ALL {
        sys::copy(SELF, FREE + 1, FREE, rights, 0)?;
        check_eq!(status(sys::destroy(FREE + 1)), Status::NoRights, "destruction");
        sys::delete(FREE + 1)?;
    }
    for slot in [FREE + 1, 511, 512, u64::MAX] {
        check_eq!(status(sys::destroy(slot)), Status::BadCap, "destruction of nothing");
    }
    Ok(())
}

fn frames_and_the_machine_cannot_be_destroyed() -> Outcome {
    check_eq!(status(sys::destroy(frame::PAGE[0])), Status::BadKind, "frame");
    check_eq!(status(sys::destroy(MACHINE)), Status::BadKind, "machine");
    Ok(())
}

fn own_domain_cannot_be_destroyed() -> Outcome {
    check_eq!(status(sys::destroy(SELF)), Status::BadState, "own domain");
    check_eq!(status(sys::cap_info(SELF)), Status::Ok, "own capability");
    Ok(())
}

fn spinner(n: u64) {
    loop {
        word(n as usize).set(word(n as usize).get() + 1);
    }
}

fn runner_is_destroyed(core: u64) -> Outcome {
    for _ in 0..20 {
        let before = word(0).get();
        thread::spawn(0, core, 5, spinner, 0)?;
        check!(wait_until(5000, || word(0).get() != before), "does not run");

        sys::destroy(slots(0).0)?;

        let stopped = word(0).get();
        sleep_ms(1);
        check_eq!(word(0).get(), stopped, "runs though destroyed");
        sys::destroy(slots(0).1)?;
    }
    Ok(())
}

fn a_running_thread_is_destroyed() -> Outcome {
    runner_is_destroyed(0)
}

fn a_thread_that_runs_on_another_core_is_destroyed() -> Outcome {
    runner_is_destroyed(1)
}

fn a_domain_that_runs_on_both_cores_is_destroyed() -> Outcome {
    for _ in 0..20 {
        let child = Child::spawn(0, 0, 5, Role::Spin, 0)?;
        let (second, sched) = (FREE, FREE + 1);
        create::sched_context(sched, MACHINE, 1, 5, 0)?;
        // SAFETY: the thread is another domain's.
        #[allow(unsafe_code, reason = "a thread of another domain")]
        unsafe {
            create::thread(second, child.domain, sched, Child::entry(), Child::STACK_TOP - 2048)?;
        }
        sys::thread_start(second, Role::Spin as u64 | 1 << 8)?;
        check!(wait_until(5000, || word(0).get() > 0 && word(1).get() > 0), "does not run");

        child.destroy()?;

        check_eq!(status(sys::cap_info(second)), Status::BadCap, "its second thread");
        sys::destroy(sched)?;
        let stopped = [word(0).get(), word(1).get()];
        sleep_ms(1);
        check_eq!([word(0).get(), word(1).get()], stopped, "runs though destroyed");
        crate::shared::clear();
    }
    Ok(())
}

fn a_space_in_use_is_not_destroyed() -> Outcome {
    create::sched_context(FREE, MACHINE, 0, 1, 0)?;
    create::space(FREE + 1)?;
    create::vcpu(FREE + 2, FREE + 1, FREE, frame::VCPU[0], 0)?;

    check_eq!(status(sys::destroy(FREE + 1)), Status::BadState, "space of a vCPU");
    check_eq!(status(sys::destroy(FREE)), Status::BadState, "context of a vCPU");
    check_eq!(status(sys::donate(frame::VCPU[0], SELF)), Status::BadState, "page of a vCPU");
    sys::destroy(FREE + 2)?;
    check_eq!(status(sys::destroy(FREE + 1)), Status::Ok, "space");
    Ok(())
}

/// Makes and destroys notifications in slot `slot` 200 times; failures to word `slot`, rounds to the 16th after it.
fn destroyer(slot: u64) {
    for round in 1..=200 {
        word(slot as usize + 16).set(round);
        if create::notification(slot).is_err() || sys::destroy(slot).is_err() || sys::cap_info(slot).is_ok() {
            word(slot as usize).set(word(slot as usize).get() + 1);
        }
    }
}

fn two_destroyers_both_come_to_an_end() -> Outcome {
    thread::spawn(0, 0, 5, destroyer, FREE)?;
    thread::spawn(1, 1, 5, destroyer, FREE + 1)?;
    thread::spawn(2, 1, 5, destroyer, FREE + 2)?;

    // However slow the machine is: they get on.
    let rounds = || [0, 1, 2].map(|n| word(FREE as usize + 16 + n).get());
    let done = || (0..3).all(|n| !thread::runs(n));
    while !done() {
        let before = rounds();
        check!(wait_until(30_000, || done() || rounds() != before), "stuck at {before:?}");
    }
    check_eq!([0, 1, 2].map(|n| word(FREE as usize + n).get()), [0; 3], "failures");
    Ok(())
}

fn destruction_ends_what_it_was_called_for() -> Outcome {
    create::notification(FREE)?;
    create::notification(FREE + 1)?;
    let step = |slot| crate::env::raw(sc::DESTROY, [slot, 0, 0, 0, 0, 0])[0];

    // The first is under way when the second is asked for: help comes first, but Ok only when the second is gone.
    check_eq!(step(FREE), Status::Again as u64, "first step");
    let mut calls = 0;
    while step(FREE + 1) != Status::Ok as u64 {
        calls += 1;
        check!(calls < 10_000, "no end");
    }

    check_eq!(status(sys::cap_info(FREE + 1)), Status::BadCap, "what was destroyed last");
    Ok(())
}

/// Signals, waits, calls and asks on the slots from [`FREE`] on, which come and go.
fn user(_: u64) {
    while word(1).get() == 0 {
        for slot in FREE..FREE + 4 {
            let _ = sys::signal(slot, 1);
            let _ = sys::wait(slot, 0);
            let _ = sys::wait(slot, 1);
            let _ = sys::translate(slot, 0);
            let _ = sys::domain_info(slot);
            let _ = sys::vcpu_kick(slot);
            let _ = sys::cap_info(slot);
        }
        word(0).set(word(0).get() + 1);
    }
}

fn objects_vanish_while_others_use_them() -> Outcome {
    create::sched_context(FREE + 8, MACHINE, 1, 4, 0)?;
    thread::spawn(0, 1, 5, user, 0)?;
    for round in 0..150 {
        create::notification(FREE)?;
        create::domain(FREE + 1)?;
        create::space(FREE + 2)?;
        sys::map(frame::PAGE[0], FREE + 2, 0, 0, 1, RW)?;
        create::vcpu(FREE + 3, FREE + 2, FREE + 8, frame::VCPU[0], 0)?;
        if round % 8 == 0 {
            sleep_ms(1);
        }
        for slot in [FREE + 3, FREE + 2, FREE + 1, FREE] {
            sys::destroy(slot)?;
        }
    }
    let used = word(0).get();
    check!(wait_until(5000, || word(0).get() > used), "the user does not run any more");
    word(1).set(1);
    check!(wait_until(5000, || !thread::runs(0)), "the user does not end");
    Ok(())
}

fn the_watch_of_a_destroyed_notification_is_silent() -> Outcome {
    let child = Child::make(0, 0, 5)?;
    sys::destroy(child.watch)?;

    child.start(Role::Exit, 1)?;

    check!(wait_until(5000, || !child.runs()), "the child did not end");
    check_eq!(status(create::notification(child.watch)), Status::Ok, "slot of the watch");
    check_eq!(status(sys::wait(child.watch, 0)), Status::Timeout, "new notification");
    child.destroy()?;
    let child = Child::make(0, 0, 5)?;
    child.grant(GRANTED, child.watch, rights::WRITE, 1)?;
    Ok(())
}

fn suicide(n: u64) {
    let _ = sys::destroy(slots(n as usize).0);
    word(5).set(1);
}

fn a_thread_that_destroys_itself_is_gone() -> Outcome {
    let before = accounts();
    thread::spawn(0, 0, 5, suicide, 0)?;
    settle(0)?;

    // Its own calls end with it: another caller's help completes the destruction.
    create::notification(FREE)?;
    sys::destroy(FREE)?;

    check_eq!(word(5).get(), 0, "it came back");
    check_eq!(status(sys::cap_info(slots(0).0)), Status::BadCap, "its capability");
    sys::destroy(slots(0).1)?;
    check_eq!(accounts(), before, "accounts");
    Ok(())
}
