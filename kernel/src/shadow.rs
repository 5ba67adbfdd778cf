//! Shadow roots: stage 1 of classic guests, SHADOW_MAP and SHADOW_UNMAP (`docs/internals/classic.md`). Management lock.
//!
//! An entry is made from what the space's stage 2 holds, and from nothing else: whatever a VMM asks for, its guest reaches
//! only frames that are attached. Roots are emptied, in steps, before an attachment's record goes.
//!
//! ```text
//!  filled ──(detach, SHADOW_UNMAP of all)──▶ stale ──▶ emptying: level-0 entry out, flush, loose table freed ──▶ empty
//! ```

use crate::arch::sysreg::id_aa64mmfr0_el1;
use crate::arch::{self, dsb_ish};
use crate::config::{MAIR_CLASSIC, field, tcr_classic};
use crate::mmu;
use crate::object::{Domain, Obj, Space, Vcpu};
use crate::space::{self, Tables};
use abi::PAGE_SHIFT;
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::{SHADOW_ROOTS, SPACE_CLASSIC, Status};
use abi::vcpu::sys;
use core::cell::Cell;
use kcore::pt::desc::ADDR;
use kcore::pt::{self, Attr, Mapping, Progress, Stop, TableMemory};

/// Entries written, and pages removed, in a step.
const STEP: u32 = 16;
/// Entries looked at in a step of emptying.
pub const EMPTY_STEP: u32 = 96;
/// Bytes that a level-0 entry translates.
const LEVEL_0: u64 = 1 << 39;
const VA: u64 = (1 << 48) - 1;

/// What stands for a root that has no table: the page of EL1 vectors. As descriptors, its HVCs are invalid (bit 0).
fn empty() -> u64 {
    mmu::image_pa((&raw const arch::el1_vectors) as u64)
}

fn slot(s: &Obj<Space>, root: u64) -> &Cell<u64> {
    &s.roots.as_array_of_cells()[root as usize % SHADOW_ROOTS as usize]
}

/// CREATE of a space.
pub fn make(pool: Obj<Domain>, how: u64) -> Result<Obj<Space>, Status> {
    let asid_bits = field(id_aa64mmfr0_el1::read(), 4);
    if how & !SPACE_CLASSIC != 0 || how != 0 && asid_bits != 2 {
        return Err(Status::BadArg);
    }
    let s = space::make(pool, pool)?;
    s.classic.set(how != 0);
    s.roots.set([empty(); SHADOW_ROOTS as usize]);
    Ok(s)
}

/// Makes a vCPU's state, if it is a classic one's, what such a one may have: its translation is the kernel's.
pub fn confine(v: Obj<Vcpu>) {
    if v.classic.get() {
        let words = v.sys.as_array_of_cells();
        words[sys::TCR_EL1].set(tcr_classic(words[sys::TCR_EL1].get()));
        words[sys::MAIR_EL1].set(MAIR_CLASSIC);
        words[sys::AMAIR_EL1].set(0);
        words[sys::CNTV_CTL_EL0].set(0);
    }
}

/// What SHADOW_MAP and SHADOW_UNMAP name: space, root and pages, address.
pub struct Place {
    space: Obj<Space>,
    root: u64,
    pages: u64,
    va: u64,
}

impl Place {
    /// From x1 and x2.
    pub fn new(space: Obj<Space>, what: u64, va: u64) -> Result<Self, Status> {
        let (root, pages) = (what & 0xffff, what >> 16);
        if !space.classic.get()
            || root >= SHADOW_ROOTS
            || !va.is_multiple_of(abi::PAGE_SIZE)
            || pages > ((VA + 1 - (va & VA)) >> PAGE_SHIFT)
        {
            return Err(Status::BadArg);
        }
        Ok(Self { space, root, pages, va: va & VA })
    }

    fn table(&self) -> u64 {
        slot(&self.space, self.root).get()
    }

    /// What is to be entered for `ipa`, and pages that follow each other from there.
    fn source(&self, ipa: u64, rights: u64) -> Result<(Mapping, u64), Status> {
        if rights == 0 && self.pages == 1 {
            let attr = Attr { vectors: true, ..Attr::default() };
            return Ok((Mapping { pa: empty(), attr, level: 3 }, 1));
        }
        if rights & !(READ | WRITE | EXEC) != 0 || rights & (READ | EXEC) == 0 || rights & (READ | WRITE) == WRITE {
            return Err(Status::BadArg);
        }
        let base = Tables::<false>(self.space);
        let mut m = pt::walk(&base, self.space.root.get(), ipa & !0xfff).ok_or(Status::NotMapped)?;
        m.attr.read &= rights & READ != 0;
        m.attr.write &= rights & WRITE != 0;
        m.attr.exec &= rights & EXEC != 0;
        let size = 1 << (39 - 9 * m.level);
        let run = (size - (ipa & (size - 1))) >> PAGE_SHIFT;
        if m.attr.read || m.attr.exec { Ok((m, run.min(self.pages))) } else { Err(Status::NoRights) }
    }

