//! One SPI of a vCPU whose edges the kernel delivers by itself: a doorbell.
//!
//! The SPI is *parked* in list register [`BELL_LR`]: the model counts it as being there, in whatever state, and the kernel
//! makes it pending there whenever the doorbell rings, with no exit. So all that holds for an interrupt in a list register
//! holds for it: what changes it (disabled, other priority, group, route, trigger, pending or active by software) asks for
//! an exact look, by which it comes back into the model; the next flush parks it again, if it may.
//!
//! ```text
//!              flush: edge-triggered, enabled, group on, routed here, list register free or its own, room for all
//!   in model ─────────────────────────────────────────────────────────────────────────────▶ parked: bell_word() != 0
//!            ◀─────────────────────────────────────────────────────────────────────────────
//!              sync_full, with the state that it has in the list register
//! ```
//!
//! While another vCPU has it parked ISPENDR reads as not pending.

use super::dist::{Dist, NOBODY, spi};
use super::lr::Lr;
use super::redist::Redist;
use super::{INTIDS, SPI_BASE};

/// The list register that the kernel makes the doorbell pending in.
pub const BELL_LR: usize = 2;

impl Redist {
    /// From now on SPI `intid` is the one that the kernel may deliver. Before the vCPU runs. Nothing is done where the
    /// kernel delivers no virtual timer either.
    pub fn set_bell(&mut self, intid: u32) {
        if self.kernels != 0 && (SPI_BASE..INTIDS).contains(&intid) {
            self.bell = intid;
        }
    }

    /// ICH_LR<n>_EL2 for the kernel to make the doorbell pending with, 0: it must not. Ask again after each
    /// [`Self::flush`].
    pub fn bell_word(&self) -> u64 {
        let [_, _, lr, ..] = self.hw;
        if self.parked { lr.0 & !(Lr::ACTIVE | Lr::EOI) | Lr::PENDING } else { 0 }
    }

    /// The list register of the parked doorbell, as a mask.
    pub(super) fn parked_lr(&self) -> u16 {
        u16::from(self.parked) << BELL_LR
    }

    /// Free list registers for interrupt `intid`: the doorbell goes into its own, and others leave that to it while they
    /// can.
    #[inline]
    pub(super) fn room_for(&self, intid: u32) -> u16 {
        let free = self.free();
        let bells = 1 << BELL_LR;
        let wanted = free & if intid == self.bell { bells } else { !bells };
        if self.bell == 0 || wanted == 0 { free } else { wanted }
    }

    /// At the end of a flush: parks the doorbell, if it may.
    pub(super) fn park(&mut self, dist: &mut Dist) {
        let [_, _, lr, ..] = &mut self.hw;
        if self.bell == 0 || self.parked || self.more {
            return;
        }
        let held = self.held >> BELL_LR & 1 != 0;
        let there = held && lr.intid() == self.bell && lr.0 & Lr::EOI == 0;
        if held != there {
            return;
        }
        if let Some(empty) = dist.park(self.bell, self.cpu, there) {
            if !there {
                *lr = empty;
            }
            self.held |= 1 << BELL_LR;
            self.parked = true;
        }
    }
}

impl Dist {
    /// Parks SPI `intid` in a list register of `cpu`, where it is already if `there`; gives that one as it is when the
    /// SPI is neither pending nor active.
    fn park(&mut self, intid: u32, cpu: u8, there: bool) -> Option<Lr> {
        let (index, bit) = spi(intid)?;
        let at = (intid - SPI_BASE) as usize;
        let (target, priority, enables) = (self.target(at), self.priority_of(intid), self.enables);
        let bank = self.banks.get_mut(index)?;
        let ready = bank.edge & bank.enabled & bank.group_enabled(enables) & !bank.latch & !bank.active & bit != 0;
        if !ready || target != cpu || there != (bank.in_lr & bit != 0) {
            return None;
        }
        let home = self.home.get_mut(at).filter(|home| **home == if there { cpu } else { NOBODY })?;
        *home = cpu;
        bank.in_lr |= bit;
        bank.moved |= bit;
        bank.parked |= bit;
        Some(Lr::new(intid, priority, bank.group & bit != 0))
    }
}
