//! The controls of EL1 that decide what traps at EL0.

use classic::table::{Gate, KERNEL_VIEW};
use guest_base::{read_sysreg, write_sysreg};

/// CPACR_EL1.FPEN, ZEN, SMEN = 0b01: EL1 does not trap. Bit 1 of each opens EL0.
const CPACR: u64 = 1 << 16 | 1 << 20 | 1 << 24;
/// SCTLR_EL1.TSCXT, which closes.
const TSCXT: u64 = 1 << 20;
/// MDSCR_EL1.TDCC, which closes.
const TDCC: u64 = 1 << 12;

/// Which gates are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gates {
    /// None.
    Closed,
    /// All.
    Open,
    /// All but one.
    AllBut(Gate),
    /// Those of the classic engine while the guest's kernel runs.
    KernelView,
}

impl Gates {
    /// Whether a gate is open.
    pub fn is_open(self, gate: Gate) -> bool {
        match self {
            Self::Closed => false,
            Self::Open => true,
            // Either of two opens it.
            Self::AllBut(Gate::El0Cten) => !matches!(gate, Gate::El0Cten | Gate::El0Pcten | Gate::El0Vcten),
            Self::AllBut(closed) => gate != closed,
            Self::KernelView => KERNEL_VIEW.contains(&gate),
        }
    }

    /// Sets them.
    pub fn set(self) {
        let [mut sctlr, mut cntkctl, mut cpacr, mut pmuserenr, mut mdscr] = [0; 5];
        let mut all = 0;
        for gate in Gate::ALL {
            let (register, bits) = place(gate);
            let open = if self.is_open(gate) { bits } else { 0 };
            match register {
                Register::Sctlr => (sctlr, all) = (sctlr | open, all | bits),
                Register::Cntkctl => cntkctl |= open,
                Register::Cpacr => cpacr |= open,
                Register::Pmuserenr => pmuserenr |= open,
                Register::Mdscr => mdscr |= open,
            }
        }
        write_sysreg!("sctlr_el1", (read_sysreg!("sctlr_el1") & !all | sctlr) ^ TSCXT);
        write_sysreg!("cntkctl_el1", cntkctl);
        write_sysreg!("cpacr_el1", CPACR | cpacr);
        write_sysreg!("pmuserenr_el0", pmuserenr);
        write_sysreg!("mdscr_el1", mdscr ^ TDCC);
    }
}

/// A register with gates.
enum Register {
    Sctlr,
    Cntkctl,
    Cpacr,
    Pmuserenr,
    Mdscr,
}

/// Where a gate is, as bits that are 1 when it is open (but TSCXT and TDCC). That of two others has no bit of its own.
fn place(gate: Gate) -> (Register, u64) {
    match gate {
        Gate::Uma => (Register::Sctlr, 1 << 9),
        Gate::EnRctx => (Register::Sctlr, 1 << 10),
        Gate::Dze => (Register::Sctlr, 1 << 14),
        Gate::Uct => (Register::Sctlr, 1 << 15),
        Gate::Ntwi => (Register::Sctlr, 1 << 16),
        Gate::Tscxt => (Register::Sctlr, TSCXT),
        Gate::Uci => (Register::Sctlr, 1 << 26),
        Gate::MscEn => (Register::Sctlr, 1 << 33),
        Gate::EnTp2 => (Register::Sctlr, 1 << 60),
        Gate::El0Pcten => (Register::Cntkctl, 1 << 0),
        Gate::El0Vcten => (Register::Cntkctl, 1 << 1),
        Gate::El0Cten => (Register::Cntkctl, 0),
        Gate::El0Vten => (Register::Cntkctl, 1 << 8),
        Gate::El0Pten => (Register::Cntkctl, 1 << 9),
        Gate::Tdcc => (Register::Mdscr, TDCC),
        Gate::Pmuserenr => (Register::Pmuserenr, 0b1111),
        Gate::Zen => (Register::Cpacr, 1 << 17),
        Gate::Fpen => (Register::Cpacr, 1 << 21),
        Gate::Smen => (Register::Cpacr, 1 << 25),
    }
}
