//! Memory: pools of kernel pages, frame ranges, attachments. All under the management lock.

use crate::arch::cache::{self, invalidate_instructions};
use crate::arch::dsb_ish;
use crate::object::{Domain, Frame, Header, Obj, Space, links};
use crate::space::Tables;
use crate::{caps, shadow, stats};
use abi::cap::{Kind, rights};
use abi::syscall::{Status, counter, frame};
use abi::{IPA_BITS, PAGE_SIZE};
use core::cell::Cell;
use core::sync::atomic::Ordering;
use kcore::attach::Attachment;
use kcore::lock::{Spin, TicketLock};
use kcore::pt::{self, Attr, Stop};
use kcore::queue::{Link, Links};

/// Pages scrubbed, descriptors written or attachments removed per step of a syscall: keeps a step near 1,000
/// instructions (a page is 64 DC ZVA).
const SCRUB_STEP: u64 = 2;
const MAP_STEP: u32 = 32;

/// WFE and SEV for locks.
pub struct Wfe;
impl Spin for Wfe {
    fn wait() {
        crate::arch::wfe();
    }
    fn wake() {
        crate::arch::sev();
    }
}

/// The management lock: capability tables, pools, spaces, frames, object lists.
pub static MANAGEMENT: TicketLock<Wfe> = TicketLock::new();

links!(ObjectLinks, Header, link);

/// The first word of a page in a pool.
fn word(page: u64) -> &'static Cell<u64> {
    Obj::<Cell<u64>>::at(page).live()
}

/// A zeroed page from a domain's pool.
pub fn take_page(domain: Obj<Domain>) -> Option<u64> {
    domain.pool.with(|p| p.take(word))
}

/// Gives a page back.
pub fn give_page(domain: Obj<Domain>, page: u64) {
    cache::scrub_page(page);
    domain.pool.with(|p| p.give(word, page));
}

/// Makes an object in a domain's pool. All zeros is a valid object of every type; the caller fills it in before it
/// publishes a capability.
pub fn make<T>(domain: Obj<Domain>, kind: Kind) -> Result<Obj<T>, Status> {
    const { assert!(size_of::<T>() as u64 <= PAGE_SIZE) };
    if domain.closing.get() || domain.header.dead.load(Ordering::Relaxed) {
        return Err(Status::Dead);
    }
    let page = take_page(domain).ok_or(Status::NoMemory)?;
    adopt(domain, page, kind);
    Ok(Obj::at(page))
}

/// Writes the header of a new object and puts it into its owner's list.
pub fn adopt(domain: Obj<Domain>, page: u64, kind: Kind) {
    let header = Obj::<Header>::at(page);
    header.kind.set(kind);
    header.owner.set(Some(domain));
    domain.objects.with(|l| l.insert_after(&mut ObjectLinks, 0, page));
    stats::of(counter::OBJECTS).fetch_add(1, Ordering::Relaxed);
}

/// Takes an object off its owner's list and gives its page back.
pub fn unmake(page: u64) {
    let header = Obj::<Header>::at(page);
    let Some(owner) = header.owner.get() else { return };
    forget(page);
    give_page(owner, page);
}

/// Takes an object off its owner's list.
pub fn forget(page: u64) {
    if let Some(owner) = Obj::<Header>::at(page).owner.get() {
        owner.objects.with(|l| l.remove(&mut ObjectLinks, page));
    }
    stats::of(counter::OBJECTS).fetch_sub(1, Ordering::Relaxed);
}

/// A frame object over physical memory.
pub fn make_frame(domain: Obj<Domain>, base: u64, pages: u64, state: u64) -> Result<Obj<Frame>, Status> {
    let f: Obj<Frame> = make(domain, Kind::Frame)?;
    f.base.set(base);
    f.pages.set(pages);
    f.state.set(state);
    Ok(f)
}

fn idle_frame(f: Obj<Frame>) -> Result<(), Status> {
    let attached = f.attachments.with(|t| t.iter().next().is_some());
    if attached || f.pins.get() != 0 { Err(Status::BadState) } else { Ok(()) }
}

/// The frame in a slot of its owner, with all rights.
pub fn owned(domain: Obj<Domain>, slot: u64) -> Result<Obj<Frame>, Status> {
    let f: Obj<Frame> = caps::get(domain, slot, rights::ALL)?;
    if f.header.owner.get() == Some(domain) { Ok(f) } else { Err(Status::NotOwner) }
}

