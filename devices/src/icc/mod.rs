//! The GICv3 CPU interface (ICC_*_EL1) in software, for vCPUs whose accesses to it all trap: what the hardware's virtual
//! CPU interface (IHI0069 6, ICV_*) does over list registers in the format of ICH_LR<n>_EL2, so that [`crate::vgic`] is
//! the model of interrupts here as there.
//!
//! ```text
//!            install, lr, empty_mask, eoi_mask                      irq_line, fiq_line
//!   vgic ◄──────────────────────────────────────► CpuInterface ───────────────────────► virtual IRQ, FIQ
//!                                                     ▲ read, write (trapped ICC_*_EL1)
//! ```
//!
//! [`CpuInterface::empty_mask`] is ICH_ELRSR_EL2, [`CpuInterface::eoi_mask`] ICH_EISR_EL2, and the list registers are exact at any
//! time. [`Effect::Maintenance`] stands for the maintenance interrupt: take the list registers back and fill them anew.
//! ICC_SGI*R_EL1 are not here: see [`crate::vgic::Sgi`].
//!
//! 16 list registers, 5 bits of priority and preemption, 24 bits of INTID, one security state, SRE always on. Where the
//! specification leaves freedom the choices are those of QEMU's model: of equal priorities the lower list register goes
//! first; an end of interrupt drops the priority before it looks for the interrupt; ICC_DIR_EL1 does nothing where
//! EOImode is 0. ICH_HCR_EL2.EOIcount is not counted, as the vGIC does not use it.

pub mod registers;
mod state;

#[cfg(all(test, not(loom)))]
mod tests;

pub use state::{STATE_VERSION, State};

use crate::vgic::{Lr, MAX_LRS};

/// ICC_IAR1_EL1 when there is nothing to acknowledge.
pub const SPURIOUS: u32 = 1023;
/// ICC_RPR_EL1 when nothing is active.
const IDLE: u8 = 0xff;
/// No list register.
const NONE: u8 = 0xff;
/// Implemented bits of a priority: 5.
const PRIORITY_MASK: u8 = 0xf8;
/// INTIDs 1020–1023 mean something else than an interrupt.
const SPECIAL: u32 = 1020;
/// First LPI. They have no active state of their own.
const LPIS: u32 = 8192;
/// What of a list register there is: state, group, priority, EOI, vINTID. HW is not.
const LR_MASK: u64 = Lr::PENDING | Lr::ACTIVE | Lr::GROUP1 | Lr::EOI | (PRIORITY_MASK as u64) << 48 | 0xffff_ffff;

/// Interrupt group; the number is the index in pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Signalled as FIQ.
    Zero,
    /// Signalled as IRQ.
    One,
}

/// What a write asks of the VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// [`CpuInterface::irq_line`] and [`CpuInterface::fiq_line`] may have changed.
    Line,
    /// As `Line`, and an interrupt whose list register has the EOI bit was deactivated: refresh the list registers.
    Maintenance,
}

/// The CPU interface of one vCPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuInterface {
    lr: [Lr; MAX_LRS],
    /// List registers whose pending, active, group, EOI bit is set.
    pending: u16,
    active: u16,
    group1: u16,
    eoi: u16,
    /// Most urgent pending list register of an enabled group.
    best: u8,
    /// Its group, if it is signalled.
    line: Option<Group>,
    pmr: u8,
    /// Binary points of the groups, 2..=7 and 3..=7.
    bpr: [u8; 2],
    /// Bits of a priority that preempt, by group: from `bpr` and `common_bpr`.
    preempting: [u8; 2],
    /// ICC_CTLR_EL1.CBPR.
    common_bpr: bool,
    /// ICC_CTLR_EL1.EOImode.
    eoi_split: bool,
    /// ICC_IGRPEN<n>_EL1.
    enabled: [bool; 2],
    /// ICC_AP0R0_EL1, ICC_AP1R0_EL1.
    apr: [u32; 2],
}

impl Default for CpuInterface {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuInterface {
    /// At reset: list registers empty, all masked.
    pub const fn new() -> Self {
        Self {
            lr: [Lr(0); MAX_LRS],
            pending: 0,
            active: 0,
            group1: 0,
            eoi: 0,
            best: NONE,
            line: None,
            pmr: 0,
            bpr: [state::MIN_BPR, state::MIN_BPR + 1],
            preempting: [PRIORITY_MASK; 2],
            common_bpr: false,
            eoi_split: false,
            enabled: [false; 2],
            apr: [0; 2],
        }
    }

