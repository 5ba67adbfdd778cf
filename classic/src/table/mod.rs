//! Every system register and instruction that a kernel can name in A64, and what becomes of it.
//!
//! One table ([`REGISTERS`], [`INSTRUCTIONS`]) for four users: the emulator looks up how an access is handled ([`find`],
//! [`QUICK`]), the documentation prints it, and a guest executes each entry to see whether the columns about hardware
//! are true. Terms are those of Popek and Goldberg (CACM 17:7, 1974): *sensitive* is what changes or shows the state
//! that decides over resources, *privileged* is what traps in the less privileged mode.

mod a32;
mod instructions;
mod registers;

#[cfg(test)]
mod tests;

pub use a32::{A32, Aarch32, Shown};
pub use instructions::INSTRUCTIONS;
pub use registers::REGISTERS;

use crate::cpu::CHANGES;
use crate::{SysReg, sysreg};
use devices::idregs::is_id;

/// A model of CPU of QEMU for which the table says what happens at EL0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// `max`.
    Max,
    /// `cortex-a76`.
    CortexA76,
    /// `cortex-a72`.
    CortexA72,
}

impl Model {
    /// All, in the order of [`Outcomes`].
    pub const ALL: [Self; 3] = [Self::Max, Self::CortexA76, Self::CortexA72];

    /// QEMU's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::CortexA76 => "cortex-a76",
            Self::CortexA72 => "cortex-a72",
        }
    }
}

/// A control of EL1 that decides whether something traps at EL0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// SCTLR_EL1.UMA.
    Uma,
    /// SCTLR_EL1.UCI.
    Uci,
    /// SCTLR_EL1.UCT.
    Uct,
    /// SCTLR_EL1.DZE.
    Dze,
    /// SCTLR_EL1.nTWI.
    Ntwi,
    /// SCTLR_EL1.MSCEn.
    MscEn,
    /// SCTLR_EL1.EnRCTX.
    EnRctx,
    /// SCTLR_EL1.EnTP2.
    EnTp2,
    /// SCTLR_EL1.TSCXT = 0.
    Tscxt,
    /// CNTKCTL_EL1.EL0PCTEN.
    El0Pcten,
    /// CNTKCTL_EL1.EL0VCTEN.
    El0Vcten,
    /// CNTKCTL_EL1.EL0PCTEN or EL0VCTEN: either opens.
    El0Cten,
    /// CNTKCTL_EL1.EL0PTEN.
    El0Pten,
    /// CNTKCTL_EL1.EL0VTEN.
    El0Vten,
    /// MDSCR_EL1.TDCC = 0, and at EL2 MDCR_EL2.TDA = 0.
    Tdcc,
    /// PMUSERENR_EL0.
    Pmuserenr,
    /// CPACR_EL1.FPEN.
    Fpen,
    /// CPACR_EL1.ZEN.
    Zen,
    /// CPACR_EL1.SMEN.
    Smen,
}

impl Gate {
    /// All.
    pub const ALL: [Self; 19] = [
        Self::Uma,
        Self::Uci,
        Self::Uct,
        Self::Dze,
        Self::Ntwi,
        Self::MscEn,
        Self::EnRctx,
        Self::EnTp2,
        Self::Tscxt,
        Self::El0Pcten,
        Self::El0Vcten,
        Self::El0Cten,
        Self::El0Pten,
        Self::El0Vten,
        Self::Tdcc,
        Self::Pmuserenr,
        Self::Fpen,
        Self::Zen,
        Self::Smen,
    ];
}

/// Gates that are open while the kernel of a guest runs that reads the virtual counter and uses FP, as Linux does.
pub const KERNEL_VIEW: &[Gate] =
    &[Gate::Uma, Gate::Uci, Gate::Uct, Gate::Dze, Gate::El0Vcten, Gate::El0Cten, Gate::Fpen];

/// What an instruction does when it is executed at EL0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Traps always, with this exception class (Arm ARM D24.2.40). Class 0 carries no syndrome.
    Traps(u8),
    /// Traps with this class while the gate is closed, else does what it does at EL1.
    Gated(Gate, u8),
    /// Does what it does at EL1.
    Runs,
    /// Does something else than at EL1, or nothing, and does not trap.
    Differs,
}

/// By model, in the order of [`Model::ALL`].
pub type Outcomes = [Outcome; 3];

