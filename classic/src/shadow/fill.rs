//! Entering what was missing, and its neighbours with it.

use super::roots::Key;
use super::runs::{Owner, PAGE, Run};
use super::space::{NoRoom, VA};
use super::{GuestMemory, MapError, Mode, Outcome, ShadowMmu, Spaces, World};
use crate::walk::{Descriptor, Half, Leaf, Rights, Step, mask};
use core::ops::Range;

/// log2 of the blocks that the kernel's tables have.
const BLOCK: u32 = 21;
/// log2 of what is looked at around a page.
const AROUND: u32 = 16;

/// Pages before and after the one that was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    before: u64,
    after: u64,
}

impl Extent {
    const PAGE: Self = Self { before: 0, after: 0 };

    /// The aligned block of so many bits around an address.
    const fn block(address: u64, bits: u32) -> Self {
        let before = (address & mask(bits)) >> PAGE;
        Self { before, after: (1 << (bits - PAGE)) - 1 - before }
    }

    /// What of it is in a range of whole pages that has the address.
    fn within(self, address: u64, range: &Range<u64>) -> Self {
        let page = address & !mask(PAGE);
        let before = page.saturating_sub(range.start) >> PAGE;
        let after = (range.end.saturating_sub(page) >> PAGE).saturating_sub(1);
        Self { before: self.before.min(before), after: self.after.min(after) }
    }

    /// The pages next to the one in the middle that pass.
    fn while_both(self, mut pass: impl FnMut(i64) -> bool) -> Self {
        let after = (1..=self.after as i64).take_while(|page| pass(*page)).count() as u64;
        let before = (1..=self.before as i64).take_while(|page| pass(-page)).count() as u64;
        Self { before, after }
    }

    const fn pages(self) -> u64 {
        self.before + 1 + self.after
    }
}

/// What is to be entered.
pub struct Piece {
    pub root: u8,
    pub key: Key,
    /// The page that was missing.
    pub va: u64,
    /// What it is mapped to, and how.
    pub leaf: Leaf,
    /// The table that the leaf is in; `None`: translation is off.
    pub step: Option<Step>,
    /// Whom the entry belongs to.
    pub owner: Owner,
    /// What is mapped into the guest around the page.
    pub mapped: Range<u64>,
}

impl Piece {
    fn ipa(&self) -> u64 {
        self.leaf.ipa & !mask(PAGE)
    }

    /// Which page of its 64 KiB it is.
    fn place(&self) -> u64 {
        (self.va & mask(AROUND)) >> PAGE
    }

