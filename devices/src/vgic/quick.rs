//! The common SGI, in few instructions: what [`Redist::accept`] and [`Redist::flush_private`] would do for one group 1
//! SGI that can go straight into a list register.

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
        self.held |= 1 << n;
        self.stale &= !(1 << n);
        *self.hw.get_mut(n as usize)? = lr;
        Some(LrUpdate { dirty: 1 << n, resync: false })
    }

    /// The lowest list register with no interrupt in it.
    fn free_lr(&self) -> Option<u32> {
        let n = (!(self.held | 1)).trailing_zeros();
        (n < u32::from(self.lr_count)).then_some(n)
    }

    /// The list register of private interrupt `intid`, if the hardware says that it is done.
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
}
