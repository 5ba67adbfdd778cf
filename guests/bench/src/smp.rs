//! `ipi_round_trip`: two CPUs send each other SGIs, both wait by WFI with interrupts masked.
#![allow(unsafe_code)] // Entry of a secondary CPU.

use core::arch::global_asm;

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::mmu::{self, Table};
use guest_base::sysreg::wfi;
use guest_base::{gic, psci, read_sysreg, write_sysreg};

use crate::measure::{empty, row, skip};
use crate::{ticks, vectors};

const N: u64 = 1000;
/// ICC_SGI1R_EL1 (IHI 0069): INTID 0 to the CPU with Aff0 = 0, to the one with Aff0 = 1.
const TO_FIRST: u64 = 1 << 0;
const TO_SECOND: u64 = 1 << 1;

unsafe extern "C" {
    static secondary_entry: u8;
}

/// Starts the second CPU and takes the row.
pub fn run(level1: &'static Table) {
    let entry = &raw const secondary_entry as u64;
    if psci::hvc(psci::CPU_ON, [1, entry, core::ptr::from_ref(level1) as u64]) != 0 {
        return skip("ipi_round_trip", "no_second_cpu");
    }
    wait_for_sgi(); // The second CPU reports that it is ready.
    let round = ticks!(
        N,
        [
            "msr icc_sgi1r_el1, x10",
            "isb",
            "55: wfi",
            "mrs x0, icc_iar1_el1",
            "cmp x0, #1020",
            "b.hs 55b",
            "msr icc_eoir1_el1, x0"
        ],
        TO_SECOND,
        0u64,
        0u64
    );
    row("ipi_round_trip", round, empty(N), "");
}

/// Waits for one interrupt and ends it.
fn wait_for_sgi() {
    loop {
        wfi();
        let intid = read_sysreg!("icc_iar1_el1");
        if intid < 1020 {
            write_sysreg!("icc_eoir1_el1", intid);
            return;
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn secondary_main(level1: &'static Table) -> ! {
    vectors::install();
    mmu::enable(level1);
    gic::init_cpu(&[VIRTUAL_TIMER]);
    loop {
        write_sysreg!("icc_sgi1r_el1", TO_FIRST);
        wait_for_sgi();
    }
}

global_asm!(
    r#"
    .pushsection .text.secondary, "ax"
    .global secondary_entry
secondary_entry:
    msr     spsel, #1
    adrp    x1, SECOND_STACK_TOP
    add     sp, x1, :lo12:SECOND_STACK_TOP
    b       secondary_main
    .popsection

    .pushsection .noinit, "aw", @nobits
    .balign 16
    .skip   0x4000
SECOND_STACK_TOP:
    .popsection
"#
);
