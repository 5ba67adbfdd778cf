//! DESTROY, in steps: one destruction at a time, and whoever asks for one helps with the one that is under way.
//!
//! ```text
//! Mark ──▶ Caps ──▶ Irqs ──▶ Quiesce(1) ──▶ Quiesce(2) ──▶ Quiesce(3) ──▶ Release ──▶ done
//! ```
//! Mark: all objects that go are dead, so that no new reference is made. Caps: every table is scanned, capabilities to
//! the dead are removed. Irqs: interrupts of the dead are turned off, others forget dead notifications. Quiesce: each core
//! is asked to take its wake stack and to drop what it holds of the dead (queues, loaded state), and has then passed a
//! point at which it holds no reference. In round 1 the last holder lets go (a notification of its waiter); another core
//! may have looked there just before, and sends its wake-up while it is not yet asked in round 2; that is taken off the
//! stack in round 3 at the latest. Release: translations are flushed, pages are scrubbed and go back.

use crate::core_local::{Core, online};
use crate::exclusive::Exclusive;
use crate::memory;
use crate::object::{Domain, Endpoint, Entity, Header, Irq, Obj, SchedContext, Space, Vcpu, Which};
use crate::{caps, domain, gic, ipc, irq, notify, sched, shadow, space, switch};
use abi::cap::{CAP_SLOTS, Kind};
use abi::syscall::Status;
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::cap::CapWord;

/// Rounds of quiescence.
const ROUNDS: u32 = 3;
/// Slots scanned in a step.
const SCAN_STEP: u64 = 64;
/// Objects that a core drops in an interrupt.
const DROP_STEP: usize = 8;
/// Objects marked, or interrupts looked at, in a step.
const MARK_STEP: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Mark { next: u64 },
    Caps { domain: u64, slot: u64 },
    Irqs { next: usize },
    Quiesce { round: u32 },
    Release { cursor: u64 },
}

struct Job {
    /// Object that goes; 0: none.
    target: u64,
    /// Who asked for it: domain and slot. 0: the domain inside of another goes first, which is asked for again.
    caller: (u64, u64),
    phase: Phase,
}

/// Management lock.
static JOB: Exclusive<Job> = Exclusive::new(Job { target: 0, caller: (0, 0), phase: Phase::Release { cursor: 0 } });
/// Target of the quiescence that is under way, for the cores.
static TARGET: AtomicU64 = AtomicU64::new(0);
static EPOCH: AtomicU64 = AtomicU64::new(0);

/// One step. Management lock.
pub fn destroy(caller: Obj<Domain>, index: u64) -> Result<(), Status> {
    JOB.with(|job| advance(job, caller, index))
}

fn advance(job: &mut Job, caller: Obj<Domain>, index: u64) -> Result<(), Status> {
    if job.target != 0 {
        let done = step(job) && job.caller == (caller.addr(), index);
        return if done { Ok(()) } else { Err(Status::Again) };
    }
    let cap = caps::word(caller, index)?;
    if cap.is_null() {
        return Err(Status::BadCap);
    }
    if !cap.has(abi::cap::rights::ALL) {
        return Err(Status::NoRights);
    }
    let target = Obj::<Header>::at(cap.addr());
    allowed(cap.kind(), target)?;
    let first = if cap.kind() == Kind::Domain { innermost(caller, Obj::at(target.addr()))? } else { target };
    first.dead.store(true, Ordering::Release);
    job.target = first.addr();
    job.caller = if first == target { (caller.addr(), index) } else { (0, 0) };
    // A dead domain makes no more objects: the list stays as it is.
    job.phase = mark(behind(first, first));
    Err(Status::Again)
}

fn allowed(kind: Kind, target: Obj<Header>) -> Result<(), Status> {
    match kind {
        Kind::Null | Kind::Machine | Kind::Frame => Err(Status::BadKind),
        Kind::Space if Obj::<Space>::at(target.addr()).users.get() != 0 => Err(Status::BadState),
        Kind::SchedContext if Obj::<SchedContext>::at(target.addr()).bound.load(Ordering::Relaxed) != 0 => {
            Err(Status::BadState)
        }
        _ => Ok(()),
    }
}

/// The domain that goes first: one that was made from `outer`'s pool, or from that one's, and has made none itself. The
/// others on the way make no more objects.
fn innermost(caller: Obj<Domain>, outer: Obj<Domain>) -> Result<Obj<Header>, Status> {
    let mut d = outer;
    loop {
        let of_kind = |kind: Kind| domain::objects(d).find(|h| h.kind.get() == kind);
        if d == caller || of_kind(Kind::Frame).is_some() {
            return Err(Status::BadState);
        }
        let Some(inner) = of_kind(Kind::Domain) else { return Ok(Obj::at(d.addr())) };
        d.closing.set(true);
        d = Obj::at(inner.addr());
    }
}

