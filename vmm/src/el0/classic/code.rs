//! Instruction fetch for emulation: the words behind PC, by the guest's own tables.

use super::super::memory::Memory;
use classic::walk::{Access, El, Regime, translate};

/// Pages kept.
const PAGES: usize = 4;
const PAGE: u64 = 4096;
/// No page: not aligned.
const NONE: (u64, u64) = (1, 0);
/// VA bit of the upper half.
const UPPER: u64 = 1 << 55;

/// The pages from which the guest's kernel executed what trapped last. As entries of a TLB: dropped by TLBI.
pub struct Code {
    /// Virtual address, IPA.
    pages: [(u64, u64); PAGES],
    next: usize,
    /// Count of TLBIs ([`super::vcpu::Engine`]) up to which they hold.
    era: u32,
}

impl Code {
    /// None.
    pub const fn new() -> Self {
        Self { pages: [NONE; PAGES], next: 0, era: 0 }
    }

    /// The word at `pc`, which the guest's kernel executes, if its page is known.
    #[inline]
    pub fn known(&self, pc: u64, era: u32, memory: Memory) -> Option<u32> {
        let page = pc & !(PAGE - 1);
        let (_, ipa) = self.pages.iter().find(|known| known.0 == page)?;
        if era != self.era {
            return None;
        }
        memory.read_u32(ipa | pc & (PAGE - 1))
    }

    /// The word at `pc`, by a walk. `None`: there is none any more.
    #[inline(never)]
    pub fn find(&mut self, pc: u64, era: u32, regime: &Regime, memory: Memory) -> Option<u32> {
        if era != self.era {
            *self = Self { era, ..Self::new() };
        }
        let ipa = fetch(regime, El::Kernel, pc, memory)?;
        if let Some(place) = self.pages.get_mut(self.next) {
            *place = (pc & !(PAGE - 1), ipa & !(PAGE - 1));
        }
        self.next = (self.next + 1) % PAGES;
        memory.read_u32(ipa)
    }

    /// Other tables: of a half, or of both.
    pub fn forget(&mut self, low: bool, high: bool) {
        for page in &mut self.pages {
            if if page.0 & UPPER == 0 { low } else { high } {
                *page = NONE;
            }
        }
    }
}

/// IPA of what an exception level executes at `pc`.
pub fn fetch(regime: &Regime, el: El, pc: u64, memory: Memory) -> Option<u64> {
    translate(regime, el, pc, Access::Execute, |ipa| memory.read_u64(ipa)).ok().map(|leaf| leaf.ipa)
}
