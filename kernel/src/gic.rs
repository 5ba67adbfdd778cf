//! Physical GICv3: distributor, redistributors, CPU interface with EOImode=1 (priority drop and deactivation apart), so
//! that an interrupt given to a guest or to a driver stays active until they are done with it.
#![allow(unsafe_code, reason = "device registers")]

use crate::arch::{self, sysreg};
use crate::core_local::{CORES, Core, here};
use crate::crash::stop;
use crate::switch;
use core::sync::atomic::{AtomicU64, Ordering};

/// SGI that asks a core to look at its wake stack.
pub const SGI_WAKE: u32 = 0;
/// Maintenance interrupt of the virtual CPU interface (GICv3 IHI0069 recommends PPI 25).
pub const PPI_MAINTENANCE: u32 = 25;
/// EL2 physical timer.
pub const PPI_TIMER: u32 = 26;
/// Virtual timer.
pub const PPI_VTIMER: u32 = 27;
/// First INTID that is none (special INTIDs).
pub const SPECIAL: u32 = 1020;

const PRIORITY: u8 = 0xa0;
const GICD_CTLR: u64 = 0x0;
const GICD_TYPER: u64 = 0x4;
const GICD_IGROUPR: u64 = 0x80;
const GICD_ISENABLER: u64 = 0x100;
const GICD_ICENABLER: u64 = 0x180;
const GICD_ISACTIVER: u64 = 0x300;
const GICD_ICACTIVER: u64 = 0x380;
const GICD_IPRIORITYR: u64 = 0x400;
const GICD_ICFGR: u64 = 0xc00;
const GICD_IROUTER: u64 = 0x6000;
const GICR_TYPER: u64 = 0x8;
const GICR_WAKER: u64 = 0x14;
const SGI_BASE: u64 = 0x1_0000;
const RWP: u32 = 1 << 31;

static DIST: AtomicU64 = AtomicU64::new(0);
static REDIST: AtomicU64 = AtomicU64::new(0);
static REDIST_END: AtomicU64 = AtomicU64::new(0);

fn read(at: u64) -> u32 {
    // SAFETY: callers pass registers of the GIC, which is mapped as device memory.
    unsafe { (at as *const u32).read_volatile() }
}
fn write(at: u64, value: u32) {
    // SAFETY: as above.
    unsafe { (at as *mut u32).write_volatile(value) }
}
fn write_byte(at: u64, value: u8) {
    // SAFETY: as above.
    unsafe { (at as *mut u8).write_volatile(value) }
}

fn dist() -> u64 {
    DIST.load(Ordering::Relaxed)
}

/// Sets up the distributor: group 1, all SPIs off.
pub fn init(distributor: u64, redistributors: (u64, u64)) {
    DIST.store(distributor, Ordering::Relaxed);
    REDIST.store(redistributors.0, Ordering::Relaxed);
    REDIST_END.store(redistributors.0.saturating_add(redistributors.1), Ordering::Relaxed);
    write(distributor + GICD_CTLR, 0);
    wait_clear(distributor + GICD_CTLR, RWP);
    for n in 1..intids().div_ceil(32) {
        reset_word(distributor + 4 * n);
    }
    write(distributor + GICD_CTLR, 0x12); // ARE_NS, EnableGrp1
    wait_clear(distributor + GICD_CTLR, RWP);
}

/// 32 interrupts: disabled, not active, group 1.
fn reset_word(base: u64) {
    write(base + GICD_ICENABLER, !0);
    write(base + GICD_ICACTIVER, !0);
    write(base + GICD_IGROUPR, !0);
}

fn wait_clear(register: u64, bits: u32) {
    for _ in 0..100_000 {
        if read(register) & bits == 0 {
            return;
        }
    }
}

/// First INTID that no SPI has.
pub fn intids() -> u64 {
    let words = (read(dist() + GICD_TYPER) & 0x1f) + 1;
    u64::from(words * 32).min(1020)
}

/// The redistributor of the calling core, by GICR_TYPER's affinity.
fn find_redistributor(mpidr: u64) -> Option<u64> {
    let affinity = (mpidr & 0xff_ffff) | ((mpidr >> 8) & 0xff00_0000);
    let mut at = REDIST.load(Ordering::Relaxed);
    while at < REDIST_END.load(Ordering::Relaxed) {
        if u64::from(read(at + GICR_TYPER + 4)) == affinity {
            return Some(at);
        }
        let low = read(at + GICR_TYPER);
        if low & 0x10 != 0 {
            return None;
        }
        at += if low & 2 != 0 { 0x4_0000 } else { 0x2_0000 };
    }
    None
}

