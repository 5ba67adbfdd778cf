//! GICv3 set-up for group 1 interrupts (Arm IHI 0069).
#![allow(unsafe_code)] // Register access by address.

use crate::machine::{GICD, GICR, GICR_STRIDE};
use crate::{read_sysreg, write_sysreg};

const GICD_CTLR: u64 = GICD;
/// ARE_NS and EnableGrp1 (a machine with one security state has them at bits 4 and 1).
const CTLR_ARE_GRP1: u32 = 1 << 4 | 1 << 1;
const GICD_IGROUPR: u64 = GICD + 0x80;
const GICD_ISENABLER: u64 = GICD + 0x100;
const GICD_IPRIORITYR: u64 = GICD + 0x400;
const GICD_ICFGR: u64 = GICD + 0xc00;
const GICD_IROUTER: u64 = GICD + 0x6000;
const GICR_WAKER: u64 = 0x14;
const WAKER_PROCESSOR_SLEEP: u32 = 1 << 1;
const WAKER_CHILDREN_ASLEEP: u32 = 1 << 2;
/// Offset of a redistributor's SGI frame.
const SGI_BASE: u64 = 0x1_0000;
const GICR_IGROUPR0: u64 = SGI_BASE + 0x80;
const GICR_ISENABLER0: u64 = SGI_BASE + 0x100;
const GICR_IPRIORITYR: u64 = SGI_BASE + 0x400;

fn read(address: u64) -> u32 {
    let value: u32;
    // SAFETY: the callers name registers of the GIC, which the MMU maps as device memory or not at all.
    unsafe { core::arch::asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)) };
    value
}

fn write(address: u64, value: u32) {
    // SAFETY: as for `read`.
    unsafe { core::arch::asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
}

/// Switches the distributor on: affinity routing, group 1. Once, by the boot CPU.
pub fn init_distributor() {
    write(GICD_CTLR, CTLR_ARE_GRP1);
}

/// Wakes this CPU's redistributor, enables all its SGIs and the given PPIs in group 1, and opens the CPU interface.
pub fn init_cpu(ppis: &[u32]) {
    let frame = GICR + (read_sysreg!("mpidr_el1") & 0xff) * GICR_STRIDE;
    write(frame + GICR_WAKER, read(frame + GICR_WAKER) & !WAKER_PROCESSOR_SLEEP);
    while read(frame + GICR_WAKER) & WAKER_CHILDREN_ASLEEP != 0 {}
    write(frame + GICR_IGROUPR0, u32::MAX);
    for register in 0..8 {
        write(frame + GICR_IPRIORITYR + 4 * register, 0x8080_8080);
    }
    let enabled = ppis.iter().fold(0xffff, |bits, &ppi| bits | 1u32.wrapping_shl(ppi));
    write(frame + GICR_ISENABLER0, enabled);
    write_sysreg!("icc_sre_el1", 7); // System registers, no bypass.
    write_sysreg!("icc_pmr_el1", 0xff);
    write_sysreg!("icc_bpr1_el1", 0);
    write_sysreg!("icc_ctlr_el1", 0); // EOI drops priority and deactivates.
    write_sysreg!("icc_igrpen1_el1", 1);
}

/// Enables an SPI (INTID 32 to 1019) in group 1, edge-triggered, for the CPU that calls.
pub fn enable_edge_spi(intid: u32) {
    let (word, byte) = (intid % 32, intid % 4 * 8);
    let offset = u64::from(intid / 32 * 4);
    let group = GICD_IGROUPR + offset;
    write(group, read(group) | 1 << word);
    let priority = GICD_IPRIORITYR + u64::from(intid & !3);
    write(priority, read(priority) & !(0xff << byte) | 0x80 << byte);
    let config = GICD_ICFGR + u64::from(intid / 16 * 4);
    write(config, read(config) | 0b10 << (intid % 16 * 2));
    let router = GICD_IROUTER + 8 * u64::from(intid);
    write(router, (read_sysreg!("mpidr_el1") & 0xff_ffff) as u32);
    write(router + 4, 0);
    write(GICD_ISENABLER + offset, 1 << word);
}

/// Sends SGI `intid` (0 to 15) to the CPUs of a mask of Aff0 (the rest of their affinity being 0).
pub fn send_sgi(intid: u32, cpus: u16) {
    write_sysreg!("icc_sgi1r_el1", u64::from(intid & 0xf) << 24 | u64::from(cpus));
}