    /// One step of SHADOW_MAP. Returns pages done, and whether there are more.
    pub fn map(&self, ipa: u64, rights: u64) -> Result<(u64, bool), Status> {
        if self.pages == 0 || !ipa.is_multiple_of(abi::PAGE_SIZE) {
            return Err(Status::BadArg);
        }
        let (m, run) = self.source(ipa, rights)?;
        let mut tables = Tables::<true>(self.space);
        if self.table() == empty() {
            slot(&self.space, self.root).set(tables.alloc().ok_or(Status::NoMemory)?);
        }
        let root = self.table();
        self.space.filled.set(self.space.filled.get() | 1 << self.root);
        let cleared = pt::unmap(&mut tables, root, self.va, run, STEP);
        if cleared.done_pages == 0 {
            return self.result(cleared);
        }
        let entered = pt::map(&mut tables, root, self.va, m.pa, cleared.done_pages, m.attr, STEP);
        dsb_ish();
        self.result(entered)
    }

    /// One step of SHADOW_UNMAP.
    pub fn unmap(&self) -> Result<(u64, bool), Status> {
        if self.pages == 0 {
            return Ok((0, self.clear()));
        }
        if self.table() == empty() {
            return Ok((self.pages, false));
        }
        self.result(pt::unmap(&mut Tables::<true>(self.space), self.table(), self.va, self.pages, STEP))
    }

    /// Pages done, and whether there are more.
    fn result(&self, step: Progress) -> Result<(u64, bool), Status> {
        match step.stop {
            Stop::NoMemory if step.done_pages == 0 => Err(Status::NoMemory),
            _ => Ok((step.done_pages, step.done_pages < self.pages)),
        }
    }

    /// One step of emptying the root; `true` if there are more.
    fn clear(&self) -> bool {
        let (s, bit) = (self.space, 1 << self.root);
        s.stale.set(s.stale.get() | s.filled.get() & bit);
        !is_clean(s, false) && s.stale.get() & bit != 0
    }
}

/// Whether no root has entries from before the last call with `outdated`. If one has, does one step of emptying it.
pub fn is_clean(s: Obj<Space>, outdated: bool) -> bool {
    if outdated {
        s.stale.set(s.stale.get() | s.filled.get());
    }
    if s.stale.get() != 0 {
        step(s);
    }
    s.stale.get() == 0
}

/// One step of emptying a stale root.
fn step(s: Obj<Space>) {
    let ((mut root, mut at), mut loose) = (s.emptying.get(), s.loose.get());
    if at == 0 && loose == 0 {
        root = u64::from(s.stale.get().trailing_zeros());
        s.filled.set(s.filled.get() & !(1 << root));
    }
    let (mut tables, table) = (Tables::<true>(s), slot(&s, root).get());
    if loose != 0 {
        if pt::free_tables(&mut tables, &mut loose, &mut at, EMPTY_STEP) {
            tables.free(loose & ADDR);
            loose = 0;
        }
    } else {
        let index = |at| (at / LEVEL_0) as usize;
        let end = (at + u64::from(EMPTY_STEP) * LEVEL_0).min(VA + 1);
        while at < end && tables.read(table, index(at)) == 0 {
            at += LEVEL_0;
        }
        if at < end {
            loose = tables.read(table, index(at));
            tables.write(table, index(at), 0);
            tables.flush_all();
        }
    }
    if at > VA && loose == 0 {
        s.stale.set(s.stale.get() & !(1 << root));
        at = 0;
    }
    s.emptying.set((root, at));
    s.loose.set(loose);
}

/// Gives the roots of a space back that nobody uses any more, in steps; `true` when all are back.
pub fn release(s: Obj<Space>) -> bool {
    if !is_clean(s, true) {
        return false;
    }
    let Some(root) = s.roots.as_array_of_cells().iter().find(|root| root.get() != empty()) else { return true };
    Tables::<true>(s).free(root.replace(empty()));
    false
}
