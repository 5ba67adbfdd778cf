//! A domain's pool: the pages for its kernel objects and page tables, as a list through the free pages. `word` gives the
//! first word of a page.

use core::cell::Cell;

/// A pool. All zeros is the empty pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Pool {
    head: u64,
    free: u32,
    total: u32,
}

impl Pool {
    /// Pages that are free.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// Pages donated, free or in use.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Adds a donated page, all zeros.
    pub fn add<'a>(&mut self, word: impl Fn(u64) -> &'a Cell<u64>, page: u64) {
        self.total = self.total.saturating_add(1);
        self.give(word, page);
    }

    /// Gives a page back that [`Self::take`] returned, all zeros again.
    pub fn give<'a>(&mut self, word: impl Fn(u64) -> &'a Cell<u64>, page: u64) {
        word(page).set(self.head);
        self.head = page;
        self.free = self.free.saturating_add(1);
    }

    /// Takes a page, all zeros.
    pub fn take<'a>(&mut self, word: impl Fn(u64) -> &'a Cell<u64>) -> Option<u64> {
        let page = self.head;
        if page == 0 {
            return None;
        }
        self.head = word(page).take();
        self.free = self.free.saturating_sub(1);
        Some(page)
    }
}
