//! Memory for tables, and the TLBs of all cores at their worst.
//!
//! The model keeps everything that some core may hold: after each store, every descriptor that a walk can reach,
//! through what is in memory or through what is still cached, is cached, and stays so until a flush of its address. It
//! holds old and new entries beside each other, and table descriptors apart from what they lead to. What this one set
//! never does, no TLB of any number of cores can do.

use kcore::pt::desc::{ADDR, is_table, is_valid, table};
use kcore::pt::{Stage, TableMemory, bbm_required};
use std::collections::{BTreeMap, BTreeSet};

pub const ROOT: u64 = 0x4000_0000;

const PAGE: u64 = 4096;

pub fn size(level: u32) -> u64 {
    1 << (39 - 9 * level)
}

/// `ROOT_LEVEL` 0: tables of stage 1, 1: of stage 2.
pub struct Machine<const ROOT_LEVEL: u32 = 1> {
    /// Entries that are not 0, by table page.
    tables: BTreeMap<u64, BTreeMap<usize, u64>>,
    spare: Vec<u64>,
    /// (level, first IPA) → descriptor.
    tlb: BTreeMap<(u32, u64), u64>,
    /// Where table pages are reached from by what is cached.
    links: BTreeMap<u64, BTreeSet<(u32, u64)>>,
    /// What of it no walk from the root finds any more.
    stale: BTreeSet<(u32, u64)>,
    /// Allocations that may still succeed.
    pub pages_left: u32,
    /// A mutation: flushes do nothing.
    pub flushes_are_lost: bool,
    /// No core uses the Space any more.
    pub retired: bool,
    pub accesses: std::cell::Cell<u32>,
}

impl<const ROOT_LEVEL: u32> Machine<ROOT_LEVEL> {
    pub fn new(pages: u32) -> Self {
        Self {
            tables: BTreeMap::from([(ROOT, BTreeMap::new())]),
            spare: (1..=pages).map(|n| ROOT + u64::from(n) * PAGE).collect(),
            tlb: BTreeMap::new(),
            links: BTreeMap::new(),
            stale: BTreeSet::new(),
            pages_left: pages,
            flushes_are_lost: false,
            retired: false,
            accesses: 0.into(),
        }
    }

    pub fn table_count(&self) -> usize {
        self.tables.len()
    }

    pub fn retire(&mut self) {
        self.retired = true;
        self.tlb.clear();
        self.links.clear();
    }

    /// Whether some core may translate an address of the range.
    pub fn can_translate(&self, ipa: u64, bytes: u64) -> bool {
        bytes > 0
            && (ROOT_LEVEL..=3).any(|level| {
                let first = ipa & !(size(level) - 1);
                let mut cached = self.tlb.range((level, first)..(level, ipa + bytes));
                cached.any(|(_, &desc)| !is_table(level, desc))
            })
    }

    /// Every table's count in its descriptor is right, and none is empty.
    pub fn check_counts(&self) {
        self.check_count_of(ROOT_LEVEL, ROOT);
    }

    fn check_count_of(&self, level: u32, page: u64) {
        for &desc in self.tables[&page].values().filter(|&&desc| is_table(level, desc)) {
            let used = self.tables[&(desc & ADDR)].len() as u64;
            assert_ne!(used, 0, "an empty table stays");
            assert_eq!(desc, table(desc & ADDR, used), "wrong count");
            self.check_count_of(level + 1, desc & ADDR);
        }
    }

    /// Where the table is reached from: (its level, the first IPA that it translates).
    fn contexts(&self, page: u64) -> Vec<(u32, u64)> {
        let cached = self.links.get(&page).into_iter().flatten().copied();
        cached.chain((page == ROOT).then_some((ROOT_LEVEL, 0))).collect()
    }

    /// Some core walks by way of the table and caches all that it finds.
    fn observe(&mut self, page: u64, level: u32, base: u64) {
        for (index, desc) in self.tables[&page].clone() {
            self.cache(level, base + index as u64 * size(level), desc, true);
        }
    }

    fn cache(&mut self, level: u32, base: u64, desc: u64, and_below: bool) {
        if !is_valid(desc) {
            return;
        }
        // The count is no part of what is cached.
        let desc = if is_table(level, desc) { table(desc & ADDR, 0) } else { desc };
        self.check_conflict(level, base, desc);
        self.tlb.insert((level, base), desc);
        self.stale.remove(&(level, base));
        if is_table(level, desc) {
            self.links.entry(desc & ADDR).or_default().insert((level + 1, base));
            if and_below {
                self.observe(desc & ADDR, level + 1, base);
            }
        }
    }

