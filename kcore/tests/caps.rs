//! Capability words.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use abi::cap::{Kind, MAX_BADGE, rights};
use abi::syscall::Status;
use kcore::cap::CapWord;
use proptest::prelude::*;

const PAGE: u64 = 0x1234_5678_9000;

#[test]
fn test_check_empty_slot_returns_bad_cap() {
    assert_eq!(CapWord::NULL.check(Kind::Frame, 0), Err(Status::BadCap));
}

#[test]
fn test_check_other_kind_returns_bad_kind() {
    let cap = CapWord::new(PAGE, Kind::Frame, rights::ALL, 0);
    assert_eq!(cap.check(Kind::Domain, rights::READ), Err(Status::BadKind));
}

#[test]
fn test_derive_from_empty_slot_returns_bad_cap() {
    assert_eq!(CapWord::NULL.derive(0, 0), Err(Status::BadCap));
}

#[test]
fn test_derive_badge_out_of_range_returns_bad_arg() {
    let cap = CapWord::new(PAGE, Kind::Endpoint, rights::ALL, 0);
    assert_eq!(cap.derive(rights::ALL, MAX_BADGE + 1), Err(Status::BadArg));
    assert_eq!(cap.derive(rights::ALL, u64::MAX), Err(Status::BadArg));
}

fn kind() -> impl Strategy<Value = Kind> {
    (1..=10u64).prop_map(|n| Kind::from_u64(n).unwrap())
}

proptest! {
    #[test]
    fn test_new_keeps_all_fields(page in 0..1u64 << 36, kind in kind(), rights in 0..16u64, badge in 0..=MAX_BADGE) {
        let cap = CapWord::new(page << 12, kind, rights, badge);

        prop_assert_eq!((cap.addr(), cap.kind(), cap.rights(), cap.badge()), (page << 12, kind, rights, badge));
        prop_assert!(!cap.is_null());
    }

    #[test]
    fn test_check_passes_exactly_with_all_rights(rights in 0..16u64, wanted in 0..16u64, badge in 0..=MAX_BADGE) {
        let cap = CapWord::new(PAGE, Kind::Vcpu, rights, badge);
        let expected = if rights & wanted == wanted { Ok(PAGE) } else { Err(Status::NoRights) };

        prop_assert_eq!(cap.check(Kind::Vcpu, wanted), expected);
        prop_assert_eq!(cap.has(wanted), expected.is_ok());
    }

    #[test]
    fn test_derive_any_arguments_never_gains(
        held in 0..16u64, old in prop_oneof![Just(0), 0..=MAX_BADGE],
        wanted in prop_oneof![0..16u64, any::<u64>()], badge in prop_oneof![Just(0), 0..=MAX_BADGE, any::<u64>()],
    ) {
        let cap = CapWord::new(PAGE, Kind::Notification, held, old);
        match cap.derive(wanted, badge) {
            Ok(new) => {
                prop_assert_eq!(new.check(Kind::Notification, 0), Ok(PAGE));
                prop_assert_eq!(new.rights() & !held, 0);
                prop_assert_eq!(new.rights(), wanted);
                prop_assert_eq!(new.badge(), badge);
                prop_assert!(old == 0 || badge == old);
            }
            Err(Status::NoRights) => prop_assert_ne!(wanted & !held, 0),
            Err(status) => {
                prop_assert_eq!(status, Status::BadArg);
                prop_assert!(badge > MAX_BADGE || (old != 0 && badge != old));
            }
        }
    }

    #[test]
    fn test_any_word_does_no_harm(word in any::<u64>(), wanted in any::<u64>(), badge in any::<u64>()) {
        let cap = CapWord(word);
        let _ = (cap.kind(), cap.rights(), cap.badge(), cap.derive(wanted, badge), cap.check(Kind::Frame, wanted));
    }
}
