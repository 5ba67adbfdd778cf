//! Free RAM and free slots of root, by the kernel's calls.

use abi::PAGE_SIZE;
use abi::boot::slot;
use abi::syscall::Status;
pub use root::Frame;
use root::{Free, Slots, Split};
use rt::boot::BootInfo;
use rt::sys;

/// What is free.
pub struct Memory {
    free: Free,
    slots: Slots,
}

struct Kernel;

impl Split for Kernel {
    fn split(&mut self, frame: u64, keep: u64, rest: u64) -> Result<(), Status> {
        sys::frame_split(frame, keep, rest)
    }
}

impl Memory {
    /// Nothing, until [`Self::init`].
    pub const fn new() -> Self {
        Self { free: Free::new(), slots: Slots::new() }
    }

    /// All RAM that the kernel left, and all slots that it did not fill.
    pub fn init(&mut self, info: &BootInfo) {
        let taken = [slot::SELF, slot::MACHINE, slot::SCHED, slot::THREAD, slot::PACK, slot::DTB];
        taken.into_iter().for_each(|n| self.slots.reserve(n));
        for (ram, slot) in info.ram.iter().zip(slot::RAM..).filter(|(ram, _)| ram.pages != 0) {
            self.slots.reserve(slot);
            self.free.give(Frame { slot, physical: ram.base, pages: ram.pages });
        }
    }

    /// An empty slot.
    pub fn slot(&mut self) -> Result<u64, Status> {
        self.slots.take().ok_or(Status::Full)
    }

    /// Takes back a slot that is empty.
    pub fn give_slot(&mut self, slot: u64) {
        self.slots.give(slot);
    }

    /// Slots in use.
    pub fn slots_used(&self) -> u64 {
        self.slots.used()
    }

    /// Pages that are free.
    pub fn free_pages(&self) -> u64 {
        self.free.pages()
    }

    /// `pages` contiguous pages at a multiple of `align` bytes, a power of two.
    pub fn alloc(&mut self, pages: u64, align: u64) -> Result<Frame, Status> {
        self.free.alloc(pages, align, &mut self.slots, &mut Kernel)
    }

    /// `pages` contiguous pages.
    pub fn pages(&mut self, pages: u64) -> Result<Frame, Status> {
        self.alloc(pages, PAGE_SIZE)
    }

    /// Takes a frame back that nothing is attached to.
    pub fn give(&mut self, frame: Frame) {
        self.free.give(frame);
    }
}
