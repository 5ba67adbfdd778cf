//! ICH_LR<n>_EL2 (IHI0069, "ICH_LR<n>_EL2, Interrupt Controller List Registers").

/// A list register. The model makes only HW=0 ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Lr(pub u64);

impl Lr {
    /// State bit: pending.
    pub const PENDING: u64 = 1 << 62;
    /// State bit: active.
    pub const ACTIVE: u64 = 1 << 63;
    /// HW: deactivation reaches the physical interrupt.
    pub const HW: u64 = 1 << 61;
    /// Group 1.
    pub const GROUP1: u64 = 1 << 60;
    /// EOI maintenance interrupt (HW=0).
    pub const EOI: u64 = 1 << 41;

    /// A list register for `intid` with neither pending nor active set.
    pub const fn new(intid: u32, priority: u8, group1: bool) -> Self {
        let group = if group1 { Self::GROUP1 } else { 0 };
        Self(group | (priority as u64) << 48 | intid as u64)
    }

    /// With the bits of `mask` set where `on`.
    pub const fn with(self, mask: u64, on: bool) -> Self {
        if on { Self(self.0 | mask) } else { self }
    }

    /// vINTID.
    pub const fn intid(self) -> u32 {
        self.0 as u32
    }

    /// Priority, lower is more urgent.
    pub const fn priority(self) -> u8 {
        (self.0 >> 48) as u8
    }

    /// Pending, or pending and active.
    pub const fn pending(self) -> bool {
        self.0 & Self::PENDING != 0
    }

    /// Active, or pending and active.
    pub const fn active(self) -> bool {
        self.0 & Self::ACTIVE != 0
    }

    /// Neither pending nor active.
    pub const fn invalid(self) -> bool {
        !self.pending() && !self.active()
    }
}
