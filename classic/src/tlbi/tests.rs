use super::*;

const ALL: Features = Features { outer: true, range: true, xs: true };

fn scope(crm: u32, op2: u32, value: u64) -> Option<Scope> {
    decode(sysreg(1, 0, 8, crm, op2), value, ALL).map(|tlbi| tlbi.scope)
}

fn addresses(va: u64, bytes: u64, asid: Option<u16>, last: bool) -> Option<Scope> {
    Some(Scope::Addresses { va, bytes, asid, last })
}

#[test]
fn each_form_drops_what_its_name_says() {
    const VALUE: u64 = 0x0007_0000_0000_0123;
    let va = 0x12_3000;
    assert_eq!(scope(7, 0, VALUE), Some(Scope::All));
    assert_eq!(scope(7, 1, VALUE), addresses(va, 4096, Some(7), false));
    assert_eq!(scope(7, 2, VALUE), Some(Scope::Asid(7)));
    assert_eq!(scope(7, 3, VALUE), addresses(va, 4096, None, false));
    assert_eq!(scope(7, 5, VALUE), addresses(va, 4096, Some(7), true));
    assert_eq!(scope(7, 7, VALUE), addresses(va, 4096, None, true));
    assert_eq!((scope(7, 4, VALUE), scope(7, 6, VALUE)), (None, None));
}

#[test]
fn shareability_decides_whether_others_are_told() {
    let broadcast = |crm, op2| decode(sysreg(1, 0, 8, crm, op2), 1 << 46, ALL).map(|tlbi| tlbi.broadcast);
    assert_eq!([broadcast(1, 0), broadcast(3, 0), broadcast(7, 0)], [Some(true), Some(true), Some(false)]);
    assert_eq!([broadcast(5, 1), broadcast(2, 1), broadcast(6, 1)], [Some(true), Some(true), Some(false)]);
}

#[test]
fn an_upper_address_is_sign_extended() {
    assert_eq!(scope(3, 7, 0x0fff_8000_1234), addresses(0xffff_f800_0123_4000, 4096, None, true));
}

#[test]
fn a_hint_of_the_level_is_no_part_of_the_address() {
    assert_eq!(scope(3, 7, 0xf << 44 | 0x1), addresses(0x1000, 4096, None, true));
}

#[test]
fn a_range_has_its_granule_scale_and_number() {
    // 4 KiB granule, SCALE 0, NUM 0: two pages.
    assert_eq!(scope(2, 1, 1 << 46 | 0x9 << 48 | 0x10), addresses(0x1_0000, 0x2000, Some(9), false));
    // 64 KiB granule, SCALE 3, NUM 31: the largest.
    assert_eq!(scope(2, 7, 3 << 46 | 3 << 44 | 31 << 39), addresses(0, 1 << 37, None, true));
    // 16 KiB granule, SCALE 1, NUM 2, an upper address.
    let value = 2 << 46 | 1 << 44 | 2 << 39 | 0x1f_ffff_ffff;
    assert_eq!(scope(2, 5, value), addresses(0u64.wrapping_sub(1 << 14), 3 << 20, Some(0), true));
}

#[test]
fn a_range_of_no_granule_drops_all() {
    assert_eq!(scope(2, 1, 0x10), Some(Scope::All));
}

#[test]
fn forms_of_absent_features_are_undefined() {
    let none = Features::default();
    let decode = |crn, crm, op2| decode(sysreg(1, 0, crn, crm, op2), 0, none);
    assert!(decode(8, 3, 0).is_some() && decode(8, 7, 0).is_some());
    assert!(decode(8, 1, 0).is_none(), "TLBIOS");
    assert!(decode(8, 2, 1).is_none() && decode(8, 5, 1).is_none() && decode(8, 6, 1).is_none(), "TLBIRANGE");
    assert!(decode(9, 3, 0).is_none(), "XS");
}

#[test]
fn forms_with_nxs_are_as_those_without() {
    for (crm, op2) in [(3, 0), (7, 1), (1, 7), (2, 1)] {
        let of = |crn| decode(sysreg(1, 0, crn, crm, op2), 1 << 46 | 5, ALL);
        assert_eq!(of(9), of(8));
        assert!(of(9).is_some());
    }
}

#[test]
fn other_levels_have_no_tlbi_here() {
    assert!((1..8).all(|op1| decode(sysreg(1, op1, 8, 7, 0), 0, ALL).is_none()));
    assert!(decode(sysreg(1, 0, 7, 7, 0), 0, ALL).is_none(), "CRn 7");
}
