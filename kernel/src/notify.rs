//! Notifications: bits that any core sets and one thread waits for, or one vCPU is kicked by.

use crate::core_local::Core;
use crate::ipc::{entity, frame};
use crate::object::{Entity, Notification, Obj, RunState, Thread, Vcpu, Which};
use crate::sched;
use abi::syscall::Status;
use core::sync::atomic::Ordering;

/// Sets bits; wakes who waits.
pub fn signal(n: Obj<Notification>, bits: u64) {
    if n.word.signal(bits)
        && let Some(waiter) = Entity::opt(n.waiter.load(Ordering::Acquire))
    {
        if let Which::Vcpu(v) = waiter.which() {
            v.rung.store(true, Ordering::Release);
        }
        sched::wake(waiter);
    }
}

/// VCPU_BIND: the vCPU is the waiter from now on. Management lock.
pub fn bind(v: Obj<Vcpu>, n: Obj<Notification>) -> Result<(), Status> {
    if v.bell.load(Ordering::Relaxed) != 0
        || n.waiter.compare_exchange(0, v.addr(), Ordering::AcqRel, Ordering::Relaxed).is_err()
    {
        return Err(Status::Taken);
    }
    v.bell.store(n.addr(), Ordering::Release);
    signal(n, n.word.rearm());
    Ok(())
}

/// The kicked vCPU exits: the bits of its notification, taken.
pub fn bells(v: Obj<Vcpu>) -> u64 {
    Obj::<Notification>::opt(v.bell.load(Ordering::Acquire)).map_or(0, |n| n.word.rearm())
}

/// The vCPU or its notification is destroyed: they part. On the vCPU's core.
pub fn part(v: Obj<Vcpu>) {
    if let Some(n) = Obj::<Notification>::opt(v.bell.swap(0, Ordering::AcqRel)) {
        n.word.cancel_wait();
        n.waiter.store(0, Ordering::Release);
    }
}

/// WAIT by the current thread. `None`: it blocked.
pub fn wait(core: &Core, n: Obj<Notification>, deadline: u64) -> Result<Option<u64>, Status> {
    let t = sched::current_thread(core)?;
    if Entity::opt(n.waiter.load(Ordering::Acquire)).is_some_and(|e| matches!(e.which(), Which::Vcpu(_))) {
        return Err(Status::BadState);
    }
    if deadline == 0 {
        return n.word.try_take().map(Some).ok_or(Status::Timeout);
    }
    if n.waiter.compare_exchange(0, t.addr(), Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Err(Status::Taken);
    }
    if let Err(bits) = n.word.begin_wait() {
        n.waiter.store(0, Ordering::Release);
        return Ok(Some(bits));
    }
    t.waits_for.set(Some(n));
    sched::block(core, entity(t), RunState::Waiting);
    if deadline != u64::MAX {
        sched::set_deadline(core, entity(t), deadline);
    }
    Ok(None)
}

/// Ends the wait of a thread of this core.
fn finish(core: &Core, t: Obj<Thread>, n: Obj<Notification>, status: Status, bits: u64) {
    t.waits_for.set(None);
    n.waiter.store(0, Ordering::Release);
    if t.common.timed.get() {
        sched::set_deadline(core, entity(t), u64::MAX);
    }
    frame(t).set_x(0, status as u64);
    frame(t).set_x(1, bits);
    sched::make_ready(core, entity(t));
}

/// Looks whether the thread was signalled.
pub fn check(core: &Core, t: Obj<Thread>) {
    if t.common.state.get() == RunState::Waiting
        && let Some(n) = t.waits_for.get()
        // The signaller took WAITING away, and another thread may have polled the bits since: then it is set again.
        && let Err(bits) = n.word.begin_wait()
        && bits != 0
    {
        finish(core, t, n, Status::Ok, bits);
    }
}

/// The thread's deadline passed.
pub fn timed_out(core: &Core, t: Obj<Thread>) {
    if t.common.state.get() != RunState::Waiting {
        return;
    }
    if let Some(n) = t.waits_for.get() {
        n.word.cancel_wait();
        match n.word.try_take() {
            Some(bits) => finish(core, t, n, Status::Ok, bits),
            None => finish(core, t, n, Status::Timeout, 0),
        }
    }
}

/// The thread stops waiting without being told: it is stopped or destroyed.
pub fn abandon(t: Obj<Thread>) {
    if let Some(n) = t.waits_for.take() {
        n.word.cancel_wait();
        n.waiter.store(0, Ordering::Release);
        frame(t).set_x(0, Status::Again as u64);
    }
}

/// The notification is destroyed: a waiter of this core is told.
pub fn close(core: &Core, n: Obj<Notification>) {
    let waiter = Entity::opt(n.waiter.load(Ordering::Acquire)).filter(|e| e.core.get() == core.index.get());
    match waiter.map(Entity::which) {
        Some(Which::Vcpu(v)) => part(v),
        Some(Which::Thread(t)) if t.common.state.get() == RunState::Waiting => {
            n.word.cancel_wait();
            finish(core, t, n, Status::Dead, 0);
        }
        _ => {}
    }
}
