//! The scheduler of a core: fixed priorities with budgets, round robin among equals, timers, accounts.
//!
//! ```text
//!              budget has run out                  core.ready[0]: the highest priority runs, and pays while others are ready
//!  ready[0] ─────────────────────────▶ ready[1]    core.ready[1]: as above when ready[0] is empty, for nothing
//!           ◀─────────────────────────
//!              enough has come back
//! ```
//! The running scheduling context stays in its queue, at the head of its priority. All here works on the calling core;
//! others ask by the wake stack ([`wake`]).

use crate::arch::{self, sysreg::*};
use crate::config::{HCR_TWI, HCR_VI};
use crate::core_local::{CORES, Core, Mode, here};
use crate::exclusive::Exclusive;
use crate::frame::FrameRef;
use crate::object::{Entity, Obj, RunState, SchedContext, Schedulable, Thread, Vcpu, Which, links};
use crate::{destroy, gic, irq, notify, switch};
use abi::syscall::Status;
use abi::vcpu::{AccountPage, sys};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::mpsc::WakeLink;
use kcore::queue::RunQueue;
use kcore::timerq::Timers;

/// Deadlines that one timer interrupt looks at, and entities that one wake-up looks at, with interrupts masked.
const EXPIRE_STEP: usize = 4;
const WAKE_STEP: usize = 8;

links!(ReadyLinks, SchedContext, link);
links!(RefillLinks, SchedContext, refill);
links!(TimerLinks, Schedulable, timer);

impl Timers for TimerLinks {
    fn deadline(&self, id: u64) -> u64 {
        Obj::<Schedulable>::at(id).deadline.get()
    }
}

impl Timers for RefillLinks {
    fn deadline(&self, id: u64) -> u64 {
        Obj::<SchedContext>::at(id).refill_at.get()
    }
}

fn wake_link(id: u64) -> &'static WakeLink {
    &Obj::<Schedulable>::at(id).live().wake
}

/// The scheduling context that an entity runs on.
fn context_of(e: Entity) -> Option<Obj<SchedContext>> {
    match e.which() {
        Which::Thread(t) => t.running_on.get(),
        Which::Vcpu(v) => v.common.sched.get(),
    }
}

/// The queue of a ready scheduling context: those that may run come before those whose budget has run out.
fn queue(core: &Core, sc: Obj<SchedContext>) -> &Exclusive<RunQueue> {
    &core.ready[usize::from(sc.depleted.get())]
}

/// Puts a ready scheduling context into the queue that its budget gives it. The caller sees to `Core::resched`.
fn join(core: &Core, sc: Obj<SchedContext>, now: u64) {
    let depleted = sc.budget.with(|b| b.is_limited() && !b.is_ready(now));
    sc.depleted.set(depleted);
    queue(core, sc).with(|q| q.push_back(&mut ReadyLinks, sc.priority.get(), sc.addr()));
    if depleted {
        sc.refill_at.set(sc.budget.with(|b| b.ready_at()));
        core.refills.with(|q| q.insert(&mut RefillLinks, sc.addr()));
    }
}

fn part(core: &Core, sc: Obj<SchedContext>) {
    queue(core, sc).with(|q| q.remove(&mut ReadyLinks, sc.priority.get(), sc.addr()));
    if sc.depleted.replace(false) {
        core.refills.with(|q| q.remove(&mut RefillLinks, sc.addr()));
    }
    core.resched.set(true);
}

/// Makes a scheduling context ready with `e` on it.
pub fn enqueue(core: &Core, sc: Obj<SchedContext>, e: Entity) {
    sc.runs.set(Some(e));
    core.resched.set(true);
    if !sc.queued.replace(true) {
        core.ready_count.set(core.ready_count.get() + 1);
        let now = Core::now();
        if core.running.get() != Some(sc) {
            sc.stolen.start(now);
        }
        join(core, sc, now);
    }
}

/// Takes a scheduling context out of the ready ones.
pub fn dequeue(core: &Core, sc: Obj<SchedContext>) {
    core.resched.set(true);
    if sc.queued.replace(false) {
        core.ready_count.set(core.ready_count.get() - 1);
        sc.stolen.stop(Core::now());
        part(core, sc);
    }
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
        queue(core, sc).with(|q| q.rotate(&mut ReadyLinks, sc.priority.get(), sc.addr()));
    }
    core.slice_end.set(u64::MAX);
    core.resched.set(true);
}

