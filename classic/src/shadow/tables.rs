//! The guest's tables that shadow entries were derived from, in the modes that follow them (`traced`, `lazy`).
//!
//! A node is one use of a table: at one place (level and VA) of one root. A table that several roots or descriptors use has
//! several nodes; a table that leads to itself has one for each level. The frames of tables that have a node are
//! write-protected in the shadow.
//!
//! Index 0 is none: an array of zeros is an empty store.

use super::ROOTS;
use super::hash::bucket;
use crate::walk::{Step, mask};

/// A use of a table.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// First VA (48 bits) that the table translates here.
    pub va: u64,
    /// The table.
    pub step: Step,
    /// The root.
    pub root: u8,
    live: bool,
    /// The node of the table above; 0: the first table.
    pub parent: u16,
    child: u16,
    next: u16,
    prev: u16,
    next_place: u16,
    next_frame: u16,
}

impl Node {
    const NONE: Self = Self {
        va: 0,
        step: Step::NONE,
        root: 0,
        live: false,
        parent: 0,
        child: 0,
        next: 0,
        prev: 0,
        next_place: 0,
        next_frame: 0,
    };

    /// Where a descriptor's VAs begin, by its address.
    pub fn va_of(&self, slot: u64) -> u64 {
        self.va + (((slot - self.step.table) >> 3) << self.step.shift)
    }

    fn holds(&self, ipa: u64) -> bool {
        self.step.table <= ipa && ipa - self.step.table < self.step.bytes()
    }

    /// log2 of the aligned block that the table lies in, as a class: 4, 16, 64 KiB.
    fn class(&self) -> usize {
        CLASSES.iter().position(|bits| self.step.bytes() <= 1 << bits).unwrap_or(0)
    }
}

const CLASSES: [u32; 3] = [12, 14, 16];
/// Counters of tables by 64 KiB of IPA, modulo this.
const NEAR: usize = 1024;

/// The store.
pub struct Tables<const NODES: usize> {
    nodes: [Node; NODES],
    by_place: [u16; NODES],
    by_frame: [u16; NODES],
    first: [u16; ROOTS],
    near: [u16; NEAR],
    /// Nodes of each class.
    classes: [u16; 3],
    free: u16,
    fresh: u16,
}

/// Where a search goes on; the node that it gave last may be removed, with those below it.
#[derive(Default)]
pub struct Cursor {
    class: usize,
    seen: usize,
}