/// FRAME_SPLIT.
pub fn split(domain: Obj<Domain>, slot: u64, keep: u64, rest_slot: u64) -> Result<(), Status> {
    let f = owned(domain, slot)?;
    idle_frame(f)?;
    if !matches!(f.state.get(), frame::MAPPABLE | frame::DEVICE) {
        return Err(Status::BadState);
    }
    if keep == 0 || keep >= f.pages.get() {
        return Err(Status::BadArg);
    }
    let target = caps::empty_slot(domain, rest_slot)?;
    let rest = make_frame(domain, f.base.get() + keep * PAGE_SIZE, f.pages.get() - keep, f.state.get())?;
    f.pages.set(keep);
    target.store(kcore::cap::CapWord::new(rest.addr(), Kind::Frame, rights::ALL, 0).0, Ordering::Release);
    Ok(())
}

/// One step of DONATE: pages are scrubbed and given to the pool.
pub fn donate(domain: Obj<Domain>, slot: u64, donee: Obj<Domain>) -> Result<(), Status> {
    let f = owned(domain, slot)?;
    match f.state.get() {
        frame::MAPPABLE => {
            idle_frame(f)?;
            f.state.set(frame::DONATING);
            f.progress.set(0);
            f.donee.set(Some(donee));
            f.next_donated.set(donee.donations.get());
            donee.donations.set(f.addr());
        }
        frame::DONATING if f.donee.get() == Some(donee) => {}
        _ => return Err(Status::BadState),
    }
    let from = f.progress.get();
    scrub_step(f);
    fill_pool(donee, f.base.get() + from * PAGE_SIZE, f.progress.get() - from);
    if f.progress.get() < f.pages.get() {
        return Err(Status::Again);
    }
    f.state.set(frame::DONATED);
    Ok(())
}

/// Adds scrubbed pages to a pool.
pub fn fill_pool(donee: Obj<Domain>, base: u64, pages: u64) {
    (0..pages).rev().for_each(|n| donee.pool.with(|p| p.add(word, base + n * PAGE_SIZE)));
    stats::of(counter::POOL_PAGES).fetch_add(pages, Ordering::Relaxed);
}

fn scrub_step(f: Obj<Frame>) {
    let from = f.progress.get();
    let to = f.pages.get().min(from + SCRUB_STEP);
    (from..to).for_each(|n| cache::scrub_page(f.base.get() + n * PAGE_SIZE));
    f.progress.set(to);
}

/// One step of giving a dead domain's memory back to the donors, what of it has come; `true` when all is back.
pub fn return_donations(domain: Obj<Domain>) -> bool {
    let Some(f) = Obj::<Frame>::opt(domain.donations.get()) else { return true };
    if f.state.get() != frame::RETURNING {
        f.state.set(frame::RETURNING);
        stats::of(counter::POOL_PAGES).fetch_sub(f.progress.take(), Ordering::Relaxed);
    }
    scrub_step(f);
    if f.progress.get() == f.pages.get() {
        domain.donations.set(f.next_donated.take());
        f.donee.set(None);
        f.state.set(frame::MAPPABLE);
    }
    false
}

/// Arguments of MAP.
pub struct MapArgs {
    /// Address in the space.
    pub ipa: u64,
    /// First page in the frame.
    pub first: u64,
    /// Pages.
    pub pages: u64,
    /// [`rights`].
    pub rights: u64,
}

/// One step of MAP. Returns pages done, and whether there are more.
pub fn map(f: Obj<Frame>, space: Obj<Space>, a: &MapArgs) -> Result<(u64, bool), Status> {
    let device = f.state.get() == frame::DEVICE;
    if !device && f.state.get() != frame::MAPPABLE {
        return Err(Status::BadState);
    }
    let end = a.first.checked_add(a.pages).ok_or(Status::BadArg)?;
    let size = a.pages.checked_mul(PAGE_SIZE).ok_or(Status::BadArg)?;
    let top = a.ipa.checked_add(size).ok_or(Status::BadArg)?;
    if a.pages == 0 || end > f.pages.get() || !a.ipa.is_multiple_of(PAGE_SIZE) || top > 1 << IPA_BITS {
        return Err(Status::BadArg);
    }
    let attr = attributes(a.rights, device)?;
    let place = f.attachments.with(|t| t.place(&attachment(space, a, 1))).ok_or(Status::Full)?;
    let pa = f.base.get() + a.first * PAGE_SIZE;
    let mut tables = Tables::<false>(space);
    let progress = pt::map(&mut tables, space.root.get(), a.ipa, pa, a.pages, attr, MAP_STEP);
    if progress.done_pages > 0 {
        attach(f, place, &attachment(space, a, progress.done_pages));
    }
    dsb_ish();
    if attr.exec {
        // The writer has cleaned the code to the PoU (Arm ARM B2.7.4.2): no core may have older lines.
        invalidate_instructions();
    }
    match progress.stop {
        Stop::Done => Ok((progress.done_pages, false)),
        Stop::Budget => Ok((progress.done_pages, true)),
        _ if progress.done_pages > 0 => Ok((progress.done_pages, true)),
        Stop::NoMemory => Err(Status::NoMemory),
        Stop::Taken => Err(Status::Taken),
        Stop::BadArg => Err(Status::BadArg),
    }
}

