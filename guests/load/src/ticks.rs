//! A CPU that takes a timer interrupt each few nanoseconds. Beside another CPU under measurement it bounds how long QEMU
//! runs one core before the next when the clock counts instructions.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::sysreg::{counter, unmask_irq, wfi};
use guest_base::{args, gic, irq, read_sysreg, uart, write_sysreg};

static PERIOD: AtomicU64 = AtomicU64::new(0);

/// Takes interrupts for ever.
pub fn run(line: &'static str) -> ! {
    crate::enable_mmu();
    let nanoseconds = args::number(line, "ns", 1000);
    let frequency = read_sysreg!("cntfrq_el0");
    PERIOD.store((frequency / 1_000_000).max(1) * nanoseconds / 1000, Relaxed);
    irq::install(interrupt);
    gic::init_cpu(&[VIRTUAL_TIMER]);
    uart::line(format_args!("LOAD ticks each {nanoseconds} ns"));
    set_timer();
    unmask_irq();
    loop {
        wfi();
    }
}

fn set_timer() {
    write_sysreg!("cntv_cval_el0", counter() + PERIOD.load(Relaxed));
    write_sysreg!("cntv_ctl_el0", 1);
}

fn interrupt(_: u32) {
    set_timer();
}
