//! Which root holds which context, and which are in use.
//!
//! A context is one half of a regime as one exception level sees it, with its ASID. Contexts that never had an entry share
//! two roots: root 0 (lower half, empty) and root 1 (upper half, the vectors page alone). The others are given out at the
//! first fault and taken from the context that was not current for the longest time. What is current on a vCPU is never
//! taken.

use super::hash::bucket;
use super::{ROOTS, VCPUS};
use crate::walk::{El, Half, Regime, asid_mask};

/// The root of contexts of the lower half without an entry.
const NO_ENTRY_LOW: u8 = 0;
/// The root of contexts of the upper half without an entry.
pub const NO_ENTRY_HIGH: u8 = 1;
/// The first that is given out.
const FIRST: u8 = 2;
/// No root.
const NONE: u8 = 0;
/// Bits of a vCPU's roots: lower and upper half of kernel and user.
pub const PLACES: usize = 4;

/// A context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Half of the regime, as seen.
    pub half: Half,
    /// Whose view.
    pub el: El,
    /// The upper half.
    pub upper: bool,
    /// The ASID; `None`: of all, for all entries are global.
    pub asid: Option<u16>,
    /// The bits that the ASID has.
    pub mask: u16,
}

impl Key {
    const NONE: Self = Self { half: Half::NONE, el: El::User, upper: false, asid: None, mask: 0 };

    /// Of a half of a regime.
    pub const fn new(regime: &Regime, upper: bool, el: El, by_asid: bool) -> Self {
        let asid = if by_asid { Some(regime.asid()) } else { None };
        Self { half: Half::of(regime, upper, el), el, upper, asid, mask: asid_mask(regime.tcr) }
    }

    fn bucket(&self) -> usize {
        let who = u64::from(self.asid.unwrap_or(0)) << 2 | u64::from(self.upper) << 1 | u64::from(self.el == El::User);
        bucket(self.half.table() ^ who << 40, ROOTS)
    }

    /// Whether an ASID of a TLBI is this one.
    pub fn has_asid(&self, asid: u16) -> bool {
        self.asid.is_none_or(|own| (own ^ asid) & self.mask == 0)
    }
}

/// A root.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// Its context.
    pub key: Key,
    /// It has one.
    pub used: bool,
    /// Something has been entered since it was last cleared.
    pub mapped: bool,
    /// The vectors page is in it.
    pub vectors: bool,
    stamp: u32,
    next: u8,
}

impl Root {
    const NONE: Self = Self { key: Key::NONE, used: false, mapped: false, vectors: false, stamp: 0, next: 0 };
}

/// All roots.
pub struct Roots {
    roots: [Root; ROOTS],
    buckets: [u8; ROOTS],
    /// For each vCPU: its roots, by [`place`].
    current: [[u8; PLACES]; VCPUS],
    clock: u32,
    used: Set,
}

/// A set of roots.
#[derive(Clone, Copy, Debug)]
pub struct Set(u64);

impl Iterator for Set {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let first = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        (first < ROOTS as u32).then_some(first as u8)
    }
}

/// The root of contexts without an entry.
pub const fn empty(upper: bool) -> u8 {
    if upper { NO_ENTRY_HIGH } else { NO_ENTRY_LOW }
}

/// The place of a root among a vCPU's.
pub const fn place(upper: bool, el: El) -> usize {
    let user = matches!(el, El::User);
    (user as usize) << 1 | upper as usize
}

impl Roots {
    /// None has a context.
    pub const fn new() -> Self {
        let current = [[0; PLACES]; VCPUS];
        Self { roots: [Root::NONE; ROOTS], buckets: [NONE; ROOTS], current, clock: 0, used: Set(0) }
    }

    /// A root.
    #[inline]
    pub fn get(&self, root: u8) -> Root {
        self.roots.get(usize::from(root)).copied().unwrap_or(Root::NONE)
    }

    /// Changes a root's flags.
    pub fn edit(&mut self, root: u8, edit: impl FnOnce(&mut Root)) {
        if let Some(root) = self.roots.get_mut(usize::from(root)) {
            edit(root);
        }
    }

    /// The roots that have a context.
    pub const fn used(&self) -> Set {
        self.used
    }

    /// The root of a context.
    #[inline]
    pub fn find(&self, key: &Key) -> Option<u8> {
        let mut at = self.buckets.get(key.bucket()).copied().unwrap_or(NONE);
        while at != NONE {
            let root = self.get(at);
            if root.key == *key {
                return Some(at);
            }
            at = root.next;
        }
        None
    }

    /// Gives a free root to a context.
    pub fn assign(&mut self, index: u8, key: Key) {
        self.clock = self.clock.wrapping_add(1);
        let stamp = self.clock;
        let head = self.buckets.get_mut(key.bucket());
        let next = head.map_or(NONE, |head| core::mem::replace(head, index));
        self.edit(index, |root| (root.key, root.used, root.stamp, root.next) = (key, true, stamp, next));
        self.used.0 |= 1 << (index & 63);
    }

    /// Takes a root from its context.
    pub fn unassign(&mut self, index: u8) {
        let root = self.get(index);
        if !root.used {
            return;
        }
        self.edit(index, |root| root.used = false);
        self.used.0 &= !(1 << (index & 63));
        let Some(head) = self.buckets.get_mut(root.key.bucket()) else { return };
        if *head == index {
            *head = root.next;
            return;
        }
        let mut at = *head;
        while let Some(other) = self.roots.get_mut(usize::from(at)).filter(|_| at != NONE) {
            if other.next == index {
                other.next = root.next;
                return;
            }
            at = other.next;
        }
    }

    /// What is current on a vCPU.
    #[inline]
    pub fn current(&self, vcpu: usize) -> [u8; PLACES] {
        self.current.get(vcpu).copied().unwrap_or([NO_ENTRY_LOW, NO_ENTRY_HIGH, NO_ENTRY_LOW, NO_ENTRY_HIGH])
    }

    /// Makes a root current.
    pub fn set_current(&mut self, vcpu: usize, place: usize, index: u8) {
        self.clock = self.clock.wrapping_add(1);
        let stamp = self.clock;
        self.edit(index, |root| root.stamp = stamp);
        if let Some(current) = self.current.get_mut(vcpu).and_then(|places| places.get_mut(place)) {
            *current = index;
        }
    }

    /// Whether a root is current on a vCPU other than `except`.
    pub fn is_current(&self, index: u8, except: Option<usize>) -> bool {
        let others = self.current.iter().enumerate().filter(|(vcpu, _)| Some(*vcpu) != except);
        others.into_iter().any(|(_, places)| places.contains(&index))
    }

    /// For how long a root was not made current.
    pub fn age(&self, index: u8) -> u32 {
        self.clock.wrapping_sub(self.get(index).stamp)
    }

    /// A root without context that is not current, or else the one that was not current for the longest time and is not.
    pub fn oldest(&self, wanted: impl Fn(&Root) -> bool) -> Option<u8> {
        let idle = (FIRST..ROOTS as u8).filter(|index| wanted(&self.get(*index)) && !self.is_current(*index, None));
        idle.max_by_key(|index| (!self.get(*index).used, self.age(*index)))
    }
}
