//! Roots as a whole: given to contexts, emptied, and taken back.

use super::roots::{Key, NO_ENTRY_HIGH, place};
use super::runs::{Owner, PAGE};
use super::{MapError, ShadowMmu, Spaces};
use crate::walk::mask;

/// The bits of a VA in a root.
pub const VA: u64 = mask(48);

/// Something was dropped to make room: what is under way begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// There is room now.
    Retry,
    /// There is none to be made.
    Full,
}

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    /// The root of a context, which is current on the vCPU then.
    pub(super) fn root_of(&mut self, vcpu: usize, key: Key, spaces: &mut impl Spaces) -> Result<u8, NoRoom> {
        let root = match self.roots.find(&key) {
            Some(root) => root,
            None => self.give(key, spaces)?,
        };
        let place = place(key.upper, key.el);
        if self.roots.current(vcpu).get(place) != Some(&root) {
            self.roots.set_current(vcpu, place, root);
        }
        Ok(root)
    }

    fn give(&mut self, key: Key, spaces: &mut impl Spaces) -> Result<u8, NoRoom> {
        let root = self.roots.oldest(|_| true).ok_or(NoRoom::Full)?;
        if self.roots.get(root).used {
            self.statistics.replaced += 1;
        }
        self.retire(root, spaces);
        if key.upper && spaces.vectors(root, self.vectors & VA).is_err() {
            return Err(self.reclaim(root, spaces));
        }
        self.roots.edit(root, |root| root.vectors = key.upper);
        self.roots.assign(root, key);
        Ok(root)
    }

    /// Takes a root that is not current from its context.
    fn retire(&mut self, root: u8, spaces: &mut impl Spaces) {
        self.forget_root(root);
        let was = self.roots.get(root);
        if was.mapped || was.vectors {
            spaces.clear(root);
        }
        self.roots.edit(root, |root| (root.mapped, root.vectors) = (false, false));
        self.roots.unassign(root);
    }

    /// Drops all entries of a root. Another vCPU may run on it: the vectors page stays.
    pub(super) fn empty(&mut self, root: u8, spaces: &mut impl Spaces) {
        self.forget_root(root);
        let was = self.roots.get(root);
        if !was.mapped {
            return;
        }
        if was.vectors {
            let page = (self.vectors & VA) >> PAGE;
            spaces.unmap(root, 0, page);
            spaces.unmap(root, (page + 1) << PAGE, (VA >> PAGE) - page);
        } else {
            spaces.clear(root);
            self.roots.edit(root, |root| root.mapped = false);
        }
    }

    /// Takes what is known of a root's entries out of the stores.
    fn forget_root(&mut self, root: u8) {
        self.forget_runs(Owner::Root(root));
        while let Some(top) = self.tables.top(root) {
            let node = self.tables.deepest(top);
            self.forget_runs(Owner::Node(node));
            self.tables.remove(node);
        }
    }

    fn forget_runs(&mut self, owner: Owner) {
        loop {
            let run = self.runs.first(owner);
            if run == 0 {
                return;
            }
            self.runs.remove(run);
        }
    }

    /// Frees memory for tables: those of the context that was not current for the longest time, or else all entries of one
    /// that is, if possible not those of `root`.
    pub(super) fn reclaim(&mut self, root: u8, spaces: &mut impl Spaces) -> NoRoom {
        self.statistics.replaced += 1;
        if let Some(oldest) = self.roots.oldest(|root| root.mapped || root.vectors) {
            self.retire(oldest, spaces);
            return NoRoom::Retry;
        }
        let current = self.roots.used().filter(|root| self.runs.live(*root) != 0);
        let Some(victim) = current.max_by_key(|index| (*index != root, self.roots.age(*index))) else {
            return NoRoom::Full;
        };
        self.empty(victim, spaces);
        NoRoom::Retry
    }

    /// Drops a run.
    pub(super) fn drop_run(&mut self, index: u16, spaces: &mut impl Spaces) {
        let run = self.runs.get(index);
        self.runs.remove(index);
        spaces.unmap(run.root, run.va, run.pages.into());
    }

    /// Drops a node, those below it, and all runs that came out of their tables.
    pub(super) fn drop_node(&mut self, top: u16, spaces: &mut impl Spaces) {
        loop {
            let node = self.tables.deepest(top);
            loop {
                let run = self.runs.first(Owner::Node(node));
                if run == 0 {
                    break;
                }
                self.statistics.drops += 1;
                self.drop_run(run, spaces);
            }
            self.tables.remove(node);
            if node == top {
                return;
            }
        }
    }

    /// After something was detached from the Space: the kernel has emptied all roots. The vectors page comes back into
    /// them; no vCPU may run meanwhile.
    pub fn reset(&mut self, spaces: &mut impl Spaces) -> Result<(), MapError> {
        for root in self.roots.used() {
            self.forget_root(root);
            if self.roots.get(root).vectors {
                spaces.vectors(root, self.vectors & VA)?;
            }
        }
        spaces.vectors(NO_ENTRY_HIGH, self.vectors & VA)
    }

    /// Moves the vectors page to another address in the upper half. No other vCPU may run meanwhile; `VBAR_EL1` of all is
    /// [`ShadowMmu::vectors`] afterwards.
    pub fn move_vectors(&mut self, va: u64, spaces: &mut impl Spaces) -> Result<(), MapError> {
        let old = self.vectors;
        self.vectors = va & !mask(PAGE) | !VA;
        let mut done = Ok(());
        for root in self.roots.used().chain(Some(NO_ENTRY_HIGH)) {
            if root != NO_ENTRY_HIGH && !self.roots.get(root).vectors {
                continue;
            }
            self.drop_at(root, self.vectors & VA, spaces);
            done = done.and(spaces.vectors(root, self.vectors & VA));
            spaces.unmap(root, old & VA, 1);
        }
        done
    }
}
