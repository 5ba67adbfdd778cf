//! All encodings of MRS, MSR, SYS and SYSL, 98,304 in all, but those that the table names: each is what the table says of
//! those without a name. All gates are open.

use crate::gates::Gates;
use crate::registers::{Expected, matches};
use crate::report::Report;
use crate::run::{NOTHING, SLOTS, install, pstate, run as execute, user_data};
use classic::SysReg;
use classic::table::{Model, Outcome, find, unnamed};

/// Bit 21: MRS or SYSL.
const READ: u32 = 1 << 21;

/// Checks each.
pub fn run(model: Model, report: &mut Report) {
    Gates::Open.set();
    for register in (1 << 14..4 << 14).step_by(SLOTS / 2) {
        let words = (register..).flat_map(|register| [0, READ].map(|read| word(register, read)));
        let address = install(words.map(|word| [word, NOTHING]));
        for slot in 0..SLOTS {
            one(register + slot as SysReg / 2, slot % 2 == 1, (address, slot), model, report);
        }
    }
    Gates::Closed.set();
}

fn word(register: SysReg, read: u32) -> u32 {
    0xd500_0000 | read | register << 5
}

fn one(register: SysReg, read: bool, (address, slot): (u64, usize), model: Model, report: &mut Report) {
    // No operation has a result: SYSL is never named.
    if find(register).is_some_and(|entry| entry.register == register) && !(read && register >> 14 == 1) {
        return;
    }
    let outcome = Outcome::of(&unnamed(register, read), model);
    let seen = execute(address, slot, pstate::EL0, user_data(), user_data());
    let right = matches(outcome, Gates::Open, seen, None);
    let fields = [register >> 14, register >> 11 & 7, register >> 7 & 15, register >> 3 & 15, register & 7];
    let [op0, op1, crn, crm, op2] = fields;
    let how = if read { "read" } else { "written" };
    let expected = Expected { outcome, as_kernel: None };
    report.check(right, format_args!("S{op0}_{op1}_C{crn}_C{crm}_{op2} {how}: {seen}, expected: {expected}"));
}
