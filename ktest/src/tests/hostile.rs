//! Hostile domains: random syscalls with random arguments, thousands or a million, seeded, alone and on two cores at a
//! time. Meanwhile the oracle watches: what they were not given stays as it is. The kernel and this domain stay; whatever
//! state they leave can be destroyed, and all memory comes back.

use crate::child::{Child, GRANTED, OWN, Role};
use crate::env::{self, FREE, MACHINE, RW, SELF, accounts, after_ms, frame, now};
use crate::outcome::Outcome;
use crate::shared::{self, word};
use crate::tests::oracle::Watch;
use crate::thread::sleep_ms;
use crate::{check, check_eq, tests};
use abi::cap::rights;
use rt::sys::{self, create};

tests! {
    1 random_syscalls_of_one_domain;
    2 random_syscalls_of_two_domains_on_two_cores;
    2 signals_from_another_domain_while_it_is_destroyed;
}

/// Calls of a hostile domain, unless it is ended or blocks before.
const CALLS: u64 = 400;
/// Least calls of a test: by the feature `long`, a million of both tests together.
const LEAST: u64 = if cfg!(feature = "long") { 500_000 } else { 1 };
/// Least seeds of a test.
const SEEDS: u64 = 40;
/// Steps of the oracle's walk beside each seed.
const WATCHED: u64 = 4;
/// Objects of this domain that the hostile ones share.
const SHARED: u64 = FREE;

/// Gives child `n` something of each kind to play with.
fn armed(n: usize, core: u64) -> Outcome<Child> {
    let child = Child::make(n, core, 5)?;
    let own = FREE + 16 + 8 * n as u64;
    create::sched_context(own, MACHINE, core, 4, 0)?;
    create::sched_context(own + 1, MACHINE, core, 6, 0)?;
    child.grant(OWN, child.domain, rights::ALL, 0)?;
    let grants = [
        (SHARED, rights::ALL),
        (SHARED + 1, rights::ALL & !rights::GRANT),
        (SHARED + 2, rights::ALL),
        (own, rights::ALL),
        (own + 1, RW),
        (frame::VCPU[n], RW),
        (frame::PAGE[n], rights::ALL & !rights::EXEC),
        (frame::SMALL, rights::ALL),
        (child.thread, rights::ALL),
    ];
    for (slot, (source, rights)) in (GRANTED..).zip(grants) {
        child.grant(slot, source, rights, 0)?;
    }
    Ok(child)
}

fn shared_objects() -> Outcome {
    create::notification(SHARED)?;
    create::sched_context(SHARED + 3, MACHINE, 0, 1, 0)?;
    create::endpoint(SHARED + 1, SHARED + 3)?;
    create::space(SHARED + 2)?;
    Ok(())
}

/// Waits until the children have ended, have made all calls, or make none for 30 ms.
fn wait_for(children: &[Child]) {
    let end = after_ms(10_000);
    let (mut before, mut still) = (u64::MAX, 0);
    while now() < end && children.iter().any(Child::runs) && still < 3 {
        let calls = word(1).get();
        still = if calls == before { still + 1 } else { 0 };
        before = calls;
        sleep_ms(10);
    }
}

fn fuzz(first_seed: u64, children: usize) -> Outcome {
    let before = accounts();
    let (mut seed, mut calls) = (first_seed, 0);
    while seed < first_seed + SEEDS || calls < LEAST {
        calls += round(seed, children)?;
        crate::env::clean_up();
        let after = accounts();
        check!(after == before, "seed {seed}: {after:?}, before {before:?}");
        check_eq!(crate::env::status(sys::cap_info(SELF)), abi::syscall::Status::Ok, "own domain");
        check!(seed < first_seed + SEEDS || calls > 0, "no calls");
        seed += 1;
    }
    shared::clear();
    Ok(())
}

/// Hostile domains with one seed; gives how many calls the last of them made.
fn round(seed: u64, children: usize) -> Outcome<u64> {
    shared_objects()?;
    word(0).set(seed);
    word(1).set(0);
    let cores = env::cores();
    let mut made: [Option<Child>; 2] = [None, None];
    for (n, child) in made.iter_mut().enumerate().take(children) {
        *child = Some(armed(n, n as u64 % cores)?);
    }
    let made: [Child; 2] = made.map(|child| child.unwrap_or(Child::slots(3)));
    let mut watch = Watch::begin(seed)?;
    for child in made.iter().take(children) {
        child.start(Role::Fuzz, CALLS)?;
    }
    watch.steps(WATCHED / 2)?;
    wait_for(&made[..children]);
    watch.steps(WATCHED / 2)?;
    Ok(word(1).get())
}

fn random_syscalls_of_one_domain() -> Outcome {
    fuzz(1, 1)
}

fn random_syscalls_of_two_domains_on_two_cores() -> Outcome {
    fuzz(100_000, 2)
}

fn signals_from_another_domain_while_it_is_destroyed() -> Outcome {
    for _ in 0..10 {
        create::notification(FREE)?;
        let child = Child::make(0, 1, 5)?;
        child.grant(GRANTED, FREE, rights::WRITE, 0)?;
        child.start(Role::Signal, 5)?;
        check!(sys::wait(FREE, after_ms(5000)).is_ok(), "no signal");

        // The notification goes while it is signalled, then the domain.
        sys::destroy(FREE)?;
        child.destroy()?;
    }
    Ok(())
}
