//! The distributor: SPIs and group enables, shared by all vCPUs.

use super::bank::Bank;
use super::lr::Lr;
use super::{CpuMask, SPI_BASE, SPIS};
use crate::MAX_VCPUS;

/// No vCPU.
pub(super) const NOBODY: u8 = 0xff;
/// Banks of SPIs.
pub(super) const BANKS: usize = SPIS / 32;

/// State of the SPIs and of GICD_CTLR. The VMM keeps it behind a short lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dist {
    pub(super) cpus: u8,
    pub(super) enables: u32,
    pub(super) banks: [Bank; BANKS],
    pub(super) priority: [u8; SPIS],
    pub(super) route: [u64; SPIS],
    /// vCPU that has the SPI in a list register or on which it is active.
    pub(super) home: [u8; SPIS],
    /// vCPUs that must read their list registers exactly.
    pub(super) recall: CpuMask,
    pub(super) ignored: u32,
}

impl Dist {
    /// At reset, for a VM of `cpus` vCPUs (clamped to 1..=[`MAX_VCPUS`]).
    pub fn new(cpus: u8) -> Self {
        Self {
            cpus: cpus.clamp(1, MAX_VCPUS as u8),
            enables: 0,
            banks: [Bank::default(); BANKS],
            priority: [0; SPIS],
            route: [0; SPIS],
            home: [NOBODY; SPIS],
            recall: 0,
            ignored: 0,
        }
    }

    /// Accesses so far to registers that do not exist or by widths that they do not take (wraps).
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    /// Sets the input line of SPI `intid` (32..288, others are ignored). Returns the vCPU to flush: itself, or post
    /// [`super::Posted::DIST`] and kick.
    pub fn set_level(&mut self, intid: u32, level: bool) -> Option<u8> {
        let (bank, bit) = spi(intid)?;
        let touched = self.banks.get_mut(bank)?.set_level(bit, level);
        self.first(bank, touched)
    }

    /// Makes SPI `intid` edge-triggered at reset (GICD_ICFGR), so that a guest need not say so.
    pub fn edge_triggered(&mut self, intid: u32) {
        if let Some((index, bit)) = spi(intid)
            && let Some(bank) = self.banks.get_mut(index)
        {
            // Nothing is in a list register before the guest runs.
            let _ = bank.set_edge(bit, bit);
        }
    }

    /// An edge on the line of SPI `intid`: pends it if it is configured as edge-triggered, else does nothing.
    pub fn pulse(&mut self, intid: u32) -> Option<u8> {
        let (index, bit) = spi(intid)?;
        let bank = self.banks.get_mut(index)?;
        let edges = bit & bank.edge;
        let touched = bank.set_pending(edges);
        self.first(index, touched)
    }

    fn first(&mut self, bank: usize, touched: u32) -> Option<u8> {
        let mask = self.notice(bank, touched);
        (mask != 0).then(|| mask.trailing_zeros() as u8)
    }

    /// vCPUs that have to look at the interrupts `touched` of a bank. Those that have one in a list register must read
    /// it exactly.
    pub(super) fn notice(&mut self, bank: usize, touched: u32) -> CpuMask {
        let in_lr = self.banks.get(bank).map_or(0, |b| b.in_lr);
        let mut mask = 0;
        let mut rest = touched;
        while rest != 0 {
            let n = rest.trailing_zeros();
            let cpu = cpu_bit(self.owner(bank, n));
            if in_lr >> n & 1 != 0 {
                self.recall |= cpu;
            }
            mask |= cpu;
            rest &= rest - 1;
        }
        mask
    }

    /// vCPU that has to do with interrupt `n` of `bank`: its home, else its route.
    fn owner(&self, bank: usize, n: u32) -> u8 {
        let index = bank * 32 + n as usize;
        match self.home.get(index) {
            Some(&NOBODY) | None => self.target(index),
            Some(&cpu) => cpu,
        }
    }

    /// vCPU that SPI `index` is routed to ([`NOBODY`]: affinity of none).
    pub(super) fn target(&self, index: usize) -> u8 {
        let route = self.route.get(index).copied().unwrap_or(0);
        let affinity = (route & 0xff_ffff) | (route >> 8 & 0xff00_0000);
        if affinity < self.cpus as u64 { affinity as u8 } else { NOBODY }
    }

    /// All vCPUs.
    pub(super) fn everyone(&self) -> CpuMask {
        (1 << self.cpus) - 1
    }

    /// SPIs of `bank` that want a list register of `cpu`.
    pub(super) fn candidates(&self, bank: usize, cpu: u8) -> u32 {
        let mut rest = self.banks.get(bank).map_or(0, |b| b.candidates(self.enables));
        let mut mine = 0;
        while rest != 0 {
            let n = rest.trailing_zeros();
            if self.owner(bank, n) == cpu {
                mine |= 1 << n;
            }
            rest &= rest - 1;
        }
        mine
    }

    /// Whether an SPI is active and not in a list register.
    pub(super) fn is_active(&self, intid: u32) -> bool {
        spi(intid).is_some_and(|(bank, bit)| self.banks.get(bank).is_some_and(|b| b.active & bit != 0))
    }

    /// Priority of SPI `intid`.
    pub(super) fn priority_of(&self, intid: u32) -> u8 {
        let index = intid.wrapping_sub(SPI_BASE) as usize;
        self.priority.get(index).copied().unwrap_or(0xff)
    }

    /// Moves SPI `intid` to a list register of `cpu`. `both` as of [`Bank::place`]; where the SPI is active on `cpu` and
    /// routed to another one, its pending state is for that one.
    pub(super) fn place(&mut self, intid: u32, cpu: u8, both: bool) -> Lr {
        let priority = self.priority_of(intid);
        let Some((bank, bit)) = spi(intid) else { return Lr::default() };
        let index = (intid - SPI_BASE) as usize;
        let both = both && self.target(index) == cpu;
        let Some(bank) = self.banks.get_mut(bank) else { return Lr::default() };
        let placed = bank.place(bit, self.enables, both);
        if let Some(home) = self.home.get_mut(index) {
            *home = cpu;
        }
        placed.lr(intid, priority)
    }

    /// Takes SPI `intid` back from a list register of `cpu`, which now holds `lr`. Returns the other vCPUs that have to
    /// look at it (its route changed meanwhile).
    pub(super) fn fold(&mut self, intid: u32, lr: Lr, cpu: u8) -> CpuMask {
        let Some((index, bit)) = spi(intid) else { return 0 };
        let Some(bank) = self.banks.get_mut(index) else { return 0 };
        bank.fold(bit, lr.pending(), lr.active());
        let stays = bank.active & bit != 0;
        let pending = bank.pending() & bank.enabled & bit != 0;
        if let Some(home) = self.home.get_mut((intid - SPI_BASE) as usize) {
            *home = if stays { cpu } else { NOBODY };
        }
        if pending && !stays { self.notice(index, bit) & !cpu_bit(cpu) } else { 0 }
    }
}

/// Bank and bit of an SPI.
pub(super) fn spi(intid: u32) -> Option<(usize, u32)> {
    let index = intid.checked_sub(SPI_BASE).filter(|&i| (i as usize) < SPIS)?;
    Some(((index / 32) as usize, 1 << (index % 32)))
}

/// Mask of one vCPU; empty for [`NOBODY`].
pub(super) fn cpu_bit(cpu: u8) -> CpuMask {
    if cpu < MAX_VCPUS as u8 { 1 << cpu } else { 0 }
}
