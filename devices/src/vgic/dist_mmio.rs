//! The distributor's registers (IHI0069 12.9).

use super::bank::Bank;
use super::dist::{Dist, NOBODY};
use super::{CpuMask, INTIDS, SPI_BASE, regs::*};
use crate::Width;

/// Index of the SPI whose field of `bits` bits in a register array from `base` on is at `offset`; `None` below INTID 32
/// (RAZ/WI with affinity routing) and above the last.
fn spi_at(offset: u64, base: u64, bits: u64) -> Option<usize> {
    let intid = (offset.wrapping_sub(base)) * 8 / bits;
    (intid >= SPI_BASE as u64 && intid < INTIDS as u64).then(|| (intid - SPI_BASE as u64) as usize)
}

impl Dist {
    /// Reads `width` at `offset` of the distributor's frame.
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        match (offset, width) {
            (GICD_TYPER, Width::B4) => TYPER as u64,
            (GICD_ISENABLER..GICD_ISPENDR, Width::B4) if offset & 3 == 0 => self.word(offset, |b| b.enabled),
            (GICD_CTLR, Width::B4) => (self.enables | CTLR_FIXED) as u64,
            _ => self.read_other(offset, width),
        }
    }

    fn read_other(&mut self, offset: u64, width: Width) -> u64 {
        if offset & (width.bytes() - 1) != 0 {
            return self.ignore();
        }
        match (offset, width) {
            (GICD_IIDR, Width::B4) => IIDR as u64,
            (GICD_TYPER2 | GICD_STATUSR, Width::B4) => 0,
            (GICD_IGROUPR..GICD_ISENABLER, Width::B4) => self.word(offset, |b| b.group),
            (GICD_ISPENDR..GICD_ISACTIVER, Width::B4) => self.word(offset, Bank::pending_shown),
            (GICD_ISACTIVER..GICD_IPRIORITYR, Width::B4) => self.word(offset, |b| b.active),
            (GICD_IPRIORITYR..GICD_ITARGETSR, Width::B1 | Width::B4) => self.read_priority(offset, width),
            (GICD_ITARGETSR..GICD_ICFGR, Width::B1 | Width::B4) => 0,
            (GICD_ICFGR..GICD_IGRPMODR, Width::B4) => self.read_config(offset),
            (GICD_IGRPMODR..GICD_SGIR, Width::B4) => 0,
            (GICD_CPENDSGIR..GICD_SGI_END, Width::B1 | Width::B4) => 0,
            (GICD_IROUTER..GICD_IROUTER_END, Width::B4 | Width::B8) => self.read_route(offset, width),
            (IDREGS..=IDREGS_LAST, Width::B4) => idreg(offset, PIDR0_DIST) as u64,
            _ => self.ignore(),
        }
    }

    /// Writes `value` at `offset` of the distributor's frame. Returns the vCPUs whose deliverable interrupts may have
    /// changed: the writer flushes itself, the others get [`super::Posted::DIST`] and a kick.
    #[must_use]
    pub fn write(&mut self, offset: u64, width: Width, value: u64) -> CpuMask {
        if offset & (width.bytes() - 1) != 0 {
            self.ignore();
            return 0;
        }
        let bits = value as u32;
        match (offset, width) {
            (GICD_ISENABLER..GICD_ICENABLER, Width::B4) => self.update(offset, |b| b.enable(bits)),
            (GICD_ICENABLER..GICD_ISPENDR, Width::B4) => self.update(offset, |b| b.disable(bits)),
            (GICD_CTLR, Width::B4) => self.write_ctlr(bits),
            (GICD_IGROUPR..GICD_ISENABLER, Width::B4) => self.update(offset, |b| b.set_group(bits)),
            (GICD_ISPENDR..GICD_ICPENDR, Width::B4) => self.update(offset, |b| b.set_pending(bits)),
            (GICD_ICPENDR..GICD_ISACTIVER, Width::B4) => self.update(offset, |b| b.clear_pending(bits)),
            (GICD_ISACTIVER..GICD_ICACTIVER, Width::B4) => self.set_active(offset, bits),
            (GICD_ICACTIVER..GICD_IPRIORITYR, Width::B4) => self.clear_active(offset, bits),
            (GICD_IPRIORITYR..GICD_ITARGETSR, Width::B1 | Width::B4) => self.write_priority(offset, width, bits),
            (GICD_ICFGR..GICD_IGRPMODR, Width::B4) => self.write_config(offset, bits),
            (GICD_IROUTER..GICD_IROUTER_END, Width::B4 | Width::B8) => self.write_route(offset, width, value),
            (GICD_STATUSR | GICD_SGIR, Width::B4) => 0,
            (GICD_ITARGETSR..GICD_ICFGR, Width::B1 | Width::B4) => 0,
            (GICD_IGRPMODR..GICD_SGIR, Width::B4) => 0,
            (GICD_CPENDSGIR..GICD_SGI_END, Width::B1 | Width::B4) => 0,
            _ => {
                self.ignore();
                0
            }
        }
    }

    fn ignore(&mut self) -> u64 {
        self.ignored = self.ignored.wrapping_add(1);
        0
    }

    /// A 32-bit word of a one-bit-an-interrupt array (each is 128 bytes).
    fn word(&self, offset: u64, get: impl Fn(&Bank) -> u32) -> u64 {
        let bank = (offset as usize & 0x7f) / 4;
        bank.checked_sub(1).and_then(|b| self.banks.get(b)).map_or(0, get) as u64
    }

    fn update(&mut self, offset: u64, apply: impl Fn(&mut Bank) -> u32) -> CpuMask {
        let Some(bank) = (offset as usize & 0x7f).checked_sub(4).map(|o| o / 4) else { return 0 };
        let touched = self.banks.get_mut(bank).map_or(0, apply);
        self.notice(bank, touched)
    }

    /// Both directions matter to everyone: what is in list registers of a disabled group must come back.
    fn write_ctlr(&mut self, value: u32) -> CpuMask {
        let enables = value & (ENABLE_GRP0 | ENABLE_GRP1);
        let disabled = self.enables & !enables != 0;
        if self.enables == enables {
            return 0;
        }
        self.enables = enables;
        if disabled {
            self.recall = self.everyone();
        }
        self.everyone()
    }

    /// An SPI made active by software is active on the vCPU it is routed to, or on vCPU 0.
    fn set_active(&mut self, offset: u64, bits: u32) -> CpuMask {
        for index in spis(offset, GICD_ISACTIVER, bits) {
            let target = self.target(index);
            if let Some(home) = self.home.get_mut(index).filter(|h| **h == NOBODY) {
                *home = if target == NOBODY { 0 } else { target };
            }
        }
        self.update(offset, |b| b.set_active(bits))
    }

    fn clear_active(&mut self, offset: u64, bits: u32) -> CpuMask {
        let before = self.update(offset, |b| b.clear_active(bits));
        let in_lr = self.word(offset, |b| b.in_lr) as u32;
        for index in spis(offset, GICD_ICACTIVER, bits & !in_lr) {
            if let Some(home) = self.home.get_mut(index) {
                *home = NOBODY;
            }
        }
        before | self.update(offset, |b| b.pending() & bits & !b.in_lr)
    }

    fn read_priority(&self, offset: u64, width: Width) -> u64 {
        let Some(index) = spi_at(offset, GICD_IPRIORITYR, 8) else { return 0 };
        let bytes = self.priority.iter().skip(index).take(width.bytes() as usize);
        bytes.rev().fold(0, |value, &byte| value << 8 | byte as u64)
    }

    fn write_priority(&mut self, offset: u64, width: Width, value: u32) -> CpuMask {
        let Some(index) = spi_at(offset, GICD_IPRIORITYR, 8) else { return 0 };
        let bytes = self.priority.iter_mut().skip(index).take(width.bytes() as usize);
        let mut changed = 0;
        for (n, (old, new)) in bytes.zip(value.to_le_bytes()).enumerate() {
            changed |= ((*old != new) as u32) << ((index + n) % 32);
            *old = new;
        }
        let bank = index / 32;
        let concerned = self.banks.get(bank).map_or(0, |b| b.in_lr | b.pending());
        self.notice(bank, changed & concerned)
    }

    fn read_config(&self, offset: u64) -> u64 {
        let Some(index) = spi_at(offset, GICD_ICFGR, 2) else { return 0 };
        let edge = self.banks.get(index / 32).map_or(0, |b| b.edge);
        icfgr(edge >> (index % 32)) as u64
    }

    fn write_config(&mut self, offset: u64, value: u32) -> CpuMask {
        let Some(index) = spi_at(offset, GICD_ICFGR, 2) else { return 0 };
        let (bank, shift) = (index / 32, index % 32);
        let touched = self.banks.get_mut(bank).map_or(0, |b| b.set_edge(0xffff << shift, edges(value) << shift));
        self.notice(bank, touched)
    }

    fn read_route(&self, offset: u64, width: Width) -> u64 {
        let Some(index) = spi_at(offset, GICD_IROUTER, 64) else { return 0 };
        let route = self.route.get(index).copied().unwrap_or(0);
        route >> (offset % 8 * 8) & width.mask()
    }

    /// A pending SPI in a list register of its old target goes to the new one.
    fn write_route(&mut self, offset: u64, width: Width, value: u64) -> CpuMask {
        let Some(index) = spi_at(offset, GICD_IROUTER, 64) else { return 0 };
        let shift = offset % 8 * 8;
        let Some(route) = self.route.get_mut(index) else { return 0 };
        let new = *route & !(width.mask() << shift) | (value & width.mask()) << shift;
        let changed = *route != new;
        *route = new;
        let bit = 1 << (index % 32);
        let concerned = self.banks.get(index / 32).map_or(0, |b| (b.in_lr | b.pending()) & bit);
        if changed { self.notice(index / 32, concerned) } else { 0 }
    }
}

/// Indices of the SPIs that `bits` of a one-bit-an-interrupt register name.
fn spis(offset: u64, base: u64, bits: u32) -> impl Iterator<Item = usize> {
    let first = spi_at(offset, base, 1);
    (0..32).filter(move |n| bits >> n & 1 != 0).filter_map(move |n| first.map(|f| f + n))
}
