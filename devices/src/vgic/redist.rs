//! A redistributor: SGIs and PPIs of one vCPU, and what is in its list registers.

use super::bank::{Bank, Placed};
use super::lr::Lr;
use super::mailbox::Posted;
use super::regs::{self, CHILDREN_ASLEEP, PROCESSOR_SLEEP};
use super::{CpuMask, Dist, MAX_LRS, SPI_BASE, VTIMER_INTID};
use crate::MAX_VCPUS;

/// SGIs are always edge-triggered.
pub(super) const SGIS: u32 = 0xffff;
/// Fewest list registers: the kernel's, one for what is active, one for what may preempt it.
pub(super) const MIN_LRS: u8 = 3;
/// The kernel's interrupt, where it delivers the virtual timer.
pub(super) const VTIMER: u32 = 1 << VTIMER_INTID;

/// State of one vCPU's private interrupts and list registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redist {
    pub(super) cpu: u8,
    pub(super) cpus: u8,
    pub(super) lr_count: u8,
    /// List registers that are the model's.
    pub(super) usable: u16,
    /// Private interrupts that the kernel delivers.
    pub(super) kernels: u32,
    pub(super) bank: Bank,
    pub(super) priority: [u8; 32],
    pub(super) waker: u32,
    /// GICD_CTLR group enables when the distributor was last looked at.
    pub(super) enables: u32,
    /// What the hardware's list registers hold as far as is known.
    pub(super) hw: [Lr; MAX_LRS],
    /// List registers whose interrupt is not in the model.
    pub(super) held: u16,
    /// List registers that hold no interrupt of the model and are not zero: to be cleared or reused.
    pub(super) stale: u16,
    /// More is deliverable than is in list registers.
    pub(super) more: bool,
    /// An interrupt in a list register must be looked at exactly.
    pub(super) recall: bool,
    /// State bits of the virtual timer's list register when last read exactly: bit 0 pending, bit 1 active.
    pub(super) vtimer: u8,
    pub(super) ignored: u32,
    /// The SPI that the kernel may deliver, 0: none.
    pub(super) bell: u32,
    /// It is in its list register.
    pub(super) parked: bool,
}

impl Redist {
    /// At reset: vCPU `cpu` of `cpus`, with `lr_count` list registers (ICH_VTR_EL2.ListRegs + 1; clamped to 3..=16).
    pub fn new(cpu: u8, cpus: u8, lr_count: u8) -> Self {
        let cpus = cpus.clamp(1, MAX_VCPUS as u8);
        let lr_count = lr_count.clamp(MIN_LRS, MAX_LRS as u8);
        Self {
            cpu: cpu.min(cpus - 1),
            cpus,
            lr_count,
            usable: usable(lr_count) & !1,
            kernels: VTIMER,
            bank: Bank { edge: SGIS, ..Bank::default() },
            priority: [0; 32],
            waker: PROCESSOR_SLEEP | CHILDREN_ASLEEP,
            enables: 0,
            hw: [Lr::default(); MAX_LRS],
            held: 0,
            stale: 0,
            more: false,
            recall: false,
            vtimer: 0,
            ignored: 0,
            bell: 0,
            parked: false,
        }
    }

    /// At reset, for a vCPU whose kernel delivers no virtual timer: vINTID 27 is a PPI as any other, and list register 0
    /// as any other. Arguments as of [`Self::new`].
    pub fn without_kernel_timer(cpu: u8, cpus: u8, lr_count: u8) -> Self {
        let redist = Self::new(cpu, cpus, lr_count);
        Self { usable: usable(redist.lr_count), kernels: 0, ..redist }
    }

    /// Accesses so far to registers that do not exist or by widths that they do not take (wraps).
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    /// Content for ICH_LR<n>_EL2; install those that [`super::LrUpdate::dirty`] names.
    pub fn lr(&self, n: usize) -> u64 {
        self.hw.get(n).copied().unwrap_or_default().0
    }

    /// How the kernel has to inject the virtual timer: bit 31 enabled, bit 30 group 1, bits 23:16 priority, bits 9:0
    /// vINTID. Ask again after each write to this redistributor and after each [`Self::flush`]. 0: not at all.
    pub fn timer_word(&self) -> u32 {
        if self.kernels == 0 {
            return 0;
        }
        let group1 = self.bank.group & VTIMER != 0;
        let wanted = if group1 { regs::ENABLE_GRP1 } else { regs::ENABLE_GRP0 };
        let on = self.bank.enabled & VTIMER != 0 && self.enables & wanted != 0;
        let priority = self.priority_of(VTIMER_INTID) as u32;
        (on as u32) << 31 | (group1 as u32) << 30 | priority << 16 | VTIMER_INTID
    }

    /// Sets the line of PPI `intid` (16..32 but for a virtual timer of the kernel's; others are ignored). Returns whether
    /// to flush.
    #[must_use]
    pub fn set_ppi_level(&mut self, intid: u32, level: bool) -> bool {
        let bit = 1u32.checked_shl(intid).unwrap_or(0) & !(SGIS | self.kernels);
        let touched = self.bank.set_level(bit, level);
        self.notice(touched)
    }

    /// Takes in what [`super::Mailbox::take`] gave. Returns whether to flush.
    ///
    /// An SGI is accepted only in the group that the target has configured for it (IHI0069 8.1.10, table of SGI
    /// generation for one security state).
    #[must_use]
    pub fn accept(&mut self, posted: Posted) -> bool {
        let sgis = posted.group1() & self.bank.group | posted.group0() & !self.bank.group;
        let touched = self.bank.set_pending(sgis & SGIS);
        self.notice(touched) | posted.dist()
    }

