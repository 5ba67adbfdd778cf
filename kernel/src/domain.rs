//! Domains: made, stopped, asked about.

use crate::core_local::Core;
use crate::exclusive::Exclusive;
use crate::memory::{self, MANAGEMENT};
use crate::object::{Domain, Entity, Header, Obj, links};
use crate::{arch, notify, sched, space};
use abi::cap::Kind;
use abi::syscall::Status;
use core::sync::atomic::Ordering;
use kcore::queue::List;

/// All domains, the newest first. Management lock.
pub static ALL: Exclusive<List> = Exclusive::new(List::EMPTY);
links!(DomainLinks, Domain, domains);

/// A new domain, its object, table and space from `pool`. Management lock.
pub fn make(pool: Obj<Domain>) -> Result<Obj<Domain>, Status> {
    let d: Obj<Domain> = memory::make(pool, Kind::Domain)?;
    let filled = fill(pool, d);
    if filled.is_err() {
        if d.table.get() != 0 {
            memory::give_page(pool, d.table.get());
        }
        memory::unmake(d.addr());
    }
    filled.map(|()| d)
}

/// Gives a new domain its table and space from `pool`.
pub fn fill(pool: Obj<Domain>, d: Obj<Domain>) -> Result<(), Status> {
    d.table.set(memory::take_page(pool).ok_or(Status::NoMemory)?);
    d.space.set(Some(space::make(pool, d)?));
    ALL.with(|l| l.insert_after(&mut DomainLinks, 0, d.addr()));
    Ok(())
}

/// Takes a domain off the list of all.
pub fn unlink(d: Obj<Domain>) {
    ALL.with(|l| l.remove(&mut DomainLinks, d.addr()));
}

/// All domains.
pub fn all() -> impl Iterator<Item = Obj<Domain>> {
    let first = Obj::<Domain>::opt(ALL.with(|l| l.first()));
    core::iter::successors(first, |d| Obj::opt(d.domains.get().next))
}

/// The objects from a domain's pool.
pub fn objects(d: Obj<Domain>) -> impl Iterator<Item = Obj<Header>> {
    core::iter::successors(Obj::<Header>::opt(d.objects.with(|l| l.first())), |h| Obj::opt(h.link.get().next))
}

/// Whether the object is a thread or a vCPU.
pub fn is_entity(h: Obj<Header>) -> bool {
    matches!(h.kind.get(), Kind::Thread | Kind::Vcpu)
}

/// The domain that runs did what it may not: it stops, its watcher is told.
pub fn stop_current(core: &'static Core, reason: u64) {
    use arch::sysreg::{elr_el2, esr_el2, far_el2};
    stop(core, reason, [esr_el2::read(), elr_el2::read(), far_el2::read()]);
}

/// Stops the domain of the current entity.
pub fn stop(core: &'static Core, reason: u64, info: [u64; 3]) {
    let Some(d) = core.current.get().and_then(|e| e.domain.get()) else { return };
    let _guard = MANAGEMENT.lock();
    if d.stopped.load(Ordering::Relaxed) == 0 {
        d.stop_info.set(info);
        d.stopped.store(reason as u32, Ordering::Release);
        for h in objects(d).filter(|h| is_entity(*h)) {
            sched::wake(Entity(Obj::at(h.addr())));
        }
        if let Some(watch) = d.watch.get() {
            notify::signal(watch, d.watch_bits.get());
        }
    }
    core.resched.set(true);
}

/// Reason, ESR, ELR, FAR of a stop, and the pool's pages.
pub fn info(d: Obj<Domain>) -> [u64; 5] {
    let [esr, elr, far] = d.stop_info.get();
    let pages = d.pool.with(|p| u64::from(p.total()) << 32 | u64::from(p.free()));
    [u64::from(d.stopped.load(Ordering::Acquire)), esr, elr, far, pages]
}
