//! CREATE: one function per kind. Under the management lock.

use crate::arch::sysreg::cntfrq_el0;
use crate::config::{HCR_RW, HCR_STAGE2};
use crate::core_local;
use crate::memory::{self, make};
use crate::object::{
    Domain, Endpoint, Entity, Frame, Header, Irq, Notification, Obj, RunState, SchedContext, Schedulable, Space,
    Thread, Vcpu,
};
use crate::{caps, config, domain, gic, ipc, irq, mmu, shadow, space, stats, switch};
use abi::PAGE_SIZE;
use abi::cap::{Kind, rights};
use abi::syscall::{Status, VCPU_AARCH32, counter, frame};
use core::sync::atomic::Ordering;
use kcore::budget::Budget;
use kcore::cap::CapWord;

const DEFAULT_SLICE_HZ: u64 = 100;
/// The least budget is 10 µs: some ten times what a switch to its owner and away costs.
const LEAST_BUDGET_HZ: u64 = 100_000;

/// Makes an object of `kind` with arguments `a` and puts it into `slot`.
pub fn create(caller: Obj<Domain>, kind: u64, slot: u64, a: [u64; 4]) -> Result<(), Status> {
    let target = caps::empty_slot(caller, slot)?;
    let kind = Kind::from_u64(kind).ok_or(Status::BadKind)?;
    let object = match kind {
        Kind::Domain => domain::make(caller)?.addr(),
        Kind::Space => shadow::make(caller, a[0], a[1])?.addr(),
        Kind::Thread => thread(caller, a)?,
        Kind::Vcpu => vcpu(caller, a)?,
        Kind::SchedContext => sched_context(caller, a)?,
        Kind::Endpoint => endpoint(caller, a)?,
        Kind::Notification => make::<Notification>(caller, kind)?.addr(),
        Kind::Irq => interrupt(caller, a)?,
        Kind::Frame => device_frame(caller, a)?,
        Kind::Null | Kind::Machine => return Err(Status::BadKind),
    };
    target.store(CapWord::new(object, kind, rights::ALL, 0).0, Ordering::Release);
    Ok(())
}

/// Makes an entity that is of `pool`'s domain and executes there, on a scheduling context that is nobody's yet.
fn entity<T>(pool: Obj<Domain>, kind: Kind, sc: Obj<SchedContext>, state: RunState) -> Result<Obj<T>, Status> {
    let new: Obj<T> = make(pool, kind)?;
    let s = Obj::<Schedulable>::at(new.addr());
    if sc.bound.compare_exchange(0, new.addr(), Ordering::AcqRel, Ordering::Relaxed).is_err() {
        memory::unmake(new.addr());
        return Err(Status::Taken);
    }
    s.core.set(sc.core.get());
    s.sched.set(Some(sc));
    s.domain.set(Some(pool));
    s.state.set(state);
    s.deadline.set(u64::MAX);
    Ok(new)
}

fn thread(caller: Obj<Domain>, [d, sc, entry, stack]: [u64; 4]) -> Result<u64, Status> {
    let d: Obj<Domain> = caps::get(caller, d, rights::WRITE)?;
    let sc: Obj<SchedContext> = caps::get(caller, sc, rights::WRITE)?;
    let t: Obj<Thread> = entity(d, Kind::Thread, sc, RunState::Stopped)?;
    ipc::frame(t).set_return(entry, 0);
    ipc::frame(t).set_sp(stack);
    Ok(t.addr())
}

fn vcpu(caller: Obj<Domain>, [space, sc, page, how]: [u64; 4]) -> Result<u64, Status> {
    let (index, aarch32) = (how >> 40, how & VCPU_AARCH32 != 0);
    let space: Obj<Space> = caps::get(caller, space, rights::WRITE)?;
    let sc: Obj<SchedContext> = caps::get(caller, sc, rights::WRITE)?;
    let f: Obj<Frame> = caps::get(caller, page, rights::READ | rights::WRITE)?;
    // The vCPU must not outlive its translation: both are from one pool.
    if space.header.owner.get() != Some(caller) || f.state.get() != frame::MAPPABLE {
        return Err(Status::BadArg);
    }
    let classic = space.classic.get();
    if index >= f.pages.get() || aarch32 && (classic || !config::AARCH32_EL1.load(Ordering::Relaxed)) {
        return Err(Status::BadArg);
    }
    let handlers = caller.space.get().ok_or(Status::BadState)?;
    let v: Obj<Vcpu> = entity(caller, Kind::Vcpu, sc, RunState::Parked)?;
    space.users.set(space.users.get() + 1);
    f.pins.set(f.pins.get() + 1);
    v.space.set(Some(space));
    v.guest_vttbr.set(space::regime(space));
    v.domain_vttbr.set(handlers.vttbr.get());
    let page = f.base.get() + index * PAGE_SIZE;
    v.page.set(page);
    v.account.set(if index + 1 < f.pages.get() { page + PAGE_SIZE } else { 0 });
    v.page_frame.set(Some(f));
    v.aarch32.set(aarch32);
    v.classic.set(classic);
    v.hcr_off.set(if classic && space.wall.get().is_none() { HCR_STAGE2 } else { u64::from(aarch32) * HCR_RW });
    shadow::confine(v);
    v.vmpidr.set((1 << 31) | (how & 0xff_00ff_ffff));
    v.vmm_deadline.set(u64::MAX);
    v.shared().set_lr_count(switch::lr_count() as u64);
    Ok(v.addr())
}