    /// Writes list register `n` (0..16, others are ignored) in the format of ICH_LR<n>_EL2. Bits that are not implemented
    /// (HW among them) are RES0.
    pub fn install(&mut self, n: usize, lr: u64) {
        let lr = Lr(lr & LR_MASK);
        let Some(place) = self.lr.get_mut(n) else { return };
        *place = lr;
        let bit = 1 << n;
        for (set, on) in [
            (&mut self.pending, lr.pending()),
            (&mut self.active, lr.active()),
            (&mut self.group1, lr.0 & Lr::GROUP1 != 0),
            (&mut self.eoi, lr.0 & Lr::EOI != 0),
        ] {
            *set = *set & !bit | if on { bit } else { 0 };
        }
        self.update();
    }

    /// List register `n`, as it is now; 0 if there is none.
    pub fn lr(&self, n: usize) -> u64 {
        self.lr.get(n).map_or(0, |lr| lr.0)
    }

    /// All list registers, as they are now.
    pub fn lrs(&self) -> [u64; MAX_LRS] {
        self.lr.map(|lr| lr.0)
    }

    /// As ICH_ELRSR_EL2: list registers that hold nothing, without those of [`Self::eoi_mask`].
    #[inline]
    pub fn empty_mask(&self) -> u64 {
        u64::from(!(self.pending | self.active | self.eoi))
    }

    /// As ICH_EISR_EL2: list registers that have the EOI bit and hold nothing any more.
    #[inline]
    pub fn eoi_mask(&self) -> u64 {
        u64::from(!(self.pending | self.active) & self.eoi)
    }

    /// A virtual IRQ is signalled.
    #[inline]
    pub fn irq_line(&self) -> bool {
        self.line == Some(Group::One)
    }

    /// A virtual FIQ is signalled.
    #[inline]
    pub fn fiq_line(&self) -> bool {
        self.line == Some(Group::Zero)
    }

    /// ICC_IAR<n>_EL1: acknowledges the interrupt that is signalled, if it is of `group`; gives its INTID, or 1023.
    #[inline]
    pub fn acknowledge(&mut self, group: Group) -> u32 {
        if self.line != Some(group) {
            return SPURIOUS;
        }
        let n = self.best;
        let preempting = *pair(&self.preempting, group);
        let Some(lr) = self.lr.get_mut(usize::from(n)) else { return SPURIOUS };
        let (intid, bit) = (lr.intid(), 1 << (n & 15));
        lr.0 &= !Lr::PENDING;
        self.pending &= !bit;
        // One of the special INTIDs just vanishes.
        if !is_special(intid) {
            lr.0 |= Lr::ACTIVE;
            self.active |= bit;
            *pair_mut(&mut self.apr, group) |= 1 << (u32::from(lr.priority() & preempting) >> 3);
        }
        self.update();
        intid
    }

    /// ICC_EOIR<n>_EL1: drops the running priority and, where EOImode is 0, deactivates `intid`.
    #[inline]
    pub fn end(&mut self, group: Group, intid: u32) -> Effect {
        let intid = intid & 0xff_ffff;
        if is_special(intid) {
            return Effect::None;
        }
        let Some(dropped) = self.drop_priority() else { return Effect::None };
        if let Some(n) = self.active_lr(intid)
            && (!self.eoi_split || intid >= LPIS)
            && self.group_of(n) == group
            && self.priority_of(n) & pair(&self.preempting, group) == dropped
        {
            self.deactivate_lr(n);
        }
        self.changed()
    }

    /// ICC_DIR_EL1: deactivates `intid`. Nothing where EOImode is 0.
    pub fn deactivate(&mut self, intid: u32) -> Effect {
        let intid = intid & 0xff_ffff;
        if intid >= SPECIAL || !self.eoi_split {
            return Effect::None;
        }
        let Some(n) = self.active_lr(intid) else { return Effect::None };
        self.deactivate_lr(n);
        self.changed()
    }

    /// ICC_PMR_EL1.
    #[inline]
    pub fn set_priority_mask(&mut self, priority: u8) -> Effect {
        self.pmr = priority & PRIORITY_MASK;
        self.line = self.signalled();
        Effect::Line
    }

    /// ICC_RPR_EL1: group priority of what is active.
    pub fn running_priority(&self) -> u8 {
        let [zero, one] = self.apr;
        match (zero | one).trailing_zeros() {
            32.. => IDLE,
            level => (level << 3) as u8,
        }
    }

