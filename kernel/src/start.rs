//! Start: from the boot map to the first domain on core 0, and to idle on the others.

use crate::arch::{self, sysreg};
use crate::core_local::{CORES, here};
use crate::crash::stop;
use crate::frame::FrameRef;
use crate::mmu::{self, IMAGE_SIZE, Memory};
use crate::object::Obj;
use crate::{config, gic, log, power, root, sched, stats, switch};
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

/// Entered by boot.S on each core: core number, device tree (core 0), physical address of the image.
#[unsafe(no_mangle)]
#[allow(unsafe_code, reason = "named by the assembly")]
extern "C" fn kmain(core: usize, dtb: u64, image: u64) -> ! {
    sysreg::vbar_el2::write((&raw const arch::vectors) as u64);
    CORES[core % MAX_CORES].start(core % MAX_CORES);
    if core == 0 { first(dtb, image) } else { secondary() }
}

fn first(dtb: u64, image: u64) -> ! {
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
    fdt.memory().for_each(|range| mmu::map_ours(range, Memory::Normal));
    mmu::guard_stacks();
    config::init_core();
    find_machine(&fdt);
    gic::init_core(here());
    if switch::lr_count() < 3 {
        stop("fewer than three list registers: one is the timer's, and VMMs count on two");
    }
    stats::of(counter::IMAGE_BASE).store(image, Ordering::Relaxed);
    stats::of(counter::LIST_REGISTERS).store(switch::lr_count() as u64, Ordering::Relaxed);
    arrive();
    start_others(&fdt);
    let dtb = (dtb, dtb + u64::from(size));
    let pack = find_pack(image + IMAGE_SIZE);
    root::start(free_ram(&fdt, [(image, image + IMAGE_SIZE), pack, dtb]), pack, dtb);
    if cfg!(feature = "crash-test") {
        FrameRef(mmu::IMAGE_VA / 2).x(0);
    }
    go()
}

/// Takes what the device tree says of interrupt controller and firmware; what is missing is told by name.
fn find_machine(fdt: &Fdt) {
    let gic = fdt.compatible("arm,gic-v3");
    let gic = gic.unwrap_or_else(|| stop("no arm,gic-v3 in the device tree (GICv2 is not supported)"));
    let mut regs = gic.reg();
    let (Some((distributor, _)), Some(redistributors)) = (regs.next(), regs.next()) else {
        stop("the GIC has no distributor or no redistributors")
    };
    mmu::map_ours((distributor, 0x1_0000), Memory::Device);
    mmu::map_ours(redistributors, Memory::Device);
    gic::init(distributor, redistributors);
    let psci = ["arm,psci-1.0", "arm,psci-0.2"].iter().find_map(|c| fdt.compatible(c));
    let method = psci.as_ref().and_then(|p| p.str("method"));
    power::init(method.unwrap_or_else(|| stop("no PSCI in the device tree")) == "smc");
}

/// Brings the other cores up, one after the other; those that do not come are left out.
fn start_others(fdt: &Fdt) {
    let entry = mmu::image_pa((&raw const arch::_secondary) as u64);
    let own = here().mpidr.get();
    let others = fdt.cpus().filter(|m| *m != own).take(MAX_CORES - 1);
    let mut index = 1;
    for mpidr in others {
        if power::core_on(mpidr, entry, index as u64) != 0 {
            log::text("sosia: a core does not start:");
            log::word("mpidr", mpidr);
            log::text("\r\n");
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

fn secondary() -> ! {
    mmu::activate();
    config::init_core();
    gic::init_core(here());
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
    #[cfg(feature = "measure")]
    crate::trap::masked_begin(here());
    sched::reschedule(here());
    arch::leave_kernel()
}

/// The pack at an address.
fn find_pack(base: u64) -> Range {
    let header = Obj::<PackHeader>::at(base);
    if header.magic != PACK_MAGIC {
        stop("no pack follows the kernel: build an image with `sosia build`");
    }
    (base, base + header.size)
}

/// Free RAM, page aligned.
fn free_ram(fdt: &Fdt, taken: [Range; 3]) -> ArrayVec<Range, MAX_RAM> {
    let mut free: ArrayVec<Range, MAX_RAM> = ArrayVec::new();
    for (base, size) in fdt.memory() {
        let range = (base.next_multiple_of(PAGE_SIZE), base.saturating_add(size) & !(PAGE_SIZE - 1));
        if range.0 < range.1 && free.try_push(range).is_err() {
            log::text("sosia: RAM is not used: too many ranges\r\n");
        }
    }
    // Page 0 is left out: no object is at address 0.
    let taken = taken.into_iter().chain([(0, PAGE_SIZE)]);
    for (start, end) in taken.chain(fdt.reserved().map(|(b, s)| (b, b.saturating_add(s)))) {
        // Whole pages.
        let (start, end) = (start & !(PAGE_SIZE - 1), end.next_multiple_of(PAGE_SIZE));
        for (a, b) in free.take() {
            let parts = [(a, b.min(start)), (a.max(end), b)];
            // What no slot is left for is not used: the ranges are few.
            parts.into_iter().filter(|(a, b)| a < b).for_each(|part| free.try_push(part).unwrap_or_default());
        }
    }
    free
}