    /// Notes interrupts that need an exact look; whether anything has to be flushed.
    pub(super) fn notice(&mut self, touched: u32) -> bool {
        self.recall |= touched & self.bank.in_lr & !self.kernels != 0;
        touched & !self.kernels != 0
    }

    /// Whether an access at `offset` of the distributor's frame wants [`Self::sync_full`] first.
    pub fn dist_needs_full(&self, offset: u64) -> bool {
        regs::exact(offset) && self.held != 0
    }

    /// Whether an access at `offset` of this redistributor's frames wants [`Self::sync_full`] first.
    pub fn own_needs_full(&self, offset: u64) -> bool {
        regs::exact(offset) && offset >= regs::GICR_IGROUPR0
    }

    /// Folds back private interrupts in list registers that became empty. Needs no distributor. Arguments as of
    /// [`Self::sync`].
    pub fn sync_private(&mut self, elrsr: u64, eisr: u64) {
        let mut done = self.done(elrsr, eisr);
        while done != 0 {
            let n = done.trailing_zeros() as usize;
            if self.hw.get(n).is_some_and(|lr| lr.intid() < SPI_BASE) {
                self.finish(n, None);
            }
            done &= done - 1;
        }
    }

    /// Folds back the interrupts of list registers that became empty: acknowledged and deactivated.
    ///
    /// At most once per exit and before anything else of it. `elrsr`: ICH_ELRSR_EL2 at the exit; `eisr`: ICH_EISR_EL2,
    /// 0 where it was not read; both without registers that were marked dirty and are not installed yet. Returns other
    /// vCPUs that have to look at the distributor.
    pub fn sync(&mut self, dist: &mut Dist, elrsr: u64, eisr: u64) -> CpuMask {
        let mut done = self.done(elrsr, eisr);
        let mut others = 0;
        while done != 0 {
            others |= self.finish(done.trailing_zeros() as usize, Some(dist));
            done &= done - 1;
        }
        others
    }

    fn done(&self, elrsr: u64, eisr: u64) -> u16 {
        (elrsr | eisr) as u16 & self.held & !self.parked_lr()
    }

    /// List register `n` is empty. With its EOI bit still set it keeps the maintenance interrupt asserted until it is
    /// written, so it counts as different from any content.
    fn finish(&mut self, n: usize, dist: Option<&mut Dist>) -> CpuMask {
        let Some(lr) = self.hw.get_mut(n) else { return 0 };
        let empty = Lr(lr.0 & Lr::EOI);
        let intid = lr.intid();
        *lr = empty;
        self.held &= !(1 << n);
        self.stale |= ((empty.0 != 0) as u16) << n;
        self.fold(intid, empty, dist)
    }

    fn fold(&mut self, intid: u32, lr: Lr, dist: Option<&mut Dist>) -> CpuMask {
        if intid < SPI_BASE {
            self.bank.fold(1 << intid, lr.pending(), lr.active());
            return 0;
        }
        dist.map_or(0, |d| d.fold(intid, lr, self.cpu))
    }

    /// Folds back all list registers by their exact content `lrs` (ICH_LR<n>_EL2; `lrs[0]` is the virtual timer's where the kernel delivers it).
    /// Registers in `dirty` were marked dirty and are not installed yet: for them the model's content counts.
    ///
    /// A [`Self::flush`] must follow before the vCPU runs. Returns other vCPUs that have to look at the distributor.
    pub fn sync_full(&mut self, dist: &mut Dist, lrs: &[u64; MAX_LRS], dirty: u64) -> CpuMask {
        let mut others = 0;
        self.stale = 0;
        for (n, &raw) in lrs.iter().enumerate().take(self.lr_count as usize) {
            let bit = 1u16 << n & self.usable;
            let Some(known) = self.hw.get_mut(n).filter(|_| bit != 0) else { continue };
            let intid = known.intid();
            let now = if dirty >> n & 1 != 0 { *known } else { Lr(raw) };
            *known = now;
            if now.0 != 0 {
                self.stale |= bit;
            }
            if self.held & bit != 0 {
                others |= self.fold(intid, now, Some(dist));
            }
        }
        self.held = 0;
        self.parked = false;
        self.recall = false;
        dist.recall &= !(1 << self.cpu);
        if self.kernels != 0 {
            let [timer, ..] = lrs;
            self.vtimer = (timer >> 62) as u8;
        }
        others
    }

    /// Priority of private interrupt `intid`.
    pub(super) fn priority_of(&self, intid: u32) -> u8 {
        self.priority.get(intid as usize).copied().unwrap_or(0xff)
    }

    /// Moves private interrupt `intid` to a list register.
    pub(super) fn place(&mut self, intid: u32) -> Lr {
        let priority = self.priority_of(intid);
        self.bank.place(1 << (intid & 31), self.enables, !self.more).lr(intid, priority)
    }
}

/// The first `lr_count` list registers.
pub(super) fn usable(lr_count: u8) -> u16 {
    ((1u32 << (lr_count & 31)) - 1) as u16
}

impl Placed {
    /// The list register.
    pub(super) fn lr(self, intid: u32, priority: u8) -> Lr {
        Lr::new(intid, priority, self.group1)
            .with(Lr::PENDING, self.pending)
            .with(Lr::ACTIVE, self.active)
            .with(Lr::EOI, self.eoi)
    }
}
