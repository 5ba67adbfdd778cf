//! What is in the shadow tables: runs of pages.
//!
//! A run is a piece of one root that was entered at once and is dropped at once: pages whose VAs and IPAs are both
//! contiguous, with the same rights, out of one block of the guest's or of neighbouring descriptors of one table. Runs of
//! a root never overlap.
//!
//! ```text
//!   by VA: (root, window) ─▶ run ─▶ run      a run lies in one window: 64 KiB, 2 MiB, or of 1 GiB where the guest's
//!                                            block is larger than 2 MiB, for then one TLBI drops all runs out of it
//!   by IPA, if writable: IPA / size ─▶ run   to take the right to write from all views of a frame
//!   by owner: root or node ─▶ run ⇄ run      the table that it came from
//! ```
//! Index 0 is none: an array of zeros is an empty store.

use super::ROOTS;
use super::hash::bucket;
use crate::walk::{Leaf, Rights, mask};
use core::ops::Range;

/// log2 of a page of the shadow.
pub const PAGE: u32 = 12;
/// log2 of the windows in which runs are found.
const WINDOWS: [u32; 3] = [16, 21, 30];
const SMALL: usize = 0;
const MEDIUM: usize = 1;
const GIANT: usize = 2;

/// Whom a run belongs to: the node of the table that its descriptors are in, or, where tables are not followed, its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A root.
    Root(u8),
    /// A node of [`super::tables::Tables`].
    Node(u16),
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// First VA, 48 bits.
    pub va: u64,
    /// First IPA.
    pub ipa: u64,
    /// Pages of 4 KiB, 1..=512.
    pub pages: u16,
    /// log2 of what one of the guest's descriptors maps.
    pub bits: u8,
    /// The root.
    pub root: u8,
    /// Rights in the shadow.
    pub rights: Rights,
    /// Bit 0: global; from bit 1 on the class.
    flags: u8,
    owner: u16,
    next_va: u16,
    next_ipa: u16,
    next: u16,
    prev: u16,
}

const NODE: u16 = 1 << 15;

const _: () = assert!(size_of::<Run>() == 32);

impl Run {
    const NONE: Self = Self {
        va: 0,
        ipa: 0,
        pages: 0,
        bits: 0,
        root: 0,
        rights: Rights::NONE,
        flags: 0,
        owner: 0,
        next_va: 0,
        next_ipa: 0,
        next: 0,
        prev: 0,
    };

    /// A run that is not in the store yet, of `pages` at `va` in `root`. It must lie in one window.
    pub fn new(root: u8, va: u64, pages: u64, rights: Rights, leaf: &Leaf, owner: Owner) -> Self {
        let owner = match owner {
            Owner::Root(root) => root.into(),
            Owner::Node(node) => NODE | node,
        };
        let Leaf { ipa, bits, global, .. } = *leaf;
        let class = match bits {
            ..=16 if pages <= 16 => SMALL,
            ..=21 => MEDIUM,
            _ => GIANT,
        };
        let flags = u8::from(global) | (class as u8) << 1;
        Self { va, ipa, pages: pages as u16, bits, root, rights, flags, owner, ..Self::NONE }
    }

    /// Whom it belongs to.
    pub fn owner(&self) -> Owner {
        if self.owner & NODE == 0 { Owner::Root(self.owner as u8) } else { Owner::Node(self.owner & !NODE) }
    }

    /// Bytes.
    pub fn bytes(&self) -> u64 {
        u64::from(self.pages) << PAGE
    }

    /// Valid for all ASIDs.
    pub fn global(&self) -> bool {
        self.flags & 1 != 0
    }

    fn class(&self) -> usize {
        (self.flags >> 1).into()
    }

    /// Whether a TLBI for a VA drops it: the VA is of one of its descriptors.
    fn is_of(&self, va: u64) -> bool {
        self.meets(va, va)
    }

    /// Whether a TLBI for one of the VAs `first..=last` drops it.
    pub fn meets(&self, first: u64, last: u64) -> bool {
        let leaf = |va: u64| va >> self.bits;
        leaf(self.va) <= leaf(last) && leaf(first) <= leaf(self.va + (self.bytes() - 1))
    }

    fn overlaps(&self, va: u64, bytes: u64) -> bool {
        self.va < va.saturating_add(bytes) && va < self.va + self.bytes()
    }
}

/// Where a search goes on; the run that it gave last may be removed.
#[derive(Default)]
pub struct Cursor {
    chain: usize,
    at: u16,
    started: bool,
}

/// The store.
pub struct Runs<const RUNS: usize, const NODES: usize> {
    runs: [Run; RUNS],
    by_va: [u16; RUNS],
    by_ipa: [u16; RUNS],
    of_root: [u16; ROOTS],
    of_node: [u16; NODES],
    /// Runs of each root, those that are global, and those that are not found by 64 KiB.
    live: [u16; ROOTS],
    globals: [u16; ROOTS],
    large: [u16; ROOTS],
    free: u16,
    /// Never used so far: from here on, less one.
    fresh: u16,
    hand: u16,
}

