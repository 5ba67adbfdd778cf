//! Hypercalls and SMCs: every function identifier by sweep, with arguments that mean nothing.
#![allow(unsafe_code, reason = "Only addresses of the stubs are taken.")]

use core::arch::global_asm;

use guest_base::guard;

use crate::random::Random;

unsafe extern "C" {
    static call_stubs: u8;
    static call_stubs_end: u8;
}

/// Calls that end this program by design, by the lower half of their identifier: CPU_SUSPEND, CPU_OFF, CPU_ON,
/// SYSTEM_OFF, SYSTEM_RESET, CPU_FREEZE, CPU_DEFAULT_SUSPEND, SYSTEM_SUSPEND, SYSTEM_RESET2 (DEN0022 5). They are tested elsewhere.
const ENDS: [u32; 9] = [0x1, 0x2, 0x3, 0x8, 0x9, 0xb, 0xc, 0xe, 0x12];

/// Where the sweep is.
pub struct Calls {
    next: u32,
    step: u32,
}

impl Calls {
    /// Sweeps the identifiers by a step, which is odd so that each round takes others.
    pub fn new(step: u64) -> Self {
        Self { next: 0x8000_0000, step: step as u32 | 1 }
    }

    /// One call. Whether it came back without an exception.
    pub fn attack(&mut self, random: &Random) -> bool {
        if random.below(8) == 0 {
            return ring(random);
        }
        let function = match random.below(4) {
            0 => self.sweep(),
            // Services of each owner, 32 and 64 bits, fast and yielding: the low numbers that mean something.
            1 => (random.below(64) << 24 | random.below(0x200)) as u32 | random.pick(&[0, 1 << 31]),
            2 => {
                random.pick(&[0x8400_0000, 0xc400_0000, 0x8400_0050, 0xc600_0000, 0x8600_ff00])
                    + random.below(0x60) as u32
            }
            _ => random.value() as u32,
        };
        if (function >> 24) & 0x3f == 4 && ENDS.contains(&(function & 0xffff)) {
            return true;
        }
        let (start, end) = (&raw const call_stubs as u64, &raw const call_stubs_end as u64);
        let stub = start + 8 * random.below((end - start) / 8);
        let high = random.pick(&[0, 0, 0, random.word() << 32]);
        guard::call(stub, [u64::from(function) | high, random.value(), random.value(), random.value()]).is_ok()
    }

    fn sweep(&mut self) -> u32 {
        self.next = self.next.wrapping_add(self.step);
        self.next
    }
}

/// Rings a doorbell that may be there or not.
fn ring(random: &Random) -> bool {
    let number = random.pick(&[random.below(64), random.value()]);
    guard::call(&raw const call_stubs as u64, [number, 0, 0, 0]).is_ok()
}

global_asm!(
    r#"
    .pushsection .text.call_stubs, "ax"
    .balign 8
call_stubs:
    hvc     #1
    ret
    .irp immediate, 0, 0, 0, 0, 2, 3, 0x4a48, 0x7f0, 0x8000, 0xea1, 0xffff
    hvc     #\immediate
    ret
    .endr
    .irp immediate, 0, 0, 0, 1, 0xffff
    smc     #\immediate
    ret
    .endr
    svc     #0
    ret
call_stubs_end:
    .popsection
"#
);
