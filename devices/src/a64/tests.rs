use super::*;
use Address::{Literal, Offset, Post, Pre, Register};
use Undecodable::{Exclusive, NotALoadOrStore, Unpredictable, Unsupported};

const X: Kind = Kind::General { signed: false, wide: true };
const W: Kind = Kind::General { signed: false, wide: false };
const SIGNED_X: Kind = Kind::General { signed: true, wide: true };

fn load(size: u8, rt: u8, kind: Kind, address: Address) -> Result<Access, Undecodable> {
    Ok(Access { store: false, size, rt, rt2: None, kind, address })
}

fn store(size: u8, rt: u8, kind: Kind, address: Address) -> Result<Access, Undecodable> {
    Ok(Access { store: true, size, rt, rt2: None, kind, address })
}

#[test]
fn post_index_loads_from_the_base() {
    assert_eq!(decode(0xb840_4420), load(2, 0, W, Post { rn: 1, offset: 4 }), "ldr w0, [x1], #4");
    assert_eq!(decode(0xf81f_8fe3), store(3, 3, X, Pre { rn: 31, offset: -8 }), "str x3, [sp, #-8]!");
}

#[test]
fn unsigned_offset_is_scaled() {
    assert_eq!(decode(0xf940_0c41), load(3, 1, X, Offset { rn: 2, offset: 24 }), "ldr x1, [x2, #24]");
    assert_eq!(decode(0x3dc0_0441), load(4, 1, Kind::Simd, Offset { rn: 2, offset: 16 }), "ldr q1, [x2, #16]");
}

#[test]
fn signed_loads_say_how_far_they_extend() {
    assert_eq!(decode(0x3980_0041), load(0, 1, SIGNED_X, Offset { rn: 2, offset: 0 }), "ldrsb x1, [x2]");
    let to_w = Kind::General { signed: true, wide: false };
    assert_eq!(decode(0x39c0_0041), load(0, 1, to_w, Offset { rn: 2, offset: 0 }), "ldrsb w1, [x2]");
    assert_eq!(decode(0xb980_0041), load(2, 1, SIGNED_X, Offset { rn: 2, offset: 0 }), "ldrsw x1, [x2]");
}

#[test]
fn pairs_have_scaled_offsets_and_two_registers() {
    let address = Offset { rn: 2, offset: -16 };
    let ldp = Access { store: false, size: 3, rt: 0, rt2: Some(1), kind: X, address };
    assert_eq!(decode(0xa97f_0440), Ok(ldp), "ldp x0, x1, [x2, #-16]");
    assert_eq!(ldp.bytes(), 16);

    let address = Post { rn: 2, offset: 8 };
    let ldpsw = Access { store: false, size: 2, rt: 0, rt2: Some(1), kind: SIGNED_X, address };
    assert_eq!(decode(0x68c1_0440), Ok(ldpsw), "ldpsw x0, x1, [x2], #8");
}

#[test]
fn register_offset_shifts_by_the_size() {
    let address = Register { rn: 2, rm: 3, extend: Extend::Sxtw, shift: 2 };
    assert_eq!(decode(0xb863_d841), load(2, 1, W, address), "ldr w1, [x2, w3, sxtw #2]");
    let address = Register { rn: 2, rm: 3, extend: Extend::X, shift: 0 };
    assert_eq!(decode(0xb863_6841), load(2, 1, W, address), "ldr w1, [x2, x3]");
}

#[test]
fn literal_is_relative_to_pc() {
    assert_eq!(decode(0x58ff_ffe0), load(3, 0, X, Literal { offset: -4 }), "ldr x0, .-4");
}

#[test]
fn acquire_and_release_are_plain_accesses() {
    assert_eq!(decode(0x88df_fc41), load(2, 1, W, Offset { rn: 2, offset: 0 }), "ldar w1, [x2]");
    assert_eq!(decode(0x889f_fc41), store(2, 1, W, Offset { rn: 2, offset: 0 }), "stlr w1, [x2]");
    assert_eq!(decode(0xb8bf_c041), load(2, 1, W, Offset { rn: 2, offset: 0 }), "ldapr w1, [x2]");
    assert_eq!(decode(0xd95f_f041), load(3, 1, X, Offset { rn: 2, offset: -1 }), "ldapur x1, [x2, #-1]");
}

#[test]
fn exclusives_and_atomics_are_refused() {
    assert_eq!(decode(0x885f_7c41), Err(Exclusive), "ldxr w1, [x2]");
    assert_eq!(decode(0x8803_7c41), Err(Exclusive), "stxr w3, w1, [x2]");
    assert_eq!(decode(0xb823_0041), Err(Exclusive), "ldadd w3, w1, [x2]");
    assert_eq!(decode(0x88a3_7c41), Err(Exclusive), "cas w3, w1, [x2]");
}

#[test]
fn what_has_no_business_with_devices_is_refused() {
    assert_eq!(decode(0xd50b_7420), Err(Unsupported), "dc zva, x0");
    assert_eq!(decode(0x4c40_7041), Err(Unsupported), "ld1 of v1.16b");
    assert_eq!(decode(0xf980_0040), Err(Unsupported), "prfm pldl1keep, [x2]");
    assert_eq!(decode(0xd962_0041), Err(Unsupported), "ldg x1, [x2]");
    assert_eq!(decode(0xd503_201f), Err(NotALoadOrStore), "nop");
}

#[test]
fn constrained_unpredictable_forms_are_refused() {
    assert_eq!(decode(0xb840_4421), Err(Unpredictable), "ldr w1, [x1], #4");
    assert_eq!(decode(0xa940_0440 & !0x7c00), Err(Unpredictable), "ldp x0, x0, [x2]");
    assert_eq!(decode(0xb840_47ff), load(2, 31, W, Post { rn: 31, offset: 4 }), "ldr wzr, [sp], #4");
    assert_eq!(decode(0x3cc1_0421), load(4, 1, Kind::Simd, Post { rn: 1, offset: 16 }), "ldr q1, [x1], #16");
}
