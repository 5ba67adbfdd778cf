//! Offsets and fields of the GICv3 frames (IHI0069 12.8–12.11), and the constants that this implementation reports.

/// GICD_CTLR.
pub const GICD_CTLR: u64 = 0x0;
/// GICD_TYPER.
pub const GICD_TYPER: u64 = 0x4;
/// GICD_IIDR.
pub const GICD_IIDR: u64 = 0x8;
/// GICD_TYPER2.
pub const GICD_TYPER2: u64 = 0xc;
/// GICD_STATUSR.
pub const GICD_STATUSR: u64 = 0x10;
/// GICD_IGROUPR<n>.
pub const GICD_IGROUPR: u64 = 0x80;
/// GICD_ISENABLER<n>.
pub const GICD_ISENABLER: u64 = 0x100;
/// GICD_ICENABLER<n>.
pub const GICD_ICENABLER: u64 = 0x180;
/// GICD_ISPENDR<n>.
pub const GICD_ISPENDR: u64 = 0x200;
/// GICD_ICPENDR<n>.
pub const GICD_ICPENDR: u64 = 0x280;
/// GICD_ISACTIVER<n>.
pub const GICD_ISACTIVER: u64 = 0x300;
/// GICD_ICACTIVER<n>.
pub const GICD_ICACTIVER: u64 = 0x380;
/// GICD_IPRIORITYR<n>.
pub const GICD_IPRIORITYR: u64 = 0x400;
/// GICD_ITARGETSR<n>: RAZ/WI, as affinity routing is on.
pub const GICD_ITARGETSR: u64 = 0x800;
/// GICD_ICFGR<n>.
pub const GICD_ICFGR: u64 = 0xc00;
/// GICD_IGRPMODR<n> and, from 0xe00 on, GICD_NSACR<n>: RAZ/WI, as there is one security state.
pub const GICD_IGRPMODR: u64 = 0xd00;
/// GICD_SGIR: write-only, ignored, as affinity routing is on.
pub const GICD_SGIR: u64 = 0xf00;
/// GICD_CPENDSGIR<n>: RAZ/WI, as affinity routing is on.
pub const GICD_CPENDSGIR: u64 = 0xf10;
/// End of GICD_SPENDSGIR<n>.
pub const GICD_SGI_END: u64 = 0xf30;
/// GICD_IROUTER<0> (INTIDs below 32 have none).
pub const GICD_IROUTER: u64 = 0x6000;
/// End of GICD_IROUTER<n> for INTIDs below 1020.
pub const GICD_IROUTER_END: u64 = 0x7fe0;
/// GICD_PIDR4: first identification register, to the end of the frame.
pub const IDREGS: u64 = 0xffd0;
/// Last byte of the identification registers.
pub const IDREGS_LAST: u64 = 0xffff;

/// GICR_CTLR.
pub const GICR_CTLR: u64 = 0x0;
/// GICR_IIDR.
pub const GICR_IIDR: u64 = 0x4;
/// GICR_TYPER.
pub const GICR_TYPER: u64 = 0x8;
/// GICR_STATUSR.
pub const GICR_STATUSR: u64 = 0x10;
/// GICR_WAKER.
pub const GICR_WAKER: u64 = 0x14;
/// GICR_PROPBASER: RAZ/WI without LPIs.
pub const GICR_PROPBASER: u64 = 0x70;
/// End of GICR_PENDBASER, RAZ/WI without LPIs.
pub const GICR_PENDBASER_END: u64 = 0x80;
/// GICR_IGROUPR0.
pub const GICR_IGROUPR0: u64 = 0x1_0080;
/// GICR_ISENABLER0.
pub const GICR_ISENABLER0: u64 = 0x1_0100;
/// GICR_ICENABLER0.
pub const GICR_ICENABLER0: u64 = 0x1_0180;
/// GICR_ISPENDR0.
pub const GICR_ISPENDR0: u64 = 0x1_0200;
/// GICR_ICPENDR0.
pub const GICR_ICPENDR0: u64 = 0x1_0280;
/// GICR_ISACTIVER0.
pub const GICR_ISACTIVER0: u64 = 0x1_0300;
/// GICR_ICACTIVER0.
pub const GICR_ICACTIVER0: u64 = 0x1_0380;
/// GICR_IPRIORITYR<0>.
pub const GICR_IPRIORITYR: u64 = 0x1_0400;
/// End of GICR_IPRIORITYR<n>.
pub const GICR_IPRIORITYR_END: u64 = 0x1_0420;
/// GICR_ICFGR0.
pub const GICR_ICFGR0: u64 = 0x1_0c00;
/// GICR_ICFGR1.
pub const GICR_ICFGR1: u64 = 0x1_0c04;
/// GICR_IGRPMODR0: RAZ/WI, as there is one security state.
pub const GICR_IGRPMODR0: u64 = 0x1_0d00;
/// GICR_NSACR: RAZ/WI, as there is one security state.
pub const GICR_NSACR: u64 = 0x1_0e00;

