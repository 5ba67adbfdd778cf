//! What a VMM may load into registers of EL2: each value is read once from a shared page and masked here.

use abi::vcpu::MAX_LRS;

/// SPSR_EL2 (Arm ARM C5.2.19).
mod bits {
    /// M\[4:0\]: AArch32 state, exception level, stack pointer.
    pub const M: u64 = 0x1f;
    pub const EL0T: u64 = 0b0_0000;
    pub const EL1T: u64 = 0b0_0100;
    pub const EL1H: u64 = 0b0_0101;
    /// AArch32 User.
    pub const USR: u64 = 0b1_0000;
    /// AArch32 Supervisor.
    pub const SVC: u64 = 0b1_0011;
    /// N Z C V, TCO DIT UAO PAN, SS IL, ALLINT SSBS BTYPE, D A I F.
    pub const AARCH64: u64 = 0xf000_0000 | 0x03f0_0000 | 0x3fc0;
    /// N Z C V, DIT, SSBS BTYPE.
    pub const DOMAIN: u64 = 0xf100_1c00;
    /// N Z C V Q IT DIT SSBS PAN SS IL GE IT E A I F T: all of the low word but M.
    pub const AARCH32: u64 = 0xffff_ffe0;
}

/// Bits of SPSR_EL2 that [`guest_spsr`] lets through for EL0t, EL1t and EL1h.
pub const GUEST_SPSR: u64 = bits::AARCH64 | bits::M;

/// SPSR_EL2 for the entry of a guest: EL0t, EL1t, EL1h, AArch32 User if the core has AArch32 at EL0 (`aarch32`:
/// ID_AA64PFR0_EL1.EL0 = 2; the return would be illegal otherwise, and the kernel would go on at the guest's address).
/// Any other mode becomes EL1h.
///
/// SS stays: it acts only while the guest's own MDSCR_EL1.SS is set, and a guest's debugger needs it over an exit. IL
/// stays: the guest, not EL2, takes the Illegal Execution state exception. Bits 63:32 are cleared.
#[inline]
#[must_use]
pub const fn guest_spsr(raw: u64, aarch32: bool) -> u64 {
    match raw & bits::M {
        bits::EL1H | bits::EL0T | bits::EL1T => raw & (bits::AARCH64 | bits::M),
        bits::USR if aarch32 => raw & bits::AARCH32 | bits::USR,
        _ => raw & bits::AARCH64 | bits::EL1H,
    }
}

/// SPSR_EL2 for the entry of a guest whose EL1 is AArch32: User, FIQ, IRQ, Supervisor, Abort, Undefined or System; any
/// other mode (Monitor, Hyp, AArch64) becomes Supervisor.
#[inline]
#[must_use]
pub const fn guest_spsr32(raw: u64) -> u64 {
    let mode = match raw & bits::M {
        mode @ (0x10..=0x13 | 0x17 | 0x1b | 0x1f) => mode,
        _ => bits::SVC,
    };
    raw & bits::AARCH32 | mode
}

/// Bits of SPSR_EL2 for the entry of a classic guest: N Z C V, TCO DIT, SSBS BTYPE, D A I F; M = 0 is EL0t.
pub const CLASSIC_SPSR: u64 = 0xf300_1fc0;

/// SCTLR_EL1 for a classic guest: A, SA0, UMA, DZE, UCT, nTWI, nTWE, UCI, MSCEn are its VMM's.
pub const CLASSIC_GATES: u64 = 1 << 1 | 1 << 4 | 1 << 9 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26 | 1 << 33;

/// SPSR_EL2 for the entry of a domain: EL0t, nothing masked, no step; flags, SSBS, DIT and BTYPE as it had them.
#[inline]
#[must_use]
pub const fn domain_spsr(raw: u64) -> u64 {
    raw & bits::DOMAIN | bits::EL0T
}

/// ICH_LR\<n\>_EL2 (IHI 0069H 12.4.6).
mod lr {
    pub const STATE: u64 = 3 << 62;
    pub const GROUP: u64 = 1 << 60;
    pub const PRIORITY: u64 = 0xff << 48;
    /// With HW = 0: ask for a maintenance interrupt at EOI. The rest of pINTID is reserved then.
    pub const EOI: u64 = 1 << 41;
    pub const VINTID: u64 = 0xffff_ffff;
    /// From here to [`LPI`]: special INTIDs, unpredictable in a list register, and the extended ranges, not offered.
    pub const SPECIAL: u64 = 1020;
    pub const LPI: u64 = 8192;
}

/// ICH_LR\<n\>_EL2 as a VMM wants it, without HW and pINTID. Invalid (0) if its state is, and if it names an INTID that
/// is none or that is the kernel's own, `timer_vintid`.
#[inline]
#[must_use]
pub const fn guest_lr(raw: u64, timer_vintid: u32) -> u64 {
    let vintid = raw & lr::VINTID;
    let reserved = vintid >= lr::SPECIAL && vintid < lr::LPI;
    if raw & lr::STATE == 0 || reserved || vintid == timer_vintid as u64 {
        return 0;
    }
    raw & (lr::STATE | lr::GROUP | lr::PRIORITY | lr::EOI | lr::VINTID)
}

/// ICH_HCR_EL2 as a VMM wants it: UIE, LRENPIE, NPIE only (IHI 0069H 12.4.5).
#[inline]
#[must_use]
pub const fn guest_ich_hcr(raw: u64) -> u64 {
    raw & 0b1110
}

/// Bits of a `dirty` word that name list registers of the VMM: all that are implemented but LR0.
#[inline]
#[must_use]
pub const fn guest_dirty(raw: u64, lr_count: usize) -> u64 {
    let count = if lr_count < MAX_LRS { lr_count } else { MAX_LRS };
    raw & ((1 << count) - 1) & !1
}
