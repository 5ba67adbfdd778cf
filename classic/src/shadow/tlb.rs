//! TLB maintenance by the guest.

use super::runs::{Cursor, Owner, PAGE};
use super::space::VA;
use super::{Mode, ShadowMmu, Spaces, World};
use crate::tlbi::{Scope, Tlbi};
use crate::walk::Half;

/// Most pages that are looked up one by one; for more, the runs of a root are gone through.
const FEW: u64 = 64;

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    /// Does what a TLBI of the guest asks for, on all vCPUs. Where tables are followed, entries are compared with the
    /// descriptors as they are now, and stay if they are right.
    pub fn tlbi(&mut self, tlbi: &Tlbi, world: &mut impl World) {
        self.synchronise(world);
        for root in self.roots.used() {
            let key = self.roots.get(root).key;
            match tlbi.scope {
                Scope::All => self.refresh(root, world),
                // Of a root of all ASIDs no entry is concerned. Of the others the global ones go along: they may.
                Scope::Asid(asid) if key.asid.is_some() && key.has_asid(asid) => self.refresh(root, world),
                Scope::Addresses { va, bytes, asid, .. }
                    if key.upper == Half::is_upper(va)
                        && (asid.is_none_or(|asid| key.has_asid(asid)) || self.runs.globals(root) != 0) =>
                {
                    self.refresh_range(root, va & VA, bytes, world);
                }
                _ => {}
            }
        }
    }

    fn refresh(&mut self, root: u8, world: &mut impl World) {
        if self.runs.live(root) == 0 {
            return;
        }
        if self.mode == Mode::Tlb || self.tables.top(root).is_none() {
            self.statistics.drops += u64::from(self.runs.live(root));
            self.empty(root, world);
        } else {
            self.compare_range(root, 0, VA, world);
        }
    }

    fn refresh_range(&mut self, root: u8, va: u64, bytes: u64, world: &mut impl World) {
        if self.runs.live(root) == 0 {
            return;
        }
        let (pages, tlb) = (bytes >> PAGE, self.mode == Mode::Tlb || self.tables.top(root).is_none());
        if pages > FEW {
            let last = va.saturating_add(bytes - 1);
            if tlb { self.drop_range(root, va, last, world) } else { self.compare_range(root, va, last, world) }
        } else {
            for page in 0..pages {
                // A range does not go on in the other half.
                let Some(va) = va.checked_add(page << PAGE).filter(|va| *va <= VA) else { return };
                if tlb { self.drop_at(root, va, world) } else { self.compare_at(root, va, world) }
            }
        }
    }

    fn drop_range(&mut self, root: u8, first: u64, last: u64, spaces: &mut impl Spaces) {
        let mut next = self.runs.first(Owner::Root(root));
        while next != 0 {
            let index = next;
            next = self.runs.after(index);
            if self.runs.get(index).meets(first, last) {
                self.statistics.drops += 1;
                self.drop_run(index, spaces);
            }
        }
    }

    /// Drops the runs of a root that a TLBI for a VA drops.
    pub(super) fn drop_at(&mut self, root: u8, va: u64, spaces: &mut impl Spaces) {
        let mut cursor = Cursor::default();
        while let Some(run) = self.runs.of_va(&mut cursor, root, va) {
            self.statistics.drops += 1;
            self.drop_run(run, spaces);
        }
    }
}
