//! Instruction fetch for emulation: the words behind PC, by the guest's own tables.

use super::super::memory::Memory;
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{Access, El, Leaf, Regime, mask, translate};

/// Pages kept.
const PAGES: usize = 4;
const PAGE: u64 = 4096;
/// VA bit of the upper half.
const UPPER: u64 = 1 << 55;

/// A page.
#[derive(Clone, Copy)]
struct Page {
    /// Virtual address; 1 if there is none.
    va: u64,
    ipa: u64,
    /// log2 of what its descriptor maps.
    bits: u8,
}

impl Page {
    const NONE: Self = Self { va: 1, ipa: 0, bits: 0 };

    const fn first(&self) -> u64 {
        self.va & !mask(self.bits as u32)
    }

    const fn last(&self) -> u64 {
        self.va | mask(self.bits as u32)
    }
}

/// The pages from which the guest's kernel executed what trapped last. As entries of a TLB: dropped by TLBI.
pub struct Code {
    pages: [Page; PAGES],
    next: usize,
    /// Count of TLBIs ([`super::vcpu::Engine`]) up to which they hold.
    era: u32,
}

impl Code {
    /// None.
    pub const fn new() -> Self {
        Self { pages: [Page::NONE; PAGES], next: 0, era: 0 }
    }

    /// The word at `pc`, which the guest's kernel executes, if its page is known.
    #[inline]
    pub fn known(&self, pc: u64, era: u32, memory: Memory) -> Option<u32> {
        let page = pc & !(PAGE - 1);
        let known = self.pages.iter().find(|known| known.va == page)?;
        if era != self.era {
            return None;
        }
        memory.read_u32(known.ipa | pc & (PAGE - 1))
    }

    /// The word at `pc`, by a walk. `None`: there is none any more.
    #[inline(never)]
    pub fn find(&mut self, pc: u64, era: u32, regime: &Regime, memory: Memory) -> Option<u32> {
        if era != self.era {
            *self = Self { era, ..Self::new() };
        }
        let Leaf { ipa, bits, .. } = fetch(regime, El::Kernel, pc, memory)?;
        if let Some(place) = self.pages.get_mut(self.next) {
            *place = Page { va: pc & !(PAGE - 1), ipa: ipa & !(PAGE - 1), bits };
        }
        self.next = (self.next + 1) % PAGES;
        memory.read_u32(ipa)
    }

    /// A TLBI of this vCPU's own, which is the one that ended era `before`.
    pub fn drop(&mut self, tlbi: &Tlbi, before: u32) {
        if self.era == before {
            self.era = before.wrapping_add(1);
        }
        match tlbi.scope {
            Scope::All => self.forget(true, true),
            // Pages of the upper half may be of one ASID, too.
            Scope::Asid(_) => self.forget(true, true),
            Scope::Addresses { va, bytes, .. } => {
                let end = va.saturating_add(bytes);
                for page in self.pages.iter_mut().filter(|page| page.first() < end && va <= page.last()) {
                    *page = Page::NONE;
                }
            }
        }
    }

    /// Other tables: of a half, or of both.
    pub fn forget(&mut self, low: bool, high: bool) {
        for page in &mut self.pages {
            if if page.va & UPPER == 0 { low } else { high } {
                *page = Page::NONE;
            }
        }
    }
}

/// Translates the address of an instruction that an exception level executes.
pub fn fetch(regime: &Regime, el: El, pc: u64, memory: Memory) -> Option<Leaf> {
    translate(regime, el, pc, Access::Execute, |ipa| memory.read_u64(ipa)).ok()
}
