//! The smallest guest: a greeting, then it switches itself off. A template for your own: see README.md beside it.
#![no_std]
#![no_main]

use guest_base::{args, psci, uart};

#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "The boot code of guest-base calls this symbol.")]
extern "C" fn guest_main(dtb: u64) -> ! {
    uart::init();
    uart::line(format_args!("Hello from EL1. Command line: {:?}", args::command_line(dtb)));
    psci::system_off()
}
