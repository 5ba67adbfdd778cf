//! Numbered lines as fast as the UART takes them, then the end of the machine or an echo of what is typed.

use guest_base::{args, psci, uart};

/// Line `n`: of many lengths, so that no buffer's size fits them all.
const DOTS: &str = "............................................................";

/// Writes `lines=N` lines. `then=echo`: each line that is typed comes back; else the VM is powered off, with no wait for
/// what the UART still has.
pub fn run(line: &'static str) -> ! {
    for n in 0..args::number(line, "lines", 10) {
        let dots = DOTS.get(..(n * 7 % 61) as usize).unwrap_or_default();
        uart::line(format_args!("LINE {n} {dots}"));
    }
    if args::value(line, "then") == Some("echo") {
        echo();
    }
    psci::hvc(psci::SYSTEM_OFF, [0; 3]);
    loop {
        guest_base::sysreg::wfi();
    }
}

fn echo() -> ! {
    uart::bytes(b"ready> ");
    loop {
        match uart::take() {
            Some(b'\r') => uart::bytes(b"\r\nready> "),
            Some(byte) => uart::bytes(&[byte]),
            None => core::hint::spin_loop(),
        }
    }
}