    /// No two entries of different size, address or attributes for one address.
    fn check_conflict(&self, level: u32, base: u64, desc: u64) {
        if let Some(&old) = self.tlb.get(&(level, base)) {
            assert_eq!(old, desc, "old and new entry at {base:#x} level {level}");
        }
        for above in ROOT_LEVEL..level {
            if let Some(&old) = self.tlb.get(&(above, base & !(size(above) - 1))) {
                assert!(is_table(above, old), "entry {base:#x} level {level} inside of a cached block");
            }
        }
        if !is_table(level, desc) {
            for below in level + 1..=3 {
                let inside = self.tlb.range((below, base)..(below, base + size(level))).next();
                assert!(inside.is_none(), "block {base:#x} level {level} over cached smaller entries");
            }
        }
    }

    /// An entry is gone from memory: all that was found by way of it stays cached, but will not be found again.
    fn leave_stale(&mut self, level: u32, base: u64) {
        for below in level..=3 {
            let found = self.tlb.range((below, base)..(below, base + size(level)));
            self.stale.extend(found.map(|(key, _)| *key));
        }
    }

    fn drop_cached(&mut self, level: u32, base: u64) {
        self.stale.remove(&(level, base));
        if let Some(old) = self.tlb.remove(&(level, base))
            && let Some(places) = self.links.get_mut(&(old & ADDR))
        {
            places.remove(&(level + 1, base));
        }
    }

    /// Some core walks to `ipa`. All else that it can reach is cached.
    fn walk_again(&mut self, ipa: u64) {
        let mut table_page = Some(ROOT);
        for level in ROOT_LEVEL..=3 {
            let Some(page) = table_page else { break };
            let base = ipa & !(size(level) - 1);
            let index = (ipa >> (39 - 9 * level)) as usize & 511;
            let desc = self.tables[&page].get(&index).copied().unwrap_or(0);
            table_page = is_table(level, desc).then_some(desc & ADDR);
            self.cache(level, base, desc, false);
        }
    }
}

impl<const ROOT_LEVEL: u32> TableMemory for Machine<ROOT_LEVEL> {
    fn stage(&self) -> Stage {
        if ROOT_LEVEL == 0 { Stage::One } else { Stage::Two }
    }

    fn read(&self, table: u64, index: usize) -> u64 {
        self.accesses.set(self.accesses.get() + 1);
        self.tables[&table].get(&index).copied().unwrap_or(0)
    }

    fn write(&mut self, table: u64, index: usize, desc: u64) {
        let old = self.read(table, index);
        let contexts = if self.retired { Vec::new() } else { self.contexts(table) };
        for &(level, _) in &contexts {
            assert!(!bbm_required(level, old, desc), "{old:#x} -> {desc:#x} at level {level}");
        }
        let entries = self.tables.get_mut(&table).expect("a live table");
        if desc == 0 {
            entries.remove(&index);
        } else {
            entries.insert(index, desc);
        }
        for (level, base) in contexts {
            let base = base + index as u64 * size(level);
            // A new count changes nothing that is cached.
            if is_table(level, old) && is_table(level, desc) && (old ^ desc) & ADDR == 0 {
                continue;
            }
            self.leave_stale(level, base);
            self.cache(level, base, desc, true);
        }
    }

    fn alloc(&mut self) -> Option<u64> {
        self.pages_left = self.pages_left.checked_sub(1)?;
        let page = self.spare.pop()?;
        self.tables.insert(page, BTreeMap::new());
        Some(page)
    }

    fn free(&mut self, page: u64) {
        assert!(self.contexts(page).is_empty(), "a core can still walk the freed table {page:#x}");
        self.tables.remove(&page).expect("freed twice");
        self.spare.push(page);
        self.pages_left += 1;
    }

    fn flush_ipa(&mut self, ipa: u64) {
        if !self.flushes_are_lost {
            (ROOT_LEVEL..=3).for_each(|level| self.drop_cached(level, ipa & !(size(level) - 1)));
            self.walk_again(ipa);
        }
    }

    fn flush_all(&mut self) {
        if !self.flushes_are_lost {
            let stale = std::mem::take(&mut self.stale);
            stale.into_iter().for_each(|(level, base)| self.drop_cached(level, base));
        }
    }
}
