//! Budgets of scheduling contexts, and SCHED_INFO.
//!
//! Bounds of shares are wide below, as time that a busy host takes away counts as the thread's that ran, and shares are
//! looked at until they are right: what one ran too long is taken from it later. `sosia test fairness` has exact ones.

use crate::env::{FREE, MACHINE, RW, SMALL_PAGES, Window, after_ms, frame, now};
use crate::guest::{self, Vcpu};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, sleep_ms, slots, wait_until};
use crate::{check, check_eq, programs, tests};
use abi::PAGE_SIZE;
use abi::syscall::RESUME_RUN;
use abi::vcpu::{AccountPage, RegFrame};
use core::mem::offset_of;
use rt::boot::frequency;
use rt::sys::{self, SchedInfo, create};

tests! {
    1 budgets_share_the_core;
    1 depleted_context_runs_after_a_lower_priority;
    1 idle_time_is_given_away;
    1 depleted_equals_share_what_is_left;
    1 sleeper_has_its_budget_when_it_wakes;
    1 stolen_time_is_that_of_the_preempted;
    1 sleep_is_no_stolen_time;
    1 stolen_time_is_told_to_the_guest;
    1 depleted_thread_is_stopped_and_started;
    1 depleted_thread_is_destroyed;
    2 budgets_hold_on_another_core;
}

fn spinner(n: u64) {
    loop {
        word(n as usize).set(word(n as usize).get().wrapping_add(1));
    }
}

/// `part` ms in each `period` ms, in ticks.
fn ms(part: u64, period: u64) -> (u64, u64) {
    let ticks = frequency() / 1000;
    (part * ticks, period * ticks)
}

fn spin(n: usize, core: u64, priority: u64, limit: (u64, u64)) -> Outcome {
    thread::make_budgeted(n, core, priority, limit, spinner, n as u64)?;
    thread::go(n)?;
    Ok(())
}

fn info(n: usize) -> SchedInfo {
    sys::sched_info(slots(n).1).unwrap_or_default()
}

/// What each of the first `N` threads ran since `before`, in thousandths of what they ran together.
fn shares<const N: usize>(before: [SchedInfo; N]) -> [u64; N] {
    let ran: [u64; N] = core::array::from_fn(|n| info(n).run - before[n].run);
    let all = ran.iter().sum::<u64>().max(1);
    ran.map(|ticks| ticks * 1000 / all)
}

/// Waits until each share is within its bounds, in thousandths.
fn share_out<const N: usize>(bounds: [(u64, u64); N]) -> Outcome {
    let before: [SchedInfo; N] = core::array::from_fn(info);
    let within = |(share, (least, most)): (u64, (u64, u64))| (least..=most).contains(&share);
    sleep_ms(200);
    let right = || shares(before).into_iter().zip(bounds).all(within);
    check!(wait_until(20_000, right), "shares {:?}, bounds {bounds:?}", shares(before));
    Ok(())
}

fn budgets_share_the_core() -> Outcome {
    spin(0, 0, 7, ms(4, 10))?;
    spin(1, 0, 6, ms(2, 10))?;
    spin(2, 0, 5, (0, 0))?;

    share_out([(100, 420), (50, 220), (360, 1000)])
}

fn depleted_context_runs_after_a_lower_priority() -> Outcome {
    spin(0, 0, 9, ms(2, 10))?;
    spin(1, 0, 5, (0, 0))?;

    share_out([(50, 220), (780, 1000)])?;

    check!(info(0).depleted > 0 && info(1).depleted == 0, "depleted {} {}", info(0).depleted, info(1).depleted);
    Ok(())
}

fn idle_time_is_given_away() -> Outcome {
    spin(0, 0, 5, ms(1, 10))?;
    let before = (info(0), now());

    sleep_ms(200);

    let (ran, passed) = (info(0).run - before.0.run, now() - before.1);
    check!(ran > passed / 2, "ran {ran} of {passed}");
    Ok(())
}

fn depleted_equals_share_what_is_left() -> Outcome {
    spin(0, 0, 5, ms(10, 100))?;
    spin(1, 0, 5, ms(10, 100))?;
    spin(2, 0, 4, ms(30, 100))?;

    // 50 % are left: by slices of 10 ms, the equals have them, as they come before the lower priority.
    share_out([(100, 900), (100, 900), (75, 320)])
}

fn sleeper_has_its_budget_when_it_wakes() -> Outcome {
    spin(0, 0, 5, (0, 0))?;
    spin(1, 0, 6, ms(1000, 2000))?;
    sys::thread_stop(slots(1).0)?;
    sleep_ms(60);
    let (before, lower) = (word(1).get(), word(0).get());

    sys::thread_start(slots(1).0, 1)?;
    sleep_ms(1);

    check!(word(1).get() != before, "does not run at once");
    check_eq!(word(0).get(), lower, "the lower one ran");
    Ok(())
}

