//! The common SGI and the common doorbell, in few instructions: what [`Redist::accept`] and [`Redist::flush_private`], or
//! [`Dist::pulse`] and [`Redist::flush`], would do for one group 1 interrupt that can go straight into a list register.

use super::Dist;
use super::dist::{NOBODY, cpu_bit, spi};
use super::flush::LrUpdate;
use super::lr::Lr;
use super::redist::Redist;
use super::regs::ENABLE_GRP1;

impl Redist {
    /// Takes in group 1 SGI `intid` and puts it into a list register. `elrsr` as for [`Self::sync`]. `None`: nothing was
    /// done, go the general way.
    ///
    /// All that was deliverable before is in list registers already: a flush has followed each change.
    #[inline]
    pub fn quick_sgi(&mut self, intid: u32, elrsr: u64) -> Option<LrUpdate> {
        let bit = 1u32 << (intid & 15);
        let bank = &self.bank;
        let ready = bank.enabled & bank.group & !bank.latch & !bank.active & !bank.deactivated & bit != 0;
        if !ready || self.enables & ENABLE_GRP1 == 0 || self.more || self.recall {
            return None;
        }
        let lr = Lr::new(intid & 15, self.priority_of(intid & 15), true).with(Lr::PENDING, true);
        let n = if bank.in_lr & bit == 0 { self.free_lr()? } else { self.emptied_lr(intid & 15, elrsr)? };
        self.bank.in_lr |= bit;
        self.bank.moved |= bit;
        self.hold(n, lr)
    }

    /// An edge on the line of SPI `intid`, straight into a list register. `elrsr` as for [`Self::sync`]. `None`: nothing
    /// was done, go the general way.
    #[inline]
    pub fn quick_spi(&mut self, dist: &mut Dist, intid: u32, elrsr: u64) -> Option<LrUpdate> {
        let (index, bit) = spi(intid)?;
        // The general way parks it.
        if intid == self.bell && !self.parked {
            return None;
        }
        let bank = dist.banks.get(index)?;
        let ready = bank.enabled & bank.group & bank.edge & !bank.latch & !bank.active & !bank.deactivated & bit != 0;
        let busy = self.more || self.recall || dist.recall & cpu_bit(self.cpu) != 0;
        if !ready || busy || dist.enables & ENABLE_GRP1 == 0 {
            return None;
        }
        let at = (intid - super::SPI_BASE) as usize;
        let held = bank.in_lr & bit != 0;
        let home = dist.home.get(at).copied()?;
        if dist.target(at) != self.cpu || home != if held { self.cpu } else { NOBODY } {
            return None;
        }
        let lr = Lr::new(intid, dist.priority_of(intid), true).with(Lr::PENDING, true);
        let n = if held { self.emptied_lr(intid, elrsr)? } else { self.free_lr()? };
        let bank = dist.banks.get_mut(index)?;
        bank.in_lr |= bit;
        bank.moved |= bit;
        *dist.home.get_mut(at)? = self.cpu;
        self.hold(n, lr)
    }

    fn hold(&mut self, n: u32, lr: Lr) -> Option<LrUpdate> {
        *self.hw.get_mut(n as usize)? = lr;
        self.held |= 1 << n;
        self.stale &= !(1 << n);
        Some(LrUpdate { dirty: 1 << n, resync: false })
    }

    /// The lowest list register with no interrupt in it.
    fn free_lr(&self) -> Option<u32> {
        let free = self.usable & !self.held;
        (free != 0).then_some(free.trailing_zeros())
    }

