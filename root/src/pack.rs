//! The pack, read-only in this domain's memory.
#![allow(unsafe_code, reason = "reads plain structures from memory that the kernel mapped")]

use abi::pack::{DomainImage, PackHeader};
use root::wiring::Parts;
use sysdesc::pack::{MAX_ENTRIES, NAME_LEN, PackEntry};
use sysdesc::{
    BellDesc, MAX_BELLS, MAX_PORTS, MAX_SHARED, MAX_VMS, PortDesc, SYSTEM_MAGIC, SharedDesc, SystemDesc, VmDesc,
};

/// A structure of integers only: any bytes are a value of it.
///
/// # Safety
/// The type has no padding that matters, no pointers and no invalid values.
pub unsafe trait Plain: 'static {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for PackHeader {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for PackEntry {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for DomainImage {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for SystemDesc {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for VmDesc {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for SharedDesc {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for BellDesc {}
// SAFETY: integers and arrays of integers.
unsafe impl Plain for PortDesc {}

/// The structure at `offset`, if it lies in `bytes` and is aligned.
pub fn view<T: Plain>(bytes: &'static [u8], offset: usize) -> Option<&'static T> {
    let bytes = bytes.get(offset..)?.get(..size_of::<T>())?;
    let pointer = bytes.as_ptr().cast::<T>();
    // SAFETY: `bytes` has the size of `T`, the pointer is aligned for it, and any bytes are a `T`.
    pointer.is_aligned().then(|| unsafe { &*pointer })
}

/// The `count` structures, one after the other, that start at `offset`; `offset` becomes their end.
fn views<T: Plain>(bytes: &'static [u8], offset: &mut usize, count: u64, most: usize) -> Option<&'static [T]> {
    let count = usize::try_from(count).ok().filter(|count| *count <= most)?;
    let size = count.checked_mul(size_of::<T>())?;
    let part = bytes.get(*offset..)?.get(..size)?;
    *offset += size;
    let pointer = part.as_ptr().cast::<T>();
    // SAFETY: `part` has the size of `count` times `T`, the pointer is aligned for it, and any bytes are a `T`.
    pointer.is_aligned().then(|| unsafe { core::slice::from_raw_parts(pointer, count) })
}

/// A file in the pack.
#[derive(Clone, Copy)]
pub struct File {
    /// Offset in the pack, page aligned.
    pub offset: u64,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// The pack.
#[derive(Clone, Copy)]
pub struct Pack(&'static [u8]);

impl Pack {
    /// The pack. Once.
    pub fn open() -> Option<Self> {
        rt::boot::map_pack().map(Self)
    }

    /// The file with this name.
    pub fn file(self, name: &[u8; NAME_LEN]) -> Option<File> {
        let count = view::<PackHeader>(self.0, 0)?.count.min(MAX_ENTRIES as u64);
        let entry = (0..count)
            .filter_map(|n| view::<PackEntry>(self.0, size_of::<PackHeader>() + n as usize * size_of::<PackEntry>()))
            .find(|entry| entry.name == *name)?;
        let bytes = self.0.get(usize::try_from(entry.offset).ok()?..)?.get(..usize::try_from(entry.size).ok()?)?;
        entry.offset.is_multiple_of(abi::PAGE_SIZE).then_some(File { offset: entry.offset, bytes })
    }

    /// The system description.
    pub fn system(self) -> Option<Parts> {
        let bytes = self.file(&name("system"))?.bytes;
        let head: &SystemDesc = view(bytes, 0)?;
        let mut offset = size_of::<SystemDesc>();
        Some(Parts {
            head: (head.magic == SYSTEM_MAGIC).then_some(head)?,
            vms: views(bytes, &mut offset, head.vm_count, MAX_VMS)?,
            shared: views(bytes, &mut offset, head.shared_count, MAX_SHARED)?,
            bells: views(bytes, &mut offset, head.bell_count, MAX_BELLS)?,
            ports: views(bytes, &mut offset, head.port_count, MAX_PORTS)?,
        })
    }
}

/// A name as the pack writes it.
pub const fn name(text: &str) -> [u8; NAME_LEN] {
    let mut name = [0; NAME_LEN];
    let mut n = 0;
    while n < text.len() && n < NAME_LEN {
        name[n] = text.as_bytes()[n];
        n += 1;
    }
    name
}
