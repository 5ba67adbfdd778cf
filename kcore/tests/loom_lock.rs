//! Ticket lock: all interleavings of two cores, and of three with at most three preemptions.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(loom)]

use kcore::lock::{Spin, TicketLock};
use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use std::cell::Cell;

struct Yield;

impl Spin for Yield {
    fn wait() {
        thread::yield_now();
    }
    fn wake() {}
}

loom::lazy_static! {
    /// SEVs so far.
    static ref EVENTS: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
}
loom::thread_local! {
    /// SEVs that this core's event register has taken in.
    static SEEN: Cell<u32> = Cell::new(0);
}

/// WFE and SEV with the event register: a core that misses its wake-up sleeps for ever, which loom finds.
struct Events;

impl Spin for Events {
    fn wait() {
        let mut events = EVENTS.0.lock().unwrap();
        while *events == SEEN.with(Cell::get) {
            events = EVENTS.1.wait(events).unwrap();
        }
        SEEN.with(|seen| seen.set(*events));
    }
    fn wake() {
        *EVENTS.0.lock().unwrap() += 1;
        EVENTS.1.notify_all();
    }
}

/// A count in a cell of loom's, which fails the model when two cores are in it, or one does not see the other's write.
struct Counter<S: Spin> {
    lock: TicketLock<S>,
    count: UnsafeCell<u32>,
}

// SAFETY: the cell is reached only with the lock held; loom finds it if two cores are there at once.
#[allow(unsafe_code, reason = "shares a cell")]
unsafe impl<S: Spin> Sync for Counter<S> {}

fn increment<S: Spin>(counter: &Counter<S>) {
    let _guard = counter.lock.lock();
    counter.count.with_mut(|count| {
        // SAFETY: the pointer is to the cell's own value; loom checks that no other access is under way.
        #[allow(unsafe_code, reason = "loom's cell hands out a pointer")]
        unsafe {
            *count += 1
        }
    });
}

fn total_of<S: Spin + 'static>(cores: usize, rounds: usize) -> u32 {
    let counter = Arc::new(Counter::<S> { lock: TicketLock::new(), count: UnsafeCell::new(0) });
    let others: Vec<_> = (1..cores)
        .map(|_| {
            let counter = counter.clone();
            thread::spawn(move || (0..rounds).for_each(|_| increment(&counter)))
        })
        .collect();
    (0..rounds).for_each(|_| increment(&counter));
    others.into_iter().for_each(|core| core.join().unwrap());
    let _guard = counter.lock.lock();
    // SAFETY: as in `increment`.
    #[allow(unsafe_code, reason = "loom's cell hands out a pointer")]
    counter.count.with(|count| unsafe { *count })
}

#[test]
fn loom_two_cores_that_spin_exclude_each_other() {
    loom::model(|| assert_eq!(total_of::<Yield>(2, 2), 4));
}

#[test]
fn loom_three_cores_that_sleep_are_all_woken() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| assert_eq!(total_of::<Events>(3, 1), 3));
}