impl<const NODES: usize> Tables<NODES> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            nodes: [Node::NONE; NODES],
            by_place: [0; NODES],
            by_frame: [0; NODES],
            first: [0; ROOTS],
            near: [0; NEAR],
            classes: [0; 3],
            free: 0,
            fresh: 0,
        }
    }

    /// A node by its index.
    #[inline]
    pub fn get(&self, index: u16) -> Node {
        self.nodes.get(usize::from(index)).copied().unwrap_or(Node::NONE)
    }

    fn edit(&mut self, index: u16, edit: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(usize::from(index)).filter(|_| index != 0) {
            edit(node);
        }
    }

    fn place(root: u8, level: u8, va: u64) -> usize {
        bucket((va >> 12) << 8 | u64::from(root) << 2 | u64::from(level), NODES)
    }

    fn frame(class: usize, ipa: u64) -> usize {
        let shift = CLASSES.get(class).copied().unwrap_or(12);
        bucket((ipa >> shift) << 2 | class as u64, NODES)
    }

    /// The node at a place: `va` is any that the table translates.
    pub fn find(&self, root: u8, step: &Step, va: u64) -> Option<u16> {
        self.at(root, step.level, va & !mask(step.top.into()))
    }

    /// The node at a level whose VAs begin there.
    pub fn at(&self, root: u8, level: u8, va: u64) -> Option<u16> {
        let mut at = self.by_place.get(Self::place(root, level, va)).copied().unwrap_or(0);
        while at != 0 {
            let node = self.get(at);
            if node.root == root && node.step.level == level && node.va == va {
                return Some(at);
            }
            at = node.next_place;
        }
        None
    }

    /// The first table's node in a root.
    pub fn top(&self, root: u8) -> Option<u16> {
        self.first.get(usize::from(root)).copied().filter(|index| *index != 0)
    }

    /// The first of the nodes below; the next is [`Tables::sibling`].
    pub fn child(&self, index: u16) -> Option<u16> {
        Some(self.get(index).child).filter(|index| *index != 0)
    }

    /// The next with the same parent.
    pub fn sibling(&self, index: u16) -> Option<u16> {
        Some(self.get(index).next).filter(|index| *index != 0)
    }

    /// Enters a use of a table; `None`: the store is full.
    pub fn insert(&mut self, root: u8, step: Step, va: u64, parent: u16) -> Option<u16> {
        let index = self.take()?;
        let mut node = Node { va: va & !mask(step.top.into()), step, root, live: true, parent, ..Node::NONE };
        let family = if parent == 0 {
            self.first.get_mut(usize::from(root))
        } else {
            self.nodes.get_mut(usize::from(parent)).map(|node| &mut node.child)
        };
        if let Some(head) = family {
            node.next = core::mem::replace(head, index);
        }
        self.edit(node.next, |next| next.prev = index);
        if let Some(head) = self.by_place.get_mut(Self::place(root, step.level, node.va)) {
            node.next_place = core::mem::replace(head, index);
        }
        if let Some(head) = self.by_frame.get_mut(Self::frame(node.class(), step.table)) {
            node.next_frame = core::mem::replace(head, index);
        }
        self.count(&node, 1);
        self.edit(index, |slot| *slot = node);
        Some(index)
    }

    fn take(&mut self) -> Option<u16> {
        if self.free != 0 {
            let index = self.free;
            self.free = self.get(index).next;
            return Some(index);
        }
        let index = self.fresh.checked_add(1).filter(|index| usize::from(*index) < NODES)?;
        self.fresh = index;
        Some(index)
    }

    fn count(&mut self, node: &Node, change: u16) {
        if let Some(near) = self.near.get_mut((node.step.table >> 16) as usize % NEAR) {
            *near = near.wrapping_add(change);
        }
        if let Some(count) = self.classes.get_mut(node.class()) {
            *count = count.wrapping_add(change);
        }
    }

    /// Takes a node out that has none below.
    pub fn remove(&mut self, index: u16) {
        let node = self.get(index);
        if !node.live {
            return;
        }
        if node.prev != 0 {
            self.edit(node.prev, |prev| prev.next = node.next);
        } else if node.parent != 0 {
            self.edit(node.parent, |parent| parent.child = node.next);
        } else if let Some(first) = self.first.get_mut(usize::from(node.root)) {
            *first = node.next;
        }
        self.edit(node.next, |next| next.prev = node.prev);
        self.unchain(Self::place(node.root, node.step.level, node.va), index, true);
        self.unchain(Self::frame(node.class(), node.step.table), index, false);
        self.count(&node, u16::MAX);
        let free = core::mem::replace(&mut self.free, index);
        self.edit(index, |slot| *slot = Node { next: free, ..Node::NONE });
    }

    fn unchain(&mut self, bucket: usize, index: u16, by_place: bool) {
        let link = |node: &Node| if by_place { node.next_place } else { node.next_frame };
        let heads = if by_place { &mut self.by_place } else { &mut self.by_frame };
        let Some(head) = heads.get_mut(bucket) else { return };
        let next = self.nodes.get(usize::from(index)).map_or(0, link);
        if *head == index {
            *head = next;
            return;
        }
        let mut at = *head;
        while let Some(node) = self.nodes.get_mut(usize::from(at)).filter(|_| at != 0) {
            let slot = if by_place { &mut node.next_place } else { &mut node.next_frame };
            if *slot == index {
                *slot = next;
                return;
            }
            at = *slot;
        }
    }

    fn chain(&self, class: usize, ipa: u64) -> u16 {
        if self.classes.get(class).is_none_or(|count| *count == 0) {
            return 0;
        }
        self.by_frame.get(Self::frame(class, ipa)).copied().unwrap_or(0)
    }

    /// The deepest node from here down along first children.
    pub fn deepest(&self, index: u16) -> u16 {
        let mut at = index;
        while let Some(child) = self.child(at) {
            at = child;
        }
        at
    }

    /// Whether a table may be among these pages (no: there is none).
    #[inline]
    pub fn near(&self, ipa: u64, bytes: u64) -> bool {
        let count = |block: u64| self.near.get(block as usize % NEAR).copied().unwrap_or(0);
        (ipa >> 16..=(ipa + (bytes - 1)) >> 16).any(|block| count(block) != 0)
    }

    /// Whether a table is in the 4 KiB frame of an address.
    pub fn in_frame(&self, ipa: u64) -> bool {
        let frame = ipa & !mask(12);
        self.near(frame, 1)
            && (0..CLASSES.len()).any(|class| {
                let mut at = self.chain(class, frame);
                while at != 0 {
                    let node = self.get(at);
                    if node.step.table & !mask(12) == frame || node.holds(frame) {
                        return true;
                    }
                    at = node.next_frame;
                }
                false
            })
    }

    /// The next node whose table has something in the 4 KiB frame of `ipa`, or, with `exact`, whose table holds `ipa`.
    /// Removed nodes and their changed chains are not waited for: after a removal start anew.
    pub fn using(&self, cursor: &mut Cursor, ipa: u64, exact: bool) -> Option<u16> {
        let frame = ipa & !mask(12);
        while cursor.class < CLASSES.len() {
            let mut at = self.chain(cursor.class, frame);
            let mut position = 0;
            while at != 0 {
                let node = self.get(at);
                let wanted =
                    if exact { node.holds(ipa) } else { node.step.table & !mask(12) == frame || node.holds(frame) };
                if wanted {
                    if position == cursor.seen {
                        cursor.seen += 1;
                        return Some(at);
                    }
                    position += 1;
                }
                at = node.next_frame;
            }
            *cursor = Cursor { class: cursor.class + 1, seen: 0 };
        }
        None
    }
}
