//! The scheduler of a core: fixed priorities, round robin among equals, timers.
//!
//! The running scheduling context stays in the ready queue, at the head of its priority. All here works on the calling
//! core; others ask by the wake stack ([`wake`]).

use crate::arch::{self, sysreg::*};
use crate::config::HCR_TWI;
use crate::core_local::{CORES, Core, Mode};
use crate::object::{Entity, Obj, RunState, SchedContext, Schedulable, Thread, Vcpu, Which};
use crate::{destroy, gic, irq, notify, switch, trap};
use abi::syscall::Status;
use abi::vcpu::sys;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kcore::mpsc::Wakes;
use kcore::queue::Links;
use kcore::timerq::Timers;

/// Links of scheduling contexts in the ready queue.
pub struct ReadyLinks;
impl Links for ReadyLinks {
    fn next(&self, id: u64) -> u64 {
        Obj::<SchedContext>::at(id).link_next.get()
    }
    fn set_next(&mut self, id: u64, next: u64) {
        Obj::<SchedContext>::at(id).link_next.set(next);
    }
    fn prev(&self, id: u64) -> u64 {
        Obj::<SchedContext>::at(id).link_prev.get()
    }
    fn set_prev(&mut self, id: u64, prev: u64) {
        Obj::<SchedContext>::at(id).link_prev.set(prev);
    }
}

struct TimerLinks;
impl Links for TimerLinks {
    fn next(&self, id: u64) -> u64 {
        Obj::<Schedulable>::at(id).timer_next.get()
    }
    fn set_next(&mut self, id: u64, next: u64) {
        Obj::<Schedulable>::at(id).timer_next.set(next);
    }
    fn prev(&self, id: u64) -> u64 {
        Obj::<Schedulable>::at(id).timer_prev.get()
    }
    fn set_prev(&mut self, id: u64, prev: u64) {
        Obj::<Schedulable>::at(id).timer_prev.set(prev);
    }
}
impl Timers for TimerLinks {
    fn deadline(&self, id: u64) -> u64 {
        Obj::<Schedulable>::at(id).deadline.get()
    }
}

struct WakeLinks;
impl Wakes for WakeLinks {
    fn link(&self, id: u64) -> &AtomicU64 {
        // SAFETY: an object's page outlives every reference to it (`destroy`).
        #[allow(unsafe_code, reason = "objects live in donated pages")]
        unsafe {
            &(*(id as *const Schedulable)).wake_link
        }
    }
    fn queued(&self, id: u64) -> &AtomicBool {
        // SAFETY: as above.
        #[allow(unsafe_code, reason = "objects live in donated pages")]
        unsafe {
            &(*(id as *const Schedulable)).wake_claim
        }
    }
}

/// The scheduling context that an entity runs on.
fn context_of(e: Entity) -> Option<Obj<SchedContext>> {
    match e.which() {
        Which::Thread(t) => t.running_on.get(),
        Which::Vcpu(v) => v.common.sched.get(),
    }
}

/// Puts a scheduling context into the ready queue with `e` on it.
pub fn enqueue(core: &Core, sc: Obj<SchedContext>, e: Entity) {
    sc.runs.set(Some(e));
    if !sc.queued.replace(true) {
        core.ready.with(|q| q.push_back(&mut ReadyLinks, sc.priority.get(), sc.addr()));
    }
    core.resched.set(true);
}

/// Takes a scheduling context off the ready queue.
pub fn dequeue(core: &Core, sc: Obj<SchedContext>) {
    if sc.queued.replace(false) {
        core.ready.with(|q| q.remove(&mut ReadyLinks, sc.priority.get(), sc.addr()));
    }
    core.resched.set(true);
}

/// Makes an entity of this core ready.
pub fn make_ready(core: &Core, e: Entity) {
    e.state.set(RunState::Ready);
    if let Which::Thread(t) = e.which()
        && t.running_on.get().is_none()
    {
        t.running_on.set(t.common.sched.get());
    }
    if let Some(sc) = context_of(e) {
        enqueue(core, sc, e);
    }
}

/// Takes an entity of this core off the ready queue.
pub fn block(core: &Core, e: Entity, state: RunState) {
    e.state.set(state);
    if let Some(sc) = context_of(e)
        && sc.runs.get() == Some(e)
    {
        dequeue(core, sc);
    }
}

