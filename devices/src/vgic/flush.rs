//! Filling list registers.

use super::dist::BANKS;
use super::lr::Lr;
use super::redist::{Redist, VTIMER};
use super::{Dist, MAX_LRS, SPI_BASE};

/// What a flush asks the VMM to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct LrUpdate {
    /// List registers to install from [`Redist::lr`]: bit n is register n. Never bit 0.
    pub dirty: u16,
    /// ICH_HCR_EL2.UIE has to be this: more is deliverable than is in list registers.
    pub uie: bool,
    /// Read the list registers exactly, call [`Redist::sync_full`], flush again. `dirty` is 0.
    pub resync: bool,
}

/// The best candidates in order of urgency.
struct Best {
    /// Sort key and INTID; the first `len` are valid.
    list: [(u16, u32); MAX_LRS],
    len: usize,
    room: usize,
    /// Key of the best one that found no room.
    left_out: Option<u16>,
}

/// Lower is more urgent; among equal priorities an active interrupt goes first, as it has to be deactivated.
const fn key(priority: u8, active: bool) -> u16 {
    (priority as u16) << 1 | !active as u16
}

impl Best {
    fn new(room: usize) -> Self {
        Self { list: [(u16::MAX, 0); MAX_LRS], len: 0, room: room.min(MAX_LRS), left_out: None }
    }

    /// Inserts in order of key, then INTID.
    fn offer(&mut self, key: u16, intid: u32) {
        let mut carried = (key, intid);
        for entry in self.list.iter_mut().take(self.len) {
            if carried < *entry {
                core::mem::swap(entry, &mut carried);
            }
        }
        match self.list.get_mut(self.len).filter(|_| self.len < self.room) {
            Some(entry) => {
                *entry = carried;
                self.len += 1;
            }
            None => self.left_out = Some(self.left_out.map_or(carried.0, |k| k.min(carried.0))),
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.list.iter().take(self.len).map(|&(_, intid)| intid)
    }
}

impl Redist {
    /// Fills the free list registers with the most urgent deliverable interrupts.
    pub fn flush(&mut self, dist: &mut Dist) -> LrUpdate {
        self.enables = dist.enables;
        if self.held == 0 {
            self.recall = false;
            dist.recall &= !(1 << self.cpu);
        }
        if self.recall || dist.recall >> self.cpu & 1 != 0 {
            return LrUpdate { resync: true, uie: self.more, dirty: 0 };
        }
        let best = self.best(dist);
        if self.held != 0 && best.left_out.is_some_and(|k| k < self.least_urgent_held()) {
            return LrUpdate { resync: true, uie: self.more, dirty: 0 };
        }
        self.more = best.left_out.is_some();
        let mut fresh = [Lr::default(); MAX_LRS];
        for (slot, intid) in fresh.iter_mut().zip(best.iter()) {
            *slot = if intid < SPI_BASE { self.place(intid) } else { dist.place(intid, self.cpu) };
        }
        let dirty = self.install(fresh.get(..best.len).unwrap_or_default());
        LrUpdate { dirty, uie: self.more, resync: false }
    }

    /// As [`Self::flush`] for SGIs and PPIs alone, without the distributor: `None` when that is not enough (no room for
    /// all of them, more SPIs waiting, an exact look wanted).
    pub fn flush_private(&mut self) -> Option<LrUpdate> {
        let mut wanted = self.bank.candidates(self.enables) & !VTIMER;
        if self.recall || self.more || wanted.count_ones() > self.free().count_ones() {
            return None;
        }
        let mut dirty = 0;
        while wanted != 0 {
            let lr = self.place(wanted.trailing_zeros());
            dirty |= self.install_one(lr);
            wanted &= wanted - 1;
        }
        Some(LrUpdate { dirty: dirty | self.clear_stale(), uie: false, resync: false })
    }

    /// List registers that may be written.
    fn free(&self) -> u16 {
        let usable = (((1u32 << self.lr_count) - 1) & !1) as u16;
        usable & !self.held
    }

    fn best(&self, dist: &Dist) -> Best {
        let mut best = Best::new(self.free().count_ones() as usize);
        let mut private = self.bank.candidates(self.enables) & !VTIMER;
        while private != 0 {
            let intid = private.trailing_zeros();
            best.offer(key(self.priority_of(intid), self.bank.active >> intid & 1 != 0), intid);
            private &= private - 1;
        }
        for bank in 0..BANKS {
            let mut spis = dist.candidates(bank, self.cpu);
            while spis != 0 {
                let intid = SPI_BASE + bank as u32 * 32 + spis.trailing_zeros();
                best.offer(key(dist.priority_of(intid), dist.is_active(intid)), intid);
                spis &= spis - 1;
            }
        }
        best
    }

    /// Key of the least urgent interrupt in a list register, by what was put there.
    fn least_urgent_held(&self) -> u16 {
        let held = self.hw.iter().enumerate().filter(|(n, _)| self.held >> n & 1 != 0);
        held.map(|(_, lr)| key(lr.priority(), lr.active())).max().unwrap_or(0)
    }

    /// Puts `fresh` into free list registers, where possible into the one that holds that interrupt already.
    fn install(&mut self, fresh: &[Lr]) -> u16 {
        let mut dirty = 0;
        let mut placed = 0u16;
        for (i, lr) in fresh.iter().enumerate() {
            let free = self.free();
            let same = (1..MAX_LRS).find(|&n| {
                free >> n & 1 != 0 && self.hw.get(n).is_some_and(|old| !old.invalid() && old.intid() == lr.intid())
            });
            if let Some(n) = same {
                dirty |= self.write_lr(n, *lr);
                placed |= 1 << i;
            }
        }
        for (_, lr) in fresh.iter().enumerate().filter(|(i, _)| placed >> i & 1 == 0) {
            dirty |= self.install_one(*lr);
        }
        dirty | self.clear_stale()
    }

    /// Puts `lr` into the lowest free list register.
    fn install_one(&mut self, lr: Lr) -> u16 {
        let n = self.free().trailing_zeros() as usize;
        self.write_lr(n, lr)
    }

    fn write_lr(&mut self, n: usize, lr: Lr) -> u16 {
        let Some(hw) = self.hw.get_mut(n) else { return 0 };
        let dirty = ((*hw != lr) as u16) << n;
        *hw = lr;
        self.held |= 1 << n;
        dirty
    }

    /// Empties free list registers that hold something: a folded interrupt that found no room, or an EOI bit that keeps
    /// the maintenance interrupt asserted.
    fn clear_stale(&mut self) -> u16 {
        let mut dirty = 0;
        let mut free = self.free();
        while free != 0 {
            let n = free.trailing_zeros() as usize;
            if let Some(hw) = self.hw.get_mut(n).filter(|hw| hw.0 != 0) {
                *hw = Lr::default();
                dirty |= 1 << n;
            }
            free &= free - 1;
        }
        dirty
    }
}
