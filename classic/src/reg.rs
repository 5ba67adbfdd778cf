//! Names of the system registers and instructions that the code speaks of (Arm ARM D24, C5). A name is the encoding
//! op0:op1:CRn:CRm:op2 ([`SysReg`]), bits 20:5 of MRS, MSR and SYS.
#![allow(missing_docs, reason = "each is the Arm ARM's register or instruction of that name")]

use crate::{SysReg, sysreg};

macro_rules! names {
    ($($name:ident = $op0:literal $op1:literal $crn:literal $crm:literal $op2:literal;)*) => {
        $(pub const $name: SysReg = sysreg($op0, $op1, $crn, $crm, $op2);)*
    };
}

names! {
    MIDR_EL1 = 3 0 0 0 0;
    MPIDR_EL1 = 3 0 0 0 5;
    REVIDR_EL1 = 3 0 0 0 6;
    SCTLR_EL1 = 3 0 1 0 0;
    ACTLR_EL1 = 3 0 1 0 1;
    CPACR_EL1 = 3 0 1 0 2;
    TTBR0_EL1 = 3 0 2 0 0;
    TTBR1_EL1 = 3 0 2 0 1;
    TCR_EL1 = 3 0 2 0 2;
    SPSR_EL1 = 3 0 4 0 0;
    ELR_EL1 = 3 0 4 0 1;
    SP_EL0 = 3 0 4 1 0;
    SPSEL = 3 0 4 2 0;
    CURRENTEL = 3 0 4 2 2;
    PAN = 3 0 4 2 3;
    UAO = 3 0 4 2 4;
    ICC_PMR_EL1 = 3 0 4 6 0;
    AFSR0_EL1 = 3 0 5 1 0;
    AFSR1_EL1 = 3 0 5 1 1;
    ESR_EL1 = 3 0 5 2 0;
    FAR_EL1 = 3 0 6 0 0;
    PAR_EL1 = 3 0 7 4 0;
    MAIR_EL1 = 3 0 10 2 0;
    AMAIR_EL1 = 3 0 10 3 0;
    VBAR_EL1 = 3 0 12 0 0;
    ISR_EL1 = 3 0 12 1 0;
    ICC_IAR0_EL1 = 3 0 12 8 0;
    ICC_EOIR0_EL1 = 3 0 12 8 1;
    ICC_HPPIR0_EL1 = 3 0 12 8 2;
    ICC_BPR0_EL1 = 3 0 12 8 3;
    ICC_AP0R0_EL1 = 3 0 12 8 4;
    ICC_AP0R1_EL1 = 3 0 12 8 5;
    ICC_AP0R2_EL1 = 3 0 12 8 6;
    ICC_AP0R3_EL1 = 3 0 12 8 7;
    ICC_AP1R0_EL1 = 3 0 12 9 0;
    ICC_AP1R1_EL1 = 3 0 12 9 1;
    ICC_AP1R2_EL1 = 3 0 12 9 2;
    ICC_AP1R3_EL1 = 3 0 12 9 3;
    ICC_DIR_EL1 = 3 0 12 11 1;
    ICC_RPR_EL1 = 3 0 12 11 3;
    ICC_SGI1R_EL1 = 3 0 12 11 5;
    ICC_ASGI1R_EL1 = 3 0 12 11 6;
    ICC_SGI0R_EL1 = 3 0 12 11 7;
    ICC_IAR1_EL1 = 3 0 12 12 0;
    ICC_EOIR1_EL1 = 3 0 12 12 1;
    ICC_HPPIR1_EL1 = 3 0 12 12 2;
    ICC_BPR1_EL1 = 3 0 12 12 3;
    ICC_CTLR_EL1 = 3 0 12 12 4;
    ICC_SRE_EL1 = 3 0 12 12 5;
    ICC_IGRPEN0_EL1 = 3 0 12 12 6;
    ICC_IGRPEN1_EL1 = 3 0 12 12 7;
    CONTEXTIDR_EL1 = 3 0 13 0 1;
    TPIDR_EL1 = 3 0 13 0 4;
    CNTKCTL_EL1 = 3 0 14 1 0;
    CCSIDR_EL1 = 3 1 0 0 0;
    CLIDR_EL1 = 3 1 0 0 1;
    AIDR_EL1 = 3 1 0 0 7;
    CSSELR_EL1 = 3 2 0 0 0;
    CTR_EL0 = 3 3 0 0 1;
    DCZID_EL0 = 3 3 0 0 7;
    NZCV = 3 3 4 2 0;
    DAIF = 3 3 4 2 1;
    DIT = 3 3 4 2 5;
    SSBS = 3 3 4 2 6;
    TPIDR_EL0 = 3 3 13 0 2;
    TPIDRRO_EL0 = 3 3 13 0 3;
    CNTFRQ_EL0 = 3 3 14 0 0;
    CNTPCT_EL0 = 3 3 14 0 1;
    CNTVCT_EL0 = 3 3 14 0 2;
    CNTP_TVAL_EL0 = 3 3 14 2 0;
    CNTP_CTL_EL0 = 3 3 14 2 1;
    CNTP_CVAL_EL0 = 3 3 14 2 2;
    CNTV_TVAL_EL0 = 3 3 14 3 0;
    CNTV_CTL_EL0 = 3 3 14 3 1;
    CNTV_CVAL_EL0 = 3 3 14 3 2;
    MDCCSR_EL0 = 2 3 0 1 0;
    DBGDTR_EL0 = 2 3 0 4 0;
    DBGDTRRX_EL0 = 2 3 0 5 0;

    DC_IVAC = 1 0 7 6 1;
    DC_ISW = 1 0 7 6 2;
    DC_CSW = 1 0 7 10 2;
    DC_CISW = 1 0 7 14 2;
    DC_ZVA = 1 3 7 4 1;
    DC_CVAC = 1 3 7 10 1;
    DC_CVAU = 1 3 7 11 1;
    DC_CVAP = 1 3 7 12 1;
    DC_CVADP = 1 3 7 13 1;
    DC_CIVAC = 1 3 7 14 1;
    IC_IALLUIS = 1 0 7 1 0;
    IC_IALLU = 1 0 7 5 0;
    IC_IVAU = 1 3 7 5 1;
    AT_S1E1R = 1 0 7 8 0;
    AT_S1E1W = 1 0 7 8 1;
    AT_S1E0R = 1 0 7 8 2;
    AT_S1E0W = 1 0 7 8 3;
}
