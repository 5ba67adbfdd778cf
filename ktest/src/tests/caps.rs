//! Capability tables: COPY, DELETE, CAP_INFO.

use crate::env::{FREE, MACHINE, RW, SELF, frame, status};
use crate::outcome::Outcome;
use crate::{check, check_eq, tests};
use abi::cap::{CAP_SLOTS, Kind, MAX_BADGE, rights};
use abi::syscall::Status;
use rt::sys::{self, create};

tests! {
    1 cap_info_tells_kind_rights_badge;
    1 copy_reduces_rights_and_never_adds;
    1 copy_sets_a_badge_once;
    1 copy_into_another_domain_needs_grant;
    1 copy_refuses_a_taken_or_missing_slot;
    1 delete_empties_a_slot_and_the_object_lives_on;
    1 destroy_removes_every_capability;
}

const N: u64 = FREE;
const OTHER: u64 = FREE + 1;

fn cap_info_tells_kind_rights_badge() -> Outcome {
    create::notification(N)?;

    check_eq!(sys::cap_info(N)?, (Kind::Notification as u64, rights::ALL, 0), "new object");
    check_eq!(sys::cap_info(SELF)?.0, Kind::Domain as u64, "own domain");
    check_eq!(sys::cap_info(MACHINE)?.0, Kind::Machine as u64, "machine");
    check_eq!(sys::cap_info(frame::PAGE[0])?.0, Kind::Frame as u64, "frame");
    for slot in [OTHER, CAP_SLOTS, CAP_SLOTS + N, u64::MAX, 1 << 61 | N] {
        check_eq!(status(sys::cap_info(slot)), Status::BadCap, "no capability");
    }
    Ok(())
}

fn copy_reduces_rights_and_never_adds() -> Outcome {
    create::notification(N)?;
    for wanted in 0..=rights::ALL {
        sys::copy(SELF, OTHER, N, wanted, 0)?;
        check_eq!(sys::cap_info(OTHER)?.1, wanted, "rights of the copy");
        for more in 0..=rights::ALL {
            let result = status(sys::copy(SELF, OTHER + 1, OTHER, more, 0));
            let expected = if more & !wanted == 0 { Status::Ok } else { Status::NoRights };
            check_eq!(result, expected, "copy of the copy");
            let _ = sys::delete(OTHER + 1);
        }
        sys::delete(OTHER)?;
    }
    for wanted in [16, 1 << 32, u64::MAX] {
        check_eq!(status(sys::copy(SELF, OTHER, N, wanted, 0)), Status::NoRights, "unknown rights");
    }
    Ok(())
}

fn copy_sets_a_badge_once() -> Outcome {
    create::notification(N)?;

    sys::copy(SELF, OTHER, N, RW, MAX_BADGE)?;

    check_eq!(sys::cap_info(OTHER)?, (Kind::Notification as u64, RW, MAX_BADGE), "badged copy");
    check_eq!(status(sys::copy(SELF, OTHER + 1, OTHER, RW, MAX_BADGE)), Status::Ok, "same badge");
    check_eq!(status(sys::copy(SELF, OTHER + 2, OTHER, RW, 1)), Status::BadArg, "another badge");
    check_eq!(status(sys::copy(SELF, OTHER + 2, OTHER, RW, 0)), Status::BadArg, "badge removed");
    for badge in [MAX_BADGE + 1, 1 << 32, u64::MAX] {
        check_eq!(status(sys::copy(SELF, OTHER + 2, N, RW, badge)), Status::BadArg, "huge badge");
    }
    Ok(())
}

fn copy_into_another_domain_needs_grant() -> Outcome {
    create::notification(N)?;
    create::domain(OTHER)?;
    sys::copy(SELF, OTHER + 1, N, RW, 0)?;
    sys::copy(SELF, OTHER + 2, OTHER, rights::READ, 0)?;

    check_eq!(status(sys::copy(OTHER, 2, OTHER + 1, RW, 0)), Status::NoRights, "without GRANT");
    check_eq!(status(sys::copy(OTHER, 2, N, RW, 0)), Status::Ok, "with GRANT");
    check_eq!(status(sys::copy(OTHER, 2, N, RW, 0)), Status::Taken, "same slot again");
    check_eq!(status(sys::copy(OTHER + 2, 3, N, RW, 0)), Status::NoRights, "domain without WRITE");
    check_eq!(status(sys::copy(N, 3, N, RW, 0)), Status::BadKind, "no domain");
    Ok(())
}

fn copy_refuses_a_taken_or_missing_slot() -> Outcome {
    create::notification(N)?;

    check_eq!(status(sys::copy(SELF, N, N, RW, 0)), Status::Taken, "onto itself");
    for slot in [CAP_SLOTS, u64::MAX, 1 << 61] {
        check_eq!(status(sys::copy(SELF, slot, N, RW, 0)), Status::BadArg, "destination out of range");
        check_eq!(status(sys::copy(SELF, OTHER, slot, RW, 0)), Status::BadCap, "source out of range");
        check_eq!(status(sys::copy(slot, OTHER, N, RW, 0)), Status::BadCap, "domain out of range");
    }
    check_eq!(status(sys::copy(SELF, OTHER, OTHER + 1, RW, 0)), Status::BadCap, "empty source");
    Ok(())
}

fn delete_empties_a_slot_and_the_object_lives_on() -> Outcome {
    create::notification(N)?;
    sys::copy(SELF, OTHER, N, rights::ALL, 0)?;
    sys::signal(N, 1)?;

    sys::delete(N)?;

    check_eq!(status(sys::cap_info(N)), Status::BadCap, "deleted slot");
    check_eq!(sys::wait(OTHER, 0)?, 1, "bits through the other capability");
    check_eq!(status(sys::delete(N)), Status::BadCap, "second delete");
    check_eq!(status(sys::delete(u64::MAX)), Status::BadCap, "no slot");
    Ok(())
}

fn destroy_removes_every_capability() -> Outcome {
    create::domain(OTHER)?;
    create::notification(N)?;
    sys::copy(OTHER, 2, N, RW, 0)?;
    for n in 10..20 {
        sys::copy(SELF, FREE + n, N, RW, n)?;
    }

    sys::destroy(N)?;

    for slot in (10..20).map(|n| FREE + n).chain([N]) {
        check_eq!(status(sys::cap_info(slot)), Status::BadCap, "capability to the dead");
    }
    create::notification(N)?;
    check!(sys::copy(OTHER, 2, N, RW, 0).is_ok(), "the other domain's slot was not emptied");
    Ok(())
}