/// Gives the rest of the slice away: behind the equals.
pub fn rotate(core: &Core) {
    let Some(sc) = core.current.get().and_then(context_of) else { return };
    if sc.queued.get() {
        core.ready.with(|q| {
            q.remove(&mut ReadyLinks, sc.priority.get(), sc.addr());
            q.push_back(&mut ReadyLinks, sc.priority.get(), sc.addr());
        });
    }
    end_slice(core);
    core.resched.set(true);
}

/// No slice is counted any more.
pub fn end_slice(core: &Core) {
    core.slice_end.set(u64::MAX);
    core.slice_of.set(None);
}

/// Another scheduling context takes the core: what is left of the slice stays with its owner, so that equals get their
/// turn however often a higher priority interrupts.
fn interrupt_slice(core: &Core) {
    if let Some(sc) = core.slice_of.get() {
        sc.left.set(core.slice_end.get().saturating_sub(Core::now()).max(1));
    }
    end_slice(core);
}

/// Counts the slice of `sc`, which runs, if it has equals.
fn count_slice(core: &Core, sc: Obj<SchedContext>) {
    if core.slice_of.get().is_some_and(|of| of != sc) {
        interrupt_slice(core);
    }
    let counted = core.slice_end.get() != u64::MAX;
    let wanted = core.ready.with(|q| q.has_equal(sc.priority.get()));
    if counted == wanted {
        return;
    }
    if wanted {
        let left = sc.left.take();
        let slice = if left == 0 { sc.slice.get() } else { left };
        core.slice_end.set(Core::now().saturating_add(slice));
        core.slice_of.set(Some(sc));
    } else {
        end_slice(core);
    }
    program_timer(core);
}

/// Sets, moves or (with `u64::MAX`) removes the deadline of an entity of this core.
pub fn set_deadline(core: &Core, e: Entity, deadline: u64) {
    if e.timed.replace(false) {
        core.timers.with(|q| q.remove(&mut TimerLinks, e.addr()));
    }
    e.deadline.set(deadline);
    if deadline != u64::MAX {
        e.timed.set(true);
        core.timers.with(|q| q.insert(&mut TimerLinks, e.addr()));
    }
    program_timer(core);
}

fn program_timer(core: &Core) {
    let first = core.timers.with(|q| q.first(&TimerLinks)).map_or(u64::MAX, |(deadline, _)| deadline);
    let next = first.min(core.slice_end.get());
    if next == u64::MAX {
        cnthp_ctl_el2::write(0);
    } else {
        cnthp_cval_el2::write(next);
        cnthp_ctl_el2::write(1);
    }
}

/// The EL2 timer fired.
pub fn timer_interrupt(core: &Core) {
    let now = Core::now();
    loop {
        let expired = core.timers.with(|q| q.pop_expired(&mut TimerLinks, now));
        let Some(e) = expired.and_then(Entity::opt) else { break };
        e.timed.set(false);
        expire(core, e, now);
    }
    if now >= core.slice_end.get() {
        rotate(core);
    }
    program_timer(core);
}

fn expire(core: &Core, e: Entity, now: u64) {
    match e.which() {
        Which::Thread(t) => notify::timed_out(core, t),
        Which::Vcpu(v) => vcpu_expired(core, v, now),
    }
}

/// Deadline of an unloaded guest's own virtual timer in CNTPCT ticks; `u64::MAX` if it is off, masked or taken.
fn guest_deadline(v: Obj<Vcpu>, now: u64) -> u64 {
    let s = v.sys.get();
    if s[sys::CNTV_CTL_EL0] & 3 == 1 && s[sys::TIMER_ACTIVE] == 0 {
        // The guest's counter is now − CNTVOFF modulo 2^64; its timer compares without a sign (Arm ARM D11.2.4).
        let left = s[sys::CNTV_CVAL_EL0].saturating_sub(now.wrapping_sub(v.cntvoff.get()));
        now.saturating_add(left)
    } else {
        u64::MAX
    }
}

/// Sets the deadline of a vCPU: its VMM's timer, and its guest's while it is not loaded.
pub fn arm_vcpu(core: &Core, v: Obj<Vcpu>) {
    let guest = if core.loaded.get() == Some(v) { u64::MAX } else { guest_deadline(v, Core::now()) };
    let deadline = v.vmm_deadline.get().min(guest);
    if deadline != v.common.deadline.get() || v.common.timed.get() != (deadline != u64::MAX) {
        set_deadline(core, Entity(Obj::at(v.addr())), deadline);
    }
}