impl Outcome {
    /// That of one model.
    pub const fn of(outcomes: &Outcomes, model: Model) -> Self {
        let [max, cortex_a76, cortex_a72] = *outcomes;
        match model {
            Model::Max => max,
            Model::CortexA76 => cortex_a76,
            Model::CortexA72 => cortex_a72,
        }
    }

    /// Neither traps nor can be made to.
    pub const fn is_silent(self) -> bool {
        matches!(self, Self::Runs | Self::Differs)
    }
}

/// Why an instruction matters to a hypervisor; a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sensitivity(u8);

impl Sensitivity {
    /// Not at all.
    pub const INNOCUOUS: Self = Self(0);
    /// Changes the state that decides over resources.
    pub const CONTROL: Self = Self(1);
    /// Its result depends on such state, or on the real machine.
    pub const BEHAVIOUR: Self = Self(2);
    /// By what it is applied to: which address it accesses.
    pub const CONTEXT: Self = Self(4);
    /// Both.
    pub const BOTH: Self = Self(3);

    /// Whether it has a bit of `other`.
    pub const fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// How the classic engine does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// A register of the virtual EL1 that is kept by the engine.
    Slot(usize),
    /// CurrentEL.
    CurrentEl,
    /// SPSel: banks the stack pointer.
    SpSel,
    /// DAIF: runs with UMA = 1.
    Daif,
    /// Tells who the vCPU is.
    Identity,
    /// Reads as zero, ignores writes.
    Zero,
    /// Software model of the GIC CPU interface.
    Icc,
    /// Emulated timers; counters where the guest's gate lets EL0 read them.
    Timer,
    /// As for any guest: filtered ID registers, debug registers.
    Platform,
    /// ISR_EL1.
    Isr,
    /// The shadow MMU drops translations.
    Tlbi,
    /// Walk of the guest's tables in software.
    At,
    /// Cache maintenance that EL0 has not.
    Cache,
    /// Exception return.
    Eret,
    /// A call of the hypervisor.
    Call,
    /// The vCPU waits.
    Wait,
    /// The exception is the guest's: its kernel takes it.
    Reflect,
    /// By the shadow tables: the access traps if it must.
    Shadow,
    /// The hardware does it at EL0.
    Native,
    /// A feature that this guest has not: undefined, if it traps.
    Hidden,
    /// Belongs to EL2 or EL3: undefined.
    HigherLevel,
}

/// Which accesses a register has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// MRS and MSR.
    ReadWrite,
    /// MRS.
    ReadOnly,
    /// MSR, and all of SYS.
    WriteOnly,
}

impl Direction {
    /// Whether a write or a read is allocated.
    #[inline]
    pub const fn allows(self, write: bool) -> bool {
        match self {
            Self::ReadWrite => true,
            Self::ReadOnly => !write,
            Self::WriteOnly => write,
        }
    }
}

/// A register, or an operation of SYS.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// Name in the Arm ARM.
    pub name: &'static str,
    /// Encoding.
    pub register: SysReg,
    /// Which accesses it has at EL1.
    pub direction: Direction,
    /// How the engine does it.
    pub handling: Handling,
    /// Why it matters.
    pub sensitivity: Sensitivity,
    /// What MRS does at EL0.
    pub read: Outcomes,
    /// What MSR or SYS does at EL0.
    pub write: Outcomes,
}

impl Register {
    /// Its MRS (or MSR, SYS) with X0.
    pub const fn word(&self, write: bool) -> u32 {
        let read = if write { 0 } else { 1 << 21 };
        0xd500_0000 | read | self.register << 5
    }
}

/// An instruction that is no access to a register.
#[derive(Clone, Copy, Debug)]
pub struct Instruction {
    /// Assembly.
    pub name: &'static str,
    /// One encoding; loads and stores use X0 with X1 as base.
    pub word: u32,
    /// How the engine does it.
    pub handling: Handling,
    /// Why it matters.
    pub sensitivity: Sensitivity,
    /// What it does at EL0.
    pub el0: Outcomes,
}

/// A register of the ID space without a name: reads as zero, unless the CPU is newer than this table.
static RESERVED_ID: Register = registers::id("(reserved ID register)", sysreg(3, 0, 0, 7, 7));
/// A debug register without an entry of its own: breakpoints and watchpoints.
static DEBUG: Register = registers::debug("(debug register)", sysreg(2, 0, 0, 0, 4));

