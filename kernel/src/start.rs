//! Start: from the boot map to the first domain on core 0, and to idle on the others.

use crate::arch::{self, sysreg};
use crate::core_local::{CORES, here};
use crate::crash::stop;
use crate::frame::FrameRef;
use crate::mmu::{self, IMAGE_SIZE, Memory};
use crate::object::Obj;
use crate::platform;
use crate::{config, gic, log, power, root, sched, stats, switch, trap};
use abi::boot::MAX_RAM;
use abi::pack::{PACK_MAGIC, PackHeader};
use abi::syscall::counter;
use abi::{MAX_CORES, PAGE_SIZE};
use arrayvec::ArrayVec;
use core::sync::atomic::Ordering;
use kcore::dt::Fdt;

/// Most bytes of a device tree that are read.
const DTB_MAX: u64 = 2 << 20;

/// A range of physical memory: first and last + 1.
pub type Range = (u64, u64);

/// What the boot loader left.
pub struct Boot {
    /// Free RAM, page aligned.
    pub free: ArrayVec<Range, MAX_RAM>,
    /// The pack.
    pub pack: Range,
    /// The device tree blob, unaligned.
    pub dtb: Range,
}

/// Entered by boot.S on each core: core number, device tree (core 0), physical address of the image.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "named by the assembly")]
extern "C" fn kmain(core: usize, dtb: u64, image: u64) -> ! {
    CORES[core % MAX_CORES].start(core % MAX_CORES);
    if core == 0 { first(dtb, image) } else { secondary() }
}

fn first(dtb: u64, image: u64) -> ! {
    sysreg::vbar_el2::write(arch::symbols().0);
    mmu::init(image);
    mmu::map_identity(dtb & !(PAGE_SIZE - 1), dtb.saturating_add(DTB_MAX), Memory::Normal);
    mmu::activate();
    // SAFETY: the range is mapped, is not written after boot, and any byte is a u8.
    #[allow(unsafe_code, reason = "reads what the boot loader left")]
    let blob = unsafe { core::slice::from_raw_parts(dtb as *const u8, DTB_MAX as usize) };
    let size = Fdt::size(blob).unwrap_or(0);
    let Some(fdt) = Fdt::new(blob) else { stop("x0 does not hold a device tree") };
    if let Some(uart) = fdt.compatible("arm,pl011").and_then(|n| n.reg().next()) {
        mmu::map_identity(uart.0, uart.0 + PAGE_SIZE, Memory::Device);
        log::init(uart.0);
    }
    if sysreg::hcr_el2::read() & (1 << 34) != 0 {
        stop("this core has no E2H=0 (FEAT_E2H0): it is not supported");
    }
    let platform = platform::read(&fdt).unwrap_or_else(|what| stop(what));
    fdt.memory().for_each(|range| mmu::map_ours(range, Memory::Normal));
    mmu::map_ours((platform.distributor, 0x1_0000), Memory::Device);
    mmu::map_ours(platform.redistributors, Memory::Device);
    mmu::guard_stacks();
    config::init_core();
    gic::init(platform.distributor, platform.redistributors);
    if !gic::init_core(here()) {
        stop("core 0 has no redistributor");
    }
    if switch::lr_count() < 3 {
        stop("fewer than three list registers: one is the timer's, and VMMs count on two");
    }
    power::init(platform.psci_smc);
    stats::of(counter::IMAGE_BASE).store(image, Ordering::Relaxed);
    stats::of(counter::LIST_REGISTERS).store(switch::lr_count() as u64, Ordering::Relaxed);
    arrive();
    start_others(&fdt, image);
    root::start(&plan(&fdt, (dtb, dtb + u64::from(size)), image));
    if cfg!(feature = "crash-test") {
        FrameRef(mmu::IMAGE_VA / 2).x(0);
    }
    go()
}

/// Brings the other cores up, one after the other; those that do not come are left out.
fn start_others(fdt: &Fdt, image: u64) {
    let (_, _, entry, head) = arch::symbols();
    let own = here().mpidr.get();
    let others = fdt.cpus().filter(|m| *m != own).take(MAX_CORES - 1);
    let mut index = 1;
    for mpidr in others {
        if power::core_on(mpidr, image + (entry - head), index as u64) != 0 {
            complain("sosia: a core does not start:", "mpidr", mpidr);
            continue;
        }
        let deadline = sysreg::cntpct_el0::read() + sysreg::cntfrq_el0::read();
        while !CORES[index % MAX_CORES].online.load(Ordering::Acquire) {
            if sysreg::cntpct_el0::read() > deadline {
                stop("a core was started and did not arrive");
            }
            core::hint::spin_loop();
        }
        index += 1;
    }
}

fn complain(what: &str, name: &str, value: u64) {
    log::text(what);
    log::word(name, value);
    log::text("\r\n");
}

fn secondary() -> ! {
    sysreg::vbar_el2::write(arch::symbols().0);
    mmu::activate();
    config::init_core();
    if !gic::init_core(here()) {
        stop("a core has no redistributor");
    }
    arrive();
    go()
}

/// This core takes part from now on.
fn arrive() {
    stats::of(counter::CORES).fetch_add(1, Ordering::Relaxed);
    here().online.store(true, Ordering::Release);
}

/// Leaves the start for good.
fn go() -> ! {
    trap::masked_begin(here());
    sched::reschedule(here());
    arch::leave_kernel()
}

/// Where everything is in RAM.
fn plan(fdt: &Fdt, dtb: Range, image: u64) -> Boot {
    let header = Obj::<PackHeader>::at(image + IMAGE_SIZE);
    if header.magic != PACK_MAGIC {
        stop("no pack follows the kernel: build an image with `sosia build`");
    }
    let pack = (header.addr(), header.addr() + header.size);
    let mut free: ArrayVec<Range, MAX_RAM> = ArrayVec::new();
    for (base, size) in fdt.memory() {
        let range = (base.next_multiple_of(PAGE_SIZE), base.saturating_add(size) & !(PAGE_SIZE - 1));
        if range.0 < range.1 && free.try_push(range).is_err() {
            complain("sosia: RAM is not used, there are too many ranges:", "base", base);
        }
    }
    // Page 0 is left out: no object is at address 0.
    let taken = [(image, image + IMAGE_SIZE), pack, dtb, (0, PAGE_SIZE)];
    for range in taken.into_iter().chain(fdt.reserved().map(|(b, s)| (b, b.saturating_add(s)))) {
        subtract(&mut free, range);
    }
    Boot { free, pack, dtb }
}

/// Removes a range, widened to whole pages.
fn subtract(free: &mut ArrayVec<Range, MAX_RAM>, (start, end): Range) {
    let (start, end) = (start & !(PAGE_SIZE - 1), end.next_multiple_of(PAGE_SIZE));
    let old = free.take();
    for (a, b) in old {
        for part in [(a, b.min(start)), (a.max(end), b)] {
            // What no slot is left for is not used: the ranges are few.
            if part.0 < part.1 {
                let _ = free.try_push(part);
            }
        }
    }
}
