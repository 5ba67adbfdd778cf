//! Guest RAM for tests.

use devices::virtio::Memory;
use std::cell::RefCell;

/// First address of RAM.
pub const BASE: u64 = 0x4000_0000;
/// Bytes of RAM.
pub const SIZE: u64 = 0x1_0000;

/// RAM of [`SIZE`] bytes at [`BASE`].
pub struct Ram(RefCell<Vec<u8>>);

impl Ram {
    pub fn new() -> Self {
        Self(RefCell::new(vec![0; SIZE as usize]))
    }

    pub fn filled(bytes: &[u8]) -> Self {
        let ram = Self::new();
        ram.0.borrow_mut().iter_mut().zip(bytes.iter().cycle()).for_each(|(place, byte)| *place = *byte);
        ram
    }

    fn range(address: u64, size: usize) -> Option<std::ops::Range<usize>> {
        let offset = address.checked_sub(BASE)?;
        (offset.checked_add(size as u64)? <= SIZE).then_some(offset as usize..offset as usize + size)
    }

    pub fn get<const N: usize>(&self, address: u64) -> [u8; N] {
        self.0.borrow()[Self::range(address, N).unwrap()].try_into().unwrap()
    }

    pub fn put(&self, address: u64, bytes: &[u8]) {
        self.0.borrow_mut()[Self::range(address, bytes.len()).unwrap()].copy_from_slice(bytes);
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl Memory for Ram {
    fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        bytes.copy_from_slice(&self.0.borrow()[Self::range(address, bytes.len())?]);
        Some(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Option<()> {
        self.0.borrow_mut()[Self::range(address, bytes.len())?].copy_from_slice(bytes);
        Some(())
    }

    fn load(&self, address: u64) -> Option<u16> {
        let range = Self::range(address, 2).filter(|_| address.is_multiple_of(2))?;
        Some(u16::from_le_bytes(self.0.borrow()[range].try_into().unwrap()))
    }

    fn store(&self, address: u64, value: u16) -> Option<()> {
        let range = Self::range(address, 2).filter(|_| address.is_multiple_of(2))?;
        self.0.borrow_mut()[range].copy_from_slice(&value.to_le_bytes());
        Some(())
    }
}
