//! What atomic accesses make of memory and registers, against the same operations of the host's atomics.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

use devices::a64::{Atomic, DataAccess, Op, Outcome, decode_any};
use proptest::prelude::*;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

fn atomic(word: u32) -> Atomic {
    match decode_any(word) {
        Ok(DataAccess::Atomic(atomic)) => atomic,
        other => panic!("{word:#010x}: {other:?}"),
    }
}

macro_rules! host {
    ($unsigned:ident $signed:ident $u:ty, $i:ty, $op:expr, $old:expr, $rs:expr) => {{
        let (memory, signed) = ($unsigned::new($old as $u), $signed::new($old as $i));
        let (rs, signed_rs) = ($rs as $u, $rs as $i);
        match $op {
            Op::Add => memory.fetch_add(rs, SeqCst),
            Op::Clear => memory.fetch_and(!rs, SeqCst),
            Op::Xor => memory.fetch_xor(rs, SeqCst),
            Op::Set => memory.fetch_or(rs, SeqCst),
            Op::UnsignedMax => memory.fetch_max(rs, SeqCst),
            Op::UnsignedMin => memory.fetch_min(rs, SeqCst),
            Op::Swap => memory.swap(rs, SeqCst),
            Op::SignedMax => signed.fetch_max(signed_rs, SeqCst) as $u,
            Op::SignedMin => signed.fetch_min(signed_rs, SeqCst) as $u,
            other => panic!("{other:?}"),
        };
        if matches!($op, Op::SignedMax | Op::SignedMin) {
            u64::from(signed.into_inner() as $u)
        } else {
            u64::from(memory.into_inner())
        }
    }};
}

/// Memory afterwards, by the host.
fn host(op: Op, size: u8, old: u64, rs: u64) -> u64 {
    match size {
        0 => host!(AtomicU8 AtomicI8 u8, i8, op, old, rs),
        1 => host!(AtomicU16 AtomicI16 u16, i16, op, old, rs),
        2 => host!(AtomicU32 AtomicI32 u32, i32, op, old, rs),
        _ => host!(AtomicU64 AtomicI64 u64, i64, op, old, rs),
    }
}

const OPERATIONS: [Op; 9] =
    [Op::Add, Op::Clear, Op::Xor, Op::Set, Op::SignedMax, Op::SignedMin, Op::UnsignedMax, Op::UnsignedMin, Op::Swap];

/// Values that differ in few bits, or in many.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), any::<i8>().prop_map(|v| v as i64 as u64), (0u32..64).prop_map(|n| 1 << n)]
}

proptest! {
    #[test]
    fn operations_do_what_the_hosts_atomics_do(
        op in proptest::sample::select(&OPERATIONS),
        size in 0u8..4,
        (old, rs) in (value(), value()),
    ) {
        let mask = u64::MAX >> (64 - (8 << size));
        let atomic = Atomic { op, size, rn: 2, rs: 3, rt: 1, rt2: None };

        let outcome = atomic.apply(old.into(), |n| if n == 3 { rs } else { 0 });

        let memory = Some(host(op, size, old, rs).into());
        prop_assert_eq!(outcome, Some(Outcome { memory, registers: [Some((1, old & mask)), None] }));
    }

    /// Any fields at all, also such that no instruction has.
    #[test]
    fn arbitrary_fields_never_panic(
        op in proptest::sample::select(&[Op::Add, Op::Swap, Op::CompareAndSwap, Op::StoreExclusive]),
        (size, rn, rs, rt) in any::<(u8, u8, u8, u8)>(),
        rt2: Option<u8>,
        old: u128,
    ) {
        let atomic = Atomic { op, size, rn, rs, rt, rt2 };

        let _ = (atomic.bytes(), atomic.store(), atomic.apply(old, u64::from));
    }
}

#[test]
fn compare_and_swap_that_finds_its_value_stores() {
    let outcome = atomic(0x88a3_7c41).apply(7, |n| if n == 3 { 0xffff_ffff_0000_0007 } else { 9 });

    assert_eq!(outcome, Some(Outcome { memory: Some(9), registers: [Some((3, 7)), None] }), "cas w3, w1, [x2]");
}

#[test]
fn compare_and_swap_that_finds_another_value_only_loads() {
    let outcome = atomic(0xc8a3_7c41).apply(8, |_| 7);

    assert_eq!(outcome, Some(Outcome { memory: None, registers: [Some((3, 8)), None] }), "cas x3, x1, [x2]");
}

#[test]
fn compare_and_swap_of_a_pair_takes_the_first_register_as_the_lower_half() {
    let caspal = atomic(0x4864_fc46);
    assert_eq!((caspal.rs, caspal.rt, caspal.rt2, caspal.bytes()), (4, 6, Some(7), 16), "caspal x4, x5, x6, x7, [x2]");

    let outcome = caspal.apply(5 << 64 | 4, u64::from);

    let registers = [Some((4, 4)), Some((5, 5))];
    assert_eq!(outcome, Some(Outcome { memory: Some(7 << 64 | 6), registers }));
}

#[test]
fn compare_and_swap_of_a_pair_of_words_ignores_the_upper_halves() {
    let casp = atomic(0x0824_7c46);

    let outcome = casp.apply(5 << 32 | 4, |n| u64::from(n) | 0xf << 32);

    assert_eq!(casp.bytes(), 8, "casp w4, w5, w6, w7, [x2]");
    let registers = [Some((4, 4)), Some((5, 5))];
    assert_eq!(outcome, Some(Outcome { memory: Some(7 << 32 | 6), registers }));
}

#[test]
fn store_form_loads_into_the_zero_register() {
    let stadd = atomic(0xf822_00bf);

    let outcome = stadd.apply(40, |_| 2);

    assert_eq!(outcome, Some(Outcome { memory: Some(42), registers: [Some((31, 40)), None] }), "stadd x2, [x5]");
}

#[test]
fn exclusives_are_the_guests_own() {
    let (ldxr, stxp) = (atomic(0x885f_7c41), atomic(0xc823_4041));

    assert!(!ldxr.store() && stxp.store());
    assert_eq!(stxp.bytes(), 16, "stxp w3, x1, x16, [x2]");
    assert_eq!((ldxr.apply(0, |_| 0), stxp.apply(0, |_| 0)), (None, None));
}
