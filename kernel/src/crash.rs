//! The kernel's own end: a record for tools (`abi::crash`), then this core stops and the others are left to notice.
#![allow(unsafe_code, reason = "entered from assembly")]

use crate::arch::sysreg;
use crate::core_local::here;
use crate::log::{text, word};
use abi::crash::{BEGIN, END};
use core::panic::PanicInfo;

/// `kind` of a record by [`stop`].
const PANIC: usize = 8;

fn head(kind: usize) {
    text("\r\n");
    text(BEGIN);
    text("\r\n");
    word("core", here().index.get() as u64);
    word("kind", kind as u64);
    word("esr", sysreg::esr_el2::read());
    word("elr", sysreg::elr_el2::read());
    word("far", sysreg::far_el2::read());
    word("spsr", sysreg::spsr_el2::read());
}

fn end() -> ! {
    text("\r\n");
    text(END);
    text("\r\n");
    crate::power::off()
}

/// An exception at EL2. `regs`: x0–x30, then SP.
pub extern "C" fn kernel_fault(kind: usize, regs: *const [u64; 32]) -> ! {
    // SAFETY: vectors.S has written the registers to the emergency stack.
    let regs = unsafe { &*regs };
    head(kind);
    regs.iter().for_each(|x| word("x", *x));
    end()
}

/// The kernel cannot go on.
pub fn stop(what: &str) -> ! {
    head(PANIC);
    text("\r\nmessage=");
    text(what);
    end()
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    head(PANIC);
    if let Some(place) = info.location() {
        word("line", u64::from(place.line()));
        text("\r\nmessage=panic in ");
        text(place.file());
    }
    end()
}
