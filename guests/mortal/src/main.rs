//! Mortal guest: is started again and again, or makes its VMM fail.
//!
//! | first word of the command line | what |
//! |---|---|
//! | `once` | says `alive`; then as a key says: `r` resets, `o` powers off |
//! | `reset` | counts its starts in shared memory and resets itself, up to `limit=N`; says so and waits for a key at the first start and at the last |
//! | `count` | counts, a line each `ms=N` milliseconds, for ever |
//! | `fail` | asks a VMM with the feature `fault-test` for `how=N`: 0 panic, 1 fault, 2 a handler that loops, 3 a worker that loops, 4 an exit |
#![no_std]
#![no_main]

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::sysreg::{counter, wfi};
use guest_base::{args, gic, psci, read_sysreg, uart, write_sysreg};

/// Function of a VMM with the feature `fault-test` (`vmm/src/el0/fault.rs`).
const FAIL: u64 = 0xc600_ff00;
/// The first shared region.
const SHARED: u64 = 0x2000_0000;

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    uart::init();
    gic::init_distributor();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    let line = args::command_line(dtb);
    match line.split_ascii_whitespace().next() {
        Some("once") => once(),
        Some("reset") => reset(args::number(line, "limit", 1)),
        Some("count") => count(args::number(line, "ms", 50)),
        Some("fail") => fail(args::number(line, "how", 0)),
        _ => {
            uart::line(format_args!("MORTAL error: the command line starts with once, reset, count or fail"));
            psci::system_off()
        }
    }
}

fn once() -> ! {
    uart::line(format_args!("MORTAL alive"));
    loop {
        match key() {
            b'r' => psci::system_reset(),
            b'o' => psci::system_off(),
            _ => {}
        }
    }
}

fn reset(limit: u64) -> ! {
    let starts = add_one();
    if starts == 1 || starts >= limit {
        uart::line(format_args!("MORTAL start {starts}"));
        key();
    }
    psci::system_reset()
}

fn count(milliseconds: u64) -> ! {
    for n in 1u64.. {
        uart::line(format_args!("MORTAL count {n}"));
        sleep(milliseconds);
    }
    psci::system_off()
}

fn fail(how: u64) -> ! {
    uart::line(format_args!("MORTAL fails {how}"));
    psci::hvc(FAIL, [how, 0, 0]);
    loop {
        sleep(1000);
    }
}

/// Adds one to the first word of shared memory, and gives the sum.
#[allow(unsafe_code, reason = "Shared memory by its address.")]
fn add_one() -> u64 {
    let word = SHARED as *mut u64;
    // SAFETY: the system file gives this guest a shared region there, which nobody else has; with the MMU off each
    // access is one of the machine's.
    unsafe {
        let sum = word.read_volatile() + 1;
        word.write_volatile(sum);
        sum
    }
}

/// Waits for a key.
fn key() -> u8 {
    loop {
        if let Some(byte) = uart::take() {
            return byte;
        }
        sleep(100);
    }
}

/// Sleeps. A pending interrupt ends WFI though interrupts are masked (Arm ARM D1.7).
fn sleep(milliseconds: u64) {
    let end = counter() + milliseconds * (read_sysreg!("cntfrq_el0") / 1000);
    write_sysreg!("cntv_cval_el0", end);
    write_sysreg!("cntv_ctl_el0", 1);
    while counter() < end {
        wfi();
    }
    write_sysreg!("cntv_ctl_el0", 0);
}
