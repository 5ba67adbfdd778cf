//! Stage-1 translation: one table of 1 GiB blocks (39-bit addresses, 4K granule, Arm ARM D8.2 and D8.3).
//!
//! | virtual address | physical address | who | what |
//! |---|---|---|---|
//! | `0x0000_0000` | same | EL1 | devices (nGnRE) |
//! | `0x4000_0000` | same | EL1 | RAM, read, write, execute |
//! | [`USER_TEXT`] | `0x4000_0000` | EL0, EL1 | the same RAM, read, execute at EL0 only |
//! | [`USER_DATA`] | `0x4000_0000` | EL0, EL1 | the same RAM, read, write |
//!
//! With [`enable_with_shared`], `0x2000_0000` to `0x3000_0000`, where VMs share memory, is normal memory, too.
//! A guest may put tables of its own into the free entries before it switches translation on.
#![allow(unsafe_code)] // Switches translation on.

use crate::machine::RAM;
use crate::{read_sysreg, write_sysreg};

/// What to add to an address in RAM to get its alias that EL0 may execute.
pub const USER_TEXT: u64 = 0x4000_0000;
/// What to add to an address in RAM to get its alias that EL0 may read and write.
pub const USER_DATA: u64 = 0x8000_0000;

/// Block descriptor (at levels 1 and 2), valid.
pub const BLOCK: u64 = 0b01;
/// Table descriptor (level 1 or 2) or page descriptor (level 3), valid.
pub const TABLE_OR_PAGE: u64 = 0b11;
/// AttrIndx 0: normal memory, write-back.
pub const NORMAL: u64 = 0 << 2;
/// AttrIndx 1: device nGnRE.
pub const DEVICE: u64 = 1 << 2;
/// AP[1]: EL0 may access.
pub const EL0: u64 = 1 << 6;
/// AP[2]: read only.
pub const READ_ONLY: u64 = 1 << 7;
/// Inner shareable.
pub const INNER_SHAREABLE: u64 = 0b11 << 8;
/// Access flag.
pub const ACCESSED: u64 = 1 << 10;
/// PXN.
pub const NO_EXECUTE_EL1: u64 = 1 << 53;
/// UXN.
pub const NO_EXECUTE_EL0: u64 = 1 << 54;

/// A translation table of 512 descriptors.
#[repr(C, align(4096))]
pub struct Table(pub [u64; 512]);

impl Table {
    /// A table without valid entries.
    pub const fn empty() -> Self {
        Self([0; 512])
    }

    /// The map of this module's table.
    pub const fn identity() -> Self {
        let ram = RAM | BLOCK | NORMAL | INNER_SHAREABLE | ACCESSED;
        let mut table = Self::empty();
        table.0[0] = BLOCK | DEVICE | ACCESSED | NO_EXECUTE_EL0 | NO_EXECUTE_EL1;
        table.0[1] = ram | NO_EXECUTE_EL0;
        table.0[2] = ram | EL0 | READ_ONLY | NO_EXECUTE_EL1;
        table.0[3] = ram | EL0 | NO_EXECUTE_EL0 | NO_EXECUTE_EL1;
        table
    }
}

/// MAIR_EL1: attribute 0 is normal write-back memory, attribute 1 device nGnRE.
const MAIR: u64 = 0x04ff;
/// T0SZ = 25, walks inner-shareable and write-back cacheable, no TTBR1 walks (EPD1).
const TCR: u64 = 25 | 0b01 << 8 | 0b01 << 10 | 0b11 << 12 | 1 << 23;
/// M, C, I.
const SCTLR_ON: u64 = 1 | 1 << 2 | 1 << 12;

/// Switches translation and caches on with the given level-1 table, which must map this program where it runs.
pub fn enable(table: &'static Table) {
    let pa_range = (read_sysreg!("id_aa64mmfr0_el1") & 0xf).min(5); // 48 bits at most: IPS = 6 needs FEAT_LPA.
    write_sysreg!("mair_el1", MAIR);
    write_sysreg!("tcr_el1", TCR | pa_range << 32);
    write_sysreg!("ttbr0_el1", core::ptr::from_ref(table) as u64);
    // SAFETY: no translation is on, so nothing that the TLB holds is used; the invalidation only drops what an
    // earlier stage may have left.
    unsafe { core::arch::asm!("dsb ish", "tlbi vmalle1", "dsb ish", "ic iallu", "dsb ish", "isb", options(nostack)) };
    write_sysreg!("sctlr_el1", read_sysreg!("sctlr_el1") | SCTLR_ON);
}

/// Address of memory that is shared with other VMs.
pub const SHARED: u64 = 0x2000_0000;
/// Its end.
const SHARED_END: u64 = 0x3000_0000;

static mut LEVEL1: Table = Table::empty();
static mut LEVEL2: Table = Table::empty();

/// As [`enable`] with [`Table::identity`], and shared memory as what it is: normal memory, not executable. Once.
/// Gives the table, for other CPUs.
pub fn enable_with_shared() -> &'static Table {
    let (level1, level2) = (&raw mut LEVEL1, &raw mut LEVEL2);
    // SAFETY: one CPU runs, once; from `enable` on the tables are only read.
    let (level1, level2) = unsafe { (&mut *level1, &mut *level2) };
    for (address, entry) in (0..).step_by(2 << 20).zip(level2.0.iter_mut()) {
        let kind = if (SHARED..SHARED_END).contains(&address) { NORMAL | INNER_SHAREABLE } else { DEVICE };
        *entry = address | BLOCK | kind | ACCESSED | NO_EXECUTE_EL0 | NO_EXECUTE_EL1;
    }
    *level1 = Table::identity();
    level1.0[0] = core::ptr::from_ref(level2) as u64 | TABLE_OR_PAGE;
    enable(level1);
    level1
}
