//! EL1 and EL0 system registers of a vCPU: saved and loaded at a world switch, two at a time.

use super::sysreg::{mrs, msr, vdisr_el2};
use crate::config::{HCR_APK_API, HCR_TERR};
use abi::vcpu::sys;
use core::cell::Cell;

/// FPEXC32_EL2.EN.
pub const FPEXC_EN: u64 = 1 << 30;

/// Registers by `abi::vcpu::sys`.
pub type Words = [Cell<u64>; sys::COUNT];

macro_rules! pairs {
    ($vis:vis $save:ident $load:ident: $($i:ident $first:literal, $j:ident $second:literal;)*) => {
        /// Registers → memory.
        #[inline(always)]
        $vis fn $save(s: &Words) { $(
            let (first, second) = (mrs!($first), mrs!($second));
            s[sys::$i].set(first);
            s[sys::$j].set(second);
        )* }
        /// Memory → registers.
        #[inline(always)]
        $vis fn $load(s: &Words) { $(
            let (first, second) = (s[sys::$i].get(), s[sys::$j].get());
            msr!($first, first);
            msr!($second, second);
        )* }
    };
}

pairs! { save_common load_common:
    CPACR_EL1 "cpacr_el1", TTBR0_EL1 "ttbr0_el1";
    TTBR1_EL1 "ttbr1_el1", TCR_EL1 "tcr_el1";
    MAIR_EL1 "mair_el1", AMAIR_EL1 "amair_el1";
    VBAR_EL1 "vbar_el1", ESR_EL1 "esr_el1";
    FAR_EL1 "far_el1", AFSR0_EL1 "afsr0_el1";
    AFSR1_EL1 "afsr1_el1", ELR_EL1 "elr_el1";
    SP_EL1 "sp_el1", TPIDR_EL0 "tpidr_el0";
    TPIDRRO_EL0 "tpidrro_el0", TPIDR_EL1 "tpidr_el1";
    CONTEXTIDR_EL1 "contextidr_el1", PAR_EL1 "par_el1";
    CSSELR_EL1 "csselr_el1", CNTKCTL_EL1 "cntkctl_el1";
    // The timer was off: it is turned on with its deadline in place.
    CNTV_CVAL_EL0 "cntv_cval_el0", CNTV_CTL_EL0 "cntv_ctl_el0";
    ICH_VMCR_EL2 "s3_4_c12_c11_7", ICH_AP0R0_EL2 "s3_4_c12_c8_0";
    ICH_AP1R0_EL2 "s3_4_c12_c9_0", SPSR_EL1 "spsr_el1";
}

pairs! { save_keys load_keys:
    APIAKEYLO_EL1 "s3_0_c2_c1_0", APIAKEYHI_EL1 "s3_0_c2_c1_1";
    APIBKEYLO_EL1 "s3_0_c2_c1_2", APIBKEYHI_EL1 "s3_0_c2_c1_3";
    APDAKEYLO_EL1 "s3_0_c2_c2_0", APDAKEYHI_EL1 "s3_0_c2_c2_1";
    APDBKEYLO_EL1 "s3_0_c2_c2_2", APDBKEYHI_EL1 "s3_0_c2_c2_3";
    APGAKEYLO_EL1 "s3_0_c2_c3_0", APGAKEYHI_EL1 "s3_0_c2_c3_1";
}

// What only AArch32 guests have, and no other sees.
pairs! { pub save_aarch32 load_aarch32:
    DACR32_EL2 "dacr32_el2", IFSR32_EL2 "ifsr32_el2";
    SPSR_ABT "spsr_abt", SPSR_UND "spsr_und";
    SPSR_IRQ "spsr_irq", SPSR_FIQ "spsr_fiq";
}

/// Registers → memory, those that `hcr` says exist. SCTLR_EL1 and SP_EL0 are kept apart: they differ between guest and
/// handler. MDSCR_EL1 is 0 always. Not in line: by its own base register the words can be stored in pairs.
#[inline(never)]
pub fn save(s: &Words, hcr: u64) {
    save_common(s);
    if hcr & HCR_APK_API != 0 {
        save_keys(s);
    }
    if hcr & HCR_TERR != 0 {
        s[sys::DISR_EL1].set(vdisr_el2::read());
    }
}

/// Memory → registers.
pub fn load(s: &Words, hcr: u64) {
    load_common(s);
    if hcr & HCR_APK_API != 0 {
        load_keys(s);
    }
    if hcr & HCR_TERR != 0 {
        vdisr_el2::write(s[sys::DISR_EL1].get());
    }
}
