//! System registers, each a module with `read` and `write`; [`mrs`] and [`msr`] for those that have one user.

/// Reads the register of a name.
macro_rules! mrs {
    ($($name:tt)+) => {{
        let value: u64;
        // SAFETY: reading a system register has no effect on memory; the kernel runs at EL2.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $($name)+), out(reg) value, options(nomem, nostack, preserves_flags)) }
        value
    }};
}
/// Writes the register of a name.
macro_rules! msr {
    ($name:literal, $value:expr) => {
        // SAFETY: writers keep the rules of docs/internals/unseen.md: what a lower level may do is decided in `config`,
        // `space`, `switch` and `state` only.
        unsafe { core::arch::asm!(concat!("msr ", $name, ", {}"), in(reg) $value, options(nostack, preserves_flags)) }
    };
}
pub(super) use {mrs, msr};

macro_rules! sysregs {
    ($($module:ident $name:literal),* $(,)?) => { $(
        #[doc = concat!("Register ", $name, " (Arm ARM).")]
        #[allow(missing_docs, dead_code, reason = "a pair of accessors each")]
        pub mod $module {
            #[inline(always)]
            pub fn read() -> u64 { super::mrs!($name) }
            #[inline(always)]
            pub fn write(value: u64) { super::msr!($name, value) }
        }
    )* };
}

/// Read-only registers, and such that are only read here.
macro_rules! readonly {
    ($($module:ident $name:literal),* $(,)?) => { $(
        #[doc = concat!("Register ", $name, " (Arm ARM).")]
        #[allow(missing_docs, reason = "one accessor each")]
        pub mod $module {
            #[inline(always)]
            pub fn read() -> u64 { super::mrs!($name) }
        }
    )* };
}

readonly! {
    ctr_el0 "ctr_el0", dczid_el0 "dczid_el0", mpidr_el1 "mpidr_el1", midr_el1 "midr_el1", cntpct_el0 "cntpct_el0",
    cntfrq_el0 "cntfrq_el0", id_aa64mmfr0_el1 "id_aa64mmfr0_el1", id_aa64mmfr1_el1 "id_aa64mmfr1_el1",
    id_aa64pfr0_el1 "id_aa64pfr0_el1",
    id_aa64isar1_el1 "id_aa64isar1_el1", id_aa64isar2_el1 "s3_0_c0_c6_2", id_aa64dfr0_el1 "id_aa64dfr0_el1",
    ich_vtr_el2 "s3_4_c12_c11_1", ich_misr_el2 "s3_4_c12_c11_2", ich_eisr_el2 "s3_4_c12_c11_3",
    ich_elrsr_el2 "s3_4_c12_c11_5", icc_iar1_el1 "s3_0_c12_c12_0",
}

sysregs! {
    esr_el2 "esr_el2", far_el2 "far_el2", hpfar_el2 "hpfar_el2", elr_el2 "elr_el2", spsr_el2 "spsr_el2",
    tpidr_el2 "tpidr_el2", vbar_el2 "vbar_el2", hcr_el2 "hcr_el2", vttbr_el2 "vttbr_el2", vtcr_el2 "vtcr_el2",
    ttbr0_el2 "ttbr0_el2", sctlr_el2 "sctlr_el2", cptr_el2 "cptr_el2", mdcr_el2 "mdcr_el2", hstr_el2 "hstr_el2",
    cnthctl_el2 "cnthctl_el2", cntvoff_el2 "cntvoff_el2", cnthp_ctl_el2 "cnthp_ctl_el2",
    cnthp_cval_el2 "cnthp_cval_el2", vmpidr_el2 "vmpidr_el2", vpidr_el2 "vpidr_el2", hcrx_el2 "s3_4_c1_c2_2",
    hfgrtr_el2 "s3_4_c1_c1_4", hfgwtr_el2 "s3_4_c1_c1_5", hfgitr_el2 "s3_4_c1_c1_6", hdfgrtr_el2 "s3_4_c3_c1_4",
    hdfgwtr_el2 "s3_4_c3_c1_5", icc_sre_el2 "s3_4_c12_c9_5", icc_sre_el1 "s3_0_c12_c12_5", icc_pmr_el1 "s3_0_c4_c6_0",
    icc_bpr1_el1 "s3_0_c12_c12_3", icc_ctlr_el1 "s3_0_c12_c12_4", icc_igrpen1_el1 "s3_0_c12_c12_7",
    icc_eoir1_el1 "s3_0_c12_c12_1", icc_dir_el1 "s3_0_c12_c11_1", icc_sgi1r_el1 "s3_0_c12_c11_5",
    ich_hcr_el2 "s3_4_c12_c11_0", par_el1 "par_el1", sp_el0 "sp_el0", sctlr_el1 "sctlr_el1", ttbr0_el1 "ttbr0_el1",
    ttbr1_el1 "ttbr1_el1", esr_el1 "esr_el1", far_el1 "far_el1", elr_el1 "elr_el1", spsr_el1 "spsr_el1",
    tpidr_el0 "tpidr_el0", tpidrro_el0 "tpidrro_el0", cntkctl_el1 "cntkctl_el1", cntv_ctl_el0 "cntv_ctl_el0",
    vdisr_el2 "s3_4_c12_c1_1", fpexc32_el2 "fpexc32_el2", mdscr_el1 "mdscr_el1",
}

macro_rules! list_registers {
    ($($n:literal $name:literal),* $(,)?) => {
        /// Reads ICH_LR<n>_EL2; `n` is below the implemented number.
        pub fn read_lr(n: usize) -> u64 {
            match n {
                $($n => mrs!($name),)*
                _ => 0,
            }
        }
        /// Writes ICH_LR<n>_EL2; `n` is below the implemented number.
        pub fn write_lr(n: usize, value: u64) {
            match n {
                $($n => msr!($name, value),)*
                _ => {}
            }
        }
    };
}

list_registers! {
    0 "s3_4_c12_c12_0", 1 "s3_4_c12_c12_1", 2 "s3_4_c12_c12_2", 3 "s3_4_c12_c12_3", 4 "s3_4_c12_c12_4",
    5 "s3_4_c12_c12_5", 6 "s3_4_c12_c12_6", 7 "s3_4_c12_c12_7", 8 "s3_4_c12_c13_0", 9 "s3_4_c12_c13_1",
    10 "s3_4_c12_c13_2", 11 "s3_4_c12_c13_3", 12 "s3_4_c12_c13_4", 13 "s3_4_c12_c13_5", 14 "s3_4_c12_c13_6",
    15 "s3_4_c12_c13_7",
}

/// Reads an ID register for a domain, by CRm and op2 of op0=3, op1=0, CRn=0. The ID space reads as zero where nothing is
/// assigned (Arm ARM D23.3.1), and so it does elsewhere here.
pub fn read_id(crm: u64, op2: u64) -> u64 {
    macro_rules! ids {
        ($($m:literal: $($o:literal)*);* $(;)?) => {
            match (crm, op2) {
                $($(($m, $o) => mrs!("s3_0_c0_c", $m, "_", $o),)*)*
                _ => 0,
            }
        };
    }
    ids! {
        0: 0 5 6; 1: 0 1 2 3 4 5 6 7; 2: 0 1 2 3 4 5 6 7; 3: 0 1 2 3 4 5 6 7; 4: 0 1 2 3 4 5 6 7;
        5: 0 1 2 3 4 5 6 7; 6: 0 1 2 3 4 5 6 7; 7: 0 1 2 3 4 5 6 7;
    }
}
