//! What the shadow MMU needs of the world: the kernel's shadow roots, and the guest's memory.

use super::super::memory::Memory;
use super::super::vm::SPACE_SLOT;
use abi::PAGE_SHIFT;
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::Status;
use classic::shadow::{GuestMemory, MapError, Spaces};
use classic::walk::Rights;
use core::ops::Range;
use rt::sys;
use sysdesc::{MAX_SHARED, MAX_VCPUS};

/// Most ranges that a guest has mapped: RAM, a blank flash, shared regions, accounts of vCPUs.
pub const REGIONS: usize = 2 + MAX_SHARED + MAX_VCPUS;

/// A range that is mapped into the guest's space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// Behind the last one.
    pub end: u64,
    /// Whether the guest may write it.
    pub writable: bool,
}

/// All of a guest's memory.
pub struct Map {
    /// RAM.
    pub ram: Memory,
    /// What is mapped, RAM first; those not used are empty.
    pub regions: [Region; REGIONS],
}

impl Map {
    /// The region with this address.
    pub fn region(&self, ipa: u64) -> Option<&Region> {
        self.regions.iter().find(|region| (region.start..region.end).contains(&ipa))
    }
}

/// Guest memory and the kernel's shadow roots of this VM.
pub struct World<'a> {
    map: &'a Map,
    read_only: bool,
}

impl<'a> World<'a> {
    /// Of the guest that has this memory.
    pub const fn new(map: &'a Map) -> Self {
        Self { map, read_only: false }
    }

    /// What was to be entered for writing is memory that the guest may not write.
    pub const fn read_only(&self) -> bool {
        self.read_only
    }
}

fn kernel_rights(rights: Rights) -> u64 {
    let right = |has: Rights, right: u64| if rights.bits() & has.bits() != 0 { right } else { 0 };
    right(Rights::READ, READ) | right(Rights::WRITE, WRITE) | right(Rights::EXEC, EXEC)
}

fn error(status: Status) -> MapError {
    match status {
        Status::NoMemory => MapError::NoMemory,
        _ => MapError::NotMapped,
    }
}

impl GuestMemory for World<'_> {
    fn read(&self, ipa: u64) -> Option<u64> {
        self.map.ram.read_u64(ipa)
    }

    fn mapped(&self, ipa: u64) -> Option<Range<u64>> {
        self.map.region(ipa).map(|region| region.start..region.end)
    }
}

impl Spaces for World<'_> {
    fn map(&mut self, root: u8, va: u64, ipa: u64, pages: u64, rights: Rights) -> Result<(), MapError> {
        let wanted = kernel_rights(rights);
        self.read_only |= wanted & WRITE != 0 && self.map.region(ipa).is_some_and(|region| !region.writable);
        match wanted {
            0 => Err(MapError::NotMapped),
            rights => sys::shadow_map(SPACE_SLOT, root.into(), va, ipa, pages, rights).map_err(error),
        }
    }

    fn vectors(&mut self, root: u8, va: u64) -> Result<(), MapError> {
        sys::shadow_map(SPACE_SLOT, root.into(), va, 0, 1, 0).map_err(error)
    }

    fn unmap(&mut self, root: u8, va: u64, pages: u64) {
        // The space is this VMM's own, and the arguments are in range: this does not fail.
        let _ = sys::shadow_unmap(SPACE_SLOT, root.into(), va, pages);
    }

    fn clear(&mut self, root: u8) {
        let _ = sys::shadow_clear(SPACE_SLOT, root.into());
    }
}

/// A range of pages.
pub const fn region(start: u64, pages: u64, writable: bool) -> Region {
    Region { start, end: start.saturating_add(pages << PAGE_SHIFT), writable }
}
