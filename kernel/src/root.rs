//! The first domain: made by the kernel from the pack's entry `root`, given all that is left of the machine.

use crate::arch::cache;
use crate::frame::FrameRef;
use crate::memory::{self, MANAGEMENT, MapArgs, make};
use crate::object::{Domain, Entity, Frame, Obj, RunState, SchedContext, Space, Thread};
use crate::start::{Boot, Range};
use crate::{arch::sysreg, caps, core_local, create, domain, mmu, sched, space, switch};
use abi::boot::{self, BOOT_MAGIC, BootInfo, Ram, slot};
use abi::cap::{Kind, rights};
use abi::pack::{DomainImage, IMAGE_MAGIC, PackEntry, PackHeader, Segment};
use abi::syscall::{Status, frame};
use abi::{PAGE_SIZE, pack};
use core::mem::{offset_of, size_of};
use core::sync::atomic::Ordering;
use kcore::cap::CapWord;

/// Kernel memory that root starts with, taken from the end of the largest free range.
const POOL_PAGES: u64 = 512;
/// Root's priority: above all VMs.
const PRIORITY: u32 = 31;

/// Bytes of identity-mapped RAM.
#[allow(unsafe_code, reason = "reads what the boot loader left")]
pub fn bytes(base: u64, size: usize) -> &'static [u8] {
    // SAFETY: the range is mapped, is not written after boot, and any byte is a u8.
    unsafe { core::slice::from_raw_parts(base as *const u8, size) }
}

/// A word of identity-mapped RAM.
pub fn word_at(base: u64) -> u64 {
    FrameRef(base & !7).x(0)
}

struct Maker {
    domain: Obj<Domain>,
    space: Obj<Space>,
}

/// Makes root and makes it ready on this core.
pub fn start(boot: &Boot) {
    let _guard = MANAGEMENT.lock();
    if let Err(status) = make_root(boot) {
        panic!("root cannot be made: {status:?}");
    }
}

fn make_root(boot: &Boot) -> Result<(), Status> {
    let mut free = boot.free.clone();
    let Some(largest) = free.iter_mut().max_by_key(|r| r.1 - r.0) else { return Err(Status::NoMemory) };
    largest.1 = largest.1.checked_sub(POOL_PAGES * PAGE_SIZE).filter(|end| *end > largest.0).ok_or(Status::NoMemory)?;
    let m = bootstrap(largest.1)?;
    let entry = map_image(&m, boot)?;
    private(&m, boot::STACK_TOP - boot::STACK_PAGES * PAGE_SIZE, boot::STACK_PAGES, rights::READ | rights::WRITE)?;
    give_memory(&m, boot, &free)?;
    give_info(&m, boot, &free)?;
    give_thread(&m, entry)
}

/// The domain itself lives in its own pool.
fn bootstrap(pool: u64) -> Result<Maker, Status> {
    (0..POOL_PAGES).for_each(|n| cache::scrub_page(pool + n * PAGE_SIZE));
    let domain = Obj::<Domain>::at(pool);
    memory::fill_pool(domain, pool + PAGE_SIZE, POOL_PAGES - 1);
    memory::adopt(domain, pool, Kind::Domain);
    domain.table.set(memory::take_page(domain).ok_or(Status::NoMemory)?);
    let space = space::make(domain, domain)?;
    domain.space.set(Some(space));
    domain::link(domain);
    put(domain, slot::SELF, domain.addr(), Kind::Domain)?;
    put(domain, slot::MACHINE, PAGE_SIZE, Kind::Machine)?;
    Ok(Maker { domain, space })
}

fn put(domain: Obj<Domain>, slot: u64, object: u64, kind: Kind) -> Result<(), Status> {
    caps::fill(caps::empty_slot(domain, slot)?, CapWord::new(object, kind, rights::ALL, 0));
    Ok(())
}

fn map_all(m: &Maker, f: Obj<Frame>, ipa: u64, first: u64, pages: u64, rights: u64) -> Result<(), Status> {
    let mut done = 0;
    while done < pages {
        let args = MapArgs { ipa: ipa + done * PAGE_SIZE, first: first + done, pages: pages - done, rights };
        done += memory::map(f, m.space, &args)?.0;
    }
    Ok(())
}

/// Pages from root's pool, mapped into root for ever: they are kernel memory that root may see.
fn private(m: &Maker, ipa: u64, pages: u64, wanted: u64) -> Result<u64, Status> {
    let mut first = 0;
    for n in 0..pages {
        let page = memory::take_page(m.domain).ok_or(Status::NoMemory)?;
        let f = memory::make_frame(m.domain, page, 1, frame::MAPPABLE)?;
        map_all(m, f, ipa + n * PAGE_SIZE, 0, 1, wanted)?;
        if n == 0 {
            first = page;
        }
    }
    Ok(first)
}