/// Sets up the redistributor and CPU interface of the calling core.
pub fn init_core(core: &Core) {
    let Some(redist) = find_redistributor(core.mpidr.get()) else { stop("a core has no redistributor") };
    core.redistributor.set(redist);
    write(redist + GICR_WAKER, read(redist + GICR_WAKER) & !2);
    wait_clear(redist + GICR_WAKER, 4);
    let base = redist + SGI_BASE;
    reset_word(base);
    for n in 0..32 {
        write_byte(base + GICD_IPRIORITYR + n, PRIORITY);
    }
    let mine = 1 << SGI_WAKE | 1 << PPI_MAINTENANCE | 1 << PPI_TIMER | 1 << PPI_VTIMER;
    write(base + GICD_ISENABLER, mine);
    sysreg::icc_sre_el2::write(0xf);
    arch::isb();
    sysreg::icc_sre_el1::write(7);
    arch::isb();
    sysreg::icc_pmr_el1::write(0xff);
    sysreg::icc_bpr1_el1::write(0);
    sysreg::icc_ctlr_el1::write(2); // EOImode
    sysreg::icc_igrpen1_el1::write(1);
    arch::isb();
    switch::discard_loaded(core);
}

/// Acknowledges the highest pending interrupt; at least [`SPECIAL`] if there is none.
#[inline(always)]
pub fn acknowledge() -> u32 {
    sysreg::icc_iar1_el1::read() as u32
}

/// Priority drop.
#[inline(always)]
pub fn drop_priority(intid: u32) {
    sysreg::icc_eoir1_el1::write(u64::from(intid));
}

/// Deactivation on the core that acknowledged it, or of an SPI from any core.
#[inline(always)]
pub fn deactivate(intid: u32) {
    sysreg::icc_dir_el1::write(u64::from(intid));
}

/// Sets or clears the active state of a PPI of this core.
pub fn set_ppi_active(intid: u32, active: bool) {
    let register = if active { GICD_ISACTIVER } else { GICD_ICACTIVER };
    write(here().redistributor.get() + SGI_BASE + register, 1 << intid);
}

/// Routes an SPI to a core and enables it.
pub fn enable_spi(intid: u32, edge: bool, core: usize) {
    let n = u64::from(intid);
    let config = dist() + GICD_ICFGR + 4 * (n / 16);
    let bit = 2 << (2 * (intid % 16));
    write(config, if edge { read(config) | bit } else { read(config) & !bit });
    write_byte(dist() + GICD_IPRIORITYR + n, PRIORITY);
    let mpidr = CORES.get(core).map_or(0, |c| c.mpidr.get());
    write(dist() + GICD_IROUTER + 8 * n, mpidr as u32);
    write(dist() + GICD_IROUTER + 8 * n + 4, (mpidr >> 32) as u32);
    write(dist() + GICD_ISENABLER + 4 * (n / 32), 1 << (intid % 32));
}

/// Disables and deactivates an SPI.
pub fn disable_spi(intid: u32) {
    let n = u64::from(intid / 32);
    write(dist() + GICD_ICENABLER + 4 * n, 1 << (intid % 32));
    wait_clear(dist() + GICD_CTLR, RWP);
    write(dist() + GICD_ICACTIVER + 4 * n, 1 << (intid % 32));
}

/// Sends [`SGI_WAKE`] to a core.
pub fn wake_core(core: &Core) {
    let m = core.mpidr.get();
    // ICC_SGI1R_EL1: Aff3 55:48, RS 47:44, Aff2 39:32, INTID 27:24, Aff1 23:16, target list 15:0.
    let value = ((m >> 32) & 0xff) << 48
        | ((m >> 4) & 0xf) << 44
        | ((m >> 16) & 0xff) << 32
        | u64::from(SGI_WAKE) << 24
        | ((m >> 8) & 0xff) << 16
        | 1 << (m & 0xf);
    arch::dsb_ish();
    sysreg::icc_sgi1r_el1::write(value);
    arch::isb();
}
