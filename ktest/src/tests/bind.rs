//! Notifications bound to a vCPU; the place of a vCPU's page in its frame.

use crate::env::{DONE, FREE, SELF, SMALL_PAGES, Window, after_ms, frame, now, status};
use crate::guest::{self, RAM, Vcpu, parking, stepping};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, sleep_ms, wait_until};
use crate::{check, check_eq, programs, tests};
use abi::PAGE_SIZE;
use abi::cap::rights::{READ, WRITE};
use abi::syscall::{RESUME_PARK, RESUME_RUN, Status};
use abi::vcpu::reason;
use core::mem::offset_of;
use rt::sys::{self, create};

tests! {
    1 signal_kicks_the_bound_vcpu;
    1 signals_before_the_exit_come_together;
    1 bits_from_before_the_binding_come_too;
    1 signal_ends_a_guest_that_computes_or_waits;
    2 no_signal_is_lost_across_cores;
    1 one_notification_for_one_vcpu;
    1 bound_notification_is_not_waited_for;
    1 notification_is_free_when_its_vcpu_is_gone;
    1 vcpu_lives_on_without_its_notification;
    2 bound_vcpu_is_destroyed_under_signals;
    1 pages_of_vcpus_are_where_the_index_says;
}

const SPACE: u64 = FREE;
const BELL: u64 = FREE + 2;
const OTHER: u64 = FREE + 3;

programs! {
    calls "1: hvc #0x42" "b 1b";
    /// Counts for ever, in the word at x1.
    spins "1: add x0, x0, #1" "str w0, [x1]" "b 1b";
    waits "1: wfi" "b 1b";
}

fn bound(core: u64, program: &[u32], handler: guest::Handler) -> Outcome<Vcpu> {
    guest::space(SPACE, 0)?;
    guest::load(0, program);
    let v = Vcpu::make(0, SPACE, core, 5, handler)?;
    v.set_x(1, RAM + 0x8000);
    create::notification(BELL)?;
    sys::vcpu_bind(v.slot(), BELL)?;
    Ok(v)
}

/// Takes the bits into word 0 and parks.
fn taking(v: Vcpu) -> u64 {
    word(0).set(word(0).get() | v.bells().get());
    v.bells().set(0);
    parking(v)
}

fn signal_kicks_the_bound_vcpu() -> Outcome {
    let v = bound(0, calls(), taking)?;
    for bits in [1, 0b1010, 1 << 61] {
        word(0).set(0);
        sys::signal(BELL, bits)?;
        check_eq!(v.wait()?.reason, reason::KICK, "reason");
        check_eq!(word(0).get(), bits, "bits in the page");
    }
    word(0).set(0);
    v.step()?;
    check_eq!(word(0).get(), 0, "bits at a kick without a signal");
    Ok(())
}

fn signals_before_the_exit_come_together() -> Outcome {
    let v = bound(0, calls(), taking)?;
    for bit in 0..10 {
        sys::signal(BELL, 1 << bit)?;
    }
    sys::vcpu_kick(v.slot())?;

    v.wait()?;
    sleep_ms(2);

    check_eq!(word(0).get(), 0x3ff, "bits");
    check_eq!(v.exits() > 0 && v.bells().get() == 0, true, "nothing is left");
    Ok(())
}

fn bits_from_before_the_binding_come_too() -> Outcome {
    guest::space(SPACE, 0)?;
    let v = Vcpu::make(0, SPACE, 0, 5, taking)?;
    create::notification(BELL)?;
    sys::signal(BELL, 0b110)?;

    sys::vcpu_bind(v.slot(), BELL)?;

    v.wait()?;
    check_eq!(word(0).get(), 0b110, "bits");
    Ok(())
}

fn signal_ends_a_guest_that_computes_or_waits() -> Outcome {
    for program in [spins(), waits()] {
        let v = bound(0, program, |v| if v.bells().get() == 0 { RESUME_RUN } else { taking(v) })?;
        sys::vcpu_kick(v.slot())?;
        sleep_ms(3);

        sys::signal(BELL, 4)?;

        check_eq!(v.wait()?.reason, reason::KICK, "reason");
        check_eq!(word(0).get(), 4, "bits");
        crate::env::clean_up();
        word(0).set(0);
    }
    Ok(())
}

/// Counts the rounds that came in word 0, one for each bit.
fn counting(v: Vcpu) -> u64 {
    let bits = v.bells().get();
    v.bells().set(0);
    word(0).set(word(0).get() + u64::from(bits.count_ones()));
    if word(1).get() == 0 { RESUME_RUN } else { RESUME_PARK }
}

