//! A second CPU that wakes by its timer each few nanoseconds and does nothing else. When the clock counts instructions,
//! QEMU runs its cores in turns, and this bounds how long a turn can be: what is measured on the first CPU beside it is
//! late by no more than that.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::mmu::Table;
use guest_base::sysreg::{counter, wfi};
use guest_base::{gic, read_sysreg, smp, uart, write_sysreg};

static PERIOD: AtomicU64 = AtomicU64::new(0);

/// Starts it; with 0 nanoseconds it is not wanted.
pub fn start(table: &'static Table, nanoseconds: u64) {
    PERIOD.store(nanoseconds * (read_sysreg!("cntfrq_el0") / 1_000_000) / 1000, Relaxed);
    if nanoseconds != 0 && !smp::start(1, table, run) {
        uart::line(format_args!("RTOS error: ticks= needs a second CPU"));
    }
}

/// Interrupts stay masked: they are acknowledged where WFI returns.
fn run(_: usize) -> ! {
    gic::init_cpu(&[VIRTUAL_TIMER]);
    write_sysreg!("cntv_ctl_el0", 1);
    loop {
        write_sysreg!("cntv_cval_el0", counter() + PERIOD.load(Relaxed));
        wfi();
        let intid = read_sysreg!("icc_iar1_el1");
        if intid < 1020 {
            // The next expiry first: the timer's line is down before the interrupt ends.
            write_sysreg!("cntv_cval_el0", counter() + PERIOD.load(Relaxed));
            write_sysreg!("icc_eoir1_el1", intid);
        }
    }
}
