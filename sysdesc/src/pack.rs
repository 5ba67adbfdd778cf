//! The table of files in the pack (`abi::pack`), behind its header.

/// Bytes of an entry's name, zero padded.
pub const NAME_LEN: usize = 16;
/// Most entries in a pack: header and table fit in one page.
pub const MAX_ENTRIES: usize = 64;

/// One file in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct PackEntry {
    /// Name: `root`, `vmm`, `system`, or a name that the system description refers to.
    pub name: [u8; NAME_LEN],
    /// Offset of the data, page aligned.
    pub offset: u64,
    /// Bytes of the data. Data is zero padded to a page.
    pub size: u64,
}
