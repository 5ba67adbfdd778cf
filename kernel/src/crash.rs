//! The kernel's own end: a record for tools (`abi::crash`), then this core stops and the others are left to notice.
#![allow(unsafe_code, reason = "entered from assembly")]

use crate::arch::{self, sysreg};
use crate::log::print_dying;
use core::panic::PanicInfo;

const KINDS: [&str; 8] = ["sync-sp0", "irq-sp0", "fiq-sp0", "serror-sp0", "sync", "irq", "fiq", "serror"];

fn head(kind: &str, sp: u64) {
    let core = crate::core_local::here().index.get();
    print_dying(format_args!(
        "\n{}\ncore={core} kind={kind} esr={:#x} elr={:#x} far={:#x} spsr={:#x} sp={sp:#x}\n",
        abi::crash::BEGIN,
        sysreg::esr_el2::read(),
        sysreg::elr_el2::read(),
        sysreg::far_el2::read(),
        sysreg::spsr_el2::read(),
    ));
}

fn stop() -> ! {
    print_dying(format_args!("{}\n", abi::crash::END));
    crate::power::crashed();
    loop {
        arch::wfe();
    }
}

/// An exception at EL2. `regs`: x0–x30, then SP.
pub extern "C" fn kernel_fault(kind: usize, regs: *const [u64; 32]) -> ! {
    // SAFETY: vectors.S has written the registers to the emergency stack.
    let regs = unsafe { &*regs };
    head(KINDS.get(kind).copied().unwrap_or("?"), regs[31]);
    for (n, x) in regs[..31].iter().enumerate() {
        print_dying(format_args!("x{n}={x:#x}{}", if n % 6 == 5 { '\n' } else { ' ' }));
    }
    print_dying(format_args!("\nmessage=exception at EL2\n"));
    stop()
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    head("panic", 0);
    print_dying(format_args!("message={info}\n"));
    stop()
}
