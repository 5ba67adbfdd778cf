//! How a figure is taken: a loop for the mean, a second loop for the minimum, the empty loop subtracted.

use core::fmt;

use guest_base::{read_sysreg, uart};

/// Counter ticks of one measurement.
#[derive(Clone, Copy)]
pub struct Ticks {
    /// For all operations together.
    pub total: u64,
    /// For the cheapest one.
    pub min: u64,
    /// How many operations.
    pub n: u64,
}

/// Runs assembly lines `n` times between two reads of the counter, then `n` times with a read around each.
///
/// The lines may use x0 to x9, x13 to x17 and the flags; x10, x11 and x12 hold the arguments. The loops take x20 to
/// x26, which SMCCC calls preserve.
#[macro_export]
macro_rules! ticks {
    ($n:expr, [$($line:literal),*], $x10:expr, $x11:expr, $x12:expr) => {{
        let (n, x10, x11, x12): (u64, u64, u64, u64) = ($n, $x10, $x11, $x12);
        let (total, min): (u64, u64);
        // SAFETY: the lines are written for this frame (see the macro's documentation): they change no other
        // register and only memory that is theirs.
        #[allow(unsafe_code)]
        unsafe {
            core::arch::asm!(
                "mov x23, x20",
                "isb", "mrs x24, cntvct_el0",
                "22:", $($line,)* "subs x20, x20, #1", "b.ne 22b",
                "isb", "mrs x25, cntvct_el0",
                "sub x24, x25, x24",
                "mov x26, #-1",
                "33:", "isb", "mrs x21, cntvct_el0",
                $($line,)*
                "isb", "mrs x25, cntvct_el0",
                "sub x25, x25, x21", "cmp x25, x26", "csel x26, x25, x26, lo",
                "subs x23, x23, #1", "b.ne 33b",
                inout("x20") n => _, out("x21") _, out("x23") _, out("x24") total, out("x25") _, out("x26") min,
                inout("x10") x10 => _, inout("x11") x11 => _, inout("x12") x12 => _,
                clobber_abi("C"),
            );
        }
        $crate::measure::Ticks { total, min, n }
    }};
    ($n:expr, [$($line:literal),*]) => { $crate::ticks!($n, [$($line),*], 0u64, 0u64, 0u64) };
}

/// The empty loop: two instructions for the mean, a pair of counter reads for the minimum.
pub fn empty(n: u64) -> Ticks {
    ticks!(n, [])
}

/// Thousandths of an instruction, printed with three decimals.
struct Milli(i128);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let value = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}", value / 1000, value % 1000)
    }
}

/// Nanoseconds (instructions under `-icount shift=0`) times 1000 of so many ticks for `n` operations.
fn milli(ticks: i128, n: u64) -> i128 {
    let frequency = i128::from(read_sysreg!("cntfrq_el0").max(1));
    ticks * 1_000_000_000_000 / frequency / i128::from(n.max(1))
}

/// The console's server takes the line from its ring a moment after it was printed: that is not the next row's cost.
fn settle() {
    let frequency = read_sysreg!("cntfrq_el0");
    let end = read_sysreg!("cntvct_el0").wrapping_add(frequency / 100);
    while end.wrapping_sub(read_sysreg!("cntvct_el0")).cast_signed() > 0 {
        core::hint::spin_loop();
    }
}

/// Prints a row: `cost` less `base`, which is the empty loop of the same length or a second pass over the same work.
pub fn row(name: &str, cost: Ticks, base: Ticks, note: &str) {
    let mean = milli(i128::from(cost.total) - i128::from(base.total), cost.n);
    let min = milli(i128::from(cost.min) - i128::from(base.min), 1) / 1000;
    uart::line(format_args!("BENCH row={name} mean={} min={min} n={}{note}", Milli(mean), cost.n));
    settle();
}

/// Prints that a row could not be taken.
pub fn skip(name: &str, reason: &str) {
    uart::line(format_args!("BENCH row={name} skip={reason}"));
}