    fn rights(&self) -> Rights {
        self.leaf.rights(self.key.el)
    }
}

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    pub(super) fn fill(&mut self, piece: &Piece, world: &mut impl World) -> Result<Outcome, NoRoom> {
        let mut covered = self.runs.covered(piece.root, piece.va);
        if covered >> piece.place() & 1 != 0 {
            // What is there is too little, or is not there any more.
            self.drop_overlapping(piece.root, piece.va, Extent::PAGE, world);
            covered = self.runs.covered(piece.root, piece.va);
        }
        let full = piece.rights();
        let (extent, rights) = if full.writable() && self.is_protected(piece.ipa()) {
            (Extent::PAGE, full.without(Rights::WRITE))
        } else {
            (self.extent(piece, covered, world), full)
        };
        let entered = match self.enter(piece, extent, rights, world) {
            Err(MapError::NotMapped) => self.enter(piece, Extent::PAGE, rights, world),
            entered => entered,
        };
        match entered {
            Ok(()) => Ok(Outcome::Filled),
            Err(MapError::NoMemory) => Err(self.reclaim(piece.root, world)),
            Err(MapError::NotMapped) => Ok(Outcome::Device(piece.leaf.ipa)),
        }
    }

    fn enter(
        &mut self,
        piece: &Piece,
        extent: Extent,
        rights: Rights,
        spaces: &mut impl Spaces,
    ) -> Result<(), MapError> {
        let (root, pages) = (piece.root, extent.pages());
        let (va, ipa) = (piece.va - (extent.before << PAGE), piece.ipa() - (extent.before << PAGE));
        // Neighbours within 64 KiB are not there yet.
        if u32::from(piece.leaf.bits) > PAGE || pages > 1 << (AROUND - PAGE) {
            self.drop_overlapping(root, piece.va, extent, spaces);
        }
        let run = Run::new(root, va, pages, rights, &Leaf { ipa, ..piece.leaf }, piece.owner);
        let tracked = self.mode != Mode::Tlb;
        self.roots.edit(root, |root| root.mapped = true);
        if let Err(error) = spaces.map(root, va, ipa, pages, rights) {
            spaces.unmap(root, va, pages);
            return Err(error);
        }
        while self.runs.insert(run, tracked).is_none() {
            let Some(victim) = self.runs.victim() else { break };
            self.statistics.replaced += 1;
            self.drop_run(victim, spaces);
        }
        self.statistics.fills += 1;
        self.statistics.pages += pages;
        Ok(())
    }

    fn drop_overlapping(&mut self, root: u8, va: u64, extent: Extent, spaces: &mut impl Spaces) {
        let first = va - (extent.before << PAGE);
        while self.runs.live(root) != 0
            && let Some(run) = self.runs.overlapping(root, first, extent.pages() << PAGE)
        {
            self.drop_run(run, spaces);
        }
    }

    /// How much around a page is entered with it: all has the same rights, and lies in one window of [`super::runs`].
    fn extent(&self, piece: &Piece, covered: u16, memory: &impl GuestMemory) -> Extent {
        let extent = match u32::from(piece.leaf.bits) {
            PAGE => self.neighbours(piece, covered, memory),
            bits => Extent::block(piece.va, bits.min(BLOCK)).within(piece.ipa(), &piece.mapped),
        };
        self.without_vectors(piece, self.without_tables(piece, extent))
    }

    /// Pages around that the guest has mapped to the pages around, in the same way.
    fn neighbours(&self, piece: &Piece, covered: u16, memory: &impl GuestMemory) -> Extent {
        let Some(step) = piece.step else { return Extent::PAGE };
        let around = Extent::block(piece.va, AROUND.min(step.top.into())).within(piece.ipa(), &piece.mapped);
        let continues = |page: i64| same(&piece.key.half, piece, &step, page, memory);
        let extent = around.while_both(|page| {
            let bit = piece.place().wrapping_add_signed(page) & 15;
            covered >> bit & 1 == 0 && continues(page)
        });
        let whole = extent.pages() == 1 << (AROUND - PAGE) && (piece.va ^ piece.ipa()) & mask(BLOCK) == 0;
        if !whole || u32::from(step.top) < BLOCK {
            return extent;
        }
        let block = Extent::block(piece.va, BLOCK);
        // Its ends and middle first: what is not one block is soon found out.
        let (first, last) = (-(block.before as i64), block.after as i64);
        let probes = [first, last, (first + last) / 2].into_iter().chain(first..=last);
        let whole = block.within(piece.ipa(), &piece.mapped) == block && probes.into_iter().all(continues);
        if whole { block } else { extent }
    }

    /// Without the tables that are write-protected, if it is writable; they are entered by themselves.
    fn without_tables(&self, piece: &Piece, extent: Extent) -> Extent {
        let first = piece.ipa() - (extent.before << PAGE);
        let writable = piece.rights().writable();
        if self.mode == Mode::Tlb || !writable || !self.tables.near(first, extent.pages() << PAGE) {
            return extent;
        }
        let block = Extent::block(piece.va, AROUND);
        let less = Extent { before: extent.before.min(block.before), after: extent.after.min(block.after) };
        less.while_both(|page| !self.is_protected(piece.ipa().wrapping_add_signed(page << PAGE)))
    }

    /// Without the vectors page.
    fn without_vectors(&self, piece: &Piece, extent: Extent) -> Extent {
        let vectors = (self.vectors & VA) >> PAGE;
        let page = piece.va >> PAGE;
        match piece.key.upper {
            true if vectors < page => Extent { before: extent.before.min(page - vectors - 1), ..extent },
            true => Extent { after: extent.after.min((vectors - page).saturating_sub(1)), ..extent },
            false => extent,
        }
    }
}

/// Whether the page so many pages on is mapped so many pages on, with the same rights.
fn same(half: &Half, piece: &Piece, step: &Step, page: i64, memory: &impl GuestMemory) -> bool {
    let Some(descriptor) = memory.read(step.slot_of(piece.va.wrapping_add_signed(page << PAGE))) else { return false };
    let expected = Leaf { ipa: piece.ipa().wrapping_add_signed(page << PAGE), ..piece.leaf };
    half.descriptor(descriptor, *step) == Descriptor::Leaf(expected)
}
