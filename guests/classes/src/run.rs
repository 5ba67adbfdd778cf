//! One instruction, executed at EL0 or EL1: what it was, and what was seen of it.
//!
//! ```text
//!   word │ (word) │ STR X0, [X1, #64] │ SVC #0xffff      X0: argument, X1: the data page
//!        └─ exception: Seen::Trapped      └─ Seen::Ran
//! ```
#![allow(unsafe_code, reason = "Enters code at another exception level.")]

use core::arch::global_asm;
use core::fmt;

use guest_base::mmu::{USER_DATA, USER_TEXT};
use guest_base::{code, guard};

/// `str x0, [x1, #64]`.
const STORE: u32 = 0xf900_2020;
/// `svc #0xffff`.
const END: u32 = 0xd41f_ffe1;
/// `str r0, [r1, #64]`.
const STORE_A32: u32 = 0xe581_0040;
/// `svc #0xffff`.
const END_A32: u32 = 0xef00_ffff;
/// Where X0 is stored, in words; what DC ZVA clears it clears before.
const RESULT: usize = 8;
/// What loads find.
const PATTERN: u64 = 0x8081_8283_8485_8687;
/// ESR_EL1 of SVC #0xffff.
const ENDED: [u64; 2] = [0x5600_ffff, 0x4600_ffff];
/// Words in one test.
const SLOT: usize = 4;
/// Tests that are installed at once.
pub const SLOTS: usize = code::WORDS / SLOT;

/// PSTATE, or CPSR, at the first instruction.
pub mod pstate {
    /// EL0.
    pub const EL0: u64 = 0;
    /// EL1 with SP_EL1.
    pub const EL1: u64 = 5;
    /// A program of A32.
    pub const A32: u64 = 0x10;
    /// DAIF.
    pub const MASKED: u64 = 0x3c0;
}

/// The data page.
#[repr(C, align(4096))]
struct Data([u64; 512]);

static mut DATA: Data = Data([0; 512]);

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It trapped, with this exception class and syndrome.
    Trapped {
        /// ESR_EL1.EC.
        class: u8,
        /// ESR_EL1.ISS.
        iss: u32,
    },
    /// It did not.
    Ran(State),
}

/// What an instruction may have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// X0.
    pub x0: u64,
    /// PSTATE without its mode, or CPSR.
    pub pstate: u64,
    /// The first word of the data page.
    pub data: u64,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trapped { class, iss } => write!(f, "traps with EC {class:#04x}, ISS {iss:#x}"),
            Self::Ran(State { x0, pstate, data }) => write!(f, "runs: x0 {x0:#x}, PSTATE {pstate:#x}, data {data:#x}"),
        }
    }
}

unsafe extern "C" {
    /// Enters code at `pc` with `spsr`, X0 and X1, all others zero; leaves by an exception only.
    static classes_enter: u8;
}

/// Address of the data page as EL0 sees it; EL1 may use it, too.
pub fn user_data() -> u64 {
    kernel_data() + USER_DATA
}

/// Address of the data page that only EL1 may use.
pub fn kernel_data() -> u64 {
    &raw const DATA as u64
}

/// Installs tests of one or two words each; gives the address of the first, [`SLOT`] words from the next.
pub fn install(tests: impl Iterator<Item = [u32; 2]>) -> u64 {
    let mut words = [0; code::WORDS];
    for (slot, [first, second]) in words.as_chunks_mut::<SLOT>().0.iter_mut().zip(tests) {
        *slot = [first, second, STORE, END];
    }
    code::install(&words)
}

/// Runs an installed test, from PSTATE `from`.
pub fn run(address: u64, slot: usize, from: u64, x0: u64, x1: u64) -> Seen {
    let text = if from & 0xf == pstate::EL1 { 0 } else { USER_TEXT };
    let data = (&raw mut DATA).cast::<u64>();
    let pc = address + (slot * SLOT * 4) as u64 + text;
    // SAFETY: the page is this module's, and no reference to it exists.
    unsafe { data.write_volatile(PATTERN) };
    let Err(taken) = guard::call(&raw const classes_enter as u64, [pc, from, x0, x1]) else {
        return Seen::Trapped { class: 0xff, iss: 0 };
    };
    if !ENDED.contains(&taken.esr) {
        return Seen::Trapped { class: (taken.esr >> 26 & 0x3f) as u8, iss: (taken.esr & 0x1ff_ffff) as u32 };
    }
    let pstate = if from & pstate::A32 == 0 { taken.spsr & !0xf } else { taken.spsr };
    // SAFETY: as above.
    let (x0, data) = unsafe { (data.add(RESULT).read_volatile(), data.read_volatile()) };
    Seen::Ran(State { x0, pstate, data })
}

/// One test of A64: two words from PSTATE `from`.
pub fn once(words: [u32; 2], from: u64, x0: u64, x1: u64) -> Seen {
    run(install([words].into_iter()), 0, from, x0, x1)
}

/// As a second word: NOP.
pub const NOTHING: u32 = 0xd503_201f;

/// One instruction of A32 in user mode, nothing masked. R1 is the data page.
pub fn narrow(word: u32, r0: u64) -> Seen {
    let address = code::install(&[word, STORE_A32, END_A32]);
    run(address, 0, pstate::A32, r0, user_data())
}

global_asm!(
    r#"
    .pushsection .text.classes_enter, "ax"
classes_enter:
    msr     elr_el1, x0
    msr     spsr_el1, x1
    mov     x0, x2
    mov     x1, x3
    msr     sp_el0, x1
    .irp n, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov     x\n, #0
    .endr
    eret
    .popsection
"#
);
