//! The shadow MMU: the guest's stage-1 tables, translated into tables for the processor.
//!
//! ```text
//!   guest:   VA ── its own tables ──▶ IPA          (walk.rs)
//!   kernel:              IPA ── base stage-2 table ──▶ PA    (SHADOW_MAP)
//!   shadow:  VA ─────────────────────────────────▶ PA    rights: what guest kernel or guest user would have, for EL0
//! ```
//! The tables themselves are the kernel's, up to [`ROOTS`] of them; here is known what was entered, and why. A root
//! ([`roots`]) is one half of the guest's address space as its kernel or its user sees it. What is entered and dropped
//! together is a run ([`runs`]). An entry may be dropped at any time, which bounds all stores: when one is full, another
//! entry goes.
//!
//! | mode | entries are made | entries go |
//! |---|---|---|
//! | [`Mode::Tlb`] | at a fault | at the guest's TLBI, as from a TLB |
//! | [`Mode::Traced`] | at a fault, or when the guest writes a descriptor | when the guest writes the descriptor: its tables are write-protected, each store traps |
//! | [`Mode::Lazy`] | at a fault | at a TLBI or a page fault of the guest: its tables are write-protected until the first store, then written without traps, and compared with the shadow ([`sync`]) |
//!
//! One instance for all vCPUs of a VM, under a lock of the VMM's. What another vCPU runs on meanwhile stays valid: its
//! roots are never given to another context, and the vectors page never leaves them.

mod fault;
mod fill;
mod hash;
mod roots;
mod runs;
mod space;
mod sync;
mod tables;
mod tlb;

use crate::walk::{El, Fault, Regime, Rights};
use core::ops::Range;
use roots::{Key, NO_ENTRY_HIGH, PLACES, Roots, empty, place};
use runs::Runs;
use tables::Tables;

/// Roots of a guest's Space.
pub const ROOTS: usize = 64;
/// Most vCPUs of a VM.
pub const VCPUS: usize = 8;
/// Most table frames that are out of step at a time (`lazy`).
const MARKED: usize = 32;
/// Where the vectors page is at first: the last 8 MiB of the upper half, which Linux keeps free.
pub const VECTORS: u64 = 0xffff_ffff_ff80_0000;

/// How the shadow follows the guest's tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As a TLB.
    #[default]
    Tlb,
    /// Each store to a table is trapped.
    Traced,
    /// The first store to a table is trapped.
    Lazy,
}

/// Why [`Spaces::map`] did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// An address is not in the guest's base table.
    NotMapped,
    /// No memory for tables.
    NoMemory,
}

/// The kernel's shadow roots of a VM. VAs have 48 bits.
pub trait Spaces {
    /// Enters pages of 4 KiB; what was there is replaced. After an error any part of the range may be mapped.
    fn map(&mut self, root: u8, va: u64, ipa: u64, pages: u64, rights: Rights) -> Result<(), MapError>;
    /// Enters the vectors page.
    fn vectors(&mut self, root: u8, va: u64) -> Result<(), MapError>;
    /// Drops pages, also from all TLBs.
    fn unmap(&mut self, root: u8, va: u64, pages: u64);
    /// Drops everything of a root, also from all TLBs, and frees its tables.
    fn clear(&mut self, root: u8);
}

/// The guest's memory.
pub trait GuestMemory {
    /// A doubleword of RAM, at once; `None`: no RAM. The address is a multiple of 8.
    fn read(&self, ipa: u64) -> Option<u64>;
    /// The range around an address that is mapped into the guest with all rights (RAM, passed-through devices), in whole
    /// pages.
    fn mapped(&self, ipa: u64) -> Option<Range<u64>>;
}

/// Both of a VM.
pub trait World: Spaces + GuestMemory {}

impl<T: Spaces + GuestMemory> World for T {}

/// The pair of roots of an exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Of `TTBR0_EL1`.
    pub low: u8,
    /// Of `TTBR1_EL1`.
    pub high: u8,
}

/// The views of a vCPU. Valid until its regime changes or a fault of its own was handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Views {
    /// While the guest is at EL1.
    pub kernel: View,
    /// While it is at EL0.
    pub user: View,
}

impl Views {
    /// The view of an exception level.
    #[inline]
    pub const fn of(&self, el: El) -> View {
        match el {
            El::Kernel => self.kernel,
            El::User => self.user,
        }
    }
}