fn sched_context(caller: Obj<Domain>, [machine, place, slice, limit]: [u64; 4]) -> Result<u64, Status> {
    caps::machine(caller, machine, rights::WRITE)?;
    let (core, priority) = (place & 0xff, place >> 8);
    let budget =
        Budget::new(limit as u32, (limit >> 32) as u32, cntfrq_el0::read() / LEAST_BUDGET_HZ).ok_or(Status::BadArg)?;
    if core >= stats::of(counter::CORES).load(Ordering::Relaxed) || priority > 31 {
        return Err(Status::BadArg);
    }
    let sc: Obj<SchedContext> = make(caller, Kind::SchedContext)?;
    sc.core.set(core as usize);
    sc.priority.set(priority as u32);
    sc.slice.set(if slice == 0 { cntfrq_el0::read() / DEFAULT_SLICE_HZ } else { slice });
    sc.budget.with(|b| *b = budget);
    Ok(sc.addr())
}

fn endpoint(caller: Obj<Domain>, [sc, ..]: [u64; 4]) -> Result<u64, Status> {
    let sc: Obj<SchedContext> = caps::get(caller, sc, 0)?;
    let ep: Obj<Endpoint> = make(caller, Kind::Endpoint)?;
    ep.core.set(sc.core.get());
    Ok(ep.addr())
}

fn interrupt(caller: Obj<Domain>, [machine, intid, target, how]: [u64; 4]) -> Result<u64, Status> {
    caps::machine(caller, machine, rights::WRITE)?;
    let target: Obj<Notification> = caps::get(caller, target, rights::WRITE)?;
    let (bit, edge) = (how & 0xff, how & 0x100 != 0);
    let bound =
        irq::BOUND.get(intid as usize).filter(|_| (32..gic::intids()).contains(&intid)).ok_or(Status::BadArg)?;
    if bit > 61 || how > 0x1ff {
        return Err(Status::BadArg);
    }
    if bound.load(Ordering::Relaxed) != 0 {
        return Err(Status::Taken);
    }
    let i: Obj<Irq> = make(caller, Kind::Irq)?;
    i.intid.set(intid as u32);
    i.target.store(target.addr(), Ordering::Relaxed);
    i.bits.set(1 << bit);
    bound.store(i.addr(), Ordering::Release);
    gic::enable_spi(intid as u32, edge, core_local::here().index.get());
    Ok(i.addr())
}

fn device_frame(caller: Obj<Domain>, [machine, base, pages, _]: [u64; 4]) -> Result<u64, Status> {
    caps::machine(caller, machine, rights::WRITE)?;
    let end = pages.checked_mul(PAGE_SIZE).and_then(|size| base.checked_add(size)).ok_or(Status::BadArg)?;
    if base % PAGE_SIZE != 0 || pages == 0 || end > 1 << 47 || !mmu::is_device(base, end) {
        return Err(Status::BadArg);
    }
    Ok(memory::make_frame(caller, base, pages, frame::DEVICE)?.addr())
}

/// COPY.
pub fn copy(caller: Obj<Domain>, to: u64, to_slot: u64, from: u64, wanted: u64, badge: u64) -> Result<(), Status> {
    let target: Obj<Domain> = caps::get(caller, to, rights::WRITE)?;
    let source = caps::word(caller, from)?;
    if target != caller && !source.has(rights::GRANT) {
        return Err(Status::NoRights);
    }
    let new = source.derive(wanted, badge)?;
    if new.kind() != Kind::Machine && Obj::<Header>::at(new.addr()).dead.load(Ordering::Relaxed) {
        return Err(Status::Dead);
    }
    caps::empty_slot(target, to_slot)?.store(new.0, Ordering::Release);
    Ok(())
}

/// THREAD.
pub fn control(caller: Obj<Domain>, thread: u64, op: u64, argument: u64) -> Result<(), Status> {
    let t: Obj<Thread> = caps::get(caller, thread, rights::WRITE)?;
    let code = match op {
        abi::syscall::THREAD_START => 1,
        abi::syscall::THREAD_STOP => 2,
        _ => return Err(Status::BadArg),
    };
    if code == 1 && !t.started.replace(true) {
        ipc::frame(t).set_x(0, argument);
    }
    t.common.control.store(code, Ordering::Release);
    crate::sched::wake(Entity(Obj::at(t.addr())));
    Ok(())
}

/// VCPU_HANDLER. On the vCPU's core or while it is parked for good: before its first kick.
pub fn handler(caller: Obj<Domain>, vcpu: u64, a: [u64; 5]) -> Result<(), Status> {
    let v: Obj<Vcpu> = caps::get(caller, vcpu, rights::WRITE)?;
    if v.common.state.get() != RunState::Parked || v.common.domain.get() != Some(caller) {
        return Err(Status::BadState);
    }
    let [entry, stack, argument, doorbells, cntvoff] = a;
    v.entry.set(entry);
    v.stack.set(stack);
    v.argument.set(argument);
    v.doorbells.set((doorbells & 0xffff_ffff, doorbells >> 32));
    v.cntvoff.set(cntvoff);
    Ok(())
}
