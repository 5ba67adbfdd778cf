//! What the kernel lets guests and domains do: the EL2 control registers, in one place (`docs/internals/sensitive.md`).

use crate::arch::{el1, isb, sysreg::*};
use core::sync::atomic::{AtomicBool, Ordering};

const HCR_VM: u64 = 1;
const HCR_SWIO: u64 = 1 << 1;
/// What a classic guest runs without: stage 2.
pub const HCR_STAGE2: u64 = HCR_VM | HCR_SWIO;
/// A virtual IRQ is pending.
pub const HCR_VI: u64 = 1 << 7;
const HCR_FMO_IMO_AMO: u64 = 7 << 3;
const HCR_DC: u64 = 1 << 12;
/// WFI traps.
pub const HCR_TWI: u64 = 1 << 13;
const HCR_TID3: u64 = 1 << 18;
const HCR_TSC: u64 = 1 << 19;
const HCR_TIDCP: u64 = 1 << 20;
const HCR_TACR: u64 = 1 << 21;
const HCR_TSW: u64 = 1 << 22;
const HCR_TGE: u64 = 1 << 27;
/// EL1 is AArch64.
pub const HCR_RW: u64 = 1 << 31;
const HCR_TLOR: u64 = 1 << 35;
/// Error record registers trap: a guest's ESB uses VDISR_EL2 (FEAT_RAS).
pub const HCR_TERR: u64 = 1 << 36;
const HCR_TEA: u64 = 1 << 37;
/// The guest has pointer authentication.
pub const HCR_APK_API: u64 = 3 << 40;

/// HCR_EL2 while a domain runs: stage 1 off and default cacheable, all exceptions to EL2.
pub const HCR_DOMAIN: u64 = HCR_VM | HCR_FMO_IMO_AMO | HCR_DC | HCR_TIDCP | HCR_TGE | HCR_RW;
/// HCR_EL2 while a guest runs that has its core alone, on a core with all features.
const HCR_GUEST: u64 = HCR_VM
    | HCR_SWIO
    | HCR_FMO_IMO_AMO
    | HCR_TID3
    | HCR_TSC
    | HCR_TIDCP
    | HCR_TACR
    | HCR_TSW
    | HCR_RW
    | HCR_TLOR
    | HCR_TERR
    | HCR_TEA
    | HCR_APK_API;

/// SCTLR_EL1 while a domain runs: RES1 bits, EOS/EIS/SPAN/nTLSMD/LSMAOE, UCI, UCT, DZE, nTWI, nTWE; little-endian.
pub const SCTLR_DOMAIN: u64 = 0x30d0_0980 | 1 << 26 | 1 << 18 | 1 << 16 | 1 << 15 | 1 << 14;

/// SCTLR_EL1 while a classic guest runs: MMU and caches on, SA; RES1 bits, EOS/EIS/SPAN/nTLSMD/LSMAOE, SED, ITD. Its VMM adds
/// `CLASSIC_GATES`.
pub const SCTLR_CLASSIC: u64 = 0x30d0_0980 | 1 << 12 | 1 << 3 | 1 << 2 | 1;
/// MAIR_EL1 of a classic guest: attribute 7 write-back, 1 device-nGnRE.
pub const MAIR_CLASSIC: u64 = 0xff << 56 | 0x04 << 8;
/// TCR_EL1 of a classic guest: both halves 48 bits, 4 KiB granule, write-back inner-shareable walks, 16-bit ASIDs; IPS is
/// added.
const TCR_CLASSIC: u64 = 1 << 36 | 2 << 30 | 3 << 28 | 1 << 26 | 1 << 24 | 16 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 16;

/// CPTR_EL2: SVE, SME, trace and AMU trap always.
pub const CPTR_BASE: u64 = 0x33ff | 1 << 20 | 1 << 30;
/// CPTR_EL2.TFP: FP/SIMD traps.
pub const CPTR_TFP: u64 = 1 << 10;

/// VTCR_EL2: 39-bit IPA from level 1, 4 KiB granule, write-back inner-shareable walks, 8-bit VMIDs; PS is added.
const VTCR: u64 = 1 << 31 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 25;

/// MDCR_EL2: debug registers, OS lock, PMU and trace filters trap.
const MDCR_TRAPS: u64 = 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 19;

/// All cores have AArch32 at EL0.
pub static AARCH32: AtomicBool = AtomicBool::new(true);
/// All cores have AArch32 at EL1.
pub static AARCH32_EL1: AtomicBool = AtomicBool::new(true);

/// A field of an ID register.
pub fn field(register: u64, shift: u32) -> u64 {
    (register >> shift) & 0xf
}

/// HCR_EL2 while a guest runs that has this core alone: without the bits that are RES0 here.
pub fn hcr_guest() -> u64 {
    let pauth = id_aa64isar1_el1::read() & 0xff00_0ff0 != 0 || id_aa64isar2_el1::read() & 0xff00 != 0;
    let ras = field(id_aa64pfr0_el1::read(), 28) != 0;
    let lor = field(id_aa64mmfr1_el1::read(), 16) != 0;
    let absent = |has: bool, bits: u64| if has { 0 } else { bits };
    HCR_GUEST & !(absent(pauth, HCR_APK_API) | absent(ras, HCR_TERR | HCR_TEA) | absent(lor, HCR_TLOR))
}

/// TCR_EL1 for a classic guest, TBI0 and TBI1 as its VMM wants; IPS is VTCR_EL2.PS.
pub fn tcr_classic(wanted: u64) -> u64 {
    TCR_CLASSIC | (vtcr_el2::read() >> 16 & 7) << 32 | wanted & 3 << 37
}

/// Sets the EL2 registers that stay as they are while the kernel runs (each core).
pub fn init_core() {
    let parange = field(id_aa64mmfr0_el1::read(), 0).min(5);
    vtcr_el2::write(VTCR | parange << 16);
    hcr_el2::write(HCR_RW);
    hstr_el2::write(0);
    let pmu = field(id_aa64dfr0_el1::read(), 8);
    let counters = if pmu != 0 && pmu != 0xf { mdcr_el2::read() & 0x1f } else { 0 };
    mdcr_el2::write(MDCR_TRAPS | counters);
    cptr_el2::write(CPTR_BASE);
    cnthctl_el2::write(1); // EL1PCTEN: counter untrapped; EL1PCEN 0: physical timer traps
    cntvoff_el2::write(0);
    cnthp_ctl_el2::write(0);
    vpidr_el2::write(midr_el1::read());
    mdscr_el1::write(0);
    let mmfr0 = id_aa64mmfr0_el1::read();
    if field(mmfr0, 56) != 0 {
        // FEAT_FGT: no trap but those that are on when 0, which are of features that guests are not shown.
        hfgrtr_el2::write(0);
        hfgwtr_el2::write(0);
        hfgitr_el2::write(0);
        hdfgrtr_el2::write(0);
        hdfgwtr_el2::write(0);
    }
    if field(id_aa64mmfr1_el1::read(), 40) != 0 {
        let mops = field(id_aa64isar2_el1::read(), 16) != 0;
        hcrx_el2::write(u64::from(mops) << 11); // MSCEn
    }
    let pfr0 = id_aa64pfr0_el1::read();
    AARCH32.fetch_and(field(pfr0, 0) == 2, Ordering::Relaxed);
    AARCH32_EL1.fetch_and(field(pfr0, 4) == 2, Ordering::Relaxed);
    if field(pfr0, 4) == 2 {
        fpexc32_el2::write(el1::FPEXC_EN);
    }
    isb();
}