/// The objects that go with `target`, itself first: the one behind `h`, 0: none.
fn behind(target: Obj<Header>, h: Obj<Header>) -> u64 {
    match target.kind.get() {
        Kind::Domain if h == target => Obj::<Domain>::at(target.addr()).objects.with(|l| l.first()),
        Kind::Domain => h.link.get().next,
        _ => 0,
    }
}

/// Marks some objects, from `next` on.
fn mark(mut next: u64) -> Phase {
    for _ in 0..MARK_STEP {
        let Some(h) = Obj::<Header>::opt(next) else {
            return Phase::Caps { domain: domain::ALL.with(|l| l.first()), slot: 0 };
        };
        h.dead.store(true, Ordering::Release);
        next = h.link.get().next;
    }
    Phase::Mark { next }
}

fn is_dead(object: u64) -> bool {
    Obj::<Header>::opt(object).is_some_and(|h| h.dead.load(Ordering::Relaxed))
}

/// Turns off some interrupts of dead objects, and lets others forget dead notifications; `None` when all are done.
fn scan_irqs(next: usize) -> Option<Phase> {
    if next as u64 >= gic::intids() {
        return None;
    }
    for bound in irq::BOUND.iter().skip(next).take(MARK_STEP) {
        let Some(i) = Obj::<Irq>::opt(bound.load(Ordering::Relaxed)) else { continue };
        if is_dead(i.addr()) {
            gic::disable_spi(i.intid.get());
            bound.store(0, Ordering::Release);
        } else if is_dead(i.target.load(Ordering::Relaxed)) {
            i.target.store(0, Ordering::Release);
        }
    }
    Some(Phase::Irqs { next: next + MARK_STEP })
}

/// Advances the job; `true` when it is done.
fn step(job: &mut Job) -> bool {
    let target = Obj::<Header>::at(job.target);
    match job.phase {
        Phase::Mark { next } => job.phase = mark(next),
        Phase::Caps { domain, slot } => job.phase = scan(domain, slot).unwrap_or(Phase::Irqs { next: 0 }),
        Phase::Irqs { next } => job.phase = scan_irqs(next).unwrap_or_else(|| ask(target, 1)),
        Phase::Quiesce { round } => {
            let epoch = EPOCH.load(Ordering::Relaxed);
            if online().all(|c| c.seen.load(Ordering::Acquire) >= epoch) {
                job.phase = if round < ROUNDS { ask(target, round + 1) } else { Phase::Release { cursor: 0 } };
                if round == ROUNDS {
                    TARGET.store(0, Ordering::Release);
                }
            }
        }
        Phase::Release { ref mut cursor } => {
            if release(target, cursor) {
                job.target = 0;
                return true;
            }
        }
    }
    false
}

/// Removes capabilities to the dead from some slots; `None` when all tables are done.
fn scan(domain: u64, slot: u64) -> Option<Phase> {
    let d = Obj::<Domain>::opt(domain)?;
    if d.watch.get().is_some_and(|n| is_dead(n.addr())) {
        d.watch.set(None);
    }
    for index in slot..(slot + SCAN_STEP).min(CAP_SLOTS) {
        let Some(entry) = caps::slot(d, index) else { continue };
        let cap = CapWord(entry.load(Ordering::Relaxed));
        if cap.kind() != Kind::Machine && is_dead(cap.addr()) {
            entry.store(0, Ordering::Release);
        }
    }
    let next = slot + SCAN_STEP;
    Some(if next < CAP_SLOTS {
        Phase::Caps { domain, slot: next }
    } else {
        Phase::Caps { domain: d.domains.get().next, slot: 0 }
    })
}

/// Starts a round of quiescence. The asking core is asked too: it may never come back with another step, and by the
/// interrupt it takes its wake stack before it answers.
fn ask(target: Obj<Header>, round: u32) -> Phase {
    TARGET.store(target.addr(), Ordering::Release);
    EPOCH.fetch_add(1, Ordering::AcqRel);
    online().for_each(gic::wake_core);
    Phase::Quiesce { round }
}

/// This core drops what it holds of the target, some objects at a time, and says so at the end. From an interrupt: no
/// other reference is held.
pub fn core_step(core: &Core) {
    let epoch = EPOCH.load(Ordering::Acquire);
    if core.seen.load(Ordering::Relaxed) == epoch {
        return;
    }
    if let Some(target) = Obj::<Header>::opt(TARGET.load(Ordering::Acquire)) {
        let mut next = Obj::<Header>::opt(core.drop_cursor.get()).unwrap_or(target);
        for _ in 0..DROP_STEP {
            let done = drop_here(core, next);
            let after = if !done { next.addr() } else { behind(target, next) };
            core.drop_cursor.set(after);
            let Some(object) = Obj::opt(after) else { break };
            next = object;
        }
        if core.drop_cursor.get() != 0 {
            return gic::wake_core(core);
        }
    }
    core.seen.store(epoch, Ordering::Release);
}

