//! A virtual EL1 over a hardware EL0.
//!
//! ```text
//!   trap ──► Cpu::trap(esr, far) ─┬─► Trap::Fetch ──► the VMM reads the word at PC ──► Cpu::execute(word) ─┐
//!                                 ├─► Trap::Abort ──► shadow MMU ──► Cpu::take(Exception::abort)           │
//!                                 └─► Trap::Done(Effect) ◄─────────────────────────────────────────────────┘
//! ```
//!
//! The registers of EL1 are in [`Cpu`]; x0–x30, PC, the flags and masks of PSTATE and the current stack pointer are the
//! hardware's, reached by [`Frame`]. PSTATE.M of the hardware is EL0t at all times; the guest's is [`Cpu::mode`]. What
//! needs more than registers is an [`Effect`], for which the VMM acts, then steps over the instruction ([`Frame::skip`])
//! or takes [`Exception::UNDEFINED`]. What the hardware must be told before the guest goes on is in [`Changed`].

mod access;
mod exception;
mod execute;
mod file;
mod frame;
mod state;
#[cfg(test)]
mod tests;

pub use exception::{Exception, Trap};
pub(crate) use file::CHANGES;
pub use file::{Features, Identity, Slot};
pub use frame::{Frame, Plain};
pub use state::{STATE_VERSION, State};

use crate::SysReg;
use file::Masks;

/// PSTATE.M of the guest.
pub mod mode {
    /// EL0.
    pub const EL0T: u64 = 0;
    /// EL1 with SP_EL0.
    pub const EL1T: u64 = 4;
    /// EL1 with SP_EL1.
    pub const EL1H: u64 = 5;
}

/// A read or write of a register that the VMM answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The register.
    pub register: SysReg,
    /// Xt; 31 is XZR.
    pub rt: u8,
    /// MSR, else MRS.
    pub write: bool,
}

/// A cache maintenance instruction that traps at EL1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// DC IVAC of the line of an address; needs write permission (Arm ARM D7.5.9.4).
    Invalidate,
    /// DC ISW, CSW, CISW: by set and way.
    SetWay,
    /// IC IALLU, IALLUIS.
    Instructions,
}

/// What is left to do. But after [`Effect::Next`] and [`Effect::Jump`], PC is still at the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Done; PC is at the next instruction.
    Next,
    /// Done; PC and PSTATE are new: an exception was taken, or returned from.
    Jump,
    /// A register of the GIC CPU interface.
    Icc(Access),
    /// A register of the generic timer or a counter; the guest's own gates are checked.
    Timer(Access),
    /// A register that this VM answers as for any guest: the ID space, debug, ACTLR_EL1.
    Platform(Access),
    /// MRS Xt, ISR_EL1: which interrupts are pending.
    Isr {
        /// Xt.
        rt: u8,
    },
    /// TLB maintenance: see [`crate::tlbi::Tlbi::of`].
    Tlbi {
        /// The operation.
        operation: SysReg,
        /// Its register.
        value: u64,
    },
    /// AT S1E…: translate, then [`Cpu::set_par`].
    At {
        /// The address.
        va: u64,
        /// With the rights of EL0, else EL1.
        user: bool,
        /// As a write.
        write: bool,
    },
    /// Cache maintenance.
    Cache {
        /// Which.
        cache: Cache,
        /// Its register: an address, or set and way.
        value: u64,
    },
    /// WFI.
    Wfi,
    /// WFE.
    Wfe,
    /// HVC #imm.
    Hvc(u16),
    /// SMC #imm.
    Smc(u16),
}

// It comes back in two registers.
const _: () = assert!(size_of::<Effect>() <= 16);

/// What changed since [`Cpu::take_changed`]; bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed(pub u32);

impl Changed {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The exception level: another view, other gates ([`Cpu::gates`]).
    pub const LEVEL: Self = Self(1);
    /// The translation regime: SCTLR_EL1, TCR_EL1, MAIR_EL1.
    pub const REGIME: Self = Self(2);
    /// TTBR0_EL1 or TTBR1_EL1.
    pub const TABLES: Self = Self(4);
    /// SCTLR_EL1: the gates.
    pub const GATES: Self = Self(8);
    /// [`Cpu::cpacr`].
    pub const CPACR: Self = Self(16);
    /// CNTKCTL_EL1.
    pub const CNTKCTL: Self = Self(32);
    /// TPIDRRO_EL0.
    pub const TPIDRRO: Self = Self(64);
    /// All: what a vCPU that was reset or loaded has.
    pub const ALL: Self = Self(127);

