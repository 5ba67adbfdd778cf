//! Instructions of A32 that the virtualization of the older architecture had to think about, at EL0 under an EL1 of A64.
//! For the documentation: guests of the classic engine have no AArch32.

use super::Gate::{El0Vcten, Fpen};
use super::Outcome::{Differs, Gated, Runs, Traps};
use super::{Outcome, Outcomes, Sensitivity};

/// What can be seen of an instruction that does not trap. R0 held 0xf00001d3, CPSR 0x10.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Nothing that depends on the mode.
    Nothing,
    /// R0 after it.
    R0 {
        /// Which bits.
        mask: u32,
        /// Their value.
        value: u32,
    },
    /// CPSR after it.
    Cpsr {
        /// Which bits.
        mask: u32,
        /// Their value.
        value: u32,
    },
}

/// An instruction of A32.
#[derive(Clone, Copy, Debug)]
pub struct Aarch32 {
    /// Assembly.
    pub name: &'static str,
    /// One encoding; loads and stores use R1 as base.
    pub word: u32,
    /// Why it matters.
    pub sensitivity: Sensitivity,
    /// What it does in user mode.
    pub el0: Outcomes,
    /// What is seen of it.
    pub shown: Shown,
    /// What it does, in words.
    pub what: &'static str,
}

const UNDEFINED: &str = "undefined";

const fn entry(
    name: &'static str,
    word: u32,
    sensitivity: Sensitivity,
    el0: Outcome,
    shown: Shown,
    what: &'static str,
) -> Aarch32 {
    Aarch32 { name, word, sensitivity, el0: [el0; 3], shown, what }
}

const fn undefined(name: &'static str, word: u32, sensitivity: Sensitivity) -> Aarch32 {
    entry(name, word, sensitivity, Traps(0), Shown::Nothing, UNDEFINED)
}

const CONTROL: Sensitivity = Sensitivity::CONTROL;
const BEHAVIOUR: Sensitivity = Sensitivity::BEHAVIOUR;
const CONTEXT: Sensitivity = Sensitivity::CONTEXT;
const INNOCUOUS: Sensitivity = Sensitivity::INNOCUOUS;

/// A, I, F and mode, as they were.
const UNCHANGED: Shown = Shown::Cpsr { mask: 0x1df, value: 0x10 };
const USER: Shown = Shown::R0 { mask: 0x1f, value: 0x10 };
const FLAGS: Shown = Shown::Cpsr { mask: 0xf000_01df, value: 0xf000_0010 };

/// The table.
#[rustfmt::skip]
pub static A32: &[Aarch32] = &[
    // ---- Silent ----
    entry("MRS R0, CPSR", 0xe10f_0000, BEHAVIOUR, Differs, USER, "shows User mode"),
    entry("MSR CPSR_c, R0", 0xe121_f000, CONTROL, Differs, UNCHANGED, "nothing: mode and masks stay"),
    entry("CPSID aif", 0xf10c_01c0, CONTROL, Differs, UNCHANGED, "nothing: masks stay"),
    entry("CPS #0x13", 0xf102_0013, CONTROL, Differs, UNCHANGED, "nothing: mode stays"),
    entry("MSR CPSR_f, R0", 0xe128_f000, INNOCUOUS, Runs, FLAGS, "sets the flags"),
    entry("LDRT R0, [R1]", 0xe4b1_0000, CONTEXT, Differs, Shown::Nothing, "as LDR"),
    entry("STRT R0, [R1]", 0xe4a1_0000, CONTEXT, Differs, Shown::Nothing, "as STR"),
    entry("LDR R0, [R1]", 0xe591_0000, CONTEXT, Runs, Shown::Nothing, "by the page"),
    entry("STR R0, [R1]", 0xe581_0000, CONTEXT, Runs, Shown::Nothing, "by the page"),
    // ---- Return from an exception; registers of other modes ----
    undefined("MOVS PC, LR", 0xe1b0_f00e, CONTROL),
    undefined("SUBS PC, LR, #4", 0xe25e_f004, CONTROL),
    undefined("LDM R1, {R0, PC}^", 0xe8d1_8001, CONTROL),
    undefined("LDM R1, {R0, R2}^", 0xe8d1_0005, CONTROL),
    undefined("STM R1, {R0, R2}^", 0xe8c1_0005, BEHAVIOUR),
    undefined("RFEIA R1", 0xf891_0a00, CONTROL),
    undefined("SRSDB SP!, #0x13", 0xf96d_0513, CONTROL),
    undefined("ERET", 0xe160_006e, CONTROL),
    undefined("MRS R0, SPSR", 0xe14f_0000, BEHAVIOUR),
    undefined("MSR SPSR_fc, R0", 0xe169_f000, CONTROL),
    // ---- Coprocessor 15 ----
    undefined("MRC p15, 0, R0, c0, c0, 0 (MIDR)", 0xee10_0f10, BEHAVIOUR),
    undefined("MRC p15, 0, R0, c1, c0, 0 (SCTLR)", 0xee11_0f10, BEHAVIOUR),
    undefined("MCR p15, 0, R0, c1, c0, 0 (SCTLR)", 0xee01_0f10, CONTROL),
    undefined("MCR p15, 0, R0, c8, c7, 0 (TLBIALL)", 0xee08_0f17, CONTROL),
    undefined("MCR p15, 0, R0, c7, c5, 0 (ICIALLU)", 0xee07_0f15, CONTROL),
    entry("MRC p15, 0, R0, c13, c0, 3 (TPIDRURO)", 0xee1d_0f70, BEHAVIOUR, Runs, Shown::Nothing, "reads it"),
    entry("MRRC p15, 1, R0, R2, c14 (CNTVCT)", 0xec52_0f1e, BEHAVIOUR, Gated(El0Vcten, 0x04), Shown::Nothing, "reads it"),
    entry("VMRS R0, FPSCR", 0xeef1_0a10, INNOCUOUS, Gated(Fpen, 0x07), Shown::Nothing, "reads it"),
    // ---- Exceptions ----
    entry("SVC #0", 0xef00_0000, CONTROL, Traps(0x11), Shown::Nothing, "system call"),
    entry("BKPT #0", 0xe120_0070, CONTROL, Traps(0x38), Shown::Nothing, "breakpoint"),
    undefined("HVC #0", 0xe140_0070, CONTROL),
    undefined("SMC #0", 0xe160_0070, CONTROL),
    undefined("UDF #0", 0xe7f0_00f0, CONTROL),
];