/// Drops what this core holds of an object; `false`: it is to be called again.
fn drop_here(core: &Core, h: Obj<Header>) -> bool {
    match h.kind.get() {
        Kind::Thread | Kind::Vcpu => {
            let e = Entity(Obj::at(h.addr()));
            if e.core.get() == core.index.get() {
                drop_entity(core, e);
            }
        }
        Kind::Endpoint => {
            let ep = Obj::<Endpoint>::at(h.addr());
            if ep.core.get() == core.index.get() {
                return ipc::close(core, ep);
            }
        }
        Kind::Notification => notify::close(core, Obj::at(h.addr())),
        Kind::SchedContext => {
            let sc = Obj::<SchedContext>::at(h.addr());
            if sc.core.get() == core.index.get()
                && let Some(e) = Entity::opt(sc.bound.load(Ordering::Acquire))
            {
                unbind(core, e);
            }
        }
        _ => {}
    }
    true
}

/// Stops an entity, which may live on, and takes its scheduling context from it.
fn unbind(core: &Core, e: Entity) {
    sched::halt(core, e);
    if let Which::Thread(t) = e.which() {
        t.running_on.set(None);
    }
    if let Some(sc) = e.sched.take() {
        if core.running.get() == Some(sc) {
            sched::retire(core, Core::now());
        }
        sc.runs.set(None);
        sc.bound.store(0, Ordering::Release);
    }
}

fn drop_entity(core: &Core, e: Entity) {
    unbind(core, e);
    if let Which::Vcpu(v) = e.which() {
        notify::part(v);
        // A new vCPU may get the same address: what this one left in the TLB is not its own.
        if let Some(space) = v.space.get() {
            space.last_vcpu[core.index.get() % abi::MAX_CORES].set(0);
        }
        if core.loaded.get() == Some(v) {
            switch::discard_loaded(core);
        }
        if core.fp_owner.get() == Some(v) {
            core.fp_owner.set(None);
        }
    }
    if core.current.get() == Some(e) {
        switch::abandon(core);
    }
}

/// Memory goes back, in steps; `true` when all is back.
fn release(target: Obj<Header>, cursor: &mut u64) -> bool {
    match target.kind.get() {
        Kind::Domain => release_domain(Obj::at(target.addr())),
        Kind::Space => release_space(Obj::at(target.addr()), cursor),
        _ => {
            release_member(target);
            memory::unmake(target.addr());
            true
        }
    }
}

/// What an object holds beyond its own page.
fn release_member(h: Obj<Header>) {
    if h.kind.get() == Kind::Vcpu {
        let v = Obj::<Vcpu>::at(h.addr());
        if let Some(f) = v.page_frame.take() {
            f.pins.set(f.pins.get().saturating_sub(1));
        }
        if let Some(s) = v.space.take() {
            s.users.set(s.users.get().saturating_sub(1));
        }
    }
}

fn release_space(s: Obj<Space>, cursor: &mut u64) -> bool {
    if !shadow::release(s) || !release_pooled_space(s) {
        return false;
    }
    let mut top = kcore::pt::desc::table(s.root.get(), 512);
    if !kcore::pt::free_tables(&mut space::Tables::<false>(s), &mut top, cursor, shadow::EMPTY_STEP) {
        return false;
    }
    if let Some(owner) = s.header.owner.get() {
        memory::give_page(owner, s.root.get());
    }
    memory::unmake(s.addr());
    true
}

/// Objects from the pool first, one per step; then the pool; then the domain itself, which is of its maker's pool.
fn release_domain(d: Obj<Domain>) -> bool {
    if let Some(h) = domain::objects(d).next() {
        if h.kind.get() == Kind::Space && !release_pooled_space(Obj::at(h.addr())) {
            return false;
        }
        release_member(h);
        memory::forget(h.addr());
        return false;
    }
    let own = d.space.get();
    if own.is_some_and(|s| !release_pooled_space(s)) || !memory::return_donations(d) {
        return false;
    }
    if let (Some(owner), Some(s)) = (d.header.owner.get(), own) {
        memory::give_page(owner, s.root.get());
        memory::give_page(owner, d.table.get());
        memory::unmake(s.addr());
    }
    domain::unlink(d);
    memory::unmake(d.addr());
    true
}

/// A space whose table pages go back with the pool; `true` when nothing is attached.
fn release_pooled_space(s: Obj<Space>) -> bool {
    if !memory::empty_space(s) {
        return false;
    }
    if s.vttbr.get() != 0 {
        space::retire(s);
    }
    true
}
