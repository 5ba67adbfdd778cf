//! A machine for the shadow: guest memory, the kernel's roots, and a guest that builds tables.

use classic::shadow::{GuestMemory, MapError, Mode, Outcome, ROOTS, ShadowMmu, Spaces, VECTORS, Views};
use classic::walk::{Access, El, Regime, Rights};
use std::collections::BTreeMap;
use std::ops::Range;

pub const RAM: u64 = 0x4000_0000;
pub const PAGE: u64 = 4096;
const BLOCK: u64 = 2 << 20;

/// Guest RAM and what the kernel has entered.
pub struct World {
    pub ram: Vec<u64>,
    /// By root and page of VA: page of IPA and rights.
    pub entries: BTreeMap<(u8, u64), (u64, Rights)>,
    pub vectors: Vec<(u8, u64)>,
    /// Table pages that there are at most; one for each root and 2 MiB in use.
    pub pool: usize,
    /// Calls of the kernel.
    pub calls: usize,
}

impl World {
    pub fn new(bytes: u64) -> Self {
        let ram = vec![0; bytes as usize / 8];
        Self { ram, entries: BTreeMap::new(), vectors: Vec::new(), pool: usize::MAX, calls: 0 }
    }

    pub fn end(&self) -> u64 {
        RAM + self.ram.len() as u64 * 8
    }

    pub fn write(&mut self, ipa: u64, value: u64) {
        self.ram[((ipa - RAM) / 8) as usize] = value;
    }

    /// What the processor would do in a root.
    pub fn lookup(&self, root: u8, va: u64) -> Option<(u64, Rights)> {
        let (ipa, rights) = self.entries.get(&(root, page(va)))?;
        Some((ipa << 12 | va & 0xfff, *rights))
    }

    fn tables(&self) -> usize {
        let mut tables: Vec<(u8, u64)> = self.entries.keys().map(|(root, page)| (*root, page >> 9)).collect();
        tables.dedup();
        tables.len()
    }
}

pub fn page(va: u64) -> u64 {
    (va & 0xffff_ffff_ffff) >> 12
}

impl Spaces for World {
    fn map(&mut self, root: u8, va: u64, ipa: u64, pages: u64, rights: Rights) -> Result<(), MapError> {
        self.calls += 1;
        assert!(va.is_multiple_of(PAGE) && ipa.is_multiple_of(PAGE) && va >> 48 == 0 && usize::from(root) < ROOTS);
        assert!(rights != Rights::NONE && root > 1 && (1..=512).contains(&pages));
        for n in 0..pages {
            if !(RAM..self.end()).contains(&(ipa + n * PAGE)) {
                return Err(MapError::NotMapped);
            }
            assert!(!self.vectors.contains(&(root, page(va) + n)), "an entry in place of the vectors");
            self.entries.insert((root, page(va) + n), (page(ipa) + n, rights));
            if self.tables() > self.pool {
                self.entries.remove(&(root, page(va) + n));
                return Err(MapError::NoMemory);
            }
        }
        Ok(())
    }

    fn vectors(&mut self, root: u8, va: u64) -> Result<(), MapError> {
        self.calls += 1;
        self.vectors.push((root, page(va)));
        Ok(())
    }

    fn unmap(&mut self, root: u8, va: u64, pages: u64) {
        self.calls += 1;
        let range = (root, page(va))..(root, page(va) + pages);
        let gone: Vec<_> = self.entries.range(range.clone()).map(|entry| *entry.0).collect();
        for key in gone {
            self.entries.remove(&key);
        }
        self.vectors.retain(|entry| !range.contains(entry));
    }

    fn clear(&mut self, root: u8) {
        self.calls += 1;
        self.entries.retain(|key, _| key.0 != root);
        self.vectors.retain(|entry| entry.0 != root);
    }
}

impl GuestMemory for World {
    fn read(&self, ipa: u64) -> Option<u64> {
        assert!(ipa.is_multiple_of(8));
        self.ram.get(usize::try_from(ipa.checked_sub(RAM)? / 8).ok()?).copied()
    }

