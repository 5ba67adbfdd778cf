//! Guest RAM as the VMM sees it, by IPA.
#![allow(unsafe_code, reason = "guest memory")]

use abi::PAGE_SIZE;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use devices::virtio;
use rt::cache;
use sysdesc::VMM_RAM;
use vmm::machine::RAM_BASE;

/// Guest RAM: `size` bytes from [`RAM_BASE`] on, mapped at [`VMM_RAM`]. All access from the VMM goes through it.
#[derive(Clone, Copy)]
pub struct Memory {
    size: u64,
}

/// A page of guest RAM.
#[derive(Clone, Copy)]
pub struct Page {
    /// Aligned to a page.
    first: NonNull<u32>,
}

// SAFETY: RAM is mapped for good and at the same address for all threads, which only read through this.
unsafe impl Send for Page {}

impl Page {
    /// The word at this offset in the page; bits of the offset above the page, and 1:0, are ignored.
    #[inline]
    pub fn word(self, offset: u64) -> u32 {
        let index = offset % PAGE_SIZE / 4;
        // SAFETY: inside a page of RAM (`Memory::page`), which is mapped for good; aligned; the guest may change it meanwhile.
        unsafe { self.first.add(index as usize).read_volatile() }
    }
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

    /// A page whose words are read often.
    pub fn page(self, ipa: u64) -> Option<Page> {
        let address = self.address(ipa & !(PAGE_SIZE - 1), PAGE_SIZE)?;
        NonNull::new(address as *mut u32).map(|first| Page { first })
    }

    /// Cleans and invalidates the data cache line of an address of RAM.
    pub fn clean(self, ipa: u64) {
        if let Some(address) = self.address(ipa, 1) {
            cache::clean_to_poc(address, 1);
        }
    }

    /// An aligned doubleword, for atomic accesses.
    fn double_word(self, ipa: u64) -> Option<&'static AtomicU64> {
        let address = self.address(ipa, 8)? as *const AtomicU64;
        // SAFETY: as in `half_word`.
        address.is_aligned().then(|| unsafe { &*address })
    }

    /// Writes an aligned doubleword, after all that was written before.
    pub fn write_u64(self, ipa: u64, value: u64) -> Option<()> {
        self.double_word(ipa)?.store(value, Ordering::SeqCst);
        Some(())
    }

    /// Replaces an aligned doubleword that is still `old`: whether it was.
    pub fn replace_u64(self, ipa: u64, old: u64, new: u64) -> Option<bool> {
        let word = self.double_word(ipa)?;
        Some(word.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst).is_ok())
    }

    /// Where the VMM sees an aligned half-word.
    fn half_word(self, ipa: u64) -> Option<&'static AtomicU16> {
        let address = self.address(ipa, 2)? as *const AtomicU16;
        // SAFETY: inside RAM, which is mapped for good; aligned; the guest may change it at any time, which an atomic
        // allows.
        address.is_aligned().then(|| unsafe { &*address })
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

/// Loads a byte of RAM, once: the guest may change it at any time.
fn load_byte(address: u64) -> u8 {
    // SAFETY: callers have checked the address; RAM is mapped for good and overlaps nothing that Rust owns.
    unsafe { (address as *const u8).read_volatile() }
}

fn store_byte(address: u64, byte: u8) {
    // SAFETY: as in `load_byte`; what the guest writes there meanwhile is its own loss.
    unsafe { (address as *mut u8).write_volatile(byte) }
}

/// As [`load_byte`], eight bytes: at once where they are aligned.
fn load_word(address: u64) -> u64 {
    let word = address as *const u64;
    if word.is_aligned() {
        // SAFETY: as in `load_byte`, and aligned.
        return unsafe { word.read_volatile() };
    }
    u64::from_ne_bytes(core::array::from_fn(|n| load_byte(address + n as u64)))
}

fn store_word(address: u64, bytes: [u8; 8]) {
    let word = address as *mut u64;
    if word.is_aligned() {
        // SAFETY: as in `store_byte`, and aligned.
        return unsafe { word.write_volatile(u64::from_ne_bytes(bytes)) };
    }
    (0..).zip(bytes).for_each(|(n, byte)| store_byte(address + n, byte));
}

/// For devices that move data, while the guest's caches are on.
impl virtio::Memory for Memory {
    fn read(&self, ipa: u64, bytes: &mut [u8]) -> Option<()> {
        let address = self.address(ipa, bytes.len() as u64)?;
        let (words, rest) = bytes.as_chunks_mut::<8>();
        let tail = address + 8 * words.len() as u64;
        for (n, word) in (0..).zip(words) {
            *word = load_word(address + 8 * n).to_ne_bytes();
        }
        (0..).zip(rest).for_each(|(n, byte)| *byte = load_byte(tail + n));
        Some(())
    }

    fn write(&self, ipa: u64, bytes: &[u8]) -> Option<()> {
        let address = self.address(ipa, bytes.len() as u64)?;
        let (words, rest) = bytes.as_chunks::<8>();
        let tail = address + 8 * words.len() as u64;
        (0..).zip(words).for_each(|(n, word)| store_word(address + 8 * n, *word));
        (0..).zip(rest).for_each(|(n, byte)| store_byte(tail + n, *byte));
        Some(())
    }

    fn load(&self, ipa: u64) -> Option<u16> {
        Some(self.half_word(ipa)?.load(Ordering::Acquire))
    }

    fn store(&self, ipa: u64, value: u16) -> Option<()> {
        self.half_word(ipa)?.store(value, Ordering::Release);
        Some(())
    }
}
