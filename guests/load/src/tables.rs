//! Translations that differ from CPU to CPU, all with one ASID: what a CPU reads tells whether the translation was its own.
//!
//! | address | CPU n reads |
//! |---|---|
//! | [`OWN`] | the word of page n, by its own table; or that of page n + [`MAX_CPUS`], after [`turn`] |
//! | [`COMMON`] | the word of one of two pages, by a table that all CPUs share; [`turn_common`] changes it for all |
#![allow(unsafe_code, reason = "Page tables in use are changed.")]

use core::arch::asm;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use guest_base::mmu::{ACCESSED, INNER_SHAREABLE, NORMAL, TABLE_OR_PAGE, Table};
use guest_base::smp::MAX_CPUS;

/// Each CPU's own page.
pub const OWN: u64 = 5 << 30;
/// The page of all.
pub const COMMON: u64 = 6 << 30;

/// A table that is written while it is in use, by stores of single descriptors.
#[repr(C, align(4096))]
struct Live([AtomicU64; 512]);

impl Live {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }
}

/// A page whose first word says which it is.
#[repr(C, align(4096))]
struct Page([AtomicU32; 1024]);

static LEVEL1: [Live; MAX_CPUS] = [const { Live::new() }; MAX_CPUS];
static OWN_LEVEL2: [Live; MAX_CPUS] = [const { Live::new() }; MAX_CPUS];
static OWN_LEVEL3: [Live; MAX_CPUS] = [const { Live::new() }; MAX_CPUS];
static COMMON_LEVEL2: Live = Live::new();
static COMMON_LEVEL3: Live = Live::new();
static PAGES: [Page; 2 * MAX_CPUS] = [const { Page([const { AtomicU32::new(0) }; 1024]) }; 2 * MAX_CPUS];

fn page(n: usize) -> u64 {
    core::ptr::from_ref(&PAGES[n]) as u64 | TABLE_OR_PAGE | NORMAL | INNER_SHAREABLE | ACCESSED
}

fn table(live: &'static Live) -> u64 {
    core::ptr::from_ref(live) as u64 | TABLE_OR_PAGE
}

/// Fills the tables of all CPUs. Once, by the first.
pub fn init() {
    for (n, page) in PAGES.iter().enumerate() {
        page.0[0].store(n as u32, Relaxed);
    }
    COMMON_LEVEL3.0[0].store(page(0), Relaxed);
    COMMON_LEVEL2.0[0].store(table(&COMMON_LEVEL3), Relaxed);
    for cpu in 0..MAX_CPUS {
        OWN_LEVEL3[cpu].0[0].store(page(cpu), Relaxed);
        OWN_LEVEL2[cpu].0[0].store(table(&OWN_LEVEL3[cpu]), Relaxed);
        for (live, entry) in LEVEL1[cpu].0.iter().zip(Table::identity().0) {
            live.store(entry, Relaxed);
        }
        LEVEL1[cpu].0[(OWN >> 30) as usize].store(table(&OWN_LEVEL2[cpu]), Relaxed);
        LEVEL1[cpu].0[(COMMON >> 30) as usize].store(table(&COMMON_LEVEL2), Relaxed);
    }
}

/// The level-1 table of a CPU.
pub fn of(cpu: usize) -> &'static Table {
    // SAFETY: `Live` and `Table` have one layout; level 1 is not changed any more after `init`.
    unsafe { &*core::ptr::from_ref(&LEVEL1[cpu]).cast() }
}

/// Reads the word at [`OWN`] or [`COMMON`].
pub fn read(address: u64) -> u32 {
    let value;
    // SAFETY: both addresses are mapped by the tables of this module.
    unsafe { asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack, readonly)) };
    value
}

/// What CPU `cpu` reads at [`OWN`] after `turns` turns.
pub fn expected(cpu: usize, turns: u32) -> u32 {
    cpu as u32 + turns % 2 * MAX_CPUS as u32
}

/// Maps the other of this CPU's two pages at [`OWN`]; drops the old translation on this CPU only.
pub fn turn(cpu: usize, turns: u32) {
    let entry = &OWN_LEVEL3[cpu].0[0];
    entry.store(0, Relaxed);
    // SAFETY: drops a translation that nobody uses meanwhile.
    unsafe { asm!("dsb nshst", "tlbi vae1, {}", "dsb nsh", "isb", in(reg) OWN >> 12, options(nostack)) };
    entry.store(page(expected(cpu, turns) as usize), Relaxed);
    // SAFETY: orders the store before later walks.
    unsafe { asm!("dsb nshst", "isb", options(nostack)) };
}

/// Maps page `n` at [`COMMON`]; drops the old translation on all CPUs. Nobody may use it meanwhile.
pub fn turn_common(n: usize) {
    let entry = &COMMON_LEVEL3.0[0];
    entry.store(0, Relaxed);
    // SAFETY: drops a translation that nobody uses meanwhile.
    unsafe { asm!("dsb ishst", "tlbi vae1is, {}", "dsb ish", "isb", in(reg) COMMON >> 12, options(nostack)) };
    entry.store(page(n), Relaxed);
    // SAFETY: orders the store before later walks.
    unsafe { asm!("dsb ishst", "isb", options(nostack)) };
}
