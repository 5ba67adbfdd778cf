//! EL2's own translation: the identity map of RAM and of the devices that the kernel drives, beside the kernel image at
//! its linked address (made by boot.S). RAM is never executable; the image's block is left out of the identity map.
//!
//! ```text
//! 0 ……………………………… 2^47  identity: RAM RW XN, devices RW XN nGnRE
//! 2^47 + 2 MiB          kernel image: text RX, read-only data R, data and stacks RW, guard pages unmapped
//! ```
#![allow(unsafe_code, reason = "translation tables of EL2")]

use crate::arch::{self, sysreg};
use crate::crash::stop;
use crate::exclusive::Exclusive;
use crate::object::Obj;
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const VALID_TABLE: u64 = 3;
const BLOCK: u64 = 1;
const PAGE: u64 = 3;
const AF: u64 = 1 << 10;
const SH_INNER: u64 = 3 << 8;
const XN: u64 = 1 << 54;
const DEVICE: u64 = 1 << 2;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
const BLOCK_2M: u64 = 1 << 21;
const BLOCK_1G: u64 = 1 << 30;

/// Start of the linked image.
pub const IMAGE_VA: u64 = 1 << 47;
/// Bytes of the image.
pub const IMAGE_SIZE: u64 = BLOCK_2M;

const TABLES: usize = 24;
#[repr(C, align(4096))]
struct Table([AtomicU64; 512]);
static POOL: [Table; TABLES] = [const { Table([const { AtomicU64::new(0) }; 512]) }; TABLES];
static USED: AtomicUsize = AtomicUsize::new(0);
static IMAGE_PA: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static kernel_l1: Table;
    static kernel_l3: Table;
}

/// Kind of memory to map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Write-back RAM.
    Normal,
    /// Device-nGnRE.
    Device,
}

/// Physical address of something in the image.
pub fn image_pa(va: u64) -> u64 {
    va - IMAGE_VA + IMAGE_PA.load(Ordering::Relaxed)
}

fn table_pa(t: &Table) -> u64 {
    image_pa(core::ptr::from_ref(t) as u64)
}

fn table_at(pa: u64) -> Obj<Table> {
    Obj::at(pa - IMAGE_PA.load(Ordering::Relaxed) + IMAGE_VA)
}

fn new_table() -> &'static Table {
    let next = POOL.get(USED.fetch_add(1, Ordering::Relaxed));
    next.unwrap_or_else(|| stop("out of translation tables for EL2: too many RAM ranges"))
}

/// Starts the final map: `image_pa` is where the image was loaded.
pub fn init(image_pa: u64) {
    IMAGE_PA.store(image_pa, Ordering::Relaxed);
    let root = new_table();
    // SAFETY: the table is made by boot.S and lives for ever; its type has no invalid values.
    let l1 = unsafe { &kernel_l1 };
    root.0[(IMAGE_VA >> 39) as usize & 511].store(table_pa(l1) | VALID_TABLE, Ordering::Relaxed);
}

/// Maps a range at its own address, whatever of it is not mapped yet, in 4 KiB pages and 2 MiB and 1 GiB blocks.
pub fn map_identity(start: u64, end: u64, memory: Memory) {
    let image = IMAGE_PA.load(Ordering::Relaxed);
    let mut at = start & !(abi::PAGE_SIZE - 1);
    while at < end {
        if at >= image && at < image + IMAGE_SIZE {
            at = image + IMAGE_SIZE;
            continue;
        }
        at += map_step(at, end, image, memory);
    }
    arch::dsb_ish();
    arch::isb();
}

/// Maps what one entry translates, in the largest size that fits; bytes to go on by.
fn map_step(at: u64, end: u64, image: u64, memory: Memory) -> u64 {
    let attributes = AF | SH_INNER | XN | if memory == Memory::Device { DEVICE } else { 0 };
    let mut table = &POOL[0];
    let mut size = BLOCK_1G << 9;
    loop {
        let entry = &table.0[(at / size) as usize & 511];
        let old = entry.load(Ordering::Relaxed);
        let clear = image + IMAGE_SIZE <= at || at + size <= image;
        let fits = size <= BLOCK_1G && at.is_multiple_of(size) && at + size <= end && clear;
        if size == abi::PAGE_SIZE || (old == 0 && fits) || old & 3 == BLOCK {
            if old == 0 {
                let kind = if size == abi::PAGE_SIZE { PAGE } else { BLOCK };
                entry.store(at | attributes | kind, Ordering::Relaxed);
            }
            return size - at % size;
        }
        if old == 0 {
            entry.store(table_pa(new_table()) | VALID_TABLE, Ordering::Relaxed);
        }
        table = table_at(entry.load(Ordering::Relaxed) & ADDRESS).live();
        size >>= 9;
    }
}

/// Leaves the boot map for the final one, with write-implies-execute-never (each core).
pub fn activate() {
    sysreg::ttbr0_el2::write(table_pa(&POOL[0]));
    arch::isb();
    arch::tlbi_el2();
    sysreg::sctlr_el2::write(sysreg::sctlr_el2::read() | (1 << 19));
    arch::isb();
}

/// Unmaps the lowest page of each kernel stack (once).
pub fn guard_stacks() {
    let stacks = (&raw const arch::__stacks) as u64;
    // SAFETY: as in `init`.
    let l3 = unsafe { &kernel_l3 };
    for core in 0..abi::MAX_CORES {
        let page = stacks + (core * arch::STACK_STRIDE) as u64;
        l3.0[((page - IMAGE_VA) >> 12) as usize & 511].store(0, Ordering::Relaxed);
    }
    arch::dsb_ish();
    arch::tlbi_el2();
}

/// RAM and the kernel's own devices: no device frame may cover them. Written at boot.
static OURS: Exclusive<ArrayVec<(u64, u64), 32>> = Exclusive::new(ArrayVec::new_const());

/// Maps and remembers a range that is RAM or a device of the kernel's. At boot.
pub fn map_ours((base, size): (u64, u64), memory: Memory) {
    let end = base.saturating_add(size);
    map_identity(base, end, memory);
    if OURS.with(|ours| ours.try_push((base, end))).is_err() {
        stop("too many RAM ranges");
    }
}

/// Whether nothing of the range is RAM or a device of the kernel's. Management lock.
pub fn is_device(start: u64, end: u64) -> bool {
    OURS.with(|ours| ours.iter().all(|(a, b)| end <= *a || *b <= start))
}
