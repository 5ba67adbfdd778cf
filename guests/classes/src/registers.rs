//! Registers and operations of SYS.

use crate::gates::Gates;
use crate::report::Report;
use crate::run::{NOTHING, Seen, State, once, pstate, user_data};
use classic::table::{Model, Outcome, REGISTERS, Register};
use classic::{SysReg, reg, sysreg};

/// Checks each.
pub fn run(model: Model, report: &mut Report) {
    for register in REGISTERS {
        if register.register >> 14 != 1 {
            one(register, false, model, report);
        }
        one(register, true, model, report);
    }
}

fn one(register: &Register, write: bool, model: Model, report: &mut Report) {
    let outcome = Outcome::of(if write { &register.write } else { &register.read }, model);
    for gates in all(outcome) {
        gates.set();
        let seen = at(register, write, pstate::EL0);
        let as_kernel = match outcome {
            Outcome::Traps(_) => None,
            _ if VOLATILE.contains(&register.register) => None,
            _ => Some(at(register, write, pstate::EL1)),
        };
        let right = matches(outcome, gates, seen, as_kernel);
        let how = if write { "written" } else { "read" };
        let expected = Expected { outcome, as_kernel };
        report.check(right, format_args!("{} {how}, gates {gates:?}: {seen}, expected: {expected}", register.name));
    }
    Gates::Closed.set();
}

/// All sets of gates that matter.
pub fn all(outcome: Outcome) -> impl Iterator<Item = Gates> {
    let alone = match outcome {
        Outcome::Gated(gate, _) => Some(Gates::AllBut(gate)),
        _ => None,
    };
    [Gates::Closed, Gates::Open, Gates::KernelView].into_iter().chain(alone)
}

/// Whether what was seen is what the table says.
pub fn matches(outcome: Outcome, gates: Gates, seen: Seen, as_kernel: Option<Seen>) -> bool {
    let class = match outcome {
        Outcome::Traps(class) => class,
        Outcome::Gated(gate, class) if !gates.is_open(gate) => class,
        Outcome::Gated(..) | Outcome::Runs => {
            return matches!(seen, Seen::Ran(_)) && as_kernel.is_none_or(|kernel| kernel == seen);
        }
        Outcome::Differs => {
            // What the kernel's view has open may make it the same.
            return matches!(seen, Seen::Ran(_)) && (gates != Gates::Closed || as_kernel != Some(seen));
        }
    };
    // Class 0 is without a syndrome but IL.
    matches!(seen, Seen::Trapped { class: found, iss } if found == class && (class != 0 || iss == 0))
}

/// An expectation in words.
pub struct Expected {
    /// What the table says.
    pub outcome: Outcome,
    /// What EL1 does.
    pub as_kernel: Option<Seen>,
}

impl core::fmt::Display for Expected {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.outcome)?;
        self.as_kernel.map_or(Ok(()), |seen| write!(f, "; EL1 {seen}"))
    }
}

/// What a write is followed by: the read of what was written, where there is one.
fn words(register: &Register, write: bool) -> [u32; 2] {
    let readable = register.register >> 14 != 1 && register.direction.allows(false);
    match (write, readable) {
        (true, true) => [register.word(true), register.word(false)],
        _ => [register.word(write), NOTHING],
    }
}

/// Accesses it: an operation gets an address, a register all ones, and then zeros.
fn at(register: &Register, write: bool, level: u64) -> Seen {
    let words = words(register, write);
    if !write || register.register >> 14 == 1 {
        return once(words, level, user_data(), user_data());
    }
    match (once(words, level, u64::MAX, user_data()), once(words, level, 0, user_data())) {
        (Seen::Ran(ones), Seen::Ran(zeros)) => Seen::Ran(State { x0: ones.x0 ^ zeros.x0.rotate_left(32), ..ones }),
        (seen, _) => seen,
    }
}

/// Time and chance: a read does not give the same twice.
const VOLATILE: [SysReg; 8] = [
    reg::CNTPCT_EL0,
    reg::CNTVCT_EL0,
    reg::CNTP_TVAL_EL0,
    reg::CNTV_TVAL_EL0,
    sysreg(3, 3, 14, 0, 5), // CNTPCTSS_EL0
    sysreg(3, 3, 14, 0, 6), // CNTVCTSS_EL0
    sysreg(3, 3, 2, 4, 0),  // RNDR
    sysreg(3, 3, 2, 4, 1),  // RNDRRS
];
