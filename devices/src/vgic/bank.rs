//! State of 32 interrupts, one bit each: the rules of IHI0069 4 ("interrupt handling state machine") for both SPIs and
//! private interrupts.
//!
//! An interrupt is either here or in a list register (`in_lr`). Going there, its pending latch moves along (`moved`);
//! coming back ([`Bank::fold`]) what is left of it returns. Operations return the bits that somebody must look at:
//! those in a list register by reading it exactly, the others by filling list registers anew.

/// 32 interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Bank {
    /// ISENABLER.
    pub enabled: u32,
    /// Pending latch: edges, SGIs, writes to ISPENDR. While `in_lr`: arrived since.
    pub latch: u32,
    /// Input lines.
    pub level: u32,
    /// Active. While `in_lr`: made active by software since.
    pub active: u32,
    /// IGROUPR: group 1.
    pub group: u32,
    /// Edge-triggered.
    pub edge: u32,
    /// In a list register.
    pub in_lr: u32,
    /// In a list register, whose pending state is the latch's.
    pub moved: u32,
    /// In a list register that has the EOI maintenance bit.
    pub eoi: u32,
    /// In a list register, deactivated by software since.
    pub deactivated: u32,
    /// In a list register, where the kernel makes it pending by itself. `moved` as well, whether it is pending or not.
    pub parked: u32,
}

/// What of an interrupt goes into a list register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// State bit.
    pub pending: bool,
    /// State bit.
    pub active: bool,
    /// EOI maintenance bit.
    pub eoi: bool,
    /// Group 1.
    pub group1: bool,
}

impl Bank {
    /// Pending state: the latch, or the line of a level-sensitive interrupt.
    pub fn pending(&self) -> u32 {
        self.latch | (self.level & !self.edge)
    }

    /// ISPENDR: as [`Self::pending`], with what was put into list registers.
    pub fn pending_shown(&self) -> u32 {
        self.pending() | self.moved & !self.parked
    }

    /// Interrupts of a group that `enables` (GICD_CTLR bits) lets through.
    pub fn group_enabled(&self, enables: u32) -> u32 {
        let group0 = if enables & super::regs::ENABLE_GRP0 != 0 { !self.group } else { 0 };
        let group1 = if enables & super::regs::ENABLE_GRP1 != 0 { self.group } else { 0 };
        group0 | group1
    }

    /// Interrupts that may be signalled: pending, enabled, group enabled.
    fn signalled(&self, enables: u32) -> u32 {
        self.pending() & self.enabled & self.group_enabled(enables)
    }

    /// Interrupts that want a list register: signalled ones, and active ones, which the guest must be able to
    /// deactivate.
    pub fn candidates(&self, enables: u32) -> u32 {
        (self.signalled(enables) | self.active) & !self.in_lr
    }

    /// Moves the interrupt `bit`, one of the [candidates](Self::candidates), to a list register. `both`: an active and
    /// pending one may be both there, else its pending state stays here until the EOI.
    #[inline]
    pub fn place(&mut self, bit: u32, enables: u32, both: bool) -> Placed {
        self.in_lr |= bit;
        let group1 = self.group & bit != 0;
        if self.edge & !self.active & bit != 0 {
            self.move_latch(bit);
            return Placed { pending: true, active: false, eoi: false, group1 };
        }
        let (pending, active, eoi) = self.place_any(bit, enables, both);
        Placed { pending, active, eoi, group1 }
    }

    /// An active level-sensitive interrupt whose line is high does not go as pending: the EOI bit makes the line be
    /// looked at again.
    fn place_any(&mut self, bit: u32, enables: u32, both: bool) -> (bool, bool, bool) {
        let active = self.active & bit != 0;
        let line = self.level & !self.edge & bit != 0;
        let eoi = line || (active && !both && self.pending() & bit != 0);
        let signalled = (both || !active) && self.signalled(enables) & bit != 0;
        let latched = signalled && self.latch & bit != 0;
        if latched {
            self.move_latch(bit);
        }
        if eoi {
            self.eoi |= bit;
        }
        self.active &= !bit;
        (latched || (signalled && !active), active, eoi)
    }

    fn move_latch(&mut self, bit: u32) {
        self.latch &= !bit;
        self.moved |= bit;
    }

    /// Takes the interrupt `bit` back from a list register that is now `pending`, `active`, or neither (done).
    pub fn fold(&mut self, bit: u32, pending: bool, active: bool) {
        if pending {
            self.latch |= self.moved & bit;
        }
        if active && self.deactivated & bit == 0 {
            self.active |= bit;
        }
        for gone in [&mut self.in_lr, &mut self.moved, &mut self.eoi, &mut self.deactivated, &mut self.parked] {
            *gone &= !bit;
        }
    }

    /// Sets the input lines of `bits`. A fall takes back a pending state that nobody acknowledged; a rise must find an
    /// EOI bit in the list register.
    #[must_use]
    pub fn set_level(&mut self, bits: u32, level: bool) -> u32 {
        let changed = if level { bits & !self.level } else { bits & self.level };
        self.level ^= changed;
        if level {
            self.latch |= changed & self.edge;
            changed & !(self.eoi & !self.edge)
        } else {
            changed & self.in_lr & !self.edge
        }
    }

    /// ISPENDR, an edge, or an SGI.
    #[must_use]
    pub fn set_pending(&mut self, bits: u32) -> u32 {
        self.latch |= bits;
        bits
    }

    /// ICPENDR.
    #[must_use]
    pub fn clear_pending(&mut self, bits: u32) -> u32 {
        self.latch &= !bits;
        self.moved &= !bits;
        bits & self.in_lr
    }

    /// ISENABLER.
    #[must_use]
    pub fn enable(&mut self, bits: u32) -> u32 {
        let new = bits & !self.enabled;
        self.enabled |= bits;
        new & self.pending()
    }

    /// ICENABLER: what is pending in a list register must come back.
    #[must_use]
    pub fn disable(&mut self, bits: u32) -> u32 {
        let old = bits & self.enabled;
        self.enabled &= !bits;
        old & self.in_lr
    }

    /// ISACTIVER.
    #[must_use]
    pub fn set_active(&mut self, bits: u32) -> u32 {
        self.active |= bits;
        self.deactivated &= !bits;
        bits
    }

    /// ICACTIVER.
    #[must_use]
    pub fn clear_active(&mut self, bits: u32) -> u32 {
        let old = bits & (self.active | self.in_lr);
        self.active &= !bits;
        self.deactivated |= bits & self.in_lr;
        old
    }

    /// IGROUPR.
    #[must_use]
    pub fn set_group(&mut self, group: u32) -> u32 {
        let changed = self.group ^ group;
        self.group = group;
        changed & (self.in_lr | self.pending())
    }

    /// ICFGR: `edge` for the interrupts of `mask`.
    #[must_use]
    pub fn set_edge(&mut self, mask: u32, edge: u32) -> u32 {
        let changed = (self.edge ^ edge) & mask;
        self.edge ^= changed;
        changed & (self.in_lr | self.level)
    }

    /// Whether the bits that only make sense in a list register are consistent.
    pub fn valid(&self) -> bool {
        (self.moved | self.eoi | self.deactivated | self.parked) & !self.in_lr == 0
    }
}
