//! A fake of the GICv3 virtual CPU interface (IHI0069 6): list registers, acknowledge, end of interrupt (EOImode=0), EOI
//! maintenance.

use devices::vgic::{Lr, MAX_LRS};

pub const SPURIOUS: u32 = 1023;
pub const IDLE: u8 = 0xff;

pub struct CpuInterface {
    pub lrs: [u64; MAX_LRS],
    pub lr_count: usize,
    /// Priorities of what was acknowledged and not ended, the most urgent last.
    running: Vec<u8>,
    /// Ends of interrupts that were in no list register.
    pub lost_ends: u32,
}

impl CpuInterface {
    pub fn new(lr_count: usize) -> Self {
        Self { lrs: [0; MAX_LRS], lr_count, running: Vec::new(), lost_ends: 0 }
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
        let best = pending.min_by_key(|&n| (Lr(self.lrs[n]).priority(), Lr(self.lrs[n]).intid()))?;
        (Lr(self.lrs[best]).priority() < self.running_priority()).then_some(best)
    }

    /// ICC_IAR1_EL1.
    pub fn acknowledge(&mut self) -> u32 {
        let Some(n) = self.highest_pending() else { return SPURIOUS };
        self.lrs[n] = self.lrs[n] & !Lr::PENDING | Lr::ACTIVE;
        self.running.push(Lr(self.lrs[n]).priority());
        Lr(self.lrs[n]).intid()
    }

    /// ICC_EOIR1_EL1.
    pub fn end(&mut self, intid: u32) {
        self.running.pop();
        let mine = self.valid().find(|&n| Lr(self.lrs[n]).intid() == intid && Lr(self.lrs[n]).active());
        match mine {
            Some(n) => self.lrs[n] &= !Lr::ACTIVE,
            None => self.lost_ends += 1,
        }
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
}
