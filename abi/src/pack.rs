//! The pack: what follows the kernel in the boot image, and the format of a domain's image.
//!
//! All numbers are little-endian u64; all offsets are from the first byte of the pack (or of the domain image) and
//! page aligned. `pack = page of header and table of files, data…`. The first file is root's image, on the second page; the
//! table is `sysdesc`'s.

/// First word of a pack: "SOSIAPK1".
pub const PACK_MAGIC: u64 = u64::from_le_bytes(*b"SOSIAPK1");
/// First word of a domain image: "SOSIADM1".
pub const IMAGE_MAGIC: u64 = u64::from_le_bytes(*b"SOSIADM1");
/// Most segments of a domain image.
pub const MAX_SEGMENTS: usize = 8;

/// Head of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PackHeader {
    /// [`PACK_MAGIC`].
    pub magic: u64,
    /// Bytes of the whole pack, page aligned.
    pub size: u64,
    /// Files.
    pub count: u64,
    /// Zero.
    pub reserved: u64,
}

/// A segment of a domain image. Uninitialised data is in the file, as zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Segment {
    /// Address in the domain, page aligned.
    pub vaddr: u64,
    /// Offset in the image, page aligned.
    pub offset: u64,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// [`crate::cap::rights`]: READ, WRITE, EXEC; never WRITE and EXEC.
    pub rights: u64,
}

/// Head of a domain image (first page; segments follow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DomainImage {
    /// [`IMAGE_MAGIC`].
    pub magic: u64,
    /// Address of the first instruction.
    pub entry: u64,
    /// Segments used.
    pub count: u64,
    /// Zero.
    pub reserved: u64,
    /// Segments.
    pub segments: [Segment; MAX_SEGMENTS],
}