    fn mapped(&self, ipa: u64) -> Option<Range<u64>> {
        let ram = RAM..self.end();
        ram.contains(&ipa).then_some(ram)
    }
}

pub const READ_WRITE: u64 = 0x403 | 1 << 11;
pub const USER: u64 = 1 << 6;
pub const NO_EXEC: u64 = 3 << 53;
pub const NOT_GLOBAL: u64 = 1 << 11;

/// `TCR_EL1`: 48 bits, 4 KiB, ASIDs of 16 bits in `TTBR0_EL1`, output of 48 bits.
pub const TCR: u64 = 16 | 16 << 16 | 2 << 30 | 1 << 36 | 5 << 32;

/// A guest with tables of 4 KiB for both halves, and its shadow.
pub struct Guest<const RUNS: usize = 512, const NODES: usize = 64> {
    pub world: World,
    pub mmu: Box<ShadowMmu<RUNS, NODES>>,
    pub regime: Regime,
    free: u64,
}

impl<const RUNS: usize, const NODES: usize> Guest<RUNS, NODES> {
    pub fn new(mode: Mode) -> Self {
        let mut world = World::new(4 * BLOCK);
        let mut mmu = Box::new(ShadowMmu::new());
        mmu.start(mode, &mut world).unwrap();
        let regime = Regime { sctlr: 1, tcr: TCR, ttbr0: RAM | 1 << 48, ttbr1: RAM + PAGE };
        let mut guest = Self { world, mmu, regime, free: RAM + 2 * PAGE };
        guest.switch(regime);
        guest
    }

    /// Another regime on vCPU 0.
    pub fn switch(&mut self, regime: Regime) -> Views {
        self.regime = regime;
        self.mmu.view(0, &regime)
    }

    /// A new table or page.
    pub fn page(&mut self) -> u64 {
        self.free += PAGE;
        self.free - PAGE
    }

    /// The address of the descriptor of a VA at a level; tables are made on the way.
    pub fn slot(&mut self, va: u64, level: u32) -> u64 {
        let ttbr = if va >> 55 & 1 == 0 { self.regime.ttbr0 } else { self.regime.ttbr1 };
        let mut table = ttbr & 0xffff_ffff_f000;
        for at in 0..level {
            let slot = table + (va >> (39 - 9 * at) & 511) * 8;
            if self.world.read(slot).unwrap() & 1 == 0 {
                let next = self.page();
                self.world.write(slot, next | 3);
            }
            table = self.world.read(slot).unwrap() & 0xffff_ffff_f000;
        }
        table + (va >> (39 - 9 * level) & 511) * 8
    }

    /// Maps a page; gives its descriptor's address.
    pub fn map(&mut self, va: u64, ipa: u64, attributes: u64) -> u64 {
        let slot = self.slot(va, 3);
        self.world.write(slot, ipa | attributes);
        slot
    }

    /// A fault on vCPU 0.
    pub fn fault(&mut self, el: El, va: u64, access: Access) -> Outcome {
        self.mmu.fault(0, &self.regime, el, va, access, &mut self.world)
    }

    /// What vCPU 0 gets without a fault.
    pub fn lookup(&self, el: El, va: u64, access: Access) -> Option<u64> {
        let view = self.mmu.views(0).of(el);
        let root = if va >> 55 & 1 == 0 { view.low } else { view.high };
        self.world.lookup(root, va).filter(|(_, rights)| rights.allow(access)).map(|(ipa, _)| ipa)
    }

    /// An access of vCPU 0, as the VMM lets it retry: the address, or why not.
    pub fn access(&mut self, el: El, va: u64, access: Access) -> Result<u64, Outcome> {
        if let Some(ipa) = self.lookup(el, va, access) {
            return Ok(ipa);
        }
        match self.fault(el, va, access) {
            Outcome::Filled => Ok(self.lookup(el, va, access).expect("filled, but it faults again")),
            outcome => Err(outcome),
        }
    }

    /// Whether the vectors page is in all upper roots that are current.
    pub fn vectors_are_there(&self) -> bool {
        let views = self.mmu.views(0);
        [views.kernel.high, views.user.high].iter().all(|root| self.world.vectors.contains(&(*root, page(VECTORS))))
    }
}