fn no_signal_is_lost_across_cores() -> Outcome {
    for park in [0, 1] {
        bound(1, spins(), counting)?;
        word(0).set(0);
        word(1).set(park);
        for n in 1..=300 {
            sys::signal(BELL, 1 << (n % 60))?;
            let end = after_ms(20_000);
            while word(0).get() != n {
                check!(now() < end, "signal {n} is lost: {}", word(0).get());
            }
        }
        crate::env::clean_up();
    }
    Ok(())
}

fn one_notification_for_one_vcpu() -> Outcome {
    let v = bound(0, calls(), taking)?;
    let w = Vcpu::make(1, SPACE, 0, 5, taking)?;
    create::notification(OTHER)?;

    check_eq!(status(sys::vcpu_bind(v.slot(), OTHER)), Status::Taken, "a second notification");
    check_eq!(status(sys::vcpu_bind(w.slot(), BELL)), Status::Taken, "a second vCPU");
    sys::copy(SELF, FREE + 4, OTHER, WRITE, 0)?;
    check_eq!(status(sys::vcpu_bind(w.slot(), FREE + 4)), Status::NoRights, "without READ");
    sys::vcpu_bind(w.slot(), OTHER)?;
    Ok(())
}

fn bound_notification_is_not_waited_for() -> Outcome {
    let v = bound(0, calls(), taking)?;
    for deadline in [0, 1, u64::MAX] {
        check_eq!(status(sys::wait(BELL, deadline)), Status::BadState, "WAIT");
    }
    check_eq!(status(sys::vcpu_bind(v.slot(), DONE)), Status::Taken, "one more");
    Ok(())
}

fn notification_is_free_when_its_vcpu_is_gone() -> Outcome {
    let v = bound(0, calls(), taking)?;
    sys::destroy(v.slot())?;

    sys::signal(BELL, 2)?;
    check_eq!(sys::wait(BELL, after_ms(100))?, 2, "bits of the free notification");

    let w = Vcpu::make(1, SPACE, 0, 5, taking)?;
    sys::vcpu_bind(w.slot(), BELL)?;
    sys::signal(BELL, 8)?;
    w.wait()?;
    check_eq!(word(0).get(), 8, "bits after it was bound again");
    Ok(())
}

fn vcpu_lives_on_without_its_notification() -> Outcome {
    let v = bound(0, calls(), stepping)?;
    sys::destroy(BELL)?;

    check!(v.step()?.is_hvc(0x42), "the guest runs");

    create::notification(BELL)?;
    sys::vcpu_bind(v.slot(), BELL)?;
    v.handler(taking);
    sys::signal(BELL, 16)?;
    v.wait()?;
    check_eq!(word(0).get(), 16, "bits of the new one");
    Ok(())
}

/// Signals [`BELL`] until that fails, or word 5 says stop.
fn signaller(_: u64) {
    while word(5).get() == 0 {
        let _ = sys::signal(BELL, 1);
        word(6).set(word(6).get() + 1);
    }
}

fn bound_vcpu_is_destroyed_under_signals() -> Outcome {
    for first in [BELL, Vcpu(0).slot()] {
        word(5).set(0);
        word(6).set(0);
        bound(0, spins(), |v| {
            v.bells().set(0);
            RESUME_RUN
        })?;
        thread::spawn(0, 1, 5, signaller, 0)?;
        check!(wait_until(5000, || word(6).get() > 100), "the signaller does not run");

        sys::destroy(first)?;
        sleep_ms(2);

        word(5).set(1);
        check!(wait_until(5000, || !thread::runs(0)), "the signaller does not end");
        crate::env::clean_up();
    }
    Ok(())
}

fn pages_of_vcpus_are_where_the_index_says() -> Outcome {
    const LR_COUNT: u64 = offset_of!(abi::vcpu::VcpuPage, irq.lr_count) as u64;
    let pages = Window::open(frame::SMALL, 0, SMALL_PAGES, READ | WRITE)?;
    let words = SMALL_PAGES * PAGE_SIZE / 8;
    (0..words).for_each(|n| pages.word(n).set(0));
    guest::space(SPACE, 0)?;
    for (n, index) in [0, 2, SMALL_PAGES - 1].into_iter().enumerate() {
        let v = Vcpu(n);
        create::sched_context(v.sched(), crate::env::MACHINE, 0, 5, 0)?;
        create::vcpu(v.slot(), SPACE, v.sched(), frame::SMALL, index << 40)?;

        check!(pages.word((index * PAGE_SIZE + LR_COUNT) / 8).get() != 0, "list registers in page {index}");
    }
    let used = (0..words).filter(|n| pages.word(*n).get() != 0).count();
    check_eq!(used, 3, "words written");
    let v = Vcpu(3);
    create::sched_context(v.sched(), crate::env::MACHINE, 0, 5, 0)?;
    let behind = create::vcpu(v.slot(), SPACE, v.sched(), frame::SMALL, SMALL_PAGES << 40);
    check_eq!(status(behind), Status::BadArg, "a page behind the frame");
    Ok(())
}