/// What a fault of the guest in the shadow was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An entry was missing: it is there now. The views may have changed ([`ShadowMmu::views`]); the instruction is retried.
    Filled,
    /// The guest's own fault, for its vectors.
    Guest(Fault),
    /// The guest's tables lead to an IPA where nothing is mapped: a device to emulate, or nothing.
    Device(u64),
    /// A store to a table that is followed (`traced`), at this IPA: the VMM stores, and tells [`ShadowMmu::table_written`].
    /// What it cannot do itself it leaves to the guest, after [`ShadowMmu::forget`].
    TableWrite(u64),
    /// The guest has something mapped where the vectors page is: see [`ShadowMmu::move_vectors`].
    Vectors,
    /// No entry could be made, not even after others were dropped: the VM's pool is too small.
    Full,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Runs entered.
    pub fills: u64,
    /// Pages of those.
    pub pages: u64,
    /// Runs dropped because the guest asked for it, or changed its tables.
    pub drops: u64,
    /// Stores to tables that trapped.
    pub table_writes: u64,
    /// Table frames compared with the shadow after stores that did not trap (`lazy`).
    pub resyncs: u64,
    /// Runs and contexts dropped to make room.
    pub replaced: u64,
}

/// The shadow of one VM: `RUNS` runs and `NODES` uses of tables, less than 32,768 each.
pub struct ShadowMmu<const RUNS: usize, const NODES: usize> {
    mode: Mode,
    roots: Roots,
    runs: Runs<RUNS, NODES>,
    tables: Tables<NODES>,
    /// Table frames that may be written at the moment (`lazy`).
    marked: [u64; MARKED],
    marks: usize,
    vectors: u64,
    /// The upper half has entries that are not global: its roots are by ASID.
    high_by_asid: bool,
    statistics: Statistics,
}

/// The size that a VMM has: 385 KiB.
pub type Shadow = ShadowMmu<8192, 2048>;

const _: () = assert!(size_of::<Shadow>() <= 512 << 10);

impl<const RUNS: usize, const NODES: usize> Default for ShadowMmu<RUNS, NODES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const RUNS: usize, const NODES: usize> ShadowMmu<RUNS, NODES> {
    /// Empty; [`ShadowMmu::start`] comes first.
    pub const fn new() -> Self {
        const { assert!(RUNS > 1 && RUNS < 1 << 15 && NODES > 4 && NODES < 1 << 15) };
        Self {
            mode: Mode::Tlb,
            roots: Roots::new(),
            runs: Runs::new(),
            tables: Tables::new(),
            marked: [0; MARKED],
            marks: 0,
            vectors: 0,
            high_by_asid: false,
            statistics: Statistics { fills: 0, pages: 0, drops: 0, table_writes: 0, resyncs: 0, replaced: 0 },
        }
    }

    /// Sets the mode and enters the vectors page. The kernel's roots are empty.
    pub fn start(&mut self, mode: Mode, spaces: &mut impl Spaces) -> Result<(), MapError> {
        (self.mode, self.vectors) = (mode, VECTORS);
        for vcpu in 0..VCPUS {
            self.release(vcpu);
        }
        spaces.vectors(NO_ENTRY_HIGH, self.vectors & space::VA)
    }

    /// The mode.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What happened so far.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Where the vectors page is: `VBAR_EL1` of all vCPUs.
    pub const fn vectors(&self) -> u64 {
        self.vectors
    }

    /// The views of a vCPU under a regime. To be called whenever the regime changes, before the vCPU runs under it.
    pub fn view(&mut self, vcpu: usize, regime: &Regime) -> Views {
        for (el, upper) in SIDES {
            let key = self.key(regime, upper, el);
            let root = self.roots.find(&key).unwrap_or(empty(upper));
            self.roots.set_current(vcpu, place(upper, el), root);
        }
        self.views(vcpu)
    }

    /// The views of a vCPU as they are.
    pub fn views(&self, vcpu: usize) -> Views {
        let roots = self.roots.current(vcpu);
        let of = |el| {
            let root = |upper| roots.get(place(upper, el)).copied().unwrap_or(empty(upper));
            View { low: root(false), high: root(true) }
        };
        Views { kernel: of(El::Kernel), user: of(El::User) }
    }

    /// A vCPU that is off: no root is current on it.
    pub fn release(&mut self, vcpu: usize) {
        for (el, upper) in SIDES {
            self.roots.set_current(vcpu, place(upper, el), empty(upper));
        }
    }

    fn key(&self, regime: &Regime, upper: bool, el: El) -> Key {
        Key::new(regime, upper, el, !upper || self.high_by_asid)
    }
}

const SIDES: [(El, bool); PLACES] = [(El::Kernel, false), (El::Kernel, true), (El::User, false), (El::User, true)];