fn stolen_time_is_that_of_the_preempted() -> Outcome {
    spin(0, 0, 5, (0, 0))?;
    spin(1, 0, 6, (0, 0))?;
    sleep_ms(1);
    let before = [info(0), info(1), SchedInfo { run: now(), ..SchedInfo::default() }];

    sleep_ms(50);

    let (low, high, passed) = (info(0), info(1), now() - before[2].run);
    check_eq!(low.run, before[0].run, "the lower one ran");
    check!(low.stolen - before[0].stolen >= passed * 9 / 10, "stolen {}", low.stolen - before[0].stolen);
    check!(high.run - before[1].run >= passed / 2, "ran {} of {passed}", high.run - before[1].run);
    Ok(())
}

fn sleep_is_no_stolen_time() -> Outcome {
    spin(0, 0, 5, (0, 0))?;
    sleep_ms(5);
    sys::thread_stop(slots(0).0)?;
    let before = info(0);

    sleep_ms(20);

    let after = info(0);
    check_eq!((after.run, after.stolen), (before.run, before.stolen), "ran and stolen");
    check!(before.run > 0 && before.chosen > 0 && !before.in_handler, "{before:?}");
    Ok(())
}

programs! {
    loops "1: b 1b";
}

/// Pages of [`frame::SMALL`] that become the vCPU's page and its account.
const PAGES: [u64; 2] = [3, 4];

/// Makes and starts vCPU 0, of priority 5, with an account page. The guest loops.
fn accounted_vcpu(memory: &Window) -> Outcome {
    let field = |offset| memory.word((PAGES[0] * PAGE_SIZE + offset as u64) / 8);
    let v = Vcpu(0);
    field(offset_of!(RegFrame, elr)).set(guest::RAM);
    field(offset_of!(RegFrame, spsr)).set(guest::EL1H);
    guest::space(FREE, 0)?;
    guest::load(0, loops());
    create::sched_context(v.sched(), MACHINE, 0, 5, 0)?;
    create::vcpu(v.slot(), FREE, v.sched(), frame::SMALL, PAGES[0] << 40)?;
    v.configure(|_| RESUME_RUN, 0)?;
    sys::vcpu_kick(v.slot())?;
    Ok(())
}

fn stolen_time_is_told_to_the_guest() -> Outcome {
    let memory = Window::open(frame::SMALL, 0, SMALL_PAGES, RW)?;
    let told = memory.word((PAGES[1] * PAGE_SIZE + offset_of!(AccountPage, stolen) as u64) / 8);
    accounted_vcpu(&memory)?;
    sleep_ms(5);
    let before = told.get();

    spin(1, 0, 6, (0, 0))?;
    sleep_ms(20);
    sys::thread_stop(slots(1).0)?;
    check!(wait_until(5000, || told.get() != before), "the guest is not told");

    let stolen = sys::sched_info(Vcpu(0).sched())?.stolen;
    let most = u128::from(stolen) * 1_000_000_000 / u128::from(frequency());
    check!(told.get() - before >= 15_000_000 && u128::from(told.get()) <= most, "{} of {most} ns", told.get() - before);
    Ok(())
}

fn depleted_thread_is_stopped_and_started() -> Outcome {
    spin(0, 0, 6, ms(1, 50))?;
    spin(1, 0, 5, (0, 0))?;
    for _ in 0..10 {
        let depleted = info(0).depleted;
        check!(wait_until(20_000, || info(0).depleted > depleted), "is not depleted");
        sys::thread_stop(slots(0).0)?;
        sleep_ms(1);
        sys::thread_start(slots(0).0, 0)?;
    }
    Ok(())
}

fn depleted_thread_is_destroyed() -> Outcome {
    spin(0, 0, 6, ms(1, 50))?;
    spin(1, 0, 5, (0, 0))?;
    check!(wait_until(20_000, || info(0).depleted > 0), "is not depleted");

    sys::destroy(slots(0).0)?;
    sys::destroy(slots(0).1)?;
    sleep_ms(60);

    let before = word(1).get();
    check!(wait_until(5000, || word(1).get() != before), "the other one does not run");
    Ok(())
}

fn budgets_hold_on_another_core() -> Outcome {
    spin(0, 1, 9, ms(2, 10))?;
    spin(1, 1, 5, (0, 0))?;

    share_out([(50, 220), (780, 1000)])?;

    let end = after_ms(5000);
    let before = info(1).run;
    while info(1).run == before {
        check!(now() < end, "the account of another core's context stands still");
    }
    Ok(())
}
