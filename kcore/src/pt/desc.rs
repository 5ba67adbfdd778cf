//! Descriptors of stage 2, and of stage 1 of EL1&0 (Arm ARM D8.3, VMSAv8-64, 4 KiB granule, 48-bit output address).

use abi::IPA_BITS;

/// Output address, and address of the next table.
pub const ADDR: u64 = 0x0000_ffff_ffff_f000;
const VALID: u64 = 1 << 0;
/// Table at levels 1 and 2, page at level 3.
const TABLE: u64 = 1 << 1;
/// Outer and inner write-back; of stage 1: AttrIndx 7, and NS, which is ignored.
const MEMATTR_NORMAL: u64 = 0b1111 << 2;
/// Device-nGnRE; of stage 1: AttrIndx 1.
const MEMATTR_DEVICE: u64 = 0b0001 << 2;
/// Stage 1: AP\[1\], access from EL0.
const S2AP_READ: u64 = 1 << 6;
/// Stage 1, inverted: AP\[2\], read-only.
const S2AP_WRITE: u64 = 1 << 7;
const SH_INNER: u64 = 0b11 << 8;
const AF: u64 = 1 << 10;
/// Stage 1: the entry is of one ASID.
const NG: u64 = 1 << 11;
/// Stage 1: no execution at EL1.
const PXN: u64 = 1 << 53;
/// XN\[1\]: with XN\[0\] = 0 execution at neither EL1 nor EL0, with and without FEAT_XNX. Stage 1: UXN.
const XN: u64 = 1 << 54;
/// Software use.
const SOFTWARE: u64 = 0xf << 55;
/// Ignored in a table descriptor (bit 10 without VTCR_EL2.HAFT, which stays 0): entries in use of the next table.
const COUNT: u64 = 0x3ff << 2;
/// One entry in [`count`].
pub const COUNT_ONE: u64 = 1 << 2;

/// What a table is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Stage 1 of EL1&0: 48-bit addresses, the root is of level 0; rights are EL0's, EL1 executes nothing of it.
    One = 0,
    /// Stage 2: 39-bit addresses, the root is of level 1.
    Two = 1,
}

impl Stage {
    /// Bits of an input address.
    #[must_use]
    pub const fn bits(self) -> u32 {
        IPA_BITS + 9 * (1 - self as u32)
    }

    /// Bits of a leaf that mean the opposite of what they do in stage 2.
    const fn inverted(self) -> u64 {
        (1 - self as u64) * (S2AP_WRITE | NG | PXN)
    }
}

/// Attributes of a mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attr {
    /// Readable.
    pub read: bool,
    /// Writable; in stage 1 only with `read`.
    pub write: bool,
    /// Executable; never where `device` is set.
    pub exec: bool,
    /// Device-nGnRE, else normal write-back, inner shareable.
    pub device: bool,
    /// Executable at EL1, stage 1 only.
    pub vectors: bool,
}

impl Attr {
    /// Of a valid leaf descriptor.
    #[must_use]
    pub const fn of(stage: Stage, desc: u64) -> Self {
        let desc = desc ^ stage.inverted();
        Self {
            read: desc & S2AP_READ != 0,
            write: desc & S2AP_WRITE != 0,
            exec: desc & XN == 0,
            device: desc & MEMATTR_NORMAL == MEMATTR_DEVICE,
            vectors: desc & PXN != 0,
        }
    }

    const fn bits(self, stage: Stage) -> u64 {
        let memory = if self.device { MEMATTR_DEVICE } else { MEMATTR_NORMAL | SH_INNER };
        let read = if self.read { S2AP_READ } else { 0 };
        let write = if self.write { S2AP_WRITE } else { 0 };
        let xn = if self.exec && !self.device { 0 } else { XN };
        let vectors = if self.vectors { PXN } else { 0 };
        (memory | read | write | xn | vectors) ^ stage.inverted()
    }
}

/// Block of `level` 1 or 2, or page.
#[must_use]
pub const fn leaf(stage: Stage, level: u32, pa: u64, attr: Attr) -> u64 {
    let kind = if level == 3 { TABLE } else { 0 };
    pa & ADDR | attr.bits(stage) | AF | kind | VALID
}

/// Descriptor of the table at `page`, `used` entries of which are in use.
#[must_use]
pub const fn table(page: u64, used: u64) -> u64 {
    page & ADDR | (used << 2) & COUNT | TABLE | VALID
}

/// Entries in use of the table that a table descriptor leads to.
#[must_use]
pub const fn count(desc: u64) -> u64 {
    (desc & COUNT) >> 2
}

/// Whether walks use the entry.
#[must_use]
pub const fn is_valid(desc: u64) -> bool {
    desc & VALID != 0
}

/// Whether an entry of `level` leads to a table.
#[must_use]
pub const fn is_table(level: u32, desc: u64) -> bool {
    level < 3 && desc & (VALID | TABLE) == VALID | TABLE
}

/// Whether an entry of `level` ends a walk with a translation.
#[must_use]
pub const fn is_leaf(level: u32, desc: u64) -> bool {
    is_valid(desc) && !is_table(level, desc)
}

/// Whether an entry of `level` may go from `old` to `new` only by way of an invalid one and a flush: both are valid and
/// differ in size, output address or memory type; permissions, the access flag and ignored bits may differ.
#[must_use]
pub const fn bbm_required(level: u32, old: u64, new: u64) -> bool {
    let free = if is_table(level, old) && is_table(level, new) {
        COUNT
    } else {
        S2AP_READ | S2AP_WRITE | PXN | XN | AF | SOFTWARE
    };
    is_valid(old) && is_valid(new) && (old ^ new) & !free != 0
}
