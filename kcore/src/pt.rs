//! Translation tables, 4 KiB granule. Of stage 2: 39-bit IPA, the root is one level-1 table; of stage 1: 48-bit addresses,
//! the root is of level 0, 512 × 512 GiB.
//!
//! ```text
//! root, level 1: 512 × 1 GiB    level 2: 512 × 2 MiB    level 3: 512 × 4 KiB
//! | table | count | ---------> | table | count | -----> | page |
//! | block 1 GiB   |            | block 2 MiB   |
//! ```
//! A table descriptor carries, in bits that the walk ignores, how many entries of the table it leads to are in use: an
//! empty table is found, and given back, without a look at its 512 entries.
//!
//! Rules (Arm ARM D8, "Using break-before-make when updating translation table entries", [`desc::bbm_required`]):
//! - a valid entry is only ever made invalid, or changed in ignored bits; a block is split by break-before-make. In
//!   between, other cores that use the range fault: a fault on an address that [`walk`] finds mapped is retried;
//! - pages and tables leave only after the flush that follows the last store to what led to them.
//!
//! Every operation is bounded by `budget`, in steps of about 20 instructions (a split counts as one, of about 2,000),
//! and goes on where it stopped. Concurrent operations on one root are excluded by the caller.

pub mod desc;

pub use desc::{Attr, Stage, bbm_required};

use abi::{IPA_BITS, PAGE_SHIFT};
use desc::{ADDR, COUNT_ONE, count, is_leaf, is_table, is_valid, leaf, table};

/// What a freed page counts in [`free_tables`]: it is scrubbed.
pub const FREE_COST: u32 = 40;

/// What tables live in, and the TLBs of all cores.
pub trait TableMemory {
    /// What the tables are for. Constant.
    fn stage(&self) -> Stage;
    /// Reads entry `index` (0..512) of the table at `table`.
    fn read(&self, table: u64, index: usize) -> u64;
    /// Writes an entry: a single-copy atomic store with release semantics, so that walks see earlier writes, and the
    /// zeros of a new table, first. The flushes below, and the caller at the end of [`map`], order it with a DSB.
    fn write(&mut self, table: u64, index: usize, desc: u64);
    /// A page of zeros for a table; None if the pool is empty.
    fn alloc(&mut self) -> Option<u64>;
    /// Takes a table's page back. Its contents need not be zeros.
    fn free(&mut self, page: u64);
    /// Drops all that any core may have cached to translate `ipa` in this Space, tables on the way included:
    /// DSB ISHST, TLBI IPAS2E1IS, DSB ISH, TLBI VMALLE1IS, DSB ISH (for entries combined with stage 1), ISB; of stage 1:
    /// TLBI VAAE1IS in place of the two.
    fn flush_ipa(&mut self, ipa: u64);
    /// The same for all of the Space: DSB ISHST, TLBI VMALLS12E1IS (of stage 1: VMALLE1IS), DSB ISH, ISB.
    fn flush_all(&mut self);
}

/// Why an operation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// All is done.
    Done,
    /// The budget is used up: go on behind `done_pages`.
    Budget,
    /// No page for a table.
    NoMemory,
    /// The next page is mapped already.
    Taken,
    /// An address is not page aligned or out of range.
    BadArg,
}

/// How far an operation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Pages, from the first, that are done.
    pub done_pages: u64,
    /// Why it stopped there.
    pub stop: Stop,
}

/// What an address translates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Physical address, with the offset in the page.
    pub pa: u64,
    /// Attributes.
    pub attr: Attr,
    /// Level of the entry: 1 (1 GiB), 2 (2 MiB), 3 (4 KiB).
    pub level: u32,
}

/// The tables from the root to where a walk ends.
struct Walk {
    tables: [u64; 4],
    /// Level of the last table.
    level: u32,
    /// The entry that the walk ended at: no table.
    desc: u64,
}

impl Walk {
    fn table(&self, level: u32) -> u64 {
        self.tables[level as usize & 3]
    }

    fn push(&mut self, table: u64) {
        self.level += 1;
        self.tables[self.level as usize & 3] = table;
    }
}

/// Pages still to do, from an address on, and what it may cost.
struct Range {
    ipa: u64,
    pages: u64,
    budget: u32,
}

impl Range {
    /// Steps over what is left of the entry of `level` that the range starts in.
    fn skip(&mut self, level: u32) {
        let pages = (size(level) - (self.ipa & (size(level) - 1))) >> PAGE_SHIFT;
        let pages = pages.min(self.pages);
        self.ipa += pages << PAGE_SHIFT;
        self.pages -= pages;
    }

    /// Whether the range starts with all of an entry of `level`.
    const fn covers(&self, level: u32) -> bool {
        self.ipa & (size(level) - 1) == 0 && self.pages << PAGE_SHIFT >= size(level)
    }

    fn spend(&mut self) {
        self.budget = self.budget.saturating_sub(1);
    }
}

