//! Equivalence guest: dumps all that EL1 can see of its machine, as sorted-by-section `key=value` lines.
//!
//! It runs on the bare machine and under the hypervisor; the host compares the two dumps, and each difference must
//! stand with its reason in `docs/differences.toml`. Two runs on one machine give the same dump: nothing here
//! depends on time or on where the program was loaded.
//!
//! | keys | what | module |
//! |---|---|---|
//! | `entry.*` | registers at the first instruction | `guest_base::entry` |
//! | `gicd.*` `gicr.*` `uart.*` `rtc.*` `hole.*` | device registers, by width and offset | `devices` |
//! | `reg.*` `wreg.*` | system registers: value, writable bits | `sysregs` |
//! | `psci.*` | answers of the firmware | `firmware` |
//! | `exc.*` | ESR, FAR, SPSR, ELR of exceptions from EL1 and EL0 | `exceptions`, `cases/*.S` |
//! | `seq.*` | register file after random instruction sequences | `sequences`, `generate` |
//!
//! What is still as reset left it comes first: devices and registers are read before the UART prints and before
//! translation is on. `EQUIV end` closes, then the machine is switched off.
#![no_std]
#![no_main]

mod devices;
mod exceptions;
mod firmware;
mod report;
mod sequences;
mod sysregs;

use guest_base::{entry, guard, psci, uart};

use report::Report;

/// Entry from the boot code.
#[allow(unsafe_code)] // The boot code calls this symbol.
#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    guard::install();
    let mut report = Report::take();
    report_entry(&mut report);
    devices::run(&mut report);
    sysregs::run(&mut report);
    uart::init();
    report.flush();
    firmware::run(&mut report);
    report.flush();
    exceptions::run(&mut report);
    report.flush();
    sequences::run(&mut report);
    report.flush();
    uart::line(format_args!("EQUIV end"));
    psci::system_off()
}

fn report_entry(report: &mut Report) {
    let state = entry::state();
    for (n, value) in state.x.iter().enumerate() {
        report.line(format_args!("entry.x{n}={value:#x}"));
    }
    let special = [
        ("sp", state.sp),
        ("nzcv", state.nzcv),
        ("daif", state.daif),
        ("spsel", state.spsel),
        ("current_el", state.current_el),
        ("vbar_el1", state.vbar),
        ("cpacr_el1", state.cpacr),
        ("sp_el0", state.sp_el0),
        ("elr_el1", state.elr),
        ("spsr_el1", state.spsr),
        ("esr_el1", state.esr),
        ("far_el1", state.far),
        ("tpidr_el1", state.tpidr),
    ];
    for (name, value) in special {
        report.line(format_args!("entry.{name}={value:#x}"));
    }
}
