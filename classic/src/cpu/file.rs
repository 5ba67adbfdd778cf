//! The register file: where each register is kept, and which of its bits can be written.

use super::Changed;
use crate::tlbi;
use crate::{SysReg, sysreg};

/// Index of a register in the file.
pub struct Slot;

#[allow(missing_docs, reason = "each is the Arm ARM's register of that name")]
impl Slot {
    pub const SPSR_EL1: usize = 0;
    pub const ELR_EL1: usize = 1;
    pub const SP_EL0: usize = 2;
    pub const SP_EL1: usize = 3;
    pub const ESR_EL1: usize = 4;
    pub const FAR_EL1: usize = 5;
    pub const TPIDR_EL1: usize = 6;
    pub const VBAR_EL1: usize = 7;
    pub const SCTLR_EL1: usize = 8;
    pub const TCR_EL1: usize = 9;
    pub const TTBR0_EL1: usize = 10;
    pub const TTBR1_EL1: usize = 11;
    pub const MAIR_EL1: usize = 12;
    pub const CONTEXTIDR_EL1: usize = 13;
    pub const CPACR_EL1: usize = 14;
    pub const CNTKCTL_EL1: usize = 15;
    pub const TPIDRRO_EL0: usize = 16;
    pub const PAR_EL1: usize = 17;
    pub const CSSELR_EL1: usize = 18;
    /// Number of slots.
    pub const COUNT: usize = 19;
}

/// Bits of SCTLR_EL1.
pub mod sctlr {
    /// MMU.
    pub const M: u64 = 1;
    /// Alignment check.
    pub const A: u64 = 1 << 1;
    /// Stack alignment check at EL1.
    pub const SA: u64 = 1 << 3;
    /// Stack alignment check at EL0.
    pub const SA0: u64 = 1 << 4;
    /// DAIF at EL0.
    pub const UMA: u64 = 1 << 9;
    /// DC ZVA at EL0.
    pub const DZE: u64 = 1 << 14;
    /// CTR_EL0 at EL0.
    pub const UCT: u64 = 1 << 15;
    /// WFI at EL0.
    pub const NTWI: u64 = 1 << 16;
    /// WFE at EL0.
    pub const NTWE: u64 = 1 << 18;
    /// Writable is not executable.
    pub const WXN: u64 = 1 << 19;
    /// Cache maintenance at EL0.
    pub const UCI: u64 = 1 << 26;
    /// PSTATE.SSBS on exceptions.
    pub const DSSBS: u64 = 1 << 44;
    /// Data and instruction caches.
    pub const C_I: u64 = 1 << 2 | 1 << 12;
}

/// SCTLR_EL1 as shown: LSMAOE, nTLSMD, SPAN, EIS, TSCXT and EOS are RES1 where their features are absent, SED and ITD
/// where EL0 has no AArch32 (Arm ARM D24.2.163).
pub const SCTLR_RES1: u64 = 0x30d0_0980;
const SCTLR_WRITABLE: u64 = {
    use sctlr::{A, C_I, DZE, M, NTWE, NTWI, SA, SA0, UCI, UCT, UMA, WXN};
    M | A | C_I | SA | SA0 | UMA | DZE | UCT | NTWI | NTWE | WXN | UCI
};
/// CPACR_EL1.FPEN.
pub const FPEN: u64 = 3 << 20;
/// FPEN: not trapped at EL1.
pub const FPEN_EL1: u64 = 1 << 20;
/// CNTKCTL_EL1: EL0PCTEN, EL0VCTEN, EVNTEN, EVNTDIR, EVNTI, without EL0VTEN and EL0PTEN.
pub const CNTKCTL_HARDWARE: u64 = 0xff;
/// T0SZ EPD0 IRGN0 ORGN0 SH0 TG0, the same of 1 with A1, IPS, AS, TBI0, TBI1, E0PD0, E0PD1.
const TCR_WRITABLE: u64 = 0xffff_ffbf | 7 << 32 | 1 << 36 | 3 << 37 | 3 << 55;
const SPSR_DIT: u64 = 1 << 24;
const SPSR_SSBS: u64 = 1 << 12;
/// N Z C V, SS, IL, D A I F, M.
const SPSR_ALWAYS: u64 = 0xf000_0000 | 3 << 20 | 0x3df;

