//! Free RAM, handed out as frames.

use abi::PAGE_SIZE;
use abi::boot::{BootInfo, MAX_RAM, slot};
use abi::syscall::Status;
use rt::sys;

/// Most pieces of free RAM: each allocation leaves at most one more than there were.
const PIECES: usize = MAX_RAM + 48;

/// A frame capability of root, and what it covers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frame {
    /// Slot of the capability.
    pub slot: u64,
    /// Physical address.
    pub physical: u64,
    /// Pages.
    pub pages: u64,
}

/// Free RAM and free slots of root's table.
pub struct Memory {
    free: [Frame; PIECES],
    next_slot: u64,
}

impl Memory {
    /// All RAM that the kernel left.
    pub fn new(info: &BootInfo) -> Self {
        let mut free = [Frame::default(); PIECES];
        let count = info.ram_count.min(MAX_RAM as u64);
        for ((piece, ram), n) in free.iter_mut().zip(&info.ram).zip(0..count) {
            *piece = Frame { slot: slot::RAM + n, physical: ram.base, pages: ram.pages };
        }
        Self { free, next_slot: slot::FREE }
    }

    /// A slot that was never used.
    pub fn slot(&mut self) -> u64 {
        self.next_slot += 1;
        self.next_slot - 1
    }

    /// `pages` contiguous pages at a multiple of `align` bytes (a power of two, at least a page): the smallest piece that
    /// has them, so that large ones stay whole.
    pub fn alloc(&mut self, pages: u64, align: u64) -> Result<Frame, Status> {
        let head = |piece: &Frame| (piece.physical.next_multiple_of(align) - piece.physical) / PAGE_SIZE;
        let index = self
            .free
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.pages >= pages.saturating_add(head(piece)))
            .min_by_key(|(_, piece)| piece.pages)
            .map(|(index, _)| index)
            .ok_or(Status::NoMemory)?;
        let piece = self.free[index];
        let (before, rest) = self.split(piece, head(&piece))?;
        let (frame, after) = self.split(rest, pages)?;
        self.free[index] = before;
        self.give_back(after);
        Ok(frame)
    }

    /// Splits `piece` behind `pages` pages. Either part may be empty.
    fn split(&mut self, piece: Frame, pages: u64) -> Result<(Frame, Frame), Status> {
        if pages == 0 {
            return Ok((Frame::default(), piece));
        }
        if pages == piece.pages {
            return Ok((piece, Frame::default()));
        }
        let slot = self.slot();
        sys::frame_split(piece.slot, pages, slot)?;
        let rest = Frame { slot, physical: piece.physical + pages * PAGE_SIZE, pages: piece.pages - pages };
        Ok((Frame { pages, ..piece }, rest))
    }

    /// Notes a free piece; without room for it, it is lost until the next boot.
    fn give_back(&mut self, piece: Frame) {
        if let Some(free) = self.free.iter_mut().find(|free| free.pages == 0) {
            *free = piece;
        }
    }
}