impl<const RUNS: usize, const NODES: usize> Runs<RUNS, NODES> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            runs: [Run::NONE; RUNS],
            by_va: [0; RUNS],
            by_ipa: [0; RUNS],
            of_root: [0; ROOTS],
            of_node: [0; NODES],
            live: [0; ROOTS],
            globals: [0; ROOTS],
            large: [0; ROOTS],
            free: 0,
            fresh: 0,
            hand: 0,
        }
    }

    /// A run by its index.
    #[inline]
    pub fn get(&self, index: u16) -> Run {
        self.runs.get(usize::from(index)).copied().unwrap_or(Run::NONE)
    }

    #[inline]
    fn at(&self, index: u16) -> &Run {
        self.runs.get(usize::from(index)).unwrap_or(const { &Run::NONE })
    }

    /// The classes that a root has runs of.
    fn classes(&self, root: u8) -> Range<usize> {
        let large = self.large.get(usize::from(root)).is_some_and(|count| *count != 0);
        SMALL..if large { WINDOWS.len() } else { MEDIUM }
    }

    fn edit(&mut self, index: u16, edit: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.get_mut(usize::from(index)).filter(|_| index != 0) {
            edit(run);
        }
    }

    /// Runs of a root.
    #[inline]
    pub fn live(&self, root: u8) -> u16 {
        self.live.get(usize::from(root)).copied().unwrap_or(0)
    }

    /// Runs of a root that are global.
    #[inline]
    pub fn globals(&self, root: u8) -> u16 {
        self.globals.get(usize::from(root)).copied().unwrap_or(0)
    }

    fn count(&mut self, run: &Run, change: u16) {
        let root = usize::from(run.root);
        let counts =
            [(&mut self.live, true), (&mut self.globals, run.global()), (&mut self.large, run.class() != SMALL)];
        for (counts, counted) in counts {
            if let Some(count) = counts.get_mut(root).filter(|_| counted) {
                *count = count.wrapping_add(change);
            }
        }
    }

    fn va_bucket(class: usize, root: u8, va: u64) -> usize {
        let window = WINDOWS.get(class).copied().unwrap_or(16);
        bucket((va >> window) << 8 | u64::from(root) << 2 | class as u64, RUNS)
    }

    /// Runs in larger windows than 64 KiB are found by 2 MiB of IPA.
    fn ipa_bucket(class: usize, ipa: u64) -> usize {
        let (class, window) = if class == SMALL { (0, 16) } else { (1, 21) };
        bucket((ipa >> window) << 1 | class, RUNS)
    }

    fn owner_head(&mut self, owner: u16) -> Option<&mut u16> {
        let index = usize::from(owner & !NODE);
        if owner & NODE == 0 { self.of_root.get_mut(index) } else { self.of_node.get_mut(index) }
    }

    /// The first run of an owner; the next is [`Runs::after`].
    pub fn first(&self, owner: Owner) -> u16 {
        let head = match owner {
            Owner::Root(root) => self.of_root.get(usize::from(root)),
            Owner::Node(node) => self.of_node.get(usize::from(node)),
        };
        head.copied().unwrap_or(0)
    }

    /// The next run of the same owner.
    pub fn after(&self, index: u16) -> u16 {
        self.get(index).next
    }

    /// Puts a run in; with `tracked` it is found by its IPA if it is writable. `None`: the store is full.
    pub fn insert(&mut self, run: Run, tracked: bool) -> Option<u16> {
        let index = self.take()?;
        self.count(&run, 1);
        let mut run = run;
        (run.prev, run.next_ipa) = (0, 0);
        if let Some(head) = self.owner_head(run.owner) {
            run.next = core::mem::replace(head, index);
        }
        self.edit(run.next, |next| next.prev = index);
        if let Some(head) = self.by_va.get_mut(Self::va_bucket(run.class(), run.root, run.va)) {
            run.next_va = core::mem::replace(head, index);
        }
        if tracked
            && run.rights.writable()
            && let Some(head) = self.by_ipa.get_mut(Self::ipa_bucket(run.class(), run.ipa))
        {
            run.next_ipa = core::mem::replace(head, index);
        }
        self.edit(index, |slot| *slot = run);
        Some(index)
    }

    fn take(&mut self) -> Option<u16> {
        if self.free != 0 {
            let index = self.free;
            self.free = self.get(index).next;
            return Some(index);
        }
        let index = self.fresh.checked_add(1).filter(|index| usize::from(*index) < RUNS)?;
        self.fresh = index;
        Some(index)
    }

    /// Takes a run out.
    pub fn remove(&mut self, index: u16) {
        let run = self.get(index);
        if run.pages == 0 {
            return;
        }
        self.count(&run, u16::MAX);
        if run.prev == 0 {
            if let Some(head) = self.owner_head(run.owner) {
                *head = run.next;
            }
        } else {
            self.edit(run.prev, |prev| prev.next = run.next);
        }
        self.edit(run.next, |next| next.prev = run.prev);
        self.unchain(Self::va_bucket(run.class(), run.root, run.va), index, true);
        self.unchain(Self::ipa_bucket(run.class(), run.ipa), index, false);
        let free = core::mem::replace(&mut self.free, index);
        self.edit(index, |slot| *slot = Run { next: free, ..Run::NONE });
    }

    /// Takes a run out of a chain, if it is in it.
    fn unchain(&mut self, bucket: usize, index: u16, by_va: bool) {
        let link = |run: &Run| if by_va { run.next_va } else { run.next_ipa };
        let heads = if by_va { &mut self.by_va } else { &mut self.by_ipa };
        let Some(head) = heads.get_mut(bucket) else { return };
        let next = self.runs.get(usize::from(index)).map_or(0, link);
        if *head == index {
            *head = next;
            return;
        }
        let mut at = *head;
        while let Some(run) = self.runs.get_mut(usize::from(at)).filter(|_| at != 0) {
            let slot = if by_va { &mut run.next_va } else { &mut run.next_ipa };
            if *slot == index {
                *slot = next;
                return;
            }
            at = *slot;
        }
    }

    /// The next run of a root that a TLBI for the VA drops.
    pub fn of_va(&self, cursor: &mut Cursor, root: u8, va: u64) -> Option<u16> {
        while self.classes(root).contains(&cursor.chain) {
            if !cursor.started {
                let bucket = Self::va_bucket(cursor.chain, root, va);
                (cursor.at, cursor.started) = (self.by_va.get(bucket).copied().unwrap_or(0), true);
            }
            while cursor.at != 0 {
                let (index, run) = (cursor.at, self.at(cursor.at));
                cursor.at = run.next_va;
                if run.root == root && run.class() == cursor.chain && run.is_of(va) {
                    return Some(index);
                }
            }
            (cursor.chain, cursor.started) = (cursor.chain + 1, false);
        }
        None
    }

    /// A run of a root that has pages in a range of at most 2 MiB that does not cross 2 MiB.
    pub fn overlapping(&self, root: u8, va: u64, bytes: u64) -> Option<u16> {
        let last = va + (bytes - 1);
        let small = (va >> 16..=last >> 16).map(|window| (SMALL, window << 16));
        small.chain([(MEDIUM, va), (GIANT, va)]).find_map(|(class, window)| {
            let bucket = Self::va_bucket(class, root, window);
            self.search(self.by_va.get(bucket).copied().unwrap_or(0), |run| {
                run.root == root && run.class() == class && run.overlaps(va, bytes)
            })
        })
    }

    fn search(&self, first: u16, wanted: impl Fn(&Run) -> bool) -> Option<u16> {
        let mut at = first;
        while at != 0 {
            let run = self.at(at);
            if wanted(run) {
                return Some(at);
            }
            at = run.next_va;
        }
        None
    }

    /// Pages of the 64 KiB around a VA that are in the shadow, one bit each.
    pub fn covered(&self, root: u8, va: u64) -> u16 {
        let window = va & !mask(16);
        let mut pages = 0u16;
        for class in self.classes(root) {
            let mut at = self.by_va.get(Self::va_bucket(class, root, va)).copied().unwrap_or(0);
            while at != 0 {
                let run = self.at(at);
                if run.root == root && run.class() == class && run.overlaps(window, 1 << 16) {
                    let first = run.va.saturating_sub(window) >> PAGE;
                    let end = ((run.va + run.bytes() - window) >> PAGE).min(16);
                    pages |= (mask(end as u32) & !mask(first as u32)) as u16;
                }
                at = run.next_va;
            }
        }
        pages
    }

    /// The next writable run that maps a frame; only those that were put in as tracked are found.
    pub fn writable(&self, cursor: &mut Cursor, frame: u64) -> Option<u16> {
        // A run begins in the window of the frame or in the one before: it is not longer than a window.
        let chains = [(SMALL, 16, 0), (SMALL, 16, 1), (MEDIUM, 21, 0), (MEDIUM, 21, 1)];
        while let Some((class, window, back)) = chains.get(cursor.chain).copied() {
            let first = (frame >> window).checked_sub(back);
            if let Some(first) = first.filter(|_| !cursor.started) {
                cursor.at = self.by_ipa.get(Self::ipa_bucket(class, first << window)).copied().unwrap_or(0);
            }
            cursor.started = true;
            while cursor.at != 0 {
                let (index, run) = (cursor.at, self.at(cursor.at));
                cursor.at = run.next_ipa;
                let begins = Some(run.ipa >> window) == first && (run.class() == SMALL) == (class == SMALL);
                if begins && run.ipa <= frame && frame < run.ipa + run.bytes() {
                    return Some(index);
                }
            }
            *cursor = Cursor { chain: cursor.chain + 1, ..Cursor::default() };
        }
        None
    }

    /// The run to replace when the store is full: each in turn.
    pub fn victim(&mut self) -> Option<u16> {
        for _ in 0..RUNS {
            self.hand = if usize::from(self.hand) + 1 < RUNS { self.hand + 1 } else { 1 };
            if self.get(self.hand).pages != 0 {
                return Some(self.hand);
            }
        }
        None
    }
}
