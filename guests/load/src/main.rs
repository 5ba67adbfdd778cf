//! Load guest: does what loads a machine, and tells whether it got what it should.
//!
//! | first word of the command line | what | others |
//! |---|---|---|
//! | `burn` | one CPU runs all the time and tells the share of time it got | `seconds=N` `warmup=MS` |
//! | `soak` | all CPUs send each other interrupts; stale translations are looked for | `ipis=N` `seconds=N` `cpus=N` |
//! | `ticks` | a timer interrupt each `ns=N` nanoseconds, for ever | |
//! | `talk` | numbered lines over the UART | `lines=N` `then=echo` |
//! | `idle` | sleeps for ever | |
#![no_std]
#![no_main]

mod burn;
mod soak;
mod tables;
mod talk;
mod ticks;

use guest_base::sysreg::wfi;
use guest_base::{args, gic, mmu, psci, uart};

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    uart::init();
    let line = args::command_line(dtb);
    gic::init_distributor();
    match line.split_ascii_whitespace().next() {
        Some("burn") => burn::run(line),
        Some("soak") => soak::run(line),
        Some("ticks") => ticks::run(line),
        Some("talk") => talk::run(line),
        Some("idle") => loop {
            wfi();
        },
        _ => {
            uart::line(format_args!("LOAD error: the command line starts with burn, soak, ticks, talk or idle"));
            psci::system_off()
        }
    }
}

/// Translation on, with the map that all CPUs have.
fn enable_mmu() {
    static MAP: mmu::Table = mmu::Table::identity();
    mmu::enable(&MAP);
}
