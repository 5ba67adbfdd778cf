//! A fake of the GICv3 virtual CPU interface (IHI0069 6): list registers, acknowledge, end of interrupt (EOImode=0), EOI
//! maintenance. Beside it runs `devices::icc`, which must do the same at each step.

use devices::icc::registers::{ICC_IGRPEN0_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1};
use devices::icc::{CpuInterface as Software, Group};
use devices::vgic::{Lr, MAX_LRS};

pub const SPURIOUS: u32 = 1023;
pub const IDLE: u8 = 0xff;
/// 5 bits of priority.
const PRIORITY_MASK: u64 = !(7 << 48);

pub struct CpuInterface {
    lrs: [u64; MAX_LRS],
    lr_count: usize,
    /// Priorities of what was acknowledged and not ended, the most urgent last.
    running: Vec<u8>,
    /// Ends of interrupts that were in no list register.
    pub lost_ends: u32,
    software: Software,
}

impl CpuInterface {
    pub fn new(lr_count: usize) -> Self {
        let mut software = Software::new();
        for (reg, value) in [(ICC_PMR_EL1, 0xff), (ICC_IGRPEN0_EL1, 1), (ICC_IGRPEN1_EL1, 1)] {
            assert!(software.write(reg, value).is_some());
        }
        Self { lrs: [0; MAX_LRS], lr_count, running: Vec::new(), lost_ends: 0, software }
    }

    pub fn install(&mut self, n: usize, lr: u64) {
        self.lrs[n] = lr & PRIORITY_MASK;
        self.software.install(n, lr);
    }

    pub fn lrs(&self) -> &[u64; MAX_LRS] {
        &self.lrs
    }

    /// As [`Self::lrs`], of those that there are.
    pub fn present(&self) -> &[u64] {
        &self.lrs[..self.lr_count]
    }

    fn valid(&self) -> impl Iterator<Item = usize> {
        (0..self.lr_count).filter(|&n| !Lr(self.lrs[n]).invalid())
    }

    /// ICC_RPR_EL1.
    pub fn running_priority(&self) -> u8 {
        self.running.last().copied().unwrap_or(IDLE)
    }

    /// ICC_HPPIR1_EL1, masked by the running priority.
    pub fn highest_pending(&self) -> Option<usize> {
        let pending = self.valid().filter(|&n| Lr(self.lrs[n]).pending() && !Lr(self.lrs[n]).active());
        let best = pending.min_by_key(|&n| (Lr(self.lrs[n]).priority(), n))?;
        (Lr(self.lrs[best]).priority() < self.running_priority()).then_some(best)
    }

    /// ICC_IAR1_EL1, or ICC_IAR0_EL1 if that is where it is.
    pub fn acknowledge(&mut self) -> u32 {
        let group = if self.software.fiq_line() { Group::Zero } else { Group::One };
        let by_software = self.software.acknowledge(group);
        let intid = self.acknowledge_fake();
        assert_eq!(by_software, intid);
        self.assert_same();
        intid
    }

    fn acknowledge_fake(&mut self) -> u32 {
        let Some(n) = self.highest_pending() else { return SPURIOUS };
        self.lrs[n] = self.lrs[n] & !Lr::PENDING | Lr::ACTIVE;
        self.running.push(Lr(self.lrs[n]).priority());
        Lr(self.lrs[n]).intid()
    }

    /// ICC_EOIR1_EL1, or ICC_EOIR0_EL1.
    pub fn end(&mut self, intid: u32) {
        self.running.pop();
        let mine = self.valid().find(|&n| Lr(self.lrs[n]).intid() == intid && Lr(self.lrs[n]).active());
        let group1 = mine.is_none_or(|n| self.lrs[n] & Lr::GROUP1 != 0);
        match mine {
            Some(n) => self.lrs[n] &= !Lr::ACTIVE,
            None => self.lost_ends += 1,
        }
        let _ = self.software.end(if group1 { Group::One } else { Group::Zero }, intid);
        self.assert_same();
    }

    /// ICH_EISR_EL2.
    pub fn eisr(&self) -> u64 {
        self.mask(|lr| lr.invalid() && lr.0 & Lr::EOI != 0)
    }

    /// ICH_ELRSR_EL2.
    pub fn elrsr(&self) -> u64 {
        self.mask(|lr| lr.invalid() && lr.0 & Lr::EOI == 0)
    }

    fn mask(&self, select: impl Fn(Lr) -> bool) -> u64 {
        (0..self.lr_count).filter(|&n| select(Lr(self.lrs[n]))).fold(0, |mask, n| mask | 1 << n)
    }

    /// Whether the maintenance interrupt is asserted.
    pub fn maintenance(&self) -> bool {
        self.eisr() != 0
    }

    fn assert_same(&self) {
        let software = &self.software;
        assert_eq!(software.lrs(), self.lrs);
        assert_eq!(software.running_priority(), self.running_priority());
        let there = u64::MAX >> (64 - self.lr_count);
        assert_eq!((software.empty_mask() & there, software.eoi_mask()), (self.elrsr(), self.eisr()));
        assert_eq!(software.irq_line() || software.fiq_line(), self.highest_pending().is_some());
    }
}
