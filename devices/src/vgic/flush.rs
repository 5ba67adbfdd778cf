//! Filling list registers.

use super::dist::BANKS;
use super::lr::Lr;
use super::redist::Redist;
use super::{Dist, MAX_LRS, SPI_BASE};

/// What a flush asks the VMM to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct LrUpdate {
    /// List registers to install from [`Redist::lr`]: bit n is register n. Bit 0 only where it is not
    /// the kernel's.
    pub dirty: u16,
    /// Read the list registers exactly, call [`Redist::sync_full`], flush again. `dirty` is 0.
    pub resync: bool,
}

/// The most urgent of some candidates, in order of priority, then INTID.
struct Best {
    /// Priority and INTID; the first `len` are valid.
    list: [(u8, u32); MAX_LRS],
    len: usize,
    /// Priority of the best one that found no room.
    left_out: Option<u8>,
}

impl Best {
    const fn new() -> Self {
        Self { list: [(0, 0); MAX_LRS], len: 0, left_out: None }
    }

    /// Inserts, keeping at most `room`.
    fn offer(&mut self, room: usize, priority: u8, intid: u32) {
        let mut carried = (priority, intid);
        for entry in self.list.iter_mut().take(self.len) {
            if carried < *entry {
                core::mem::swap(entry, &mut carried);
            }
        }
        match self.list.get_mut(self.len).filter(|_| self.len < room) {
            Some(entry) => {
                *entry = carried;
                self.len += 1;
            }
            None => self.leave_out(carried.0),
        }
    }

    fn leave_out(&mut self, priority: u8) {
        self.left_out = Some(self.left_out.map_or(priority, |p| p.min(priority)));
    }

    /// Keeps at most `room`.
    fn shorten(&mut self, room: usize) {
        if let Some(&(priority, _)) = self.list.get(room).filter(|_| room < self.len) {
            self.leave_out(priority);
            self.len = room;
        }
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.list.iter().take(self.len).map(|&(_, intid)| intid)
    }
}

/// What should be in the free list registers.
///
/// Active interrupts go first, as the guest deactivates them without looking, but leave one register to a pending one,
/// which may preempt them. Left out are then the least urgent active ones: they are deactivated last. When anything is
/// left out all list registers carry the EOI bit and none is both active and pending, so that each deactivation, which
/// makes room, is an exit.
///
/// A guest that has more active interrupts than there are list registers and deactivates them in another order
/// (EOImode=1), or changes their priorities meanwhile, loses a deactivation: ICH_HCR_EL2.EOIcount is not used.
struct Wanted {
    active: Best,
    pending: Best,
}

impl Wanted {
    fn list(&mut self, active: bool) -> &mut Best {
        if active { &mut self.active } else { &mut self.pending }
    }