/// What depends on the CPU's features as shown to the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// FEAT_SSBS: PSTATE.SSBS and SCTLR_EL1.DSSBS.
    pub ssbs: bool,
    /// FEAT_DIT.
    pub dit: bool,
    /// Of TLB maintenance.
    pub tlbi: tlbi::Features,
}

impl Features {
    /// From the ID registers as the guest sees them.
    pub fn of(id: impl Fn(SysReg) -> u64) -> Self {
        let field = |crm, op2, lsb: u32| id(sysreg(3, 0, 0, crm, op2)) >> lsb & 0xf;
        let tlb = field(6, 0, 56);
        Self {
            ssbs: field(4, 1, 4) != 0,
            dit: field(4, 0, 48) != 0,
            tlbi: tlbi::Features { outer: tlb >= 1, range: tlb >= 2, xs: field(6, 1, 56) != 0 },
        }
    }
}

/// Who the vCPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// MIDR_EL1.
    pub midr: u64,
    /// MPIDR_EL1.
    pub mpidr: u64,
    /// REVIDR_EL1.
    pub revidr: u64,
    /// CLIDR_EL1.
    pub clidr: u64,
    /// CCSIDR_EL1 by CSSELR_EL1: level << 1 | instruction. 0: no such cache.
    pub ccsidr: [u64; 14],
}

impl Identity {
    /// With one level of caches, of one set and one way with lines of 64 bytes: maintenance by set and way, which has no
    /// effect here, is done with one trap then. The VMM cannot know the host's.
    pub const fn new(midr: u64, mpidr: u64) -> Self {
        /// Ctype1: separate instruction and data caches; LoUIS, LoC and LoUU: 1.
        const CLIDR: u64 = 3 | 1 << 21 | 1 << 24 | 1 << 27;
        const LINE_64: u64 = 2;
        let mut ccsidr = [0; 14];
        (ccsidr[0], ccsidr[1]) = (LINE_64, LINE_64);
        Self { midr, mpidr, revidr: 0, clidr: CLIDR, ccsidr }
    }
}

/// Which bits of each register can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks(pub [u64; Slot::COUNT]);

impl Masks {
    pub const fn new(features: Features) -> Self {
        let mut masks = [u64::MAX; Slot::COUNT];
        masks[Slot::SPSR_EL1] = pstate_bits(features) | 0x1f;
        masks[Slot::VBAR_EL1] = !0x7ff;
        masks[Slot::SCTLR_EL1] = SCTLR_WRITABLE | if features.ssbs { sctlr::DSSBS } else { 0 };
        masks[Slot::TCR_EL1] = TCR_WRITABLE;
        // CnP is RES0 without FEAT_TTCNP.
        masks[Slot::TTBR0_EL1] = !1;
        masks[Slot::TTBR1_EL1] = !1;
        masks[Slot::CONTEXTIDR_EL1] = 0xffff_ffff;
        masks[Slot::CPACR_EL1] = FPEN;
        masks[Slot::CNTKCTL_EL1] = 0x3ff;
        masks[Slot::CSSELR_EL1] = 0xf;
        Self(masks)
    }
}

/// Bits of PSTATE but M that the guest has.
pub const fn pstate_bits(features: Features) -> u64 {
    SPSR_ALWAYS & !0x1f | if features.dit { SPSR_DIT } else { 0 } | if features.ssbs { SPSR_SSBS } else { 0 }
}

/// What a write of each register changes beside its value.
pub const CHANGES: [Changed; Slot::COUNT] = {
    let mut changes = [Changed::NONE; Slot::COUNT];
    changes[Slot::SCTLR_EL1] = Changed::REGIME.and(Changed::GATES);
    changes[Slot::TCR_EL1] = Changed::REGIME;
    changes[Slot::MAIR_EL1] = Changed::REGIME;
    changes[Slot::TTBR0_EL1] = Changed::TABLES;
    changes[Slot::TTBR1_EL1] = Changed::TABLES;
    changes[Slot::CPACR_EL1] = Changed::CPACR;
    changes[Slot::CNTKCTL_EL1] = Changed::CNTKCTL;
    changes[Slot::TPIDRRO_EL0] = Changed::TPIDRRO;
    changes
};
