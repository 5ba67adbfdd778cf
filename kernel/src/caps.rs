//! Capability tables: one page of [`CapWord`]s per domain. Read without a lock, written under the management lock.

use crate::object::{Domain, Endpoint, Frame, Header, Irq, Notification, Obj, SchedContext, Space, Thread, Vcpu};
use abi::cap::{CAP_SLOTS, Kind};
use abi::syscall::Status;
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::cap::CapWord;

/// An object type with its kind.
pub trait Typed {
    /// Its kind.
    const KIND: Kind;
}
macro_rules! typed {
    ($($t:ident)*) => { $( impl Typed for $t { const KIND: Kind = Kind::$t; } )* };
}
typed! { Domain Space Thread Vcpu SchedContext Endpoint Notification Irq Frame }

/// The slot, if it is in range.
#[inline(always)]
pub fn slot(domain: Obj<Domain>, index: u64) -> Option<&'static AtomicU64> {
    Obj::<[AtomicU64; CAP_SLOTS as usize]>::at(domain.table.get()).live().get(index as usize)
}

/// The capability in a slot.
#[inline(always)]
pub fn word(domain: Obj<Domain>, index: u64) -> Result<CapWord, Status> {
    let slot = slot(domain, index).ok_or(Status::BadCap)?;
    Ok(CapWord(slot.load(Ordering::Acquire)))
}

/// The object in a slot, if it is of type `T`, alive, and the capability has `rights`.
#[inline(always)]
pub fn get<T: Typed>(domain: Obj<Domain>, index: u64, rights: u64) -> Result<Obj<T>, Status> {
    get_badged(domain, index, rights).map(|(object, _)| object)
}

/// As [`get`], with the badge.
#[inline(always)]
pub fn get_badged<T: Typed>(domain: Obj<Domain>, index: u64, rights: u64) -> Result<(Obj<T>, u64), Status> {
    let cap = word(domain, index)?;
    let addr = cap.check(T::KIND, rights)?;
    if Obj::<Header>::at(addr).dead.load(Ordering::Relaxed) {
        return Err(Status::Dead);
    }
    Ok((Obj::at(addr), cap.badge()))
}

/// Whether the slot holds authority over the machine, with `rights`.
pub fn machine(domain: Obj<Domain>, index: u64, rights: u64) -> Result<(), Status> {
    word(domain, index)?.check(Kind::Machine, rights).map(|_| ())
}

/// An empty slot of a table. Management lock.
pub fn empty_slot(domain: Obj<Domain>, index: u64) -> Result<&'static AtomicU64, Status> {
    let slot = slot(domain, index).ok_or(Status::BadArg)?;
    if slot.load(Ordering::Relaxed) == 0 { Ok(slot) } else { Err(Status::Taken) }
}

/// The domain or space that a slot names as a translation: (space, domain whose pool its tables are from).
pub fn translation(domain: Obj<Domain>, index: u64, rights: u64) -> Result<Obj<Space>, Status> {
    match get::<Domain>(domain, index, rights) {
        Ok(target) => target.space.get().ok_or(Status::BadState),
        Err(Status::BadKind) => get::<Space>(domain, index, rights),
        Err(status) => Err(status),
    }
}