/// GICD_CTLR.EnableGrp0.
pub const ENABLE_GRP0: u32 = 1 << 0;
/// GICD_CTLR.EnableGrp1.
pub const ENABLE_GRP1: u32 = 1 << 1;
/// GICD_CTLR bits that always read as one: ARE and DS.
pub const CTLR_FIXED: u32 = 1 << 4 | 1 << 6;
/// GICD_TYPER: No1N, A3V, 16 INTID bits, ITLinesNumber 8 (288 INTIDs); no LPIs, no MBIS, no security extension.
pub const TYPER: u32 = 1 << 25 | 1 << 24 | 0xf << 19 | (super::INTIDS / 32 - 1);
/// GICD_IIDR and GICR_IIDR: implementer Arm, as QEMU reports.
pub const IIDR: u32 = 0x43b;
/// GICR_WAKER.ProcessorSleep.
pub const PROCESSOR_SLEEP: u32 = 1 << 1;
/// GICR_WAKER.ChildrenAsleep.
pub const CHILDREN_ASLEEP: u32 = 1 << 2;
/// GICD_PIDR0: low byte of the part number of a distributor.
pub const PIDR0_DIST: u32 = 0x92;
/// GICR_PIDR0: low byte of the part number of a redistributor.
pub const PIDR0_REDIST: u32 = 0x93;

/// Identification register at `offset` (from [`IDREGS`] on) of a frame (IHI0069 12.1.2): PIDR4–7, PIDR0–3, CIDR0–3.
/// PIDR2.ArchRev is 3.
pub fn idreg(offset: u64, pidr0: u32) -> u32 {
    match (offset.wrapping_sub(IDREGS)) / 4 {
        0 => 0x44,
        4 => pidr0,
        5 => 0xb4,
        6 => 0x3b,
        8 => 0x0d,
        9 => 0xf0,
        10 => 0x05,
        11 => 0xb1,
        _ => 0,
    }
}

/// Whether a register at `offset` of the distributor's or the SGI frame shows or changes pending or active state.
pub const fn exact(offset: u64) -> bool {
    let in_frame = offset & 0xffff;
    in_frame >= GICD_ISPENDR && in_frame < GICD_IPRIORITYR
}

/// Spreads the bits of one half of `edge` (one bit an interrupt) to GICD_ICFGR's two bits an interrupt.
pub fn icfgr(edge_half: u32) -> u32 {
    let mut value = 0;
    for n in 0..16 {
        value |= (edge_half >> n & 1) << (2 * n + 1);
    }
    value
}

/// Inverse of [`icfgr`]: the 16 edge bits of a GICD_ICFGR value.
pub fn edges(icfgr: u32) -> u32 {
    let mut edges = 0;
    for n in 0..16 {
        edges |= (icfgr >> (2 * n + 1) & 1) << n;
    }
    edges
}