    /// The list register of interrupt `intid`, if the hardware says that it is done.
    fn emptied_lr(&self, intid: u32, elrsr: u64) -> Option<u32> {
        let mut done = elrsr as u16 & self.held;
        while done != 0 {
            let n = done.trailing_zeros();
            if self.hw.get(n as usize).is_some_and(|lr| lr.intid() == intid) {
                return Some(n);
            }
            done &= done - 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Dist, Posted, Redist, regs};
    use crate::Width;

    const SGI: u32 = 5;

    /// A vCPU with all SGIs in group 1 and enabled, and group 1 on.
    fn redist() -> Redist {
        let mut dist = Dist::new(1);
        let mut redist = Redist::new(0, 1, 4);
        let _ = dist.write(regs::GICD_CTLR, Width::B4, 2);
        let _ = redist.write(regs::GICR_IGROUPR0, Width::B4, 0xffff);
        let _ = redist.write(regs::GICR_ISENABLER0, Width::B4, 0xffff);
        let _ = redist.flush(&mut dist);
        redist
    }

    /// The same by the general way.
    fn slow(redist: &mut Redist, elrsr: u64) -> Option<u16> {
        redist.sync_private(elrsr, 0);
        let _ = redist.accept(Posted::sgi(SGI, true));
        redist.flush_private().map(|update| update.dirty)
    }

    #[test]
    fn quick_sgi_first_time_does_what_the_general_way_does() {
        let (mut quick, mut general) = (redist(), redist());

        let update = quick.quick_sgi(SGI, u64::MAX);

        assert_eq!(update.map(|u| u.dirty), slow(&mut general, u64::MAX));
        assert_eq!(quick, general);
    }

    #[test]
    fn quick_sgi_again_uses_the_emptied_list_register() {
        let mut redist = redist();
        let first = redist.quick_sgi(SGI, u64::MAX).map(|u| u.dirty);

        let again = redist.quick_sgi(SGI, u64::MAX).map(|u| u.dirty);

        assert_eq!(again, first);
    }

    #[test]
    fn quick_sgi_in_the_list_register_of_a_finished_ppi_stays_there() {
        let (mut dist, mut redist) = (Dist::new(1), redist());
        let _ = redist.write(regs::GICR_ISENABLER0, Width::B4, 1 << 30);
        let _ = redist.set_ppi_level(30, true);
        let _ = dist.write(regs::GICD_CTLR, Width::B4, 3);
        let ppi = redist.flush(&mut dist).dirty;
        redist.sync_private(0, u64::from(ppi));
        let _ = redist.set_ppi_level(30, false);

        let sgi = redist.quick_sgi(SGI, u64::from(!ppi)).map(|u| u.dirty);

        assert_eq!(sgi, Some(ppi));
        assert_eq!(redist.flush(&mut dist).dirty, 0);
    }

    #[test]
    fn quick_sgi_that_is_still_in_a_list_register_goes_the_general_way() {
        let mut redist = redist();
        let _ = redist.quick_sgi(SGI, u64::MAX);

        assert_eq!(redist.quick_sgi(SGI, 0), None);
    }

    #[test]
    fn quick_sgi_of_a_disabled_interrupt_goes_the_general_way() {
        let mut redist = redist();
        let _ = redist.write(regs::GICR_ICENABLER0, Width::B4, 1 << SGI);

        assert_eq!(redist.quick_sgi(SGI, u64::MAX), None);
    }

    #[test]
    fn quick_sgi_without_room_goes_the_general_way() {
        let mut redist = redist();
        (0..3).for_each(|intid| assert!(redist.quick_sgi(intid, 0).is_some()));

        assert_eq!(redist.quick_sgi(SGI, 0), None);
    }

    const SPI: u32 = 80;

    /// As [`redist`], with SPI 80 edge-triggered, in group 1 and enabled.
    fn with_spi() -> (Dist, Redist) {
        let mut dist = Dist::new(1);
        let mut redist = redist();
        let at = u64::from(SPI / 32 * 4);
        let _ = dist.write(regs::GICD_CTLR, Width::B4, 2);
        let _ = dist.write(regs::GICD_IGROUPR + at, Width::B4, 1 << (SPI % 32));
        let _ = dist.write(regs::GICD_ICFGR + u64::from(SPI / 16 * 4), Width::B4, 2);
        let _ = dist.write(regs::GICD_ISENABLER + at, Width::B4, 1 << (SPI % 32));
        let _ = redist.flush(&mut dist);
        (dist, redist)
    }

    #[test]
    fn quick_spi_does_what_the_general_way_does() {
        let ((mut dist, mut redist), (mut slow_dist, mut slow_redist)) = (with_spi(), with_spi());

        let update = redist.quick_spi(&mut dist, SPI, u64::MAX);

        let target = slow_dist.pulse(SPI);
        assert_eq!(target, Some(0));
        assert_eq!(update, Some(slow_redist.flush(&mut slow_dist)));
        assert_eq!((dist, redist), (slow_dist, slow_redist));
    }

    #[test]
    fn quick_spi_again_uses_the_emptied_list_register() {
        let (mut dist, mut redist) = with_spi();
        let first = redist.quick_spi(&mut dist, SPI, u64::MAX);

        let again = redist.quick_spi(&mut dist, SPI, u64::MAX);

        assert_eq!(again, first);
    }

    #[test]
    fn quick_spi_that_is_still_in_a_list_register_goes_the_general_way() {
        let (mut dist, mut redist) = with_spi();
        let _ = redist.quick_spi(&mut dist, SPI, u64::MAX);

        assert_eq!(redist.quick_spi(&mut dist, SPI, 0), None);
    }

    #[test]
    fn quick_spi_of_a_disabled_or_unknown_interrupt_goes_the_general_way() {
        let (mut dist, mut redist) = with_spi();

        assert_eq!(redist.quick_spi(&mut dist, SPI + 1, u64::MAX), None);
        assert_eq!(redist.quick_spi(&mut dist, 31, u64::MAX), None);
        assert_eq!(redist.quick_spi(&mut dist, u32::MAX, u64::MAX), None);
    }

    #[test]
    fn quick_spi_routed_to_another_vcpu_goes_the_general_way() {
        let (mut dist, mut redist) = with_spi();
        let _ = dist.write(regs::GICD_IROUTER + u64::from(SPI) * 8, Width::B8, 1);

        assert_eq!(redist.quick_spi(&mut dist, SPI, u64::MAX), None);
    }
}
