//! Instruction fetch for emulation: the words behind PC, by the guest's own tables.

use super::super::memory::{Memory, Page};
use abi::PAGE_SIZE;
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{Access, El, Leaf, Regime, mask, translate};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

/// Pages kept.
const PAGES: usize = 32;
/// VA bit of the upper half.
const UPPER: u64 = 1 << 55;

/// Counts TLBIs of any vCPU.
static ERA: AtomicU32 = AtomicU32::new(0);

/// What vCPUs keep of the guest's tables is stale. Gives the era that has ended.
pub fn next_era() -> u32 {
    ERA.fetch_add(1, Relaxed)
}

/// A page of the guest's kernel.
#[derive(Clone, Copy)]
struct Known {
    /// Virtual address.
    va: u64,
    page: Page,
    /// log2 of what its descriptor maps.
    bits: u8,
}

impl Known {
    /// Whether its descriptor maps something of `[va, end)`.
    const fn overlaps(&self, va: u64, end: u64) -> bool {
        let within = mask(self.bits as u32);
        self.va & !within < end && va <= self.va | within
    }
}

/// The pages from which the guest's kernel executed what trapped last. As entries of a TLB: dropped by TLBI.
pub struct Code {
    pages: [Option<Known>; PAGES],
    /// Whether one of them is of the lower half.
    lower: bool,
    /// [`ERA`] that they are of.
    era: u32,
}

const fn page_of(pc: u64) -> u64 {
    pc & !(PAGE_SIZE - 1)
}

/// Where a page is kept: neighbours at different places, and those whose numbers differ in their upper bits.
const fn place_of(pc: u64) -> usize {
    let number = pc / PAGE_SIZE;
    (number ^ number >> 5) as usize % PAGES
}

impl Code {
    /// None.
    pub const fn new() -> Self {
        Self { pages: [None; PAGES], lower: false, era: 0 }
    }

    /// The word at `pc`, which the guest's kernel executes, if its page is known.
    #[inline]
    pub fn known(&self, pc: u64) -> Option<u32> {
        let known = self.pages.get(place_of(pc))?.as_ref()?;
        (known.va == page_of(pc) && self.era == ERA.load(Relaxed)).then(|| known.page.word(pc))
    }

    /// The word at `pc`, by a walk. `None`: there is none any more.
    #[inline(never)]
    pub fn find(&mut self, pc: u64, regime: &Regime, memory: Memory) -> Option<u32> {
        // Read before the tables are.
        let era = ERA.load(Acquire);
        if era != self.era {
            *self = Self { era, ..Self::new() };
        }
        let Leaf { ipa, bits, .. } = fetch(regime, El::Kernel, pc, memory)?;
        let page = memory.page(ipa)?;
        self.lower |= pc & UPPER == 0;
        if let Some(place) = self.pages.get_mut(place_of(pc)) {
            *place = Some(Known { va: page_of(pc), page, bits });
        }
        Some(page.word(pc))
    }

    /// A TLBI of this vCPU's own, which is the one that ended era `before`.
    pub fn drop(&mut self, tlbi: &Tlbi, before: u32) {
        if self.era == before {
            self.era = before.wrapping_add(1);
        }
        match tlbi.scope {
            // Pages of the upper half may be of one ASID, too.
            Scope::All | Scope::Asid(_) => self.forget(true),
            Scope::Addresses { va, bytes, .. } => self.remove(|known| known.overlaps(va, va.saturating_add(bytes))),
        }
    }

    /// Other tables: of the lower half, or of both.
    pub fn forget(&mut self, upper: bool) {
        if upper || self.lower {
            self.remove(|known| upper || known.va & UPPER == 0);
            self.lower = false;
        }
    }

    fn remove(&mut self, which: impl Fn(&Known) -> bool) {
        for place in &mut self.pages {
            if place.as_ref().is_some_and(&which) {
                *place = None;
            }
        }
    }
}

/// Translates the address of an instruction that an exception level executes.
pub fn fetch(regime: &Regime, el: El, pc: u64, memory: Memory) -> Option<Leaf> {
    translate(regime, el, pc, Access::Execute, |ipa| memory.read_u64(ipa)).ok()
}
