//! Instructions that are no access to a register.

use super::Gate::{Fpen, MscEn, Ntwi, Smen, Zen};
use super::Outcome::{Differs, Gated, Runs, Traps};
use super::{Handling, Instruction, Outcome, Outcomes, Sensitivity};
use Handling::{Call, Daif, Eret, Hidden, Native, Reflect, Shadow, SpSel, Wait};

const SVC: u8 = 0x15;
const BRK: u8 = 0x3c;
const WFX: u8 = 0x01;
const SYSREG: u8 = 0x18;
const FP: u8 = 0x07;
const SVE: u8 = 0x19;
const SME: u8 = 0x1d;
const UNKNOWN: Outcomes = all(Traps(0));

const fn all(outcome: Outcome) -> Outcomes {
    [outcome; 3]
}

const fn max(outcome: Outcome) -> Outcomes {
    [outcome, Traps(0), Traps(0)]
}

const fn v8_2(outcome: Outcome) -> Outcomes {
    [outcome, outcome, Traps(0)]
}

const fn control(name: &'static str, word: u32, handling: Handling, el0: Outcomes) -> Instruction {
    Instruction { name, word, handling, sensitivity: Sensitivity::CONTROL, el0 }
}

const fn context(name: &'static str, word: u32, handling: Handling, el0: Outcomes) -> Instruction {
    Instruction { name, word, handling, sensitivity: Sensitivity::CONTEXT, el0 }
}

const fn innocuous(name: &'static str, word: u32, el0: Outcomes) -> Instruction {
    Instruction { name, word, handling: Native, sensitivity: Sensitivity::INNOCUOUS, el0 }
}

/// The table.
#[rustfmt::skip]
pub static INSTRUCTIONS: &[Instruction] = &[
    // ---- Exceptions ----
    control("ERET", 0xd69f_03e0, Eret, UNKNOWN),
    control("ERETAA", 0xd69f_0bff, Hidden, UNKNOWN),
    control("ERETAB", 0xd69f_0fff, Hidden, UNKNOWN),
    control("SVC #0", 0xd400_0001, Reflect, all(Traps(SVC))),
    control("HVC #0", 0xd400_0002, Call, UNKNOWN),
    control("SMC #0", 0xd400_0003, Call, UNKNOWN),
    control("BRK #0", 0xd420_0000, Reflect, all(Traps(BRK))),
    control("HLT #0", 0xd440_0000, Reflect, UNKNOWN),
    control("DCPS1", 0xd4a0_0001, Reflect, UNKNOWN),
    control("UDF #0", 0x0000_0000, Reflect, UNKNOWN),
    // ---- PSTATE ----
    control("MSR DAIFSet, #15", 0xd503_4fdf, Daif, all(Gated(super::Gate::Uma, SYSREG))),
    control("MSR DAIFClr, #15", 0xd503_4fff, Daif, all(Gated(super::Gate::Uma, SYSREG))),
    control("MSR SPSel, #0", 0xd500_40bf, SpSel, UNKNOWN),
    control("MSR PAN, #0", 0xd500_409f, Hidden, UNKNOWN),
    control("MSR UAO, #0", 0xd500_407f, Hidden, UNKNOWN),
    innocuous("MSR SSBS, #0", 0xd503_403f, v8_2(Runs)),
    innocuous("MSR DIT, #0", 0xd503_405f, max(Runs)),
    innocuous("MSR TCO, #0", 0xd503_409f, max(Runs)),
    innocuous("CFINV", 0xd500_401f, max(Runs)),
    control("SMSTOP", 0xd503_467f, Hidden, max(Gated(Smen, SME))),
    // ---- Waiting, hints, barriers ----
    control("WFI", 0xd503_207f, Wait, all(Gated(Ntwi, WFX))),
    control("WFIT X0", 0xd503_1020, Hidden, max(Gated(Ntwi, WFX))),
    innocuous("WFE", 0xd503_205f, all(Runs)),
    innocuous("SEV", 0xd503_209f, all(Runs)),
    innocuous("SEVL", 0xd503_20bf, all(Runs)),
    innocuous("YIELD", 0xd503_203f, all(Runs)),
    innocuous("ESB", 0xd503_221f, all(Runs)),
    innocuous("PACIASP", 0xd503_233f, all(Runs)),
    innocuous("BTI C", 0xd503_245f, all(Runs)),
    innocuous("CLREX", 0xd503_3f5f, all(Runs)),
    innocuous("DSB SY", 0xd503_3f9f, all(Runs)),
    innocuous("DMB SY", 0xd503_3fbf, all(Runs)),
    innocuous("ISB", 0xd503_3fdf, all(Runs)),
    innocuous("SB", 0xd503_30ff, max(Runs)),
    // ---- Unprivileged loads and stores: with the rights of EL0 at EL1, as any other at EL0 ----
    context("LDTR X0, [X1]", 0xf840_0820, Native, all(Differs)),
    context("LDTRB W0, [X1]", 0x3840_0820, Native, all(Differs)),
    context("LDTRH W0, [X1]", 0x7840_0820, Native, all(Differs)),
    context("LDTRSB X0, [X1]", 0x3880_0820, Native, all(Differs)),
    context("LDTRSH X0, [X1]", 0x7880_0820, Native, all(Differs)),
    context("LDTRSW X0, [X1]", 0xb880_0820, Native, all(Differs)),
    context("STTR X0, [X1]", 0xf800_0820, Native, all(Differs)),
    context("STTRB W0, [X1]", 0x3800_0820, Native, all(Differs)),
    context("STTRH W0, [X1]", 0x7800_0820, Native, all(Differs)),
    // As those, but with a gate.
    context("SETPT [X1]!, X0!, XZR", 0x19df_1401, Hidden, max(Gated(MscEn, 0))),
    // ---- Allocation tags ----
    Instruction { handling: Hidden, ..innocuous("IRG X0, X1", 0x9adf_1020, max(Runs)) },
    context("LDG X0, [X1]", 0xd960_0020, Hidden, max(Runs)),
    context("STG X1, [X1]", 0xd920_0821, Hidden, max(Runs)),
    context("LDGM X0, [X1]", 0xd9e0_0020, Hidden, UNKNOWN),
    context("STGM X0, [X1]", 0xd9a0_0020, Hidden, UNKNOWN),
    context("STZGM X0, [X1]", 0xd920_0020, Hidden, UNKNOWN),
    // ---- By what they are applied to: a page table, a device, text ----
    context("LDR X0, [X1]", 0xf940_0020, Shadow, all(Runs)),
    context("STR X0, [X1]", 0xf900_0020, Shadow, all(Runs)),
    context("LDXR X0, [X1]", 0xc85f_7c20, Shadow, all(Runs)),
    context("LDADD X0, X0, [X1]", 0xf820_0020, Shadow, v8_2(Runs)),
    // ---- FP and its kin ----
    innocuous("FADD D0, D0, D0", 0x1e60_2800, all(Gated(Fpen, FP))),
    Instruction { handling: Hidden, ..innocuous("CNTD X0", 0x04e0_e3e0, max(Gated(Zen, SVE))) },
];
