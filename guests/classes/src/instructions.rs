//! Instructions that are no access to a register.

use crate::gates::Gates;
use crate::registers::{Expected, all, matches};
use crate::report::Report;
use crate::run::{NOTHING, Seen, kernel_data, once, pstate, user_data};
use classic::insn::{Field, Insn, decode};
use classic::table::{Gate, INSTRUCTIONS, Instruction, Model, Outcome};
use guest_base::machine::VIRTUAL_TIMER;
use guest_base::{gic, read_sysreg, write_sysreg};

/// Checks each.
pub fn run(model: Model, report: &mut Report) {
    gic::init_distributor();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    for instruction in INSTRUCTIONS {
        one(instruction, Outcome::of(&instruction.el0, model), report);
    }
}

fn one(instruction: &Instruction, outcome: Outcome, report: &mut Report) {
    let name = instruction.name;
    for gates in all(outcome) {
        gates.set();
        let seen = at(instruction, gates, pstate::EL0);
        let as_kernel = match outcome {
            Outcome::Traps(_) => None,
            Outcome::Differs => Some(at_kernel_address(instruction)),
            _ => Some(at(instruction, gates, pstate::EL1)),
        };
        let right = matches(outcome, gates, seen, as_kernel);
        let expected = Expected { outcome, as_kernel };
        report.check(right, format_args!("{name}, gates {gates:?}: {seen}, expected: {expected}"));
    }
    Gates::Closed.set();
}

fn at(instruction: &Instruction, gates: Gates, level: u64) -> Seen {
    let insn = decode(instruction.word);
    let unmasks = matches!(insn, Insn::MsrImmediate { field: Field::DaifClr, .. });
    let waits = matches!(insn, Insn::Wfi | Insn::Wfit(_)) && (level == pstate::EL1 || gates.is_open(Gate::Ntwi));
    let masks = if unmasks || waits { pstate::MASKED } else { 0 };
    if waits {
        alarm();
    }
    // WFIT waits until then; SETPT sets so many bytes.
    let x0 = if matches!(insn, Insn::Wfit(_)) { u64::MAX >> 1 } else { 7 };
    let seen = once([instruction.word, NOTHING], level | masks, x0, user_data());
    write_sysreg!("cntv_ctl_el0", 0);
    seen
}

/// EL1 with an address that only EL1 may use.
fn at_kernel_address(instruction: &Instruction) -> Seen {
    once([instruction.word, NOTHING], pstate::EL1, 7, kernel_data())
}

/// The virtual timer ends a wait, by an interrupt that is masked.
fn alarm() {
    write_sysreg!("cntv_cval_el0", guest_base::sysreg::counter() + (read_sysreg!("cntfrq_el0") >> 10));
    write_sysreg!("cntv_ctl_el0", 1);
}