/// Keys of [`REGISTERS`] with their indices, sorted.
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
static KEYS: [(u16, u16); REGISTERS.len()] = {
    let mut keys = [(0, 0); REGISTERS.len()];
    let mut n = 0;
    while n < keys.len() {
        let key = REGISTERS[n].register as u16;
        let mut place = n;
        while place > 0 && keys[place - 1].0 > key {
            keys[place] = keys[place - 1];
            place -= 1;
        }
        keys[place] = (key, n as u16);
        n += 1;
    }
    keys
};

/// The entry of a register or SYS operation.
pub fn find(register: SysReg) -> Option<&'static Register> {
    let found = KEYS.binary_search_by_key(&(register & 0xffff), |(key, _)| u32::from(*key));
    let index = found.ok().and_then(|place| KEYS.get(place)).map(|(_, index)| usize::from(*index));
    match index {
        Some(index) => REGISTERS.get(index),
        None if is_id(register) => Some(&RESERVED_ID),
        None if register >> 14 == 2 => Some(&DEBUG),
        None => None,
    }
}

/// What MRS or SYSL (`read`), MSR or SYS does at EL0 with an encoding that the table has no entry for.
///
/// FEAT_IDST gives a syndrome to all reads of the ID space: op0 = 3, op1 = 0, 1 or 3, CRn = 0, CRm = 0 to 7.
pub const fn unnamed(register: SysReg, read: bool) -> Outcomes {
    let id = matches!(register >> 11, 0b11_000 | 0b11_001 | 0b11_011) && register & 0x7ff < 0x40;
    [if read && id { Outcome::Traps(0x18) } else { Outcome::Traps(0) }, Outcome::Traps(0), Outcome::Traps(0)]
}

/// What is left of an access of EL0 that traps with its syndrome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The guest's kernel takes it.
    Gated,
    /// A timer: by the guest's CNTKCTL_EL1.
    Timer,
    /// The VMM answers.
    Platform,
    /// Undefined.
    Undefined,
}

/// [`User`] of a register, SYS operation, or field of PSTATE (op0 = 0).
pub fn user(register: SysReg) -> User {
    let op0 = register >> 14;
    match find(register).map(|entry| entry.handling) {
        _ if op0 == 0 => User::Gated,
        Some(Handling::Timer) => User::Timer,
        Some(Handling::Platform) if op0 == 2 => User::Platform,
        Some(Handling::Platform | Handling::Identity | Handling::Native | Handling::Daif) => User::Gated,
        _ => User::Undefined,
    }
}

/// Whether the hardware does the SYS operation at EL0 if the gates are open.
pub fn is_native(operation: SysReg) -> bool {
    find(operation).is_some_and(|entry| entry.handling == Handling::Native)
}

/// In [`QUICK`]: a register of the GIC CPU interface; bit 0: it can be read, bit 1: written.
pub const ICC: u8 = 0xf0;
/// In [`QUICK`], with a slot: reads are quick, but the hardware must be told of a write.
pub const NOTED: usize = 0x40;
/// In [`QUICK`]: not here.
pub const SLOW: u8 = 0xff;

/// For each register with op0 = 3 and op1 = 0, by CRn:CRm:op2: its slot, if a read gives it and a write replaces it, masked
/// and no more, or with [`NOTED`]; [`ICC`]; or [`SLOW`].
#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
pub static QUICK: [u8; 1 << 11] = {
    let mut quick = [SLOW; 1 << 11];
    let mut n = 0;
    while n < REGISTERS.len() {
        let entry = &REGISTERS[n];
        if entry.register >> 11 == 0b11_000 {
            quick[(entry.register & 0x7ff) as usize] = match (entry.handling, entry.direction) {
                (Handling::Slot(slot), Direction::ReadWrite) if CHANGES[slot].0 != 0 => (slot | NOTED) as u8,
                (Handling::Slot(slot), Direction::ReadWrite) => slot as u8,
                (Handling::Icc, Direction::ReadOnly) => ICC | 1,
                (Handling::Icc, Direction::WriteOnly) => ICC | 2,
                (Handling::Icc, Direction::ReadWrite) => ICC | 3,
                _ => SLOW,
            };
        }
        n += 1;
    }
    quick
};
