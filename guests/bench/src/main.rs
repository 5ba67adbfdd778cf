//! Benchmark guest: counts what an operation costs in instructions, by the virtual counter.
//!
//! Under `-icount shift=0` one instruction is one nanosecond of the counter, at whatever exception level it runs,
//! so the same program tells the cost on the bare machine and under a hypervisor. All figures are scaled by
//! 1 GHz / CNTFRQ; where the counter is slower than 1 GHz (one tick of 62.5 MHz is 16 instructions) only means
//! say something.
//!
//! Each row is printed as `BENCH row=NAME mean=M.MMM min=M n=N`: M is per operation, less the empty loop. A row that
//! cannot be taken is printed as `BENCH row=NAME skip=REASON`. `BENCH end` closes, then the machine is switched off.
//!
//! Go on reading at `rows.rs`; `measure.rs` says how a figure is composed.
#![no_std]
#![no_main]

mod measure;
mod pair;
mod rows;
mod smp;
mod vectors;

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::mmu::{self, Table};
use guest_base::{args, gic, psci, read_sysreg, uart};

static LEVEL1: Table = Table::identity();

/// Entry from the boot code.
#[allow(unsafe_code)] // The boot code calls this symbol.
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    pair::run(args::command_line(dtb));
    uart::init();
    vectors::install();
    mmu::enable(&LEVEL1);
    gic::init_distributor();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    uart::line(format_args!("BENCH begin cntfrq={}", read_sysreg!("cntfrq_el0")));
    rows::run();
    smp::run(&LEVEL1);
    uart::line(format_args!("BENCH end"));
    psci::system_off()
}
