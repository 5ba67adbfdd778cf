//! Physical interrupts: the PL031's match interrupt, a level, comes at the next second.

use crate::env::{FREE, MACHINE, RTC, RW, SELF, Window, after_ms, frame, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread;
use crate::{check, check_eq, tests};
use abi::cap::rights;
use abi::syscall::Status;
use rt::sys::{self, create};
use rt::volatile::Volatile;

tests! {
    1 interrupt_comes_once_until_it_is_acknowledged;
    1 interrupt_arrives_amid_calls;
    1 interrupt_wakes_a_thread_below_a_running_one;
    1 interrupt_of_a_destroyed_notification_is_dropped;
    1 destroyed_irq_frees_its_intid;
    1 intids_that_are_no_spi_are_refused;
}

const N: u64 = FREE;
const IRQ: u64 = FREE + 1;

/// Registers of the PL031 (DDI 0224C 3.2).
struct Rtc(Window);

impl Rtc {
    fn open() -> Result<Self, Status> {
        let rtc = Self(Window::open(frame::RTC, 0x10_0000, 1, RW)?);
        rtc.register(0x10).set(0);
        rtc.register(0x1c).set(1);
        Ok(rtc)
    }

    #[allow(unsafe_code, reason = "device registers")]
    fn register(&self, offset: u64) -> &Volatile<u32> {
        // SAFETY: the page is mapped as a device as long as `self`.
        unsafe { &*((self.0.address + offset) as *const Volatile<u32>) }
    }

    /// Has the interrupt come at the next second, or at once.
    fn arm(&self, seconds: u32) {
        self.register(0x1c).set(1);
        self.register(0x4).set(self.register(0).get().wrapping_add(seconds));
        self.register(0x10).set(1);
    }

    fn clear(&self) {
        self.register(0x1c).set(1);
    }
}

impl Drop for Rtc {
    fn drop(&mut self) {
        self.register(0x10).set(0);
        self.clear();
    }
}

fn interrupt_comes_once_until_it_is_acknowledged() -> Outcome {
    create::notification(N)?;
    create::irq(IRQ, MACHINE, RTC.1, N, 7)?;
    let rtc = Rtc::open()?;

    rtc.arm(1);

    check_eq!(status(sys::wait(N, 0)), Status::Timeout, "at once");
    check_eq!(sys::wait(N, after_ms(5000))?, 1 << 7, "bits");
    // The level stays, the interrupt is active: nothing more comes.
    check_eq!(status(sys::wait(N, after_ms(20))), Status::Timeout, "before the acknowledgement");
    sys::irq_ack(IRQ)?;
    check_eq!(status(sys::wait(N, after_ms(5000))), Status::Ok, "still asserted after the acknowledgement");
    rtc.clear();
    sys::irq_ack(IRQ)?;
    check_eq!(status(sys::wait(N, after_ms(20))), Status::Timeout, "after the device was cleared");
    sys::irq_ack(IRQ)?;
    check_eq!(status(sys::wait(N, after_ms(5))), Status::Timeout, "after an idle acknowledgement");
    Ok(())
}

fn echo(endpoint: u64) {
    let mut next = sys::recv(endpoint);
    while let Ok((words, _)) = next {
        next = sys::reply_recv(endpoint, words);
    }
}

fn interrupt_arrives_amid_calls() -> Outcome {
    create::notification(N)?;
    create::irq(IRQ, MACHINE, RTC.1, N, 0)?;
    create::endpoint(FREE + 2, SELF_SCHED)?;
    thread::spawn(0, 0, 5, echo, FREE + 2)?;
    thread::settle(0)?;
    let rtc = Rtc::open()?;
    rtc.arm(1);

    let mut calls = 0u64;
    let end = after_ms(5000);
    while status(sys::wait(N, 0)) != Status::Ok {
        check!(crate::env::now() < end, "no interrupt in {calls} calls");
        check_eq!(sys::ipc_call(FREE + 2, [calls; 4])?, [calls; 4], "reply");
        calls += 1;
    }
    rtc.clear();
    sys::irq_ack(IRQ)?;
    check!(calls > 100, "only {calls} calls");
    Ok(())
}

const SELF_SCHED: u64 = abi::boot::slot::SCHED;

fn spinner(_: u64) {
    loop {
        word(0).set(word(0).get() + 1);
    }
}

fn interrupt_wakes_a_thread_below_a_running_one() -> Outcome {
    // A spinner runs; the interrupt wakes this thread, which is above it.
    create::notification(N)?;
    create::irq(IRQ, MACHINE, RTC.1, N, 61)?;
    thread::spawn(0, 0, 5, spinner, 0)?;
    let rtc = Rtc::open()?;
    rtc.arm(1);

    check_eq!(sys::wait(N, after_ms(5000))?, 1 << 61, "bits");
    check!(word(0).get() > 0, "the spinner did not run");
    Ok(())
}

fn interrupt_of_a_destroyed_notification_is_dropped() -> Outcome {
    create::notification(N)?;
    create::irq(IRQ, MACHINE, RTC.1, N, 0)?;
    let rtc = Rtc::open()?;

    sys::destroy(N)?;
    rtc.arm(0);

    thread::sleep_ms(20);
    check_eq!(status(sys::irq_ack(IRQ)), Status::Ok, "acknowledgement");
    Ok(())
}

fn destroyed_irq_frees_its_intid() -> Outcome {
    create::notification(N)?;
    create::irq(IRQ, MACHINE, RTC.1, N, 0)?;
    check_eq!(status(create::irq(IRQ + 1, MACHINE, RTC.1, N, 0)), Status::Taken, "the same INTID");
    let rtc = Rtc::open()?;
    rtc.arm(0);
    check_eq!(status(sys::wait(N, after_ms(5000))), Status::Ok, "first interrupt");

    // Destroyed while active and still asserted: the next owner gets it.
    sys::destroy(IRQ)?;
    check_eq!(status(sys::wait(N, after_ms(20))), Status::Timeout, "after the destruction");
    create::irq(IRQ, MACHINE, RTC.1, N, 3)?;

    check_eq!(sys::wait(N, after_ms(5000))?, 1 << 3, "bits of the new binding");
    Ok(())
}

fn intids_that_are_no_spi_are_refused() -> Outcome {
    create::notification(N)?;
    for intid in [0, 15, 16, 25, 26, 27, 31, 1019, 1020, 1023, 8192, 1 << 32 | 34, u64::MAX] {
        check_eq!(status(create::irq(IRQ, MACHINE, intid, N, 0)), Status::BadArg, "INTID");
    }
    for how in [62, 63, 255, 0x200, 0x13e, u64::MAX] {
        check_eq!(status(create::irq(IRQ, MACHINE, RTC.1, N, how)), Status::BadArg, "bit");
    }
    sys::copy(SELF, N + 2, N, rights::READ, 0)?;
    check_eq!(status(create::irq(IRQ, MACHINE, RTC.1, N + 2, 0)), Status::NoRights, "notification without WRITE");
    Ok(())
}