    /// Whether it has any bit of `other`.
    #[inline]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both.
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Virtual EL1 of a vCPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// One of [`mode`].
    mode: u64,
    changed: Changed,
    /// By [`Slot`]. Of SP_EL0 and SP_EL1 the one in use is in the frame.
    regs: [u64; Slot::COUNT],
    masks: Masks,
    identity: Identity,
    features: Features,
}

impl Cpu {
    /// PSTATE at reset: D, A, I and F masked (Arm ARM D1.9).
    pub const RESET_PSTATE: u64 = 0x3c0;

    /// A vCPU as at reset, in EL1h.
    pub fn new(identity: Identity, features: Features) -> Self {
        let mut regs = [0; Slot::COUNT];
        if let Some(sctlr) = regs.get_mut(Slot::SCTLR_EL1) {
            *sctlr = file::SCTLR_RES1;
        }
        Self { mode: mode::EL1H, changed: Changed::ALL, regs, masks: Masks::new(features), identity, features }
    }

    /// The guest's PSTATE.M.
    #[inline]
    pub const fn mode(&self) -> u64 {
        self.mode
    }

    /// Whether the guest is at EL1.
    #[inline]
    pub const fn privileged(&self) -> bool {
        self.mode != mode::EL0T
    }

    /// A register; 0 for what is no slot.
    #[inline]
    pub fn get(&self, slot: usize) -> u64 {
        self.regs.get(slot).copied().unwrap_or(0)
    }

    #[inline]
    fn put(&mut self, slot: usize, value: u64) {
        if let Some(place) = self.regs.get_mut(slot) {
            *place = value;
        }
    }

    /// What changed since the last call.
    #[inline]
    pub fn take_changed(&mut self) -> Changed {
        core::mem::take(&mut self.changed)
    }

    /// SCTLR_EL1 for the hardware, at the current level. The guest's kernel has all gates open, but WFI and WFE trap
    /// always; its user has those that the kernel gave it.
    #[inline]
    pub fn gates(&self) -> u64 {
        use file::sctlr::{A, DZE, SA, SA0, UCI, UCT, UMA};
        let own = self.get(Slot::SCTLR_EL1);
        if self.mode == mode::EL0T {
            return own & (A | SA0 | UMA | DZE | UCT | UCI);
        }
        let sa0 = if own & SA != 0 { SA0 } else { 0 };
        own & A | sa0 | UMA | DZE | UCT | UCI
    }

    /// CPACR_EL1 for the hardware, at the current level: FPEN = 0b11 or 0.
    #[inline]
    pub fn cpacr(&self) -> u64 {
        let fpen = self.get(Slot::CPACR_EL1) & file::FPEN;
        let open = if self.privileged() { fpen & file::FPEN_EL1 != 0 } else { fpen == file::FPEN };
        if open { file::FPEN } else { 0 }
    }

    /// CNTKCTL_EL1 for the hardware: user access to the counters and the event stream are as the guest has them, the
    /// timers trap.
    #[inline]
    pub fn cntkctl(&self) -> u64 {
        self.get(Slot::CNTKCTL_EL1) & file::CNTKCTL_HARDWARE
    }

    /// Goes to another mode: banks the stack pointer.
    #[inline]
    fn set_mode(&mut self, mode: u64, frame: &mut impl Frame) {
        let (old, new) = (bank(self.mode), bank(mode));
        if old != new {
            self.put(old, frame.sp());
            frame.set_sp(self.get(new));
        }
        if self.mode == mode::EL0T || mode == mode::EL0T {
            let fp =
                if self.get(Slot::CPACR_EL1) & file::FPEN == file::FPEN_EL1 { Changed::CPACR } else { Changed::NONE };
            self.changed = self.changed.and(Changed::LEVEL).and(fp);
        }
        self.mode = mode;
    }
}

/// Which stack pointer a mode uses.
const fn bank(mode: u64) -> usize {
    if mode == mode::EL1H { Slot::SP_EL1 } else { Slot::SP_EL0 }
}