/// Maps the pack, and root's image in place; returns its entry.
fn map_image(m: &Maker, boot: &Boot) -> Result<u64, Status> {
    let (base, end) = boot.pack;
    let f = memory::make_frame(m.domain, base, (end - base) / PAGE_SIZE, frame::MAPPABLE)?;
    put(m.domain, slot::PACK, f.addr(), Kind::Frame)?;
    map_all(m, f, boot::PACK, 0, f.pages.get(), rights::READ)?;
    let image = find(base, b"root").ok_or(Status::BadArg)?;
    if word_at(base + image) != IMAGE_MAGIC {
        return Err(Status::BadArg);
    }
    let count = word_at(base + image + offset_of!(DomainImage, count) as u64);
    for n in 0..count.min(pack::MAX_SEGMENTS as u64) {
        let at = base + image + offset_of!(DomainImage, segments) as u64 + n * size_of::<Segment>() as u64;
        let field = |offset: usize| word_at(at + offset as u64);
        let first = (image + field(offset_of!(Segment, offset))) / PAGE_SIZE;
        let pages = field(offset_of!(Segment, size)) / PAGE_SIZE;
        let rights = field(offset_of!(Segment, rights));
        map_all(m, f, field(offset_of!(Segment, vaddr)), first, pages, rights)?;
    }
    Ok(word_at(base + image + offset_of!(DomainImage, entry) as u64))
}

/// Offset of an entry of the pack.
fn find(base: u64, name: &[u8]) -> Option<u64> {
    let mut wanted = [0; pack::NAME_LEN];
    wanted.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    let count = word_at(base + offset_of!(PackHeader, count) as u64).min(pack::MAX_ENTRIES as u64);
    (0..count)
        .map(|n| base + size_of::<PackHeader>() as u64 + n * size_of::<PackEntry>() as u64)
        .find(|at| bytes(*at, pack::NAME_LEN) == wanted)
        .map(|at| word_at(at + offset_of!(PackEntry, offset) as u64))
}

fn give_memory(m: &Maker, boot: &Boot, free: &[Range]) -> Result<(), Status> {
    for (n, (start, end)) in free.iter().enumerate() {
        let f = memory::make_frame(m.domain, *start, (end - start) / PAGE_SIZE, frame::MAPPABLE)?;
        put(m.domain, slot::RAM + n as u64, f.addr(), Kind::Frame)?;
    }
    let (start, end) = (boot.dtb.0 & !(PAGE_SIZE - 1), boot.dtb.1.next_multiple_of(PAGE_SIZE));
    let f = memory::make_frame(m.domain, start, (end - start) / PAGE_SIZE, frame::MAPPABLE)?;
    put(m.domain, slot::DTB, f.addr(), Kind::Frame)
}

fn give_info(m: &Maker, boot: &Boot, free: &[Range]) -> Result<(), Status> {
    let page = private(m, boot::BOOT_INFO, 1, rights::READ)?;
    let mut ram = [Ram::default(); boot::MAX_RAM];
    for (to, (start, end)) in ram.iter_mut().zip(free) {
        *to = Ram { base: *start, pages: (end - start) / PAGE_SIZE };
    }
    let info = BootInfo {
        magic: BOOT_MAGIC,
        cores: core_local::online() as u64,
        ram_count: free.len() as u64,
        ram,
        pack_size: boot.pack.1 - boot.pack.0,
        dtb_size: boot.dtb.1 - boot.dtb.0,
        dtb_offset: boot.dtb.0 % PAGE_SIZE,
        cntfrq: sysreg::cntfrq_el0::read(),
        uart_base: boot.platform.uart.0,
        uart_intid: u64::from(boot.platform.uart.1),
        lr_count: switch::lr_count() as u64,
        kernel_bytes: mmu::IMAGE_SIZE + POOL_PAGES * PAGE_SIZE,
    };
    Obj::<core::cell::Cell<BootInfo>>::at(page).set(info);
    Ok(())
}

fn give_thread(m: &Maker, entry: u64) -> Result<(), Status> {
    let core = core_local::here();
    let sc: Obj<SchedContext> = make(m.domain, Kind::SchedContext)?;
    create::fill_sched_context(sc, core.index.get(), PRIORITY, 0);
    let t: Obj<Thread> = make(m.domain, Kind::Thread)?;
    sc.bound.store(t.addr(), Ordering::Relaxed);
    t.common.core.set(core.index.get());
    t.common.sched.set(Some(sc));
    t.common.domain.set(Some(m.domain));
    t.common.state.set(RunState::Stopped);
    t.common.deadline.set(u64::MAX);
    t.started.set(true);
    let registers = FrameRef(t.frame.as_ptr() as u64);
    registers.set_return(entry, 0);
    registers.set_sp(boot::STACK_TOP);
    put(m.domain, slot::SCHED, sc.addr(), Kind::SchedContext)?;
    put(m.domain, slot::THREAD, t.addr(), Kind::Thread)?;
    sched::make_ready(core, Entity(Obj::at(t.addr())));
    Ok(())
}
