use super::*;

const PFR0: SysReg = sysreg(3, 0, 0, 4, 0);
const PFR1: SysReg = sysreg(3, 0, 0, 4, 1);
const DFR0: SysReg = sysreg(3, 0, 0, 5, 0);
const ISAR2: SysReg = sysreg(3, 0, 0, 6, 2);
const MMFR0: SysReg = sysreg(3, 0, 0, 7, 0);
const MMFR1: SysReg = sysreg(3, 0, 0, 7, 1);

/// ID_AA64PFR0_EL1 of a Cortex-A72 with EL2 and EL3 and GICv3.
const A72_PFR0: u64 = 0x0100_2222;

#[test]
fn fields_do_not_overlap() {
    for (i, a) in TABLE.iter().enumerate() {
        let mask = |f: &Feature| u64::MAX >> (64 - f.width) << f.lsb;
        let others = TABLE.iter().skip(i + 1).filter(|b| b.register == a.register);
        assert!(others.into_iter().all(|b| mask(a) & mask(b) == 0), "{} {}", name(a.register).unwrap(), a.name);
    }
}

#[test]
fn every_register_is_in_the_id_space_and_has_a_name() {
    assert!(TABLE.iter().all(|f| is_id(f.register) && name(f.register).is_some()));
}

#[test]
fn every_field_has_a_reason() {
    assert!(TABLE.iter().all(|f| !f.reason.is_empty() && !f.name.is_empty()));
}

#[test]
fn pfr0_of_cortex_a72_loses_el2_and_el3_alone() {
    assert_eq!(visible(PFR0, A72_PFR0), 0x0100_0022);
}

#[test]
fn absent_fp_stays_absent() {
    assert_eq!(visible(PFR0, 0x00ff_0011), 0x00ff_0011);
}

#[test]
fn parange_is_clamped_to_40_bits() {
    assert_eq!(visible(MMFR0, 0x6) & 0xf, 2);
    assert_eq!(visible(MMFR0, 0x1) & 0xf, 1);
}

#[test]
fn granules_pass_with_their_signed_values() {
    assert_eq!(visible(MMFR0, 0x0f00_0000), 0x0f00_0000);
}

#[test]
fn hidden_features_read_as_not_implemented() {
    assert_eq!(visible(PFR0, 0xf << 32 | 0xf << 28 | 0xf << 44), 0, "SVE, RAS, AMU");
    assert_eq!(visible(PFR1, 0xf << 8 | 0xf << 24 | 0xf << 44), 0, "MTE, SME, GCS");
    assert_eq!(visible(DFR0, 0xf << 8 | 0xf << 32), 0, "PMU, SPE");
    assert_eq!(visible(MMFR1, 0xf << 8 | 0xf << 4 | 0xf << 40), 0, "VH, VMIDBits, HCX");
    assert_eq!(visible(ISAR2, 0x2), 0, "WFxT");
}

#[test]
fn csv2_is_clamped_as_scxtnum_is_not_switched() {
    assert_eq!(visible(PFR0, 3 << 56), 1 << 56);
}

#[test]
fn reserved_registers_of_the_id_space_are_zero() {
    let known = |reg| TABLE.iter().any(|f| f.register == reg);
    let all = (1..8).flat_map(|crm| (0..8).map(move |op2| sysreg(3, 0, 0, crm, op2)));
    assert!(all.filter(|&reg| !known(reg)).all(|reg| visible(reg, u64::MAX) == 0));
}

#[test]
fn id_space_is_crm_1_to_7() {
    assert!(!is_id(sysreg(3, 0, 0, 0, 0)), "MIDR_EL1");
    assert!(is_id(sysreg(3, 0, 0, 1, 0)));
    assert!(is_id(sysreg(3, 0, 0, 7, 7)));
    assert!(!is_id(sysreg(3, 0, 0, 8, 0)));
    assert!(!is_id(sysreg(3, 0, 1, 1, 0)), "another CRn");
    assert!(!is_id(sysreg(3, 1, 0, 1, 0)), "another op1");
}

#[test]
fn iss_of_a_trapped_mrs_gives_the_register() {
    // MRS x3, ID_AA64MMFR1_EL1: op0=3 op2=1 op1=0 CRn=0 Rt=3 CRm=7 read.
    let iss = 3 << 20 | 1 << 17 | 3 << 5 | 7 << 1 | 1;

    assert_eq!(from_iss(iss), MMFR1);
}

#[test]
fn workarounds_follow_csv2_and_ecbhb() {
    assert_eq!(not_affected(0, 0), NotAffected::default());
    assert!(not_affected(1 << 56, 0).workaround_1);
    assert!(!not_affected(1 << 56, 0).workaround_3);
    assert!(not_affected(3 << 56, 0).workaround_3);
    assert!(not_affected(0, 1 << 60).workaround_3);
}