const fn shift(level: u32) -> u32 {
    IPA_BITS - 9 * level
}

const fn size(level: u32) -> u64 {
    1 << shift(level)
}

const fn index(ipa: u64, level: u32) -> usize {
    (ipa >> shift(level)) as usize & 511
}

/// Whether pages from `base` lie below 2^`bits`.
const fn fits(base: u64, pages: u64, bits: u32) -> bool {
    let end = 1 << (bits - PAGE_SHIFT);
    base & 0xfff == 0 && pages <= end && base >> PAGE_SHIFT <= end - pages
}

fn walk_tables(mem: &impl TableMemory, root: u64, ipa: u64) -> Walk {
    let level = mem.stage() as u32;
    let mut walk = Walk { tables: [root; 4], level, desc: mem.read(root, index(ipa, level)) };
    while is_table(walk.level, walk.desc) {
        walk.push(walk.desc & ADDR);
        walk.desc = mem.read(walk.table(walk.level), index(ipa, walk.level));
    }
    walk
}

/// What `ipa` translates to.
pub fn walk(mem: &impl TableMemory, root: u64, ipa: u64) -> Option<Mapping> {
    if ipa >> mem.stage().bits() != 0 {
        return None;
    }
    let Walk { level, desc, .. } = walk_tables(mem, root, ipa);
    let pa = desc & ADDR | ipa & (size(level) - 1);
    is_valid(desc).then(|| Mapping { pa, attr: Attr::of(mem.stage(), desc), level })
}

/// Maps `pages` pages from `ipa` to those from `pa`, in the largest blocks that fit. What is mapped stays so, whatever
/// the stop.
pub fn map(mem: &mut impl TableMemory, root: u64, ipa: u64, pa: u64, pages: u64, attr: Attr, budget: u32) -> Progress {
    if !fits(ipa, pages, mem.stage().bits()) || !fits(pa, pages, 48) {
        return Progress { done_pages: 0, stop: Stop::BadArg };
    }
    let mut range = Range { ipa, pages, budget };
    let mut stop = Stop::Done;
    while range.pages > 0 && stop == Stop::Done {
        stop = if range.budget == 0 {
            Stop::Budget
        } else {
            map_run(mem, root, &mut range, pa.wrapping_sub(ipa), attr).err().unwrap_or(Stop::Done)
        };
    }
    Progress { done_pages: pages - range.pages, stop }
}

/// Maps a run of entries of one table. `delta`: physical address − IPA.
fn map_run(mem: &mut impl TableMemory, root: u64, range: &mut Range, delta: u64, attr: Attr) -> Result<(), Stop> {
    let fits = |range: &Range, level| level > 0 && range.covers(level) && delta & (size(level) - 1) == 0;
    let mut walk = walk_tables(mem, root, range.ipa);
    if is_valid(walk.desc) {
        return Err(Stop::Taken);
    }
    while walk.level < 3 && !fits(range, walk.level) {
        add_table(mem, &mut walk, range.ipa)?;
    }
    let (start, level, mut used) = (range.ipa, walk.level, 0);
    for i in index(start, level)..512 {
        if range.budget == 0 || !fits(range, level) || is_valid(mem.read(walk.table(level), i)) {
            break;
        }
        mem.write(walk.table(level), i, leaf(mem.stage(), level, range.ipa.wrapping_add(delta), attr));
        range.skip(level);
        range.spend();
        used += 1;
    }
    recount(mem, &walk, level, start, COUNT_ONE.wrapping_mul(used));
    Ok(())
}

/// Puts an empty table where `walk` ended.
fn add_table(mem: &mut impl TableMemory, walk: &mut Walk, ipa: u64) -> Result<(), Stop> {
    let Some(page) = mem.alloc() else {
        prune(mem, walk, ipa, 0);
        return Err(Stop::NoMemory);
    };
    mem.write(walk.table(walk.level), index(ipa, walk.level), table(page, 0));
    recount(mem, walk, walk.level, ipa, COUNT_ONE);
    walk.push(page);
    Ok(())
}

/// Unmaps `pages` pages from `ipa`, mapped or not. When it returns no core can translate the pages that are done.
/// `NoMemory`: a block is unmapped in part, and there is no page for the table that replaces it.
pub fn unmap(mem: &mut impl TableMemory, root: u64, ipa: u64, pages: u64, budget: u32) -> Progress {
    if !fits(ipa, pages, mem.stage().bits()) {
        return Progress { done_pages: 0, stop: Stop::BadArg };
    }
    let mut range = Range { ipa, pages, budget };
    let mut stop = Stop::Done;
    while range.pages > 0 && stop == Stop::Done {
        stop =
            if range.budget == 0 { Stop::Budget } else { unmap_run(mem, root, &mut range).err().unwrap_or(Stop::Done) };
    }
    Progress { done_pages: pages - range.pages, stop }
}

