//! The PL031 as a driver sees it (DDI 0224 chapter 3).
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

use devices::LoadError;
use devices::Width::{self, B1, B4, B8};
use devices::pl031::{Pl031, Pl031State};
use proptest::prelude::*;

const DR: u64 = 0x00;
const MR: u64 = 0x04;
const LR: u64 = 0x08;
const CR: u64 = 0x0c;
const IMSC: u64 = 0x10;
const RIS: u64 = 0x14;
const MIS: u64 = 0x18;
const ICR: u64 = 0x1c;

#[test]
fn counts_seconds_from_its_time() {
    let mut rtc = Pl031::new(1_700_000_000, 50);

    assert_eq!(rtc.read(DR, B4, 50), 1_700_000_000);
    assert_eq!(rtc.read(DR, B4, 60), 1_700_000_010);
}

#[test]
fn load_register_sets_the_time() {
    let mut rtc = Pl031::new(0, 0);
    rtc.write(LR, B4, 1000, 5);

    assert_eq!((rtc.read(DR, B4, 7), rtc.read(LR, B4, 7)), (1002, 1000));
}

#[test]
fn count_wraps() {
    assert_eq!(Pl031::new(u32::MAX, 0).read(DR, B4, 1), 0);
}

#[test]
fn alarm_comes_at_the_match() {
    let mut rtc = Pl031::new(100, 0);
    rtc.write(IMSC, B4, 1, 0);
    rtc.write(MR, B4, 110, 0);
    assert_eq!(rtc.alarm(), Some(10));
    assert!(!rtc.poll(9));

    assert!(rtc.poll(10));
    assert_eq!((rtc.alarm(), rtc.read(RIS, B4, 10), rtc.read(MIS, B4, 10)), (None, 1, 1));
    rtc.write(ICR, B4, 1, 11);
    assert!(!rtc.irq());
}

#[test]
fn match_that_is_now_happens_now() {
    let mut rtc = Pl031::new(100, 0);
    rtc.write(MR, B4, 100, 0);

    assert_eq!((rtc.read(RIS, B4, 0), rtc.irq()), (1, false), "masked");
}

#[test]
fn match_in_the_past_comes_after_a_wrap() {
    let mut rtc = Pl031::new(100, 0);
    rtc.write(MR, B4, 99, 0);

    assert_eq!(rtc.alarm(), Some(u32::MAX as u64));
}

#[test]
fn always_enabled() {
    let mut rtc = Pl031::new(0, 0);
    rtc.write(CR, B4, 0, 0);

    assert_eq!(rtc.read(CR, B4, 0), 1);
}

#[test]
fn identification_is_that_of_a_pl031() {
    let ids: Vec<u64> = (0xfe0..0x1000).step_by(4).map(|offset| Pl031::new(0, 0).read(offset, B4, 0)).collect();

    assert_eq!(ids, [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
}

#[test]
fn accesses_that_do_not_exist_are_ignored_and_counted() {
    let mut rtc = Pl031::new(7, 0);
    for (offset, width) in [(DR, B8), (DR, B1), (0x20, B4), (0x2, B4), (0x1000, B4), (u64::MAX, B4)] {
        assert_eq!(rtc.read(offset, width, 0), 0, "{offset:#x}");
        rtc.write(offset, width, u64::MAX, 0);
    }

    assert_eq!(rtc.ignored(), 12);
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![1 => Just(B1), 4 => Just(B4), 1 => Just(B8)]
}

fn accesses() -> impl Strategy<Value = Vec<(bool, u64, Width, u64, u64)>> {
    let offset = prop_oneof![8 => (0u64..9).prop_map(|n| n * 4), 1 => any::<u64>()];
    proptest::collection::vec((any::<bool>(), offset, width(), any::<u64>(), any::<u64>()), 0..60)
}

fn apply(rtc: &mut Pl031, (write, offset, width, value, now): (bool, u64, Width, u64, u64)) -> u64 {
    if write {
        rtc.write(offset, width, value, now);
        rtc.alarm().unwrap_or(0)
    } else {
        rtc.read(offset, width, now)
    }
}

proptest! {
    #[test]
    fn states_round_trip(before in accesses()) {
        let mut rtc = Pl031::new(1, 2);
        for access in before {
            apply(&mut rtc, access);
        }

        prop_assert_eq!(Pl031::load(&rtc.save()), Ok(rtc));
    }

    #[test]
    fn arbitrary_states_load_or_are_refused_and_never_panic(
        words in any::<[u32; 8]>(), narrow: bool, due: u64, after in accesses(),
    ) {
        let [version, offset, match_value, load, mask, raw, armed, ignored] = words;
        let limit = if narrow { 2 } else { u32::MAX };
        let state = Pl031State {
            version: version % 3, offset, match_value, load, mask: mask % limit, raw: raw % limit,
            armed: armed % limit, due, ignored,
        };
        if let Ok(mut rtc) = Pl031::load(&state) {
            prop_assert_eq!(rtc.save(), state);
            for access in after {
            apply(&mut rtc, access);
        }
        }
    }
}

#[test]
fn impossible_states_are_refused() {
    let good = Pl031::new(0, 0).save();

    assert_eq!(Pl031::load(&Pl031State { version: 0, ..good }), Err(LoadError::Version(0)));
    assert_eq!(Pl031::load(&Pl031State { raw: 2, ..good }), Err(LoadError::Field("raw")));
}