    /// Shares `room` out.
    fn fit(&mut self, room: usize) {
        let reserved = (self.pending.len != 0) as usize;
        self.active.shorten(room.saturating_sub(reserved));
        self.pending.shorten(room - self.active.len);
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
            return LrUpdate { resync: true, dirty: 0 };
        }
        let wanted = self.wanted(dist);
        let left_out = wanted.pending.left_out;
        self.more = left_out.is_some() || wanted.active.left_out.is_some();
        let displaced = left_out.is_some_and(|p| p < self.least_urgent_held()) || wanted.active.left_out.is_some();
        if self.held != 0 && self.more && (displaced || !self.all_held_exit_at_eoi()) {
            return LrUpdate { resync: true, dirty: 0 };
        }
        let mut fresh = [Lr::default(); MAX_LRS];
        let mut len = 0;
        for (slot, intid) in fresh.iter_mut().zip(wanted.active.iter().chain(wanted.pending.iter())) {
            let lr = if intid < SPI_BASE { self.place(intid) } else { dist.place(intid, self.cpu, !self.more) };
            *slot = lr.with(Lr::EOI, self.more);
            len += 1;
        }
        let dirty = self.install(fresh.get(..len).unwrap_or_default());
        self.park(dist);
        LrUpdate { dirty, resync: false }
    }

    /// As [`Self::flush`] for SGIs and PPIs alone, without the distributor: `None` when that is not enough (no room for
    /// all of them, more SPIs waiting, an exact look wanted).
    pub fn flush_private(&mut self) -> Option<LrUpdate> {
        let mut wanted = self.bank.candidates(self.enables) & !self.kernels;
        if self.recall || self.more || !has_room(self.free(), wanted) {
            return None;
        }
        let mut dirty = 0;
        while wanted != 0 {
            let lr = self.place(wanted.trailing_zeros());
            dirty |= self.install_one(lr);
            wanted &= wanted - 1;
        }
        Some(LrUpdate { dirty: dirty | self.clear_stale(), resync: false })
    }

    /// List registers that may be written.
    pub(super) fn free(&self) -> u16 {
        self.usable & !self.held
    }

    fn wanted(&self, dist: &Dist) -> Wanted {
        let room = self.free().count_ones() as usize;
        let mut wanted = Wanted { active: Best::new(), pending: Best::new() };
        let mut private = self.bank.candidates(self.enables) & !self.kernels;
        while private != 0 {
            let intid = private.trailing_zeros();
            let active = self.bank.active >> intid & 1 != 0;
            wanted.list(active).offer(room, self.priority_of(intid), intid);
            private &= private - 1;
        }
        for bank in 0..BANKS {
            let mut spis = dist.candidates(bank, self.cpu);
            while spis != 0 {
                let intid = SPI_BASE + bank as u32 * 32 + spis.trailing_zeros();
                wanted.list(dist.is_active(intid)).offer(room, dist.priority_of(intid), intid);
                spis &= spis - 1;
            }
        }
        wanted.fit(room);
        wanted
    }

    fn held(&self) -> impl Iterator<Item = Lr> {
        self.hw.iter().enumerate().filter(|(n, _)| self.held >> n & 1 != 0).map(|(_, lr)| *lr)
    }

    /// Priority of the least urgent interrupt in a list register, by what was put there.
    fn least_urgent_held(&self) -> u8 {
        self.held().map(Lr::priority).max().unwrap_or(0)
    }

    fn all_held_exit_at_eoi(&self) -> bool {
        self.held().all(|lr| lr.0 & Lr::EOI != 0 && !(lr.pending() && lr.active()))
    }

    /// Puts `fresh` into free list registers, where possible into the one that holds that interrupt already.
    fn install(&mut self, fresh: &[Lr]) -> u16 {
        let mut dirty = 0;
        let mut placed = 0u16;
        for (i, lr) in fresh.iter().enumerate() {
            let room = self.room_for(lr.intid());
            let same = (0..MAX_LRS).find(|&n| {
                room >> n & 1 != 0 && self.hw.get(n).is_some_and(|old| !old.invalid() && old.intid() == lr.intid())
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
        let n = self.room_for(lr.intid()).trailing_zeros() as usize;
        self.write_lr(n, lr)
    }

    fn write_lr(&mut self, n: usize, lr: Lr) -> u16 {
        let Some(hw) = self.hw.get_mut(n) else { return 0 };
        let dirty = ((*hw != lr) as u16) << n;
        *hw = lr;
        self.held |= 1 << n;
        self.stale &= !(1 << n);
        dirty
    }

    /// Empties free list registers that hold something: a folded interrupt that found no room, or an EOI bit that keeps
    /// the maintenance interrupt asserted.
    fn clear_stale(&mut self) -> u16 {
        let cleared = self.stale;
        while self.stale != 0 {
            if let Some(hw) = self.hw.get_mut(self.stale.trailing_zeros() as usize) {
                *hw = Lr::default();
            }
            self.stale &= self.stale - 1;
        }
        cleared
    }
}

/// Whether the interrupts `wanted` fit into the list registers `free`. One is the usual case.
fn has_room(free: u16, wanted: u32) -> bool {
    if wanted & wanted.wrapping_sub(1) == 0 {
        free != 0 || wanted == 0
    } else {
        wanted.count_ones() <= free.count_ones()
    }
}
