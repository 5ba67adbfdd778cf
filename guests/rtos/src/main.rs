//! Real-time guest: embassy (its executor, its timers) on bare AArch64, with a control loop of 1 kHz.
//!
//! | task | executor | what |
//! |---|---|---|
//! | `control` | control, polled in the interrupt | a PID controller and its motor; notes how late each loop began |
//! | `report` | background | a line on the console each second |
//! | `link` | background | commands of another VM over shared memory and doorbells |
//!
//! Words of the command line: `report=0` no lines on the console; `seconds=N` switches itself off after N seconds, with a
//! last line `RTOS end …`; `warmup=N` counts lateness anew after N milliseconds, when caches and other VMs have settled.
#![no_std]
#![no_main]

mod clock;
mod control;
mod link;
mod port;

use embassy_time::{Duration, Instant, Timer};
use guest_base::machine::VIRTUAL_TIMER;
use guest_base::{args, gic, mmu, psci, uart};

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    uart::init();
    let line = args::command_line(dtb);
    mmu::enable_with_shared();
    gic::init_distributor();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    uart::line(format_args!("RTOS begin: embassy, control loop of 1 kHz"));
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
    if warmup != 0 {
        Timer::after(Duration::from_millis(warmup)).await;
        control::reset();
    }
    let start = Instant::now();
    let end = number("seconds", u64::MAX / 1_000_000_000);
    for second in 1..=end {
        Timer::at(start + Duration::from_secs(second)).await;
        if verbose && second != end {
            uart::line(format_args!("RTOS {}", control::status()));
        }
    }
    let status = control::status();
    uart::line(format_args!("RTOS end {status} histogram {}", status.task.histogram()));
    psci::system_off()
}
