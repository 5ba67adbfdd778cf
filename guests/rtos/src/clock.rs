//! embassy's time: one tick is a nanosecond of the virtual counter, alarms are the virtual timer's.

use core::cell::{Cell, RefCell};
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;
use guest_base::sysreg::counter;
use guest_base::{read_sysreg, write_sysreg};

use rtos::lateness::Lateness;

struct Clock {
    queue: Mutex<RefCell<Queue>>,
    /// Nanosecond for which the timer is set.
    alarm: Mutex<Cell<u64>>,
    lateness: Mutex<Cell<Lateness>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    queue: Mutex::new(RefCell::new(Queue::new())),
    alarm: Mutex::new(Cell::new(u64::MAX)),
    lateness: Mutex::new(Cell::new(Lateness::new())),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        nanoseconds(counter())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|cs| {
            // What has expired meanwhile is woken by the interrupt, at once after this.
            if self.queue.borrow_ref_mut(cs).schedule_wake(at, waker) && at < self.alarm.borrow(cs).get() {
                self.set_alarm(cs, at);
            }
        });
    }
}

impl Clock {
    fn set_alarm(&self, cs: CriticalSection, at: u64) {
        self.alarm.borrow(cs).set(at);
        write_sysreg!("cntv_cval_el0", ticks(at));
        write_sysreg!("cntv_ctl_el0", u64::from(at != u64::MAX));
    }
}

/// The virtual timer's interrupt: wakes what has expired, sets the timer for what is next.
pub fn interrupt() {
    let now = counter();
    critical_section::with(|cs| {
        let mut lateness = CLOCK.lateness.borrow(cs).get();
        lateness.record(nanoseconds(now.saturating_sub(read_sysreg!("cntv_cval_el0"))));
        CLOCK.lateness.borrow(cs).set(lateness);
        let next = CLOCK.queue.borrow_ref_mut(cs).next_expiration(nanoseconds(now));
        CLOCK.set_alarm(cs, next);
    });
}

/// How late the interrupt came: from the timer's expiry to [`interrupt`].
pub fn lateness() -> Lateness {
    critical_section::with(|cs| CLOCK.lateness.borrow(cs).get())
}

/// Counts lateness anew.
pub fn reset_lateness() {
    critical_section::with(|cs| CLOCK.lateness.borrow(cs).set(Lateness::new()));
}

/// The counter's frequency, at least 1 Hz.
fn frequency() -> u64 {
    read_sysreg!("cntfrq_el0").max(1)
}

/// Ticks of the counter as nanoseconds, rounded down.
fn nanoseconds(ticks: u64) -> u64 {
    let frequency = frequency();
    (ticks / frequency).wrapping_mul(TICK_HZ).wrapping_add(ticks % frequency * TICK_HZ / frequency)
}

/// The tick at which so many nanoseconds are over.
fn ticks(nanoseconds: u64) -> u64 {
    let frequency = frequency();
    let rest = (nanoseconds % TICK_HZ * frequency).div_ceil(TICK_HZ);
    (nanoseconds / TICK_HZ).saturating_mul(frequency).saturating_add(rest)
}
