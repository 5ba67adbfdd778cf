//! Real-time guest: embassy (its executor, its timers) on bare AArch64, with a control loop of 1 kHz.
//!
//! | task | executor | what |
//! |---|---|---|
//! | `control` | control, polled in the interrupt | a PID controller and its motor; notes how late each loop began |
//! | `report` | background | a line on the console each second |
//! | `link` | background | commands of another VM over shared memory and doorbells |
//!
//! Words of the command line: `report=0` no lines on the console; `ms=N` switches itself off after N milliseconds, with a last
//! line `RTOS end …`; `warmup=N` counts lateness anew after N milliseconds, when caches and other VMs have settled;
//! `ticks=N` starts a second CPU for measurements, see [`ticker`].
#![no_std]
#![no_main]

mod clock;
mod control;
mod link;
mod port;
mod ticker;

use embassy_time::{Duration, Instant, Timer};
use guest_base::machine::VIRTUAL_TIMER;
use guest_base::{args, gic, mmu, psci, uart};

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    uart::init();
    let line = args::command_line(dtb);
    let table = mmu::enable_with_shared();
    gic::init_distributor();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    uart::line(format_args!("RTOS begin: embassy, control loop of 1 kHz"));
    ticker::start(table, args::number(line, "ticks", 0));
    port::run(|control, background| {
        control.spawn(control::control().expect("the first of its kind"));
        background.spawn(report(line).expect("the first of its kind"));
        background.spawn(link::link().expect("the first of its kind"));
    })
}

#[embassy_executor::task]
async fn report(line: &'static str) {
    let number = |key, default| args::number(line, key, default);
    let (verbose, warmup) = (number("report", 1) != 0, number("warmup", 0));
    // Half-way between two deadlines of the control loop: neither is late for the other.
    Timer::after(Duration::from_micros(500)).await;
    if warmup != 0 {
        Timer::after(Duration::from_millis(warmup)).await;
        control::reset();
    }
    let start = Instant::now();
    let end = start + Duration::from_millis(number("ms", u64::from(u32::MAX)));
    loop {
        let next = start + Duration::from_secs((Instant::now() - start).as_secs() + 1);
        if next >= end {
            break;
        }
        Timer::at(next).await;
        if verbose {
            uart::line(format_args!("RTOS {}", control::status()));
        }
    }
    Timer::at(end).await;
    let status = control::status();
    uart::line(format_args!("RTOS end {status} histogram {}", status.task.histogram()));
    psci::system_off()
}
