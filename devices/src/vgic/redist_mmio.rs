//! The redistributor's registers (IHI0069 12.11).

use super::redist::{Redist, SGIS};
use super::regs::*;
use crate::Width;

impl Redist {
    /// Reads `width` at `offset` of this redistributor's two frames ([`super::GICR_SIZE`]).
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        if offset & (width.bytes() - 1) != 0 {
            return self.ignore();
        }
        match (offset, width) {
            (GICR_TYPER, Width::B8) => self.typer(),
            (GICR_TYPER, Width::B4) => self.typer() & 0xffff_ffff,
            (0xc, Width::B4) => self.typer() >> 32,
            (GICR_ISENABLER0 | GICR_ICENABLER0, Width::B4) => self.bank.enabled as u64,
            (GICR_WAKER, Width::B4) => self.waker as u64,
            (GICR_IIDR, Width::B4) => IIDR as u64,
            (GICR_CTLR | GICR_STATUSR, Width::B4) => 0,
            (GICR_PROPBASER..GICR_PENDBASER_END, Width::B4 | Width::B8) => 0,
            (GICR_IGROUPR0, Width::B4) => self.bank.group as u64,
            (GICR_ISPENDR0 | GICR_ICPENDR0, Width::B4) => self.pending_shown() as u64,
            (GICR_ISACTIVER0 | GICR_ICACTIVER0, Width::B4) => self.active_shown() as u64,
            (GICR_IPRIORITYR..GICR_IPRIORITYR_END, Width::B1 | Width::B4) => self.read_priority(offset, width),
            (GICR_ICFGR0, Width::B4) => icfgr(self.bank.edge) as u64,
            (GICR_ICFGR1, Width::B4) => icfgr(self.bank.edge >> 16) as u64,
            (GICR_IGRPMODR0 | GICR_NSACR, Width::B4) => 0,
            (IDREGS..=IDREGS_LAST, Width::B4) => idreg(offset, PIDR0_REDIST) as u64,
            _ => self.ignore(),
        }
    }

    /// Writes `value` at `offset` of this redistributor's two frames. Returns whether its vCPU has to flush.
    ///
    /// Pending and active state of a virtual timer that the kernel delivers are the kernel's: writes to them do nothing.
    #[must_use]
    pub fn write(&mut self, offset: u64, width: Width, value: u64) -> bool {
        if offset & (width.bytes() - 1) != 0 {
            self.ignore();
            return false;
        }
        let bits = value as u32;
        let touched = match (offset, width) {
            (GICR_ISENABLER0, Width::B4) => self.bank.enable(bits),
            (GICR_ICENABLER0, Width::B4) => self.bank.disable(bits),
            (GICR_WAKER, Width::B4) => self.write_waker(bits),
            (GICR_IGROUPR0, Width::B4) => self.bank.set_group(bits),
            (GICR_ISPENDR0, Width::B4) => self.bank.set_pending(bits & !self.kernels),
            (GICR_ICPENDR0, Width::B4) => self.bank.clear_pending(bits),
            (GICR_ISACTIVER0, Width::B4) => self.bank.set_active(bits & !self.kernels),
            (GICR_ICACTIVER0, Width::B4) => self.clear_active(bits),
            (GICR_IPRIORITYR..GICR_IPRIORITYR_END, Width::B1 | Width::B4) => self.write_priority(offset, width, bits),
            (GICR_ICFGR1, Width::B4) => self.bank.set_edge(!SGIS, edges(bits) << 16),
            (GICR_CTLR | GICR_STATUSR | GICR_ICFGR0 | GICR_IGRPMODR0 | GICR_NSACR, Width::B4) => 0,
            (GICR_PROPBASER..GICR_PENDBASER_END, Width::B4 | Width::B8) => 0,
            _ => {
                self.ignore();
                0
            }
        };
        self.notice(touched)
    }

    fn ignore(&mut self) -> u64 {
        self.ignored = self.ignored.wrapping_add(1);
        0
    }

    /// Affinity (63:32), Processor_Number (23:8), Last (4).
    fn typer(&self) -> u64 {
        let last = (self.cpu + 1 == self.cpus) as u64;
        (self.cpu as u64) << 32 | (self.cpu as u64) << 8 | last << 4
    }

    fn vtimer_bit(&self, bit: u8) -> u32 {
        ((self.vtimer >> bit & 1) as u32) << super::VTIMER_INTID
    }

    fn pending_shown(&self) -> u32 {
        self.bank.pending_shown() | self.vtimer_bit(0)
    }

    fn active_shown(&self) -> u32 {
        self.bank.active | self.vtimer_bit(1)
    }

    /// ChildrenAsleep follows ProcessorSleep at once; it gates nothing, as in QEMU.
    fn write_waker(&mut self, value: u32) -> u32 {
        let asleep = value & PROCESSOR_SLEEP != 0;
        self.waker = if asleep { PROCESSOR_SLEEP | CHILDREN_ASLEEP } else { 0 };
        0
    }

    /// What stays pending becomes deliverable again.
    fn clear_active(&mut self, bits: u32) -> u32 {
        self.bank.clear_active(bits) | self.bank.pending() & bits
    }

    fn read_priority(&self, offset: u64, width: Width) -> u64 {
        let first = (offset - GICR_IPRIORITYR) as usize;
        let bytes = self.priority.iter().skip(first).take(width.bytes() as usize);
        bytes.rev().fold(0, |value, &byte| value << 8 | byte as u64)
    }

    fn write_priority(&mut self, offset: u64, width: Width, value: u32) -> u32 {
        let first = (offset - GICR_IPRIORITYR) as usize;
        let bytes = self.priority.iter_mut().skip(first).take(width.bytes() as usize);
        let mut changed = 0;
        for (n, (old, new)) in bytes.zip(value.to_le_bytes()).enumerate() {
            changed |= ((*old != new) as u32) << ((first + n) & 31);
            *old = new;
        }
        changed & (self.bank.in_lr | self.bank.pending())
    }
}