/// Counts the slice of `sc`, which runs, if it has equals. What is left of a slice stays with its owner, so that equals
/// get their turn however often a higher priority interrupts.
#[inline(always)]
fn count_slice(core: &Core, sc: Obj<SchedContext>) {
    let wanted = queue(core, sc).with(|q| q.has_equal(sc.priority.get()));
    if wanted == (core.slice_end.get() != u64::MAX) {
        return;
    }
    core.slice_end.set(u64::MAX);
    if wanted {
        let left = sc.left.take();
        core.slice_end.set(Core::now().saturating_add(if left == 0 { sc.slice.get() } else { left }));
    }
}

/// Counts one more; only its own core does.
fn count(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Takes the stretch that ends now from the budget of the context that runs, if it pays.
#[inline(always)]
fn charge(core: &Core, now: u64) {
    if core.budget_end.replace(u64::MAX) != u64::MAX {
        charge_budget(core, now);
    }
}

#[inline(never)]
fn charge_budget(core: &Core, now: u64) {
    let Some(sc) = core.running.get() else { return };
    let left = sc.budget.with(|b| {
        b.charge(core.since.get(), now);
        b.left(now)
    });
    if left == 0 {
        count(&sc.depletions);
        if sc.queued.get() {
            part(core, sc);
            join(core, sc, now);
        }
    }
}

/// The context that ran does not run any more.
#[inline]
pub fn retire(core: &Core, now: u64) {
    charge(core, now);
    let slice_end = core.slice_end.replace(u64::MAX);
    if let Some(sc) = core.running.take() {
        if slice_end != u64::MAX {
            sc.left.set(slice_end.saturating_sub(now).max(1));
        }
        sc.run.stop(now);
        if sc.queued.get() {
            sc.stolen.start(now);
        }
    }
}

/// `next` runs on `sc` from now on. It pays from its budget while another is ready; what nobody wants is free.
#[inline(always)]
fn account(core: &Core, sc: Obj<SchedContext>, next: Entity, shared: bool) {
    let pays = sc.budget.with(|b| b.is_limited()) && shared && !sc.depleted.get();
    let runs = core.running.get() == Some(sc);
    if runs && pays == (core.budget_end.get() != u64::MAX) {
        return;
    }
    let now = Core::now();
    if runs {
        charge(core, now);
    } else {
        retire(core, now);
        core.running.set(Some(sc));
        tell_stolen(core, next, sc.stolen.stop(now));
        sc.run.start(now);
        count(&sc.chosen);
    }
    if pays {
        core.since.set(now);
        core.budget_end.set(now.saturating_add(sc.budget.with(|b| b.left(now))));
    }
}

/// The account of a scheduling context, for SCHED_INFO. Management lock.
pub fn info(sc: Obj<SchedContext>) -> [u64; 5] {
    let now = Core::now();
    let handles = match Entity::opt(sc.bound.load(Ordering::Acquire)).map(Entity::which) {
        Some(Which::Vcpu(v)) => v.in_handler.get(),
        _ => false,
    };
    let [chosen, depletions] = [&sc.chosen, &sc.depletions].map(|count| count.load(Ordering::Relaxed));
    [sc.run.read(now), sc.stolen.read(now), u64::from(handles), chosen, depletions]
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
    let timer = core.timers.with(|q| q.first(&TimerLinks)).map_or(u64::MAX, |(deadline, _)| deadline);
    let refill = core.refills.with(|q| q.first(&RefillLinks)).map_or(u64::MAX, |(at, _)| at);
    let next = timer.min(refill).min(core.slice_end.get()).min(core.budget_end.get());
    if core.timer_set.replace(next) == next {
        return;
    }
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
    // What is left keeps the timer's condition true.
    for _ in 0..EXPIRE_STEP {
        let expired = core.timers.with(|q| q.pop_expired(&mut TimerLinks, now));
        let Some(e) = expired.and_then(Entity::opt) else { break };
        e.timed.set(false);
        expire(core, e, now);
    }
    if now >= core.budget_end.get() {
        charge(core, now);
        core.resched.set(true);
    }
    for _ in 0..EXPIRE_STEP {
        let refill = core.refills.with(|q| q.first(&RefillLinks));
        let Some((_, id)) = refill.filter(|(at, _)| *at <= now) else { break };
        part(core, Obj::at(id));
        join(core, Obj::at(id), now);
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
    let here = here();
    if e.core.get() == here.index.get() {
        return attend(here, e);
    }
    let Some(core) = CORES.get(e.core.get()) else { return };
    if core.wakes.push(wake_link, e.addr()) {
        gic::wake_core(core);
    }
}

/// The wake-up SGI came.
pub fn wake_interrupt(core: &Core) {
    for _ in 0..WAKE_STEP {
        let taken = core.taken.with(|t| {
            let next = t.next(wake_link);
            next.or_else(|| {
                *t = core.wakes.take_all();
                t.next(wake_link)
            })
        });
        let Some(e) = taken.and_then(Entity::opt) else { return destroy::core_step(core) };
        attend(core, e);
    }
    gic::wake_core(core);
}

/// Looks at an entity of this core that something happened to.
fn attend(core: &Core, e: Entity) {
    // Who asked has ordered what it wrote: by the wake stack, if it was another core.
    if e.header.dead.load(Ordering::Relaxed) {
        return;
    }
    let stopped = e.domain.get().is_some_and(|d| d.stopped.load(Ordering::Relaxed) != 0);
    if stopped {
        return halt(core, e);
    }
    let asked = e.control.load(Ordering::Relaxed);
    match if asked == 0 { 0 } else { e.control.swap(0, Ordering::AcqRel) } {
        1 if e.state.get() == RunState::Stopped => make_ready(core, e),
        2 => halt(core, e),
        _ => {}
    }
    match e.which() {
        Which::Thread(t) => notify::check(core, t),
        Which::Vcpu(v) => {
            if switch::has_news(v) {
                if matches!(v.common.state.get(), RunState::Parked | RunState::Wfi) {
                    return make_ready(core, e);
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
        let highest = core.ready.iter().find_map(|queue| queue.with(|q| q.highest()));
        let Some(sc) = highest.map(Obj::<SchedContext>::at) else {
            idle(core);
            continue;
        };
        let Some(next) = sc.runs.get() else {
            dequeue(core, sc);
            continue;
        };
        let shared = core.ready_count.get() > 1;
        core.guest_hcr.set(core.hcr_alone.get() | if shared { HCR_TWI } else { 0 });
        account(core, sc, next, shared);
        if core.current.get() == Some(next) {
            stay(core, next);
        } else {
            switch::leave(core);
            switch::enter(core, next);
        }
        count_slice(core, sc);
        program_timer(core);
        return;
    }
}

/// Writes the time that was stolen from a vCPU into its account page.
#[inline(always)]
fn tell_stolen(core: &Core, e: Entity, ticks: u64) {
    if let Which::Vcpu(v) = e.which()
        && v.account.get() != 0
    {
        let nanoseconds = (u128::from(ticks) * u128::from(core.tick.get())) >> 32;
        FrameRef(v.account.get()).set_x(offset_of!(AccountPage, stolen) / 8, nanoseconds as u64);
    }
}

/// The current entity goes on: a guest may have to exit, and its WFI may have to trap from now on.
fn stay(core: &Core, e: Entity) {
    if core.mode.get() != Mode::Guest {
        return;
    }
    if let Which::Vcpu(v) = e.which() {
        switch::settle(v);
        if let Some(why) = switch::pending_reason(v) {
            switch::exit(core, v, why);
        } else {
            hcr_el2::write(core.guest_hcr.get() | hcr_el2::read() & HCR_VI);
        }
    }
}

/// Nothing is ready: waits for an interrupt and takes it.
#[inline(never)]
fn idle(core: &'static Core) {
    switch::leave(core);
    core.current.set(None);
    core.mode.set(Mode::Idle);
    retire(core, Core::now());
    program_timer(core);
    #[cfg(feature = "measure")]
    crate::trap::masked_end(core);
    arch::wfi();
    #[cfg(feature = "measure")]
    crate::trap::masked_begin(core);
    irq::take(core);
}

/// Result of a syscall that wants a thread.
pub fn current_thread(core: &Core) -> Result<Obj<Thread>, Status> {
    match core.current.get().map(Entity::which) {
        Some(Which::Thread(t)) => Ok(t),
        _ => Err(Status::BadState),
    }
}
