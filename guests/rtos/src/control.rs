//! The control loop: each millisecond measure, compute, actuate; and note how late it began.

use core::cell::Cell;

use critical_section::Mutex;
use embassy_time::{Duration, Instant, Timer};

use rtos::controller::Drive;
use rtos::shell::Status;

use crate::clock;

const PERIOD: Duration = Duration::from_millis(1);
/// Revolutions per minute, until somebody sets another.
const SETPOINT: u32 = 1500;

static STATUS: Mutex<Cell<Option<Status>>> = Mutex::new(Cell::new(None));

/// What the loop has to tell.
pub fn status() -> Status {
    let status = critical_section::with(|cs| STATUS.borrow(cs).get());
    Status { seconds: Instant::now().as_secs(), interrupt: clock::lateness(), ..status.unwrap_or_default() }
}

/// Sets the speed, in revolutions per minute.
pub fn set(setpoint: u32) {
    change(|status| status.setpoint = setpoint);
}

/// Counts lateness anew.
pub fn reset() {
    change(|status| {
        *status = Status { setpoint: status.setpoint, speed_milli: status.speed_milli, ..Status::default() }
    });
    clock::reset_lateness();
}

fn change(change: impl FnOnce(&mut Status)) {
    critical_section::with(|cs| {
        let mut status = STATUS.borrow(cs).get().unwrap_or_default();
        change(&mut status);
        STATUS.borrow(cs).set(Some(status));
    });
}

/// The loop.
#[embassy_executor::task]
pub async fn control() {
    let mut drive = Drive::default();
    let mut deadline = Instant::now() + PERIOD;
    set(SETPOINT);
    loop {
        Timer::at(deadline).await;
        let late = Instant::now() - deadline;
        let missed = late.as_ticks() / PERIOD.as_ticks();
        change(|status| {
            status.task.record(late.as_ticks());
            status.missed += missed;
            drive.step(status.setpoint);
            status.speed_milli = drive.speed_milli();
        });
        deadline += PERIOD * (missed as u32).saturating_add(1);
    }
}
