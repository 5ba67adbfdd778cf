//! Executes each entry of the classic engine's table ([`classic::table`]) at EL0, on the machine itself, and compares what
//! happens with what the table says of this model of CPU.
//!
//! | check | module |
//! |---|---|
//! | each register, read and written, each operation, each instruction: under four sets of gates, and as EL1 does it | [`registers`], [`instructions`] |
//! | all that the table does not name is undefined | [`sweep`] |
//! | A32 | [`narrow`] |
//!
//! Each difference is a line `WRONG …`; `CLASSES end` closes.
#![no_std]
#![no_main]

mod gates;
mod instructions;
mod narrow;
mod registers;
mod report;
mod run;
mod sweep;

use classic::table::Model;
use guest_base::{guard, mmu, psci, read_sysreg, uart, write_sysreg};
use report::Report;

static MAP: mmu::Table = mmu::Table::identity();

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    guard::install();
    uart::init();
    mmu::enable(&MAP);
    write_sysreg!("oslar_el1", 0);
    match model() {
        None => uart::line(format_args!("WRONG model: not known by MIDR_EL1 {:#x}", read_sysreg!("midr_el1"))),
        Some(model) => {
            let mut report = Report::default();
            registers::run(model, &mut report);
            instructions::run(model, &mut report);
            sweep::run(model, &mut report);
            narrow::run(model, &mut report);
            uart::line(format_args!("CLASSES model={} checks={}", model.name(), report.checks));
        }
    }
    uart::line(format_args!("CLASSES end"));
    psci::system_off()
}

/// By implementer and part number; QEMU's `max` has no part number of its own.
fn model() -> Option<Model> {
    let midr = read_sysreg!("midr_el1");
    match (midr >> 24 & 0xff, midr >> 4 & 0xfff) {
        (0x41, 0xd08) => Some(Model::CortexA72),
        (0x41, 0xd0b) => Some(Model::CortexA76),
        (0, 0x51) => Some(Model::Max),
        _ => None,
    }
}
