//! A CPU that is never idle: counts the instructions that it ran, and tells them as a share of the time that passed.
//!
//! With the clock counting instructions (one nanosecond each) the share is exact but for the lines printed. Each line is
//! `LOAD t=SECONDS share=PER_MILLE.X`, the last `LOAD end share=…` over all of the time after the warm-up.
#![allow(unsafe_code, reason = "The loop is assembly: its instructions are counted.")]

use guest_base::sysreg::counter;
use guest_base::{args, psci, read_sysreg, uart};

/// Instructions in one piece of the loop.
const PIECE: u64 = 20_000;
/// How long it goes on after its last line, so that others' shares are measured beside it, in seconds.
const TAIL: u64 = 2;

/// Burns for the given time.
pub fn run(line: &'static str) -> ! {
    crate::enable_mmu();
    let frequency = read_sysreg!("cntfrq_el0").max(1);
    let seconds = args::number(line, "seconds", 10);
    let warmup = args::number(line, "warmup", 100);
    let mut now = counter() + frequency / 1000 * warmup;
    burn_until(now);
    let mut pieces = 0;
    for second in 1..=seconds {
        let part = burn_until(now + frequency);
        (pieces, now) = (pieces + part, now + frequency);
        uart::line(format_args!("LOAD t={second} share={}", Share { pieces: part, seconds: 1 }));
    }
    uart::line(format_args!("LOAD end share={}", Share { pieces, seconds }));
    burn_until(now + TAIL * frequency);
    psci::system_off()
}

/// Gives how many pieces were run before the counter came to `end`.
fn burn_until(end: u64) -> u64 {
    let mut pieces = 0;
    while counter() < end {
        // SAFETY: counts a register down.
        unsafe {
            core::arch::asm!("1: subs {n}, {n}, #1", "b.ne 1b", n = inout(reg) PIECE / 2 => _, options(nomem, nostack));
        }
        pieces += 1;
    }
    pieces
}

/// Instructions as per mille of a time at one a nanosecond.
struct Share {
    pieces: u64,
    seconds: u64,
}

impl core::fmt::Display for Share {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let hundredths = self.pieces * PIECE / (self.seconds.max(1) * 10_000);
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}
