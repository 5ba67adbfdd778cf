//! Guest RAM as the VMM sees it, by IPA.
#![allow(unsafe_code, reason = "guest memory")]

use rt::cache;
use sysdesc::VMM_RAM;
use vmm::machine::RAM_BASE;

/// Guest RAM: `size` bytes from [`RAM_BASE`] on, mapped at [`VMM_RAM`]. All access from the VMM goes through it.
#[derive(Clone, Copy)]
pub struct Memory {
    size: u64,
}

impl Memory {
    /// RAM of `size` bytes, which root mapped.
    pub const fn new(size: u64) -> Self {
        Self { size }
    }

    /// Where the VMM sees `[ipa, ipa + size)`, if all of it is RAM.
    fn address(self, ipa: u64, size: u64) -> Option<u64> {
        let offset = ipa.checked_sub(RAM_BASE)?;
        (offset.checked_add(size)? <= self.size).then_some(VMM_RAM + offset)
    }

    /// Reads an aligned doubleword.
    pub fn read_u64(self, ipa: u64) -> Option<u64> {
        let address = self.address(ipa, 8)? as *const u64;
        // SAFETY: inside RAM, which is mapped for good; aligned; the guest may change it meanwhile.
        address.is_aligned().then(|| unsafe { address.read_volatile() })
    }

    /// Reads an aligned word.
    pub fn read_u32(self, ipa: u64) -> Option<u32> {
        let address = self.address(ipa, 4)? as *const u32;
        // SAFETY: as in `read_u64`.
        address.is_aligned().then(|| unsafe { address.read_volatile() })
    }

    /// Copies `bytes` to `ipa`, visible to a guest whose caches are off. Gives nothing if they do not fit.
    pub fn load(self, ipa: u64, bytes: &[u8]) -> Option<()> {
        let size = bytes.len() as u64;
        let address = self.address(ipa, size)?;
        // SAFETY: inside RAM, which is mapped for good and overlaps nothing that Rust owns; the guest does not run yet, or
        // has no claim on what it reads there.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), address as *mut u8, bytes.len()) };
        cache::clean_to_poc(address, size);
        Some(())
    }
}
