//! Instructions of A32, in user mode.

use crate::gates::Gates;
use crate::registers::{Expected, all, matches};
use crate::report::Report;
use crate::run::{Seen, narrow};
use classic::table::{A32, Aarch32, Model, Outcome, Shown};

/// What R0 holds: flags and mode of Supervisor, interrupts masked.
const R0: u64 = 0xf000_01d3;

/// Checks each.
pub fn run(model: Model, report: &mut Report) {
    for instruction in A32 {
        let outcome = Outcome::of(&instruction.el0, model);
        for gates in all(outcome) {
            one(instruction, outcome, gates, report);
        }
    }
    Gates::Closed.set();
}

fn one(instruction: &Aarch32, outcome: Outcome, gates: Gates, report: &mut Report) {
    gates.set();
    let seen = narrow(instruction.word, R0);
    let shown = match (seen, instruction.shown) {
        (Seen::Ran(state), Shown::R0 { mask, value }) => state.x0 as u32 & mask == value,
        (Seen::Ran(state), Shown::Cpsr { mask, value }) => state.pstate as u32 & mask == value,
        _ => true,
    };
    let right = shown && matches(outcome, gates, seen, None);
    let expected = Expected { outcome, as_kernel: None };
    let (name, shown) = (instruction.name, instruction.shown);
    report.check(right, format_args!("A32 {name}, gates {gates:?}: {seen}, expected: {expected} {shown:x?}"));
}
