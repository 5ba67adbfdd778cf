//! A domain's memory is its pool: exact accounts, exhaustion harms nobody else, all comes back.

use crate::child::{Child, GRANTED, Role};
use crate::env::{FREE, MACHINE, POOL_PAGES, RW, SELF, accounts, frame, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::wait_until;
use crate::{check, check_eq, tests};
use abi::PAGE_SIZE;
use abi::cap::rights;
use abi::syscall::Status;
use rt::sys::{self, create};

tests! {
    1 each_object_costs_its_pages;
    1 a_domain_exhausts_its_own_pool_only;
    1 failed_creation_costs_nothing;
    1 tables_are_paid_by_the_domain_that_is_mapped_into;
    1 a_hundred_rounds_leave_the_accounts_as_they_were;
    1 vmids_run_out_and_come_back;
    1 a_domain_that_nests_can_be_destroyed;
    1 a_domain_without_memory_makes_nothing;
}

const SCHED: u64 = FREE;
const SPACE: u64 = FREE + 1;

fn cost(make: impl Fn(u64) -> sys::Result) -> Outcome<(u64, u64)> {
    let before = accounts();
    make(FREE + 9)?;
    let after = accounts();
    let result = (before.free - after.free, after.objects - before.objects);
    sys::destroy(FREE + 9)?;
    check_eq!(accounts(), before, "accounts after the destruction");
    Ok(result)
}

fn each_object_costs_its_pages() -> Outcome {
    create::sched_context(SCHED, MACHINE, 0, 1, 0)?;
    create::space(SPACE)?;

    check_eq!(cost(create::notification)?, (1, 1), "notification");
    check_eq!(cost(|s| create::endpoint(s, SCHED))?, (1, 1), "endpoint");
    check_eq!(cost(|s| create::sched_context(s, MACHINE, 0, 1, 0))?, (1, 1), "scheduling context");
    check_eq!(cost(create::space)?, (2, 1), "space: object, table");
    check_eq!(cost(create::domain)?, (4, 2), "domain: object, capabilities, space, table");
    check_eq!(cost(|s| create::vcpu(s, SPACE, SCHED, frame::VCPU[0], 0))?, (1, 1), "vCPU");
    check_eq!(cost(|s| create::irq(s, MACHINE, 40, crate::env::DONE, 0))?, (1, 1), "interrupt");
    Ok(())
}

fn a_domain_exhausts_its_own_pool_only() -> Outcome {
    let child = Child::make(0, 0, 5)?;
    let free = sys::domain_info(child.domain)?.free;
    let own = sys::domain_info(SELF)?.free;

    child.start(Role::Exhaust, 0)?;

    check!(wait_until(5000, || word(0).get() > 0), "the child does not end");
    check_eq!(word(2).get(), Status::NoMemory as u64, "last status");
    check_eq!(word(1).get(), free, "objects made");
    let info = sys::domain_info(child.domain)?;
    check_eq!((info.pool, info.free), (POOL_PAGES, 0), "pool");
    check_eq!(sys::domain_info(SELF)?.free, own, "own free pages");
    check_eq!(status(create::notification(FREE)), Status::Ok, "another domain's creation");
    Ok(())
}

fn failed_creation_costs_nothing() -> Outcome {
    create::sched_context(SCHED, MACHINE, 0, 1, 0)?;
    create::space(SPACE)?;
    create::vcpu(FREE + 2, SPACE, SCHED, frame::VCPU[0], 0)?;
    let before = accounts();

    check_eq!(status(create::vcpu(FREE + 3, SPACE, SCHED, frame::VCPU[1], 0)), Status::Taken, "vCPU on a used context");
    check_eq!(status(create::notification(SPACE)), Status::Taken, "taken slot");
    check_eq!(status(create::irq(FREE + 3, MACHINE, 5000, crate::env::DONE, 0)), Status::BadArg, "interrupt");

    check_eq!(accounts(), before, "accounts");
    Ok(())
}

fn tables_are_paid_by_the_domain_that_is_mapped_into() -> Outcome {
    create::domain(FREE)?;
    sys::donate(frame::POOL[0], FREE)?;
    let own = sys::domain_info(SELF)?.free;

    // Level 2 and level 3 for each GiB.
    for n in 0..8 {
        sys::map(frame::PAGE[0], FREE, n << 30, 0, 1, RW)?;
    }

    check_eq!(sys::domain_info(FREE)?.free, POOL_PAGES - 16, "free pages of its pool");
    check_eq!(sys::domain_info(SELF)?.free, own, "own free pages");
    let mut n = 8;
    let last = loop {
        match sys::map(frame::PAGE[1], FREE, n << 30, 0, 1, RW) {
            Ok(()) => n += 1,
            Err(status) => break status,
        }
    };
    check_eq!((n, last), (POOL_PAGES / 2, Status::NoMemory), "maps until the pool is empty");
    check_eq!(status(sys::translate(FREE, n << 30)), Status::NotMapped, "the refused map");
    sys::unmap(frame::PAGE[1], FREE, (n - 1) << 30)?;
    check_eq!(sys::domain_info(FREE)?.free, 2, "pages of an unmapped GiB");
    check_eq!(status(sys::map(frame::PAGE[1], FREE, n << 30, 0, 1, RW)), Status::Ok, "map after that");
    Ok(())
}

fn a_hundred_rounds_leave_the_accounts_as_they_were() -> Outcome {
    let before = accounts();
    let cores = crate::env::cores();
    for round in 0..100 {
        word(0).set(0);
        create::sched_context(SCHED, MACHINE, round % cores, 1, 0)?;
        let child = Child::make(0, round % cores, 5)?;
        child.grant(GRANTED, SCHED, rights::ALL, 0)?;
        child.grant(GRANTED + 1, frame::VCPU[0], RW, 0)?;
        sys::map(frame::SMALL, child.domain, 0x7c_a000_0000, 0, 8, RW)?;
        child.start(Role::MakeAll, 0)?;
        check!(wait_until(5000, || word(0).get() > 0), "the child does not run");
        check_eq!(word(1).get(), 5, "objects made by the child");
        if round % 2 == 0 {
            sys::revoke(frame::SMALL)?;
        }
        child.destroy()?;
        sys::destroy(SCHED)?;
        check_eq!(accounts(), before, "accounts after a round");
    }
    Ok(())
}

fn vmids_run_out_and_come_back() -> Outcome {
    // In a domain of its own with enough memory: 255 Spaces need 510 pages.
    let before = accounts();
    create::domain(FREE)?;
    sys::donate(frame::BIG, FREE)?;
    check_eq!(sys::domain_info(FREE)?.free, crate::env::BIG_PAGES, "pool");
    let mut made = 0;
    let last = loop {
        match create::space(FREE + 1 + made) {
            Ok(()) => made += 1,
            Err(status) => break status,
        }
        check!(made < 300, "more spaces than VMIDs");
    };
    check!(matches!(last, Status::Full | Status::NoMemory), "last status {last:?}");
    check_eq!(accounts().vmids, before.vmids + 1 + made, "VMIDs");
    (0..made).try_for_each(|n| sys::destroy(FREE + 1 + n))?;
    sys::destroy(FREE)?;
    check_eq!(accounts(), before, "accounts");
    Ok(())
}

fn a_domain_that_nests_can_be_destroyed() -> Outcome {
    let before = accounts();
    let child = Child::spawn(0, 0, 5, Role::Nest, 3)?;
    check!(wait_until(5000, || word(0).get() > 0), "the child does not run");
    check_eq!(word(1).get(), 0, "status of the nested creation");

    check_eq!(status(child.destroy()), Status::Ok, "destruction");

    check_eq!(accounts(), before, "accounts");
    Ok(())
}

fn a_domain_without_memory_makes_nothing() -> Outcome {
    create::domain(FREE)?;
    create::sched_context(SCHED + 2, MACHINE, 0, 1, 0)?;
    // SAFETY: the thread would be another domain's.
    #[allow(unsafe_code, reason = "a thread of another domain")]
    let thread = unsafe { create::thread(FREE + 3, FREE, SCHED + 2, 0, 0) };

    check_eq!(status(thread), Status::NoMemory, "thread");
    check_eq!(status(sys::map(frame::PAGE[0], FREE, PAGE_SIZE, 0, 1, RW)), Status::NoMemory, "map");
    check_eq!(status(sys::destroy(SCHED + 2)), Status::Ok, "the context is free again");
    Ok(())
}