fn vcpu_expired(core: &Core, v: Obj<Vcpu>, now: u64) {
    let e = Entity(Obj::at(v.addr()));
    if v.vmm_deadline.get() <= now {
        v.vmm_deadline.set(u64::MAX);
        v.timer_passed.set(true);
        core.resched.set(true);
        if matches!(v.common.state.get(), RunState::Parked | RunState::Wfi) {
            make_ready(core, e);
        }
    }
    if core.loaded.get() != Some(v) && guest_deadline(v, now) <= now {
        // Loading the vCPU lets the physical timer fire; it only has to run. Its VMM's timer may still be to come.
        set_deadline(core, e, v.vmm_deadline.get());
        if v.common.state.get() == RunState::Wfi {
            make_ready(core, e);
        }
    } else {
        arm_vcpu(core, v);
    }
}

/// Asks the core of `e` to look at it.
pub fn wake(e: Entity) {
    let Some(core) = CORES.get(e.core.get()) else { return };
    if core.is_here() {
        attend(core, e);
    } else if core.wakes.push(&WakeLinks, e.addr()) {
        gic::wake_core(core);
    }
}

/// The wake-up SGI came.
pub fn wake_interrupt(core: &Core) {
    let mut taken = core.wakes.take_all();
    while let Some(id) = taken.next(&WakeLinks) {
        if let Some(e) = Entity::opt(id) {
            attend(core, e);
        }
    }
    destroy::core_step(core);
}

/// Looks at an entity of this core that something happened to.
fn attend(core: &Core, e: Entity) {
    if e.header.dead.load(Ordering::Acquire) {
        return;
    }
    let stopped = e.domain.get().is_some_and(|d| d.stopped.load(Ordering::Acquire) != 0);
    if stopped {
        return halt(core, e);
    }
    match e.control.swap(0, Ordering::AcqRel) {
        1 if e.state.get() == RunState::Stopped => make_ready(core, e),
        2 => halt(core, e),
        _ => {}
    }
    match e.which() {
        Which::Thread(t) => notify::check(core, t),
        Which::Vcpu(v) => {
            if v.kicked.load(Ordering::Acquire) {
                if matches!(v.common.state.get(), RunState::Parked | RunState::Wfi) {
                    make_ready(core, e);
                }
                core.resched.set(true);
            }
        }
    }
}

/// Stops an entity of this core for good (until it is started again). What waits for it is told.
pub fn halt(core: &Core, e: Entity) {
    if let Which::Thread(t) = e.which() {
        crate::ipc::abandon(core, t);
        notify::abandon(t);
    }
    set_deadline(core, e, u64::MAX);
    block(core, e, RunState::Stopped);
}

/// Chooses who runs and enters it. At the end of every trap that changed anything.
pub fn reschedule(core: &'static Core) {
    loop {
        core.resched.set(false);
        let highest = core.ready.with(|q| q.highest());
        let Some((_, sc)) = highest.map(|(p, id)| (p, Obj::<SchedContext>::at(id))) else {
            idle(core);
            continue;
        };
        let Some(next) = sc.runs.get() else {
            dequeue(core, sc);
            continue;
        };
        let shared = core.ready.with(|q| q.is_shared());
        core.guest_hcr.set(core.hcr_alone.get() | if shared { HCR_TWI } else { 0 });
        if core.current.get() == Some(next) {
            stay(core, next);
        } else {
            switch::leave(core);
            switch::enter(core, next);
        }
        count_slice(core, sc);
        return;
    }
}

/// The current entity goes on: a guest may have to exit, and its WFI may have to trap from now on.
fn stay(core: &Core, e: Entity) {
    if core.mode.get() != Mode::Guest {
        return;
    }
    if let Which::Vcpu(v) = e.which() {
        if let Some(why) = switch::pending_reason(v) {
            switch::exit(core, v, why);
        } else {
            hcr_el2::write(core.guest_hcr.get());
        }
    }
}

/// Nothing is ready: waits for an interrupt and takes it.
fn idle(core: &'static Core) {
    switch::leave(core);
    trap::masked_end(core);
    arch::wfi();
    trap::masked_begin(core);
    irq::take_all(core);
}

/// Result of a syscall that wants a thread.
pub fn current_thread(core: &Core) -> Result<Obj<Thread>, Status> {
    match core.current.get().map(Entity::which) {
        Some(Which::Thread(t)) => Ok(t),
        _ => Err(Status::BadState),
    }
}
