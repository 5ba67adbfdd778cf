//! Following the guest's tables: write protection, comparison, and entering what was written.
//!
//! ```text
//!             first walk through it                  store of the guest
//!   unknown ───────────────────────▶ protected ────────────────────────▶ traced: the VMM stores, `table_written`
//!      ▲                              │   ▲  └──────▶ marked: may be written     lazy: goes on by itself
//!      └── no entry is left that ◀────┘   └─ compared ──┘  (synchronisation point)
//!          was derived from it
//! ```
//! A frame is protected before it is read again, so that no store of another vCPU is missed. Stores that no trap shows
//! (those of a device) are found at the TLBI that the guest must execute for them.

use super::fault::walk;
use super::fill::Piece;
use super::runs::{self, Owner, PAGE, Run};
use super::space::{NoRoom, VA};
use super::tables::{self, Node};
use super::{GuestMemory, Mode, ShadowMmu, Spaces, World};
use crate::walk::{Descriptor, Leaf, Rights, mask};

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    /// Whether stores to a frame must trap.
    pub(super) fn is_protected(&self, ipa: u64) -> bool {
        self.mode != Mode::Tlb && self.tables.in_frame(ipa) && !self.is_marked(ipa)
    }

    fn is_marked(&self, ipa: u64) -> bool {
        self.marked.iter().take(self.marks).any(|marked| *marked == ipa & !mask(PAGE))
    }

    /// Takes the right to write to the frames of a table from all views, but for those that are marked.
    pub(super) fn protect(&mut self, table: u64, bytes: u64, spaces: &mut impl Spaces) {
        let first = table & !mask(PAGE);
        for page in 0..bytes.div_ceil(1 << PAGE) {
            let frame = first + (page << PAGE);
            if self.is_marked(frame) {
                continue;
            }
            let mut cursor = runs::Cursor::default();
            while let Some(run) = self.runs.writable(&mut cursor, frame) {
                self.drop_run(run, spaces);
            }
        }
    }

    /// Lets the guest write to a frame until the next synchronisation point.
    pub(super) fn mark(&mut self, ipa: u64, world: &mut impl World) {
        self.statistics.table_writes += 1;
        if self.marks == self.marked.len() {
            self.synchronise(world);
        }
        if let Some(slot) = self.marked.get_mut(self.marks) {
            *slot = ipa & !mask(PAGE);
            self.marks += 1;
        }
    }

    /// A synchronisation point: entries that were derived from frames that may have been written are compared with them,
    /// and the frames are protected again.
    pub(super) fn synchronise(&mut self, world: &mut impl World) {
        while let Some(last) = self.marks.checked_sub(1) {
            self.marks = last;
            let frame = self.marked.get(last).copied().unwrap_or(0);
            if !self.tables.in_frame(frame) {
                continue;
            }
            self.statistics.resyncs += 1;
            self.protect(frame, 1, world);
            let mut cursor = tables::Cursor::default();
            while let Some(node) = self.tables.using(&mut cursor, frame, false) {
                if self.compare_node(node, world) {
                    cursor = tables::Cursor::default();
                }
            }
        }
    }

    /// After the VMM has stored for the guest, in answer to [`super::Outcome::TableWrite`] (`traced`): what was derived from
    /// these bytes is dropped if it is not right any more, and what they map now is entered. Tables of contexts that are on
    /// no vCPU are followed no longer.
    pub fn table_written(&mut self, ipa: u64, bytes: u64, world: &mut impl World) {
        let (first, end) = (ipa & !7, ipa.saturating_add(bytes.min(1 << PAGE)));
        for slot in (first..end).step_by(8) {
            self.compare_uses(slot, world);
            // What makes room for these drops nodes: nothing is compared from here on.
            let mut cursor = tables::Cursor::default();
            while let Some(index) = self.tables.using(&mut cursor, slot, true) {
                if self.enter_slot(index, slot, world).is_err() {
                    break;
                }
            }
        }
    }

    /// What all uses of a descriptor led to.
    fn compare_uses(&mut self, slot: u64, world: &mut impl World) {
        let mut cursor = tables::Cursor::default();
        while let Some(index) = self.tables.using(&mut cursor, slot, true) {
            let node = self.tables.get(index);
            let gone = !self.roots.is_current(node.root, None);
            if gone {
                self.drop_node(index, world);
            }
            if gone || self.compare_slot(index, &node, slot, world) {
                cursor = tables::Cursor::default();
            }
        }
    }

    /// Follows the tables in a frame no longer, so that the guest may store to it itself: for stores that the VMM cannot
    /// do (`STXR`) or need not (a page that is being cleared).
    pub fn forget(&mut self, ipa: u64, spaces: &mut impl Spaces) {
        while let Some(node) = self.tables.using(&mut tables::Cursor::default(), ipa, false) {
            self.drop_node(node, spaces);
        }
    }

    /// What a descriptor led to: whether nodes were dropped.
    fn compare_slot(&mut self, index: u16, node: &Node, slot: u64, world: &mut impl World) -> bool {
        let va = node.va_of(slot);
        let mut cursor = runs::Cursor::default();
        while let Some(run) = self.runs.of_va(&mut cursor, node.root, va) {
            if self.runs.get(run).owner() == Owner::Node(index) {
                self.compare_run(run, node, world);
            }
        }
        let child = self.tables.at(node.root, node.step.level + 1, va);
        child.is_some_and(|child| self.compare_child(child, node, world))
    }

    /// Enters what a descriptor maps, as at a fault; `Err`: there was no room, it is entered at the fault.
    fn enter_slot(&mut self, index: u16, slot: u64, world: &mut impl World) -> Result<(), NoRoom> {
        let node = self.tables.get(index);
        let (va, key) = (node.va_of(slot), self.roots.get(node.root).key);
        // All of the way, for a table above may have been written without a trap.
        let sign = if key.upper { !VA } else { 0 };
        let Ok(walked) = walk(&key.half, va | sign, world) else { return Ok(()) };
        let leaf = walked.leaf;
        let Some(mapped) = world.mapped(leaf.ipa).filter(|mapped| mapped.contains(&leaf.ipa)) else { return Ok(()) };
        let same = walked.last() == Some(node.step);
        let allowed = leaf.rights(key.el) != Rights::NONE && (leaf.global || key.asid.is_some());
        let vectors = key.upper && va & !mask(PAGE) == self.vectors & VA;
        let there = self.runs.of_va(&mut runs::Cursor::default(), node.root, va).is_some();
        if same && allowed && !vectors && !there {
            let owner = Owner::Node(index);
            self.fill(&Piece { root: node.root, key, va, leaf, step: Some(node.step), owner, mapped }, world)?;
        }
        Ok(())
    }

    /// Compares everything that came out of a table with it, but not what came out of the tables below. Whether nodes were
    /// dropped.
    fn compare_node(&mut self, index: u16, world: &mut impl World) -> bool {
        let node = self.tables.get(index);
        let mut next = self.runs.first(Owner::Node(index));
        while next != 0 {
            let run = next;
            next = self.runs.after(run);
            self.compare_run(run, &node, world);
        }
        let (mut child, mut dropped) = (self.tables.child(index), false);
        while let Some(at) = child {
            child = self.tables.sibling(at);
            dropped |= self.compare_child(at, &node, world);
        }
        dropped
    }

    /// Compares a node with the descriptor that led to its table. Whether it was dropped.
    fn compare_child(&mut self, child: u16, node: &Node, world: &mut impl World) -> bool {
        let below = self.tables.get(child);
        let half = self.roots.get(node.root).key.half;
        let descriptor = world.read(node.step.slot_of(below.va)).map(|value| half.descriptor(value, node.step));
        let right = descriptor == Some(Descriptor::Table(below.step.table, below.step.inherited));
        if !right {
            self.drop_node(child, world);
        }
        !right
    }

    fn compare_run(&mut self, index: u16, node: &Node, world: &mut impl World) {
        let run = self.runs.get(index);
        if !self.is_right(&run, node, world) {
            self.statistics.drops += 1;
            self.drop_run(index, world);
        }
    }

    fn is_right(&self, run: &Run, node: &Node, memory: &impl GuestMemory) -> bool {
        let key = self.roots.get(run.root).key;
        let size = 1u64 << run.bits;
        let first = run.va & !(size - 1);
        (first..run.va + run.bytes()).step_by(size as usize).all(|va| {
            let descriptor = memory.read(node.step.slot_of(va)).map(|value| key.half.descriptor(value, node.step));
            let Some(Descriptor::Leaf(leaf)) = descriptor else { return false };
            let Leaf { ipa, bits, global, .. } = leaf;
            let rights = leaf.rights(key.el);
            let same = rights == run.rights || rights.without(Rights::WRITE) == run.rights;
            let expected = run.ipa.wrapping_add(va).wrapping_sub(run.va);
            (ipa, bits, global) == (expected, run.bits, run.global()) && same
        })
    }

    /// Compares what is at a VA: the tables on the way, and the runs.
    pub(super) fn compare_at(&mut self, root: u8, va: u64, world: &mut impl World) {
        let Some(mut at) = self.tables.top(root) else { return };
        loop {
            let node = self.tables.get(at);
            if self.compare_slot(at, &node, node.step.slot_of(va), world) {
                return;
            }
            let level = node.step.level + 1;
            match self.tables.at(root, level, va & !mask(node.step.shift.into())) {
                Some(child) => at = child,
                None => return,
            }
        }
    }

    /// Compares what a TLBI for the VAs `first..=last` is for.
    pub(super) fn compare_range(&mut self, root: u8, first: u64, last: u64, world: &mut impl World) {
        if let Some(top) = self.tables.top(root) {
            self.compare_tree(top, first, last, world);
        }
    }

    /// At most four levels deep.
    fn compare_tree(&mut self, index: u16, first: u64, last: u64, world: &mut impl World) {
        let node = self.tables.get(index);
        let mut next = self.runs.first(Owner::Node(index));
        while next != 0 {
            let run = next;
            next = self.runs.after(run);
            if self.runs.get(run).meets(first, last) {
                self.compare_run(run, &node, world);
            }
        }
        let mut child = self.tables.child(index);
        while let Some(at) = child {
            child = self.tables.sibling(at);
            let below = self.tables.get(at);
            let meets = below.va <= last && first <= below.va | mask(below.step.top.into());
            if meets && !self.compare_child(at, &node, world) {
                self.compare_tree(at, first, last, world);
            }
        }
    }
}