    /// ICC_HPPIR<n>_EL1: the most urgent pending interrupt, masked or not, if it is of `group`; else 1023.
    pub fn highest_pending(&self, group: Group) -> u32 {
        match self.lr.get(usize::from(self.best)) {
            Some(lr) if self.group_of(self.best) == group => lr.intid(),
            _ => SPURIOUS,
        }
    }

    /// After a change of list registers or running priority.
    #[inline]
    fn changed(&mut self) -> Effect {
        self.update();
        if self.eoi_mask() == 0 { Effect::Line } else { Effect::Maintenance }
    }

    /// Finds the most urgent one anew.
    #[inline]
    fn update(&mut self) {
        let waiting = self.pending & !self.active;
        if waiting == 0 {
            (self.best, self.line) = (NONE, None);
        } else {
            self.choose(waiting);
        }
    }

    #[inline(never)]
    fn choose(&mut self, waiting: u16) {
        self.best = self.most_urgent(waiting);
        self.line = self.signalled();
    }

    /// HighestPriorityVirtualInterrupt() of IHI0069: only what is pending and not active, `waiting`.
    #[inline]
    fn most_urgent(&self, waiting: u16) -> u8 {
        let [zero, one] = self.enabled;
        let group0 = if zero { !self.group1 } else { 0 };
        let group1 = if one { self.group1 } else { 0 };
        let mut left = waiting & (group0 | group1);
        // Priority 0xff is not implemented: anything is more urgent.
        let (mut best, mut urgent) = (NONE, 0xff);
        while left != 0 {
            let n = left.trailing_zeros() as u8;
            let priority = self.priority_of(n);
            if priority < urgent {
                (best, urgent) = (n, priority);
            }
            left &= left - 1;
        }
        best
    }

    /// CanSignalVirtualInterrupt() of IHI0069: the group of the most urgent one, if it is signalled.
    #[inline]
    fn signalled(&self) -> Option<Group> {
        let priority = self.lr.get(usize::from(self.best))?.priority();
        if priority >= self.pmr {
            return None;
        }
        let group = self.group_of(self.best);
        let running = self.running_priority();
        let mask = pair(&self.preempting, group);
        (running == IDLE || priority & mask < running & mask).then_some(group)
    }

    /// Bits of a priority that preempt (IHI0069 4.8.4), after a change of the binary points.
    fn set_preempting(&mut self) {
        let [zero, one] = self.bpr;
        let one = if self.common_bpr { zero } else { one - 1 };
        self.preempting = [0xfe << zero, 0xfe << one];
    }

    /// Group of list register `n`; no list register is in group 0.
    #[inline]
    fn group_of(&self, n: u8) -> Group {
        if u32::from(self.group1).checked_shr(u32::from(n)).unwrap_or(0) & 1 != 0 { Group::One } else { Group::Zero }
    }

    #[inline]
    fn priority_of(&self, n: u8) -> u8 {
        self.lr.get(usize::from(n)).map_or(IDLE, |lr| lr.priority())
    }

    /// The list register in which `intid` is active.
    #[inline]
    fn active_lr(&self, intid: u32) -> Option<u8> {
        let mut left = self.active;
        while left != 0 {
            let n = left.trailing_zeros() as u8;
            if self.lr.get(usize::from(n)).is_some_and(|lr| lr.intid() == intid) {
                return Some(n);
            }
            left &= left - 1;
        }
        None
    }

    /// Active becomes invalid, active and pending becomes pending.
    #[inline]
    fn deactivate_lr(&mut self, n: u8) {
        if let Some(lr) = self.lr.get_mut(usize::from(n)) {
            lr.0 &= !Lr::ACTIVE;
            self.active &= !(1 << (n & 15));
        }
    }

    /// Takes the most urgent level out of the active priorities; gives its priority.
    #[inline]
    fn drop_priority(&mut self) -> Option<u8> {
        let [zero, one] = &mut self.apr;
        let both = *zero | *one;
        if both == 0 {
            return None;
        }
        let level = both & both.wrapping_neg();
        *(if *zero & level != 0 { zero } else { one }) &= !level;
        Some((both.trailing_zeros() << 3) as u8)
    }
}

#[inline]
fn is_special(intid: u32) -> bool {
    (SPECIAL..SPECIAL + 4).contains(&intid)
}

#[inline]
fn pair<T>([zero, one]: &[T; 2], group: Group) -> &T {
    match group {
        Group::Zero => zero,
        Group::One => one,
    }
}

#[inline]
fn pair_mut<T>([zero, one]: &mut [T; 2], group: Group) -> &mut T {
    match group {
        Group::Zero => zero,
        Group::One => one,
    }
}
