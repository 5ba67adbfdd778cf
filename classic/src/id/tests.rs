use super::*;

#[test]
fn every_field_is_four_bits_of_an_id_register_with_a_reason() {
    for field in TABLE {
        assert!(idregs::is_id(field.register) && idregs::name(field.register).is_some(), "{}", field.name);
        assert!(field.lsb % 4 == 0 && field.lsb < 64 && !field.reason.is_empty(), "{}", field.name);
        let known = idregs::TABLE
            .iter()
            .any(|f| f.register == field.register && f.name == field.name && f.lsb == field.lsb && f.width == 4);
        assert!(known, "{} is not in the table of all guests", field.name);
    }
}

#[test]
fn no_field_is_there_twice() {
    for (n, field) in TABLE.iter().enumerate() {
        let again = TABLE.iter().skip(n + 1).any(|f| f.register == field.register && f.lsb == field.lsb);
        assert!(!again, "{}", field.name);
    }
}

/// Those of the experiments: PAN, UAO, PAC, BTI, MTE, SVE, SME, HAFDBS, CnP, LVA, LPA2, RNDR, PMU, VH, NV, AArch32.
#[test]
fn what_a_kernel_at_el0_cannot_have_is_hidden() {
    let all = |crm, op2| visible(id(crm, op2), u64::MAX);
    let field = |value: u64, lsb: u32| value >> lsb & 0xf;
    let (pfr0, pfr1, dfr0) = (all(4, 0), all(4, 1), all(5, 0));
    let (isar0, isar1, isar2) = (all(6, 0), all(6, 1), all(6, 2));
    let (mmfr1, mmfr2) = (all(7, 1), all(7, 2));

    assert_eq!([field(pfr0, 0), field(pfr0, 4), field(pfr0, 32)], [1, 1, 0], "EL0, EL1, SVE");
    assert_eq!([0, 8, 24].map(|lsb| field(pfr1, lsb)), [0; 3], "BT, MTE, SME");
    assert_eq!([4, 8, 32].map(|lsb| field(dfr0, lsb)), [0; 3], "trace, PMU, SPE");
    assert_eq!(field(isar0, 60), 0, "RNDR");
    assert_eq!([4, 8, 24, 28].map(|lsb| field(isar1, lsb)), [0; 4], "APA, API, GPA, GPI");
    assert_eq!([8, 12, 16, 24].map(|lsb| field(isar2, lsb)), [0; 4], "GPA3, APA3, MOPS, PAC_frac");
    assert_eq!([0, 8, 20].map(|lsb| field(mmfr1, lsb)), [0; 3], "HAFDBS, VH, PAN");
    assert_eq!([0, 4, 16, 24].map(|lsb| field(mmfr2, lsb)), [0; 4], "CnP, UAO, VARange, NV");
    assert!((1..=3).all(|crm| (0..8).all(|op2| all(crm, op2) == 0)), "AArch32");
}

#[test]
fn e0pd_and_the_two_csv_are_shown_where_the_hardware_lacks_them() {
    assert_eq!(visible(MMFR2, 0) >> 60, 1);
    assert_eq!(visible(PFR0, 0) >> 56, 0x11);
}

#[test]
fn granules_lose_lpa2_and_keep_what_is_absent() {
    let granule = |host: u64, lsb: u32| visible(MMFR0, host << lsb) >> lsb & 0xf;
    assert_eq!([0, 1, 0xf].map(|tgran4| granule(tgran4, 28)), [0, 0, 0xf]);
    assert_eq!([0, 1, 2].map(|tgran16| granule(tgran16, 20)), [0, 1, 1]);
    assert_eq!([0, 0xf].map(|tgran64| granule(tgran64, 24)), [0, 0xf]);
}

/// ID registers of QEMU's `max`, and what its guest reads.
#[test]
fn max_is_shown_without_them() {
    assert_eq!(visible(MMFR0, 0x2100_0323_1020_1126), 0x0010_1022, "40 bits, all granules, 16-bit ASIDs, SNSMem");
    assert_eq!(visible(MMFR1, 0x0110_1120_1031_2122), 0x0000_1020_0000_0000, "ETS, AFP");
    assert_eq!(visible(MMFR2, 0x1221_0111_1201_1011), 0x1021_0010_0000_0000, "E0PD, BBM, TTL, IDS");
    assert_eq!(visible(ISAR1, 0x0111_2111_1021_1502), 0x0111_2011_0021_1002, "no PAC, no SPECRES");
    assert_eq!(visible(PFR1, 0x0000_0010_0100_0121), 0x20, "SSBS");
}