/// Unmaps a run of entries of one table, flushes, and frees the table if it is empty.
fn unmap_run(mem: &mut impl TableMemory, root: u64, range: &mut Range) -> Result<(), Stop> {
    let walk = walk_tables(mem, root, range.ipa);
    let level = walk.level;
    if is_valid(walk.desc) && !range.covers(level) {
        range.spend();
        return split(mem, &walk, range.ipa);
    }
    let (start, mut last, mut cleared) = (range.ipa, range.ipa, 0);
    for i in index(start, level)..512 {
        let desc = mem.read(walk.table(level), i);
        if range.budget == 0 || range.pages == 0 || is_table(level, desc) {
            break;
        }
        if is_leaf(level, desc) {
            if !range.covers(level) {
                break;
            }
            mem.write(walk.table(level), i, 0);
            (last, cleared) = (range.ipa, cleared + 1);
        }
        range.skip(level);
        range.spend();
    }
    recount(mem, &walk, level, start, COUNT_ONE.wrapping_mul(cleared).wrapping_neg());
    match cleared {
        0 => prune(mem, &walk, start, 0),
        _ => prune(mem, &walk, last, cleared),
    }
    Ok(())
}

/// Unlinks the tables of `walk` that are empty, flushes if they or `cleared` entries before them went, frees them.
/// `ipa` is translated by those tables, and was by the entry if only one was cleared.
fn prune(mem: &mut impl TableMemory, walk: &Walk, ipa: u64, cleared: u64) {
    let mut top = walk.level;
    while top > mem.stage() as u32 {
        let (parent, i) = (walk.table(top - 1), index(ipa, top - 1));
        if count(mem.read(parent, i)) != 0 {
            break;
        }
        mem.write(parent, i, 0);
        top -= 1;
        recount(mem, walk, top, ipa, COUNT_ONE.wrapping_neg());
    }
    match cleared {
        0 if top == walk.level => {}
        0 | 1 => mem.flush_ipa(ipa),
        _ => mem.flush_all(),
    }
    for level in top + 1..=walk.level {
        mem.free(walk.table(level));
    }
}

/// Replaces the block that `walk` ended at by a table of the next smaller entries (break-before-make).
fn split(mem: &mut impl TableMemory, walk: &Walk, ipa: u64) -> Result<(), Stop> {
    let (level, parent, i) = (walk.level, walk.table(walk.level), index(ipa, walk.level));
    let page = mem.alloc().ok_or(Stop::NoMemory)?;
    let first = leaf(mem.stage(), level + 1, walk.desc & ADDR, Attr::of(mem.stage(), walk.desc));
    for n in 0..512 {
        mem.write(page, n, first + n as u64 * size(level + 1));
    }
    mem.write(parent, i, 0);
    mem.flush_ipa(ipa);
    mem.write(parent, i, table(page, 512));
    Ok(())
}

/// Adds to the count of the table of `level` on the way of `walk`; the root has none.
fn recount(mem: &mut impl TableMemory, walk: &Walk, level: u32, ipa: u64, delta: u64) {
    if level > mem.stage() as u32 && delta != 0 {
        let (parent, i) = (walk.table(level - 1), index(ipa, level - 1));
        mem.write(parent, i, mem.read(parent, i).wrapping_add(delta));
    }
}

/// Frees all tables below one of level 1 that no core uses or has cached any more, and that `top`, its descriptor, counts
/// the entries of (too many do no harm). `cursor` is the first address that it translates at the start; both are kept
/// between the steps. Returns whether it is done; `cursor` is behind the table then.
///
/// `budget` is in entries that are looked at, some 60 instructions each, and a page that is freed counts as [`FREE_COST`].
pub fn free_tables(mem: &mut impl TableMemory, top: &mut u64, cursor: &mut u64, budget: u32) -> bool {
    let (end, mut left) = ((*cursor | (size(0) - 1)) + 1, budget);
    while count(*top) != 0 && *cursor != end {
        if left == 0 {
            return false;
        }
        left -= 1;
        let (table1, at1, at2) = (*top & ADDR, index(*cursor, 1), index(*cursor, 2));
        let mut level2 = mem.read(table1, at1);
        if is_table(1, level2) {
            let level3 = mem.read(level2 & ADDR, at2);
            level2 -= if is_valid(level3) { COUNT_ONE } else { 0 };
            if is_table(2, level3) {
                mem.write(level2 & ADDR, at2, 0);
                mem.free(level3 & ADDR);
                left = left.saturating_sub(FREE_COST);
            }
            mem.write(table1, at1, level2);
            if count(level2) != 0 {
                *cursor += size(2);
                continue;
            }
            mem.write(table1, at1, 0);
            mem.free(level2 & ADDR);
            left = left.saturating_sub(FREE_COST);
        }
        *top -= if is_valid(level2) { COUNT_ONE } else { 0 };
        *cursor = (*cursor | (size(1) - 1)) + 1;
    }
    *cursor = end;
    true
}