fn attributes(wanted: u64, device: bool) -> Result<Attr, Status> {
    let has = |right| wanted & right != 0;
    if wanted & !(rights::READ | rights::WRITE | rights::EXEC) != 0
        || !has(rights::READ)
        || (device && has(rights::EXEC))
    {
        return Err(Status::BadArg);
    }
    Ok(Attr { read: true, write: has(rights::WRITE), exec: has(rights::EXEC), device, vectors: false })
}

fn attachment(space: Obj<Space>, a: &MapArgs, pages: u64) -> Attachment {
    Attachment {
        space: space.addr(),
        ipa: a.ipa,
        first: a.first as u32,
        pages: pages as u32,
        rights: a.rights as u32,
        ..Attachment::default()
    }
}

fn attach(f: Obj<Frame>, place: (usize, bool), new: &Attachment) {
    f.attachments.with(|t| t.record(place, *new));
    if place.1 {
        let space = Obj::<Space>::at(new.space);
        space.attachments.with(|l| l.push_back(&mut SpaceLinks, f.addr() | place.0 as u64));
        stats::of(counter::ATTACHMENTS).fetch_add(1, Ordering::Relaxed);
    }
}

/// Attachments of a space: named by frame page | index.
struct SpaceLinks;
fn by_name<R>(id: u64, f: impl FnOnce(&mut Attachment) -> R) -> Option<R> {
    let frame = Obj::<Frame>::at(id & !(PAGE_SIZE - 1));
    frame.attachments.with(|t| t.get_mut((id % PAGE_SIZE) as usize).map(f))
}
impl Links for SpaceLinks {
    fn link(&self, id: u64) -> Link {
        by_name(id, |a| a.link).unwrap_or_default()
    }
    fn set_link(&mut self, id: u64, link: Link) {
        by_name(id, |a| a.link = link);
    }
}

/// Removes the record of an attachment, by its name.
fn forget_attachment(space: Obj<Space>, id: u64) {
    space.attachments.with(|l| l.remove(&mut SpaceLinks, id));
    Obj::<Frame>::at(id & !(PAGE_SIZE - 1)).attachments.with(|t| t.remove((id % PAGE_SIZE) as usize));
    stats::of(counter::ATTACHMENTS).fetch_sub(1, Ordering::Relaxed);
}

/// One step of removing an attachment, from its first page on; `true` when it is gone.
fn detach_step(f: Obj<Frame>, index: usize) -> bool {
    let Some(a) = f.attachments.with(|t| t.get(index).copied()) else { return true };
    let space = Obj::<Space>::at(a.space);
    let mut tables = Tables::<false>(space);
    let (from, left) = (a.ipa + u64::from(a.done) * PAGE_SIZE, u64::from(a.pages - a.done));
    let progress = pt::unmap(&mut tables, space.root.get(), from, left, MAP_STEP);
    by_name(f.addr() | index as u64, |a| a.done += progress.done_pages as u32);
    // Shadow entries that were made of it go before the record does.
    if progress.done_pages < left || !shadow::is_clean(space, if left != 0 { u64::MAX } else { 0 }) {
        return false;
    }
    forget_attachment(space, f.addr() | index as u64);
    true
}

/// One step of UNMAP.
pub fn unmap(f: Obj<Frame>, space: Obj<Space>, ipa: u64) -> Result<(), Status> {
    let index = f.attachments.with(|t| t.find(space.addr(), ipa)).ok_or(Status::NotMapped)?;
    if detach_step(f, index) { Ok(()) } else { Err(Status::Again) }
}

/// One step of REVOKE.
pub fn revoke(f: Obj<Frame>) -> Result<(), Status> {
    let first = f.attachments.with(|t| t.iter().next().map(|(index, _)| index));
    match first {
        None => Ok(()),
        Some(index) => {
            detach_step(f, index);
            Err(Status::Again)
        }
    }
}

/// One step of emptying a space that nobody uses any more; `true` when nothing is attached.
pub fn empty_space(space: Obj<Space>) -> bool {
    let id = space.attachments.with(|l| l.first());
    if id == 0 {
        return true;
    }
    // The space's tables go as a whole later: only the records are removed here.
    forget_attachment(space, id);
    false
}
