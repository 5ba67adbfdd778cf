//! A domain's pool: the pages for its kernel objects and page tables, as a list through the free pages.

/// Access to the first word of a page that is in a pool.
pub trait FirstWord {
    /// Reads it.
    fn read(&self, page: u64) -> u64;
    /// Writes it.
    fn write(&mut self, page: u64, word: u64);
}

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
    pub fn add(&mut self, words: &mut impl FirstWord, page: u64) {
        self.total = self.total.saturating_add(1);
        self.give(words, page);
    }

    /// Gives a page back that [`Self::take`] returned, all zeros again.
    pub fn give(&mut self, words: &mut impl FirstWord, page: u64) {
        words.write(page, self.head);
        self.head = page;
        self.free = self.free.saturating_add(1);
    }

    /// Takes a page, all zeros.
    pub fn take(&mut self, words: &mut impl FirstWord) -> Option<u64> {
        let page = self.head;
        if page == 0 {
            return None;
        }
        self.head = words.read(page);
        words.write(page, 0);
        self.free = self.free.saturating_sub(1);
        Some(page)
    }
}
