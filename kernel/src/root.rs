//! The first domain: made by the kernel from the pack's first file, given all that is left of the machine.

use crate::arch::cache;
use crate::core_local::here;
use crate::crash::stop;
use crate::memory::{self, MANAGEMENT, MapArgs};
use crate::object::{Domain, Frame, Obj};
use crate::start::Range;
use crate::{caps, create, domain};
use abi::PAGE_SIZE;
use abi::boot::{MAX_RAM, slot};
use abi::cap::{Kind, rights};
use abi::pack::{DomainImage, IMAGE_MAGIC};
use abi::syscall::{Status, THREAD_START, frame};
use arrayvec::ArrayVec;
use core::sync::atomic::Ordering;
use kcore::cap::CapWord;

/// Kernel memory that root starts with, taken from the end of the largest free range.
const POOL_PAGES: u64 = 512;
/// Root's priority: above all VMs.
const PRIORITY: u64 = 31;

/// Makes root and makes it ready on this core.
pub fn start(free: ArrayVec<Range, MAX_RAM>, pack: Range, dtb: Range) {
    let _guard = MANAGEMENT.lock();
    if make(free, pack, dtb).is_err() {
        stop("root cannot be made: too little memory, or the pack does not start with a domain");
    }
}

fn make(mut free: ArrayVec<Range, MAX_RAM>, pack: Range, dtb: Range) -> Result<(), Status> {
    let Some(largest) = free.iter_mut().max_by_key(|r| r.1 - r.0) else { return Err(Status::NoMemory) };
    largest.1 = largest.1.checked_sub(POOL_PAGES * PAGE_SIZE).filter(|end| *end > largest.0).ok_or(Status::NoMemory)?;
    let root = bootstrap(largest.1)?;
    for (slot, range) in (slot::RAM..).zip(free) {
        give_memory(root, slot, range)?;
    }
    give_memory(root, slot::DTB, dtb)?;
    let pack = give_memory(root, slot::PACK, pack)?;
    let entry = map_image(root, pack)?;
    let place = here().index.get() as u64 | PRIORITY << 8;
    create::create(root, Kind::SchedContext as u64, slot::SCHED, [slot::MACHINE, place, 0, 0])?;
    create::create(root, Kind::Thread as u64, slot::THREAD, [slot::SELF, slot::SCHED, entry, 0])?;
    create::control(root, slot::THREAD, THREAD_START, dtb.0 % PAGE_SIZE)
}

/// The domain itself lives in its own pool.
fn bootstrap(pool: u64) -> Result<Obj<Domain>, Status> {
    (0..POOL_PAGES).for_each(|n| cache::scrub_page(pool + n * PAGE_SIZE));
    let domain = Obj::<Domain>::at(pool);
    memory::fill_pool(domain, pool + PAGE_SIZE, POOL_PAGES - 1);
    memory::adopt(domain, pool, Kind::Domain);
    domain::fill(domain, domain)?;
    put(domain, slot::SELF, domain.addr(), Kind::Domain)?;
    put(domain, slot::MACHINE, PAGE_SIZE, Kind::Machine)?;
    Ok(domain)
}

fn put(domain: Obj<Domain>, slot: u64, object: u64, kind: Kind) -> Result<(), Status> {
    caps::empty_slot(domain, slot)?.store(CapWord::new(object, kind, rights::ALL, 0).0, Ordering::Release);
    Ok(())
}

/// A frame of all pages that the range touches.
fn give_memory(domain: Obj<Domain>, slot: u64, (start, end): Range) -> Result<Obj<Frame>, Status> {
    let first = start & !(PAGE_SIZE - 1);
    let f = memory::make_frame(domain, first, (end - first).div_ceil(PAGE_SIZE), frame::MAPPABLE)?;
    put(domain, slot, f.addr(), Kind::Frame)?;
    Ok(f)
}

/// Maps root's image in place; returns its entry.
fn map_image(domain: Obj<Domain>, pack: Obj<Frame>) -> Result<u64, Status> {
    let image = Obj::<DomainImage>::at(pack.base.get() + PAGE_SIZE);
    if image.magic != IMAGE_MAGIC {
        return Err(Status::BadArg);
    }
    let space = domain.space.get().ok_or(Status::BadState)?;
    for segment in image.segments.iter().take(image.count as usize) {
        let (first, pages) = (1 + segment.offset / PAGE_SIZE, segment.size / PAGE_SIZE);
        let mut done = 0;
        while done < pages {
            let ipa = segment.vaddr + done * PAGE_SIZE;
            let args = MapArgs { ipa, first: first + done, pages: pages - done, rights: segment.rights };
            done += memory::map(pack, space, &args)?.0;
        }
    }
    Ok(image.entry)
}
