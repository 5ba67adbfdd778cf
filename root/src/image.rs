//! Loading a domain image, and writing and scrubbing the memory of others through windows in root's own space.
#![allow(unsafe_code, reason = "writes memory of other domains through a window")]

use crate::files::Place;
use crate::memory::Frame;
use crate::pack::{File, view};
use abi::boot::slot;
use abi::cap::rights;
use abi::pack::{DomainImage, IMAGE_MAGIC, MAX_SEGMENTS, Segment};
use abi::syscall::Status;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::arch::asm;
use rt::{cache, sys};

/// Where root maps a frame to write it; nothing else is mapped from here on.
const WINDOW: u64 = 0x60_0000_0000;

/// The frame mapped for writing in root's own space, until dropped.
pub struct Window {
    frame: Frame,
}

impl Window {
    /// Maps all of `frame`. One window exists at a time.
    pub fn open(frame: Frame) -> Result<Self, Status> {
        sys::map(frame.slot, slot::SELF, WINDOW, 0, frame.pages, rights::READ | rights::WRITE)?;
        Ok(Self { frame })
    }

    /// The frame's bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        let size = (self.frame.pages * PAGE_SIZE) as usize;
        // SAFETY: `open` mapped that many bytes, they stay mapped until `drop`, and `&mut self` is the only way to them
        // (nothing else of root is at WINDOW; no other domain has them while root fills them).
        unsafe { core::slice::from_raw_parts_mut(WINDOW as *mut u8, size) }
    }

    /// Zeroes the frame down to the Point of Coherency: the next guest reads it with its caches off too.
    pub fn scrub(&mut self) {
        let size = self.frame.pages * PAGE_SIZE;
        let dczid: u64;
        // SAFETY: reads an identification register.
        unsafe { asm!("mrs {}, dczid_el0", out(reg) dczid, options(nomem, nostack, preserves_flags)) };
        if dczid & 16 != 0 {
            self.bytes().fill(0);
        } else {
            let block = 4u64 << (dczid & 15);
            for offset in (0..size).step_by(block as usize) {
                // SAFETY: zeroes one block inside the window (blocks are at most 2 KiB and divide a page).
                unsafe { asm!("dc zva, {}", in(reg) WINDOW + offset, options(nostack, preserves_flags)) };
            }
        }
        cache::clean_to_poc(WINDOW, size);
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // It was mapped by `open`: this cannot fail.
        let _ = sys::unmap(self.frame.slot, slot::SELF, WINDOW);
    }
}

/// A domain image in the pack.
#[derive(Clone, Copy)]
pub struct Image {
    file: File,
    head: &'static DomainImage,
}

impl Image {
    /// The image in `file`, if it is one.
    pub fn open(file: File) -> Option<Self> {
        let head: &DomainImage = view(file.bytes, 0)?;
        (head.magic == IMAGE_MAGIC).then_some(Self { file, head })
    }

    /// Address of the first instruction.
    pub fn entry(&self) -> u64 {
        self.head.entry
    }

    fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.head.segments.iter().take(self.head.count.min(MAX_SEGMENTS as u64) as usize)
    }

    /// Number of read-only segments.
    pub fn read_only(&self) -> u64 {
        self.segments().filter(|s| s.rights & rights::WRITE == 0).count() as u64
    }

    /// Pages of writable segments.
    pub fn writable_pages(&self) -> u64 {
        self.segments().filter(|s| s.rights & rights::WRITE != 0).map(|s| s.size >> PAGE_SHIFT).sum()
    }

    /// The image's file.
    pub fn file(&self) -> File {
        self.file
    }

    /// Maps the segments in `domain`: what is read-only from `file`, where the image's file is; what is writable from
    /// `frame` from page `first` on, which [`Image::fill`] filled.
    pub fn map(&self, domain: u64, file: Place, frame: u64, first: u64) -> Result<(), Status> {
        let mut next = first;
        for segment in self.segments() {
            let pages = segment.size >> PAGE_SHIFT;
            let (slot, page) = if segment.rights & rights::WRITE != 0 {
                (frame, next)
            } else {
                (file.slot, file.page + (segment.offset >> PAGE_SHIFT))
            };
            sys::map(slot, domain, segment.vaddr, page, pages, segment.rights)?;
            if slot == frame {
                next += pages;
            }
        }
        Ok(())
    }

    /// Copies the writable segments to `bytes`, one after the other.
    pub fn fill(&self, bytes: &mut [u8]) -> Option<()> {
        let mut rest = bytes;
        for segment in self.segments().filter(|s| s.rights & rights::WRITE != 0) {
            let source = self.file.bytes.get(segment.offset as usize..)?.get(..segment.size as usize)?;
            let (place, after) = rest.split_at_mut_checked(source.len())?;
            place.copy_from_slice(source);
            rest = after;
        }
        Some(())
    }
}
