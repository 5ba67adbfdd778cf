//! A fault in the shadow: the guest's, a device's, or a missing entry.

use super::fill::Piece;
use super::runs::{Owner, PAGE};
use super::space::{NoRoom, VA};
use super::{GuestMemory, Mode, Outcome, ShadowMmu, Spaces, World};
use crate::walk::{Access, El, Half, Leaf, MAX_TABLES, Regime, Step, mask};

/// How often room is made, and tables that were just protected are read again, for one fault.
const TRIES: usize = 96;

/// A translation with the tables that it came from.
pub struct Walked {
    pub leaf: Leaf,
    steps: [Step; MAX_TABLES],
    count: usize,
}

impl Walked {
    /// Tables, the first one first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().take(self.count)
    }

    /// The table that the leaf is in; `None`: translation is off.
    pub fn last(&self) -> Option<Step> {
        self.steps().last().copied()
    }
}

/// A walk that keeps its way.
pub fn walk(half: &Half, va: u64, memory: &impl GuestMemory) -> Result<Walked, crate::walk::Fault> {
    let (mut steps, mut count) = ([Step::NONE; MAX_TABLES], 0);
    let visit = |step| {
        if let Some(slot) = steps.get_mut(count) {
            (*slot, count) = (step, count + 1);
        }
    };
    let leaf = half.walk(va, |ipa| memory.read(ipa), visit)?;
    Ok(Walked { leaf, steps, count })
}

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    /// A stage-1 fault of a vCPU in its shadow: `va` as the processor gives it (FAR_EL1), with a tag if there is one.
    pub fn fault(
        &mut self,
        vcpu: usize,
        regime: &Regime,
        el: El,
        va: u64,
        access: Access,
        world: &mut impl World,
    ) -> Outcome {
        for _ in 0..TRIES {
            match self.try_fault(vcpu, regime, el, va, access, world) {
                Ok(outcome) => return outcome,
                Err(NoRoom::Retry) => {}
                Err(NoRoom::Full) => break,
            }
        }
        Outcome::Full
    }

    fn try_fault(
        &mut self,
        vcpu: usize,
        regime: &Regime,
        el: El,
        va: u64,
        access: Access,
        world: &mut impl World,
    ) -> Result<Outcome, NoRoom> {
        let key = self.key(regime, Half::is_upper(va), el);
        let walked = walk(&key.half, va, world).and_then(|walked| walked.leaf.check(el, access).map(|()| walked));
        let walked = match walked {
            Ok(walked) => walked,
            Err(fault) => {
                self.synchronise(world);
                return Ok(Outcome::Guest(fault));
            }
        };
        if key.upper && (va ^ self.vectors) & VA & !mask(PAGE) == 0 {
            return Ok(Outcome::Vectors);
        }
        let ipa = walked.leaf.ipa;
        let Some(mapped) = world.mapped(ipa).filter(|mapped| mapped.contains(&ipa)) else {
            return Ok(Outcome::Device(ipa));
        };
        if key.upper && !walked.leaf.global && !self.high_by_asid {
            self.part_upper_by_asid(world);
            return Err(NoRoom::Retry);
        }
        let root = self.root_of(vcpu, key, world)?;
        let owner = self.owner(root, va & VA, &walked, world)?;
        if access == Access::Write && self.is_protected(ipa) {
            if self.mode == Mode::Traced {
                self.statistics.table_writes += 1;
                return Ok(Outcome::TableWrite(ipa));
            }
            self.mark(ipa, world);
            // Comparing the others may have dropped the node that is to own the entry.
            return Err(NoRoom::Retry);
        }
        let piece =
            Piece { root, key, va: va & VA & !mask(PAGE), leaf: walked.leaf, step: walked.last(), owner, mapped };
        self.fill(&piece, world)
    }

    /// The owner of what comes out of a walk. Tables that were not known are write-protected now, and must be read again:
    /// another vCPU may have written them in between.
    pub(super) fn owner(
        &mut self,
        root: u8,
        va: u64,
        walked: &Walked,
        spaces: &mut impl Spaces,
    ) -> Result<Owner, NoRoom> {
        if self.mode == Mode::Tlb || walked.last().is_none() {
            return Ok(Owner::Root(root));
        }
        let (mut parent, mut known) = (0, true);
        for step in walked.steps() {
            match self.tables.find(root, step, va) {
                Some(node) if self.tables.get(node).step == *step => parent = node,
                other => {
                    if let Some(stale) = other {
                        self.drop_node(stale, spaces);
                    }
                    known = false;
                    self.protect(step.table, step.bytes(), spaces);
                    let Some(node) = self.tables.insert(root, *step, va, parent) else {
                        return Err(self.make_nodes(root, spaces));
                    };
                    parent = node;
                }
            }
        }
        if known { Ok(Owner::Node(parent)) } else { Err(NoRoom::Retry) }
    }

    /// Makes room among the nodes: a context that has some is emptied, if possible another one that is not current.
    fn make_nodes(&mut self, root: u8, spaces: &mut impl Spaces) -> NoRoom {
        let roots = &self.roots;
        let candidates = roots.used().filter(|root| self.tables.top(*root).is_some());
        let victim =
            candidates.max_by_key(|index| (!roots.is_current(*index, None), *index != root, roots.age(*index)));
        let Some(victim) = victim else { return NoRoom::Full };
        self.statistics.replaced += 1;
        self.empty(victim, spaces);
        NoRoom::Retry
    }

    /// The first entry of the upper half that is not global: from now on its roots are by ASID.
    fn part_upper_by_asid(&mut self, spaces: &mut impl Spaces) {
        self.high_by_asid = true;
        // Their keys have no ASID: none of them is found any more. They are given to others once they are not current.
        for root in self.roots.used() {
            if self.roots.get(root).key.upper {
                self.empty(root, spaces);
            }
        }
    }
}
