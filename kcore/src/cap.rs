//! Capability words, packed so that a lookup is one load, one masked compare and one AND.
//!
//! ```text
//! 63           48 47                      12 11       8 7      4 3    0
//! | badge[19:4]  | object page address[47:12] | badge[3:0] | rights | kind |
//! ```

use abi::cap::{Kind, MAX_BADGE, rights};
use abi::syscall::Status;

const ADDR: u64 = 0x0000_ffff_ffff_f000;
const BADGE: u64 = 0xffff_0000_0000_0f00;

/// One slot of a capability table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct CapWord(pub u64);

impl CapWord {
    /// The empty slot.
    pub const NULL: Self = Self(0);

    /// A capability to the object whose page is at `addr` (page aligned, below 2^48). `rights` of
    /// [`abi::cap::rights`], `badge` at most [`MAX_BADGE`]; bits outside of a field are dropped.
    #[must_use]
    pub const fn new(addr: u64, kind: Kind, rights: u64, badge: u64) -> Self {
        let badge = (badge & 0xf) << 8 | (badge >> 4 & 0xffff) << 48;
        Self(addr & ADDR | badge | (rights & rights::ALL) << 4 | kind as u64)
    }

    /// Address of the object's page.
    #[must_use]
    pub const fn addr(self) -> u64 {
        self.0 & ADDR
    }

    /// Kind of the object.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match Kind::from_u64(self.0 & 0xf) {
            Some(kind) => kind,
            None => Kind::Null,
        }
    }

    /// Rights.
    #[must_use]
    pub const fn rights(self) -> u64 {
        self.0 >> 4 & rights::ALL
    }

    /// Badge.
    #[must_use]
    pub const fn badge(self) -> u64 {
        self.0 >> 8 & 0xf | self.0 >> 48 << 4
    }

    /// Whether the slot is empty.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `rights` are there.
    #[must_use]
    pub const fn has(self, rights: u64) -> bool {
        self.rights() & rights == rights
    }

    /// The object's address if this is a capability of `kind` with all of `rights`: the hot path of every lookup.
    ///
    /// # Errors
    /// `BadCap` if the slot is empty, `BadKind`, `NoRights`.
    #[inline]
    pub const fn check(self, kind: Kind, rights: u64) -> Result<u64, Status> {
        let want = (rights & rights::ALL) << 4;
        if self.0 & (0xf | want) == kind as u64 | want { Ok(self.addr()) } else { Err(self.refusal(kind)) }
    }

    #[cold]
    const fn refusal(self, kind: Kind) -> Status {
        if self.is_null() {
            Status::BadCap
        } else if self.0 & 0xf != kind as u64 {
            Status::BadKind
        } else {
            Status::NoRights
        }
    }

    /// The same object with fewer rights, or with a badge where there was none.
    ///
    /// # Errors
    /// `BadCap` if the slot is empty, `NoRights` if `rights` is no subset, `BadArg` if the badge is out of range or
    /// would replace another.
    pub const fn derive(self, rights: u64, badge: u64) -> Result<Self, Status> {
        if self.is_null() {
            return Err(Status::BadCap);
        }
        if rights & !self.rights() != 0 {
            return Err(Status::NoRights);
        }
        if badge > MAX_BADGE || (self.0 & BADGE != 0 && badge != self.badge()) {
            return Err(Status::BadArg);
        }
        Ok(Self::new(self.addr(), self.kind(), rights, badge))
    }
}
