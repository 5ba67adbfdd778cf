//! EL1 and EL0 system registers of a vCPU: saved and loaded at a world switch.

use super::sysreg::*;
use abi::vcpu::sys;

/// Features that decide which registers exist.
#[derive(Clone, Copy)]
pub struct Features {
    /// FEAT_PAuth: key registers.
    pub pauth: bool,
    /// AArch32 at EL1: DACR32_EL2, IFSR32_EL2. (FPEXC32_EL2 is without effect while EL1 is AArch64, and traps with FP.)
    pub aarch32: bool,
    /// FEAT_RAS: VDISR_EL2.
    pub ras: bool,
}

macro_rules! table {
    ($($index:ident $reg:ident),* $(,)?) => {
        fn save_common(s: &mut [u64; sys::COUNT]) { $( s[sys::$index] = $reg::read(); )* }
        fn load_common(s: &[u64; sys::COUNT]) { $( $reg::write(s[sys::$index]); )* }
    };
}

table! {
    CPACR_EL1 cpacr_el1, TTBR0_EL1 ttbr0_el1, TTBR1_EL1 ttbr1_el1, TCR_EL1 tcr_el1, MAIR_EL1 mair_el1,
    AMAIR_EL1 amair_el1, VBAR_EL1 vbar_el1, ESR_EL1 esr_el1, FAR_EL1 far_el1, AFSR0_EL1 afsr0_el1, AFSR1_EL1 afsr1_el1,
    ELR_EL1 elr_el1, SPSR_EL1 spsr_el1, SP_EL1 sp_el1, TPIDR_EL0 tpidr_el0, TPIDRRO_EL0 tpidrro_el0,
    TPIDR_EL1 tpidr_el1, CONTEXTIDR_EL1 contextidr_el1, PAR_EL1 par_el1, CSSELR_EL1 csselr_el1,
    CNTKCTL_EL1 cntkctl_el1, CNTV_CTL_EL0 cntv_ctl_el0, CNTV_CVAL_EL0 cntv_cval_el0, MDSCR_EL1 mdscr_el1,
    ICH_VMCR_EL2 ich_vmcr_el2, ICH_AP0R0_EL2 ich_ap0r0_el2, ICH_AP1R0_EL2 ich_ap1r0_el2,
}

macro_rules! keys {
    ($($index:ident $reg:ident),* $(,)?) => {
        fn save_keys(s: &mut [u64; sys::COUNT]) { $( s[sys::$index] = $reg::read(); )* }
        fn load_keys(s: &[u64; sys::COUNT]) { $( $reg::write(s[sys::$index]); )* }
    };
}

keys! {
    APIAKEYLO_EL1 apiakeylo_el1, APIAKEYHI_EL1 apiakeyhi_el1, APIBKEYLO_EL1 apibkeylo_el1, APIBKEYHI_EL1 apibkeyhi_el1,
    APDAKEYLO_EL1 apdakeylo_el1, APDAKEYHI_EL1 apdakeyhi_el1, APDBKEYLO_EL1 apdbkeylo_el1, APDBKEYHI_EL1 apdbkeyhi_el1,
    APGAKEYLO_EL1 apgakeylo_el1, APGAKEYHI_EL1 apgakeyhi_el1,
}

/// Registers → memory. SCTLR_EL1 and SP_EL0 are kept apart: they differ between guest and handler.
pub fn save(s: &mut [u64; sys::COUNT], f: Features) {
    save_common(s);
    if f.pauth {
        save_keys(s);
    }
    if f.aarch32 {
        s[sys::DACR32_EL2] = dacr32_el2::read();
        s[sys::IFSR32_EL2] = ifsr32_el2::read();
    }
    if f.ras {
        s[sys::DISR_EL1] = vdisr_el2::read();
    }
}

/// Memory → registers.
pub fn load(s: &[u64; sys::COUNT], f: Features) {
    // The timer first, disabled, so that no half-loaded deadline fires.
    cntv_ctl_el0::write(0);
    load_common(s);
    if f.pauth {
        load_keys(s);
    }
    if f.aarch32 {
        dacr32_el2::write(s[sys::DACR32_EL2]);
        ifsr32_el2::write(s[sys::IFSR32_EL2]);
    }
    if f.ras {
        vdisr_el2::write(s[sys::DISR_EL1]);
    }
}
