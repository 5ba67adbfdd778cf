//! Shadow roots: stage 1 of classic guests, SHADOW_MAP and SHADOW_UNMAP (`docs/internals/classic-kernel.md`). Management lock.
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
use crate::object::{Domain, Obj, Space, Vcpu};
use crate::space::{self, Tables};
use crate::{caps, mmu};
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::{SHADOW_ROOTS, SPACE_CLASSIC, SPACE_STAGE2, Status};
use abi::vcpu::sys;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::cell::Cell;
use kcore::pt::desc::ADDR;
use kcore::pt::{self, Attr, Mapping, Progress, Stop, TableMemory};

/// Entries written, and pages removed, in a step.
const STEP: u32 = 16;
/// Entries looked at in a step of emptying.
pub const EMPTY_STEP: u32 = 32;
/// Bytes that a level-0 entry translates.
const LEVEL_0: u64 = 1 << 39;
const VA: u64 = (1 << 48) - 1;

/// What stands for a root that has no table: the page of EL1 vectors. As descriptors, its HVCs are invalid (bit 0).
fn empty() -> u64 {
    mmu::image_pa((&raw const arch::el1_vectors) as u64)
}

fn slot(s: Obj<Space>, root: u64) -> &'static Cell<u64> {
    &s.live().roots.as_array_of_cells()[root as usize % SHADOW_ROOTS as usize]
}

/// CREATE of a space.
pub fn make(caller: Obj<Domain>, how: u64, wall: u64) -> Result<Obj<Space>, Status> {
    let asid_bits = field(id_aa64mmfr0_el1::read(), 4);
    if how > SPACE_CLASSIC | SPACE_STAGE2 || how == SPACE_STAGE2 || how != 0 && asid_bits != 2 {
        return Err(Status::BadArg);
    }
    let wall = if how & SPACE_STAGE2 != 0 { Some(caps::get::<Space>(caller, wall, WRITE)?) } else { None };
    if wall.is_some_and(|w| w.classic.get() || w.header.owner.get() != Some(caller)) {
        return Err(Status::BadArg);
    }
    let s = space::make(caller, caller)?;
    s.classic.set(how != 0);
    s.roots.set([empty(); SHADOW_ROOTS as usize]);
    if let Some(w) = wall {
        s.wall.set(wall);
        w.users.set(w.users.get() + 1);
    }
    Ok(s)
}

/// Lets a page of the kernel's through the wall, if there is one.
pub fn open_wall(s: Obj<Space>, page: u64, attr: Attr) -> Result<(), Status> {
    let Some(w) = s.wall.get() else { return Ok(()) };
    let step = pt::map(&mut Tables::<false>(w), w.root.get(), page, page, 1, attr, 1);
    if step.stop == Stop::NoMemory { Err(Status::NoMemory) } else { Ok(()) }
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
    table: &'static Cell<u64>,
    pages: u64,
    va: u64,
}

impl Place {
    /// From x0–x2.
    pub fn new(caller: Obj<Domain>, [space, what, va, ..]: [u64; 6]) -> Result<Self, Status> {
        let space: Obj<Space> = caps::get(caller, space, WRITE)?;
        let (root, pages, va) = (what & 0xffff, what >> 16, va & VA);
        let fits = va.is_multiple_of(PAGE_SIZE) && pages <= (VA + 1 - va) >> PAGE_SHIFT;
        if !space.classic.get() || root >= SHADOW_ROOTS || !fits {
            return Err(Status::BadArg);
        }
        Ok(Self { space, root, table: slot(space, root), pages, va })
    }

    /// What is to be entered for `ipa`, and pages that follow each other from there.
    fn source(&self, ipa: u64, rights: u64) -> Result<(Mapping, u64), Status> {
        if rights == 0 && self.pages == 1 {
            open_wall(self.space, empty(), Attr { read: true, exec: true, ..Attr::default() })?;
            let attr = Attr { vectors: true, ..Attr::default() };
            return Ok((Mapping { pa: empty(), attr, level: 3 }, 1));
        }
        if rights & !(READ | WRITE | EXEC) != 0 || rights & (READ | EXEC) == 0 || rights & (READ | WRITE) == WRITE {
            return Err(Status::BadArg);
        }
        let mut m = pt::walk(&Tables::<false>(self.space), self.space.root.get(), ipa).ok_or(Status::NotMapped)?;
        m.attr.read &= rights & READ != 0;
        m.attr.write &= rights & WRITE != 0;
        m.attr.exec &= rights & EXEC != 0;
        let size = 1 << (39 - 9 * m.level);
        let run = (size - (ipa & (size - 1))) >> PAGE_SHIFT;
        if m.attr.read || m.attr.exec { Ok((m, run.min(self.pages))) } else { Err(Status::NoRights) }
    }

    /// One step of SHADOW_MAP. Returns pages done, and whether there are more.
    pub fn map(&self, ipa: u64, rights: u64) -> Result<(u64, bool), Status> {
        if self.pages == 0 || !ipa.is_multiple_of(PAGE_SIZE) {
            return Err(Status::BadArg);
        }
        let (m, run) = self.source(ipa, rights)?;
        let mut tables = Tables::<true>(self.space);
        if self.table.get() == empty() {
            self.table.set(tables.alloc().ok_or(Status::NoMemory)?);
        }
        self.space.filled.set(self.space.filled.get() | 1 << self.root);
        let cleared = pt::unmap(&mut tables, self.table.get(), self.va, run, STEP);
        if cleared.done_pages == 0 {
            return self.result(cleared);
        }
        let entered = pt::map(&mut tables, self.table.get(), self.va, m.pa, cleared.done_pages, m.attr, STEP);
        dsb_ish();
        self.result(entered)
    }

    /// One step of SHADOW_UNMAP.
    pub fn unmap(&self) -> Result<(u64, bool), Status> {
        if self.pages == 0 {
            let (s, bit) = (self.space, 1 << self.root);
            return Ok((0, !is_clean(s, bit) && s.stale.get() & bit != 0));
        }
        if self.table.get() == empty() {
            return Ok((self.pages, false));
        }
        self.result(pt::unmap(&mut Tables::<true>(self.space), self.table.get(), self.va, self.pages, STEP))
    }

    /// Pages done, and whether there are more.
    fn result(&self, step: Progress) -> Result<(u64, bool), Status> {
        match step.stop {
            Stop::NoMemory if step.done_pages == 0 => Err(Status::NoMemory),
            _ => Ok((step.done_pages, step.done_pages < self.pages)),
        }
    }
}

/// Empties, in steps, what of `roots` (bit n: root n) has entries now, and all that was to be emptied before. Whether all
/// is.
pub fn is_clean(s: Obj<Space>, roots: u64) -> bool {
    s.stale.set(s.stale.get() | s.filled.get() & roots);
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
    let (mut tables, table) = (Tables::<true>(s), slot(s, root).get());
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
    if !is_clean(s, u64::MAX) {
        return false;
    }
    if let Some(root) = s.roots.as_array_of_cells().iter().find(|root| root.get() != empty()) {
        Tables::<true>(s).free(root.replace(empty()));
        return false;
    }
    if let Some(wall) = s.wall.take() {
        wall.users.set(wall.users.get().saturating_sub(1));
    }
    true
}
