//! What other vCPUs and worker threads send to a vCPU's interrupt state.
//!
//! ```text
//!   sender                         owner's handler
//!   post(bits)      (release)      exit with reason KICK (or any other)
//!   kick the vCPU                  take()  (acquire) → Redist::accept → flush
//! ```
//!
//! A sender kicks after each post, whatever was in the box before: whoever posted first may not have come to kick yet,
//! and may never run while the second one spins for an answer. Kicks are never lost (the kernel's promise), so that each
//! post is followed by a `take`. The model of this protocol under loom is in `tests/loom_mailbox.rs`.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

/// Content of a [`Mailbox`]. Bits 15:0 SGIs sent as group 1, 31:16 SGIs sent as group 0, 32 [`Posted::DIST`]; 63:48 are
/// the VMM's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Posted(pub u64);

impl Posted {
    /// The distributor changed: flush.
    pub const DIST: Self = Self(1 << 32);

    /// Request `n` (0..16) of the VMM's own.
    pub const fn own(n: u32) -> Self {
        Self(1 << (48 + (n & 15)))
    }

    /// One SGI.
    pub const fn sgi(intid: u32, group1: bool) -> Self {
        Self(1 << ((intid & 15) + if group1 { 0 } else { 16 }))
    }

    /// Whether request `n` of the VMM's own is in it.
    pub const fn has_own(self, n: u32) -> bool {
        self.0 & Self::own(n).0 != 0
    }

    /// Nothing was posted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn group1(self) -> u32 {
        self.0 as u32 & 0xffff
    }

    pub(super) const fn group0(self) -> u32 {
        self.0 as u32 >> 16
    }

    pub(super) const fn dist(self) -> bool {
        self.0 & Self::DIST.0 != 0
    }
}

/// The mailbox of one vCPU.
#[derive(Debug)]
pub struct Mailbox(AtomicU64);

impl Mailbox {
    /// Empty.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Empty.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Posts; the caller kicks the owner afterwards. What the caller wrote before (under the distributor's lock, or in
    /// its own data for the owner) is seen by the owner after [`Self::take`]: release.
    pub fn post(&self, posted: Posted) {
        self.0.fetch_or(posted.0, Ordering::Release);
    }

    /// Whether nothing is in it (owner only: what is posted later is followed by a kick).
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Takes out everything (owner only). One plain load when nothing is there.
    pub fn take(&self) -> Posted {
        if self.0.load(Ordering::Relaxed) == 0 {
            return Posted(0);
        }
        Posted(self.0.swap(0, Ordering::Acquire))
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}
