//! What should be mapped: a list of ranges in pages.

use kcore::pt::Attr;

#[derive(Clone, Copy, Debug)]
pub struct Mapped {
    pub ipa: u64,
    pub pa: u64,
    pub pages: u64,
    pub attr: Attr,
}

#[derive(Clone, Debug, Default)]
pub struct Model(pub Vec<Mapped>);

impl Model {
    /// What page number `page` is mapped to.
    pub fn get(&self, page: u64) -> Option<(u64, Attr)> {
        let found = self.0.iter().find(|m| (m.ipa..m.ipa + m.pages).contains(&page))?;
        Some((found.pa + page - found.ipa, found.attr))
    }

    /// First page of the range that is mapped.
    pub fn first_taken(&self, ipa: u64, pages: u64) -> Option<u64> {
        let overlapping = self.0.iter().filter(|m| m.ipa < ipa + pages && ipa < m.ipa + m.pages);
        overlapping.map(|m| m.ipa.max(ipa)).min()
    }

    pub fn add(&mut self, new: Mapped) {
        if new.pages > 0 {
            self.0.push(new);
        }
    }

    pub fn remove(&mut self, ipa: u64, pages: u64) {
        let end = ipa + pages;
        for old in std::mem::take(&mut self.0) {
            let old_end = old.ipa + old.pages;
            let before = ipa.clamp(old.ipa, old_end) - old.ipa;
            let after = old_end - end.clamp(old.ipa, old_end);
            if before + after >= old.pages {
                self.0.push(old);
                continue;
            }
            self.add(Mapped { pages: before, ..old });
            let skip = old.pages - after;
            self.add(Mapped { ipa: old.ipa + skip, pa: old.pa + skip, pages: after, ..old });
        }
    }

    /// Pages where something may change, and their neighbours.
    pub fn borders(&self) -> Vec<u64> {
        let ends = self.0.iter().flat_map(|m| [m.ipa, m.ipa + m.pages / 2, m.ipa + m.pages]);
        ends.flat_map(|page| [page.saturating_sub(1), page]).filter(|page| *page < 1 << 36).collect()
    }
}
