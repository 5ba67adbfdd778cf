//! A chain of buffers: one request of the driver.

use super::regs::{DESC_INDIRECT, DESC_NEXT, DESC_SIZE, DESC_WRITE};
use super::{Broken, MAX_QUEUE_SIZE, Memory};

/// One buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Guest-physical address.
    pub address: u64,
    /// Bytes.
    pub length: u32,
}

/// A descriptor (2.7.5).
struct Descriptor {
    address: u64,
    length: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    /// Descriptor `index` of a table.
    fn read(memory: &impl Memory, table: u64, index: u32) -> Result<Self, Broken> {
        let mut bytes = [0; DESC_SIZE as usize];
        let at = table.checked_add(u64::from(index) * u64::from(DESC_SIZE)).ok_or(Broken)?;
        memory.read(at, &mut bytes).ok_or(Broken)?;
        let word = u128::from_le_bytes(bytes);
        Ok(Self {
            address: word as u64,
            length: (word >> 64) as u32,
            flags: (word >> 96) as u16,
            next: (word >> 112) as u16,
        })
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// The buffers of a chain, as they were when it was read: first those that the device reads, then those that it writes
/// (2.7.4.2).
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// Index of the first descriptor, which names the chain.
    pub head: u16,
    segments: [Segment; MAX_QUEUE_SIZE as usize],
    readable: usize,
    count: usize,
    /// Bytes in all buffers: no more than 2³² (2.7.5.2).
    bytes: u32,
}

impl Chain {
    /// Reads the chain that starts at `head` of a table of `size` descriptors.
    ///
    /// No chain is longer than the queue (2.7.5.3.1), what is in an indirect table counted: that ends loops. An indirect
    /// descriptor is the last one of its table, and does not nest (2.7.5.3.1).
    pub(super) fn read(memory: &impl Memory, table: u64, size: u16, head: u16, indirect: bool) -> Result<Self, Broken> {
        let mut chain =
            Self { head, segments: [Segment::default(); MAX_QUEUE_SIZE as usize], readable: 0, count: 0, bytes: 0 };
        let (mut table, mut entries, mut index, mut nested) = (table, u32::from(size), u32::from(head), !indirect);
        loop {
            if index >= entries {
                return Err(Broken);
            }
            let descriptor = Descriptor::read(memory, table, index)?;
            if descriptor.has(DESC_INDIRECT) {
                if nested || descriptor.has(DESC_NEXT) || !descriptor.length.is_multiple_of(DESC_SIZE) {
                    return Err(Broken);
                }
                (table, entries, index, nested) = (descriptor.address, descriptor.length / DESC_SIZE, 0, true);
                if entries > u32::from(u16::MAX) {
                    return Err(Broken);
                }
                continue;
            }
            chain.push(&descriptor, size)?;
            if !descriptor.has(DESC_NEXT) {
                return Ok(chain);
            }
            index = u32::from(descriptor.next);
        }
    }

    fn push(&mut self, descriptor: &Descriptor, size: u16) -> Result<(), Broken> {
        let place = self.segments.get_mut(self.count).filter(|_| self.count < usize::from(size)).ok_or(Broken)?;
        *place = Segment { address: descriptor.address, length: descriptor.length };
        self.bytes = self.bytes.checked_add(descriptor.length).ok_or(Broken)?;
        let writable = descriptor.has(DESC_WRITE);
        if !writable && self.readable != self.count {
            return Err(Broken);
        }
        self.count += 1;
        self.readable += usize::from(!writable);
        Ok(())
    }

    /// The buffers that the device reads.
    pub fn readable(&self) -> &[Segment] {
        self.segments.get(..self.readable).unwrap_or_default()
    }

    /// The buffers that the device writes.
    pub fn writable(&self) -> &[Segment] {
        self.segments.get(self.readable..self.count).unwrap_or_default()
    }

    /// Copies what the driver wrote from byte `offset` on, as far as `bytes` holds it; gives how much.
    pub fn copy_out(&self, memory: &impl Memory, offset: u64, bytes: &mut [u8]) -> Result<usize, Broken> {
        copy(self.readable(), offset, bytes.len(), |address, at| {
            let part = bytes.get_mut(at).ok_or(Broken)?;
            memory.read(address, part).ok_or(Broken)
        })
    }

    /// Copies `bytes` to byte `offset` of what the device writes, as far as there is room; gives how much.
    pub fn copy_in(&self, memory: &impl Memory, offset: u64, bytes: &[u8]) -> Result<usize, Broken> {
        copy(self.writable(), offset, bytes.len(), |address, at| {
            let part = bytes.get(at).ok_or(Broken)?;
            memory.write(address, part).ok_or(Broken)
        })
    }
}

/// Bytes in `segments`.
pub(super) fn total(segments: &[Segment]) -> u64 {
    segments.iter().map(|segment| u64::from(segment.length)).sum()
}

/// Cuts `[offset, offset + length)` of `segments` into pieces, each an address and its place in the caller's bytes.
fn copy(
    segments: &[Segment],
    offset: u64,
    length: usize,
    mut piece: impl FnMut(u64, core::ops::Range<usize>) -> Result<(), Broken>,
) -> Result<usize, Broken> {
    let (mut skip, mut done) = (offset, 0);
    for segment in segments {
        let here = u64::from(segment.length);
        if skip >= here {
            skip -= here;
            continue;
        }
        let count = (here - skip).min((length - done) as u64) as usize;
        if count == 0 {
            break;
        }
        piece(segment.address.checked_add(skip).ok_or(Broken)?, done..done + count)?;
        (skip, done) = (0, done + count);
    }
    Ok(done)
}
