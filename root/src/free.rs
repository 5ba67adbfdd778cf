//! Free RAM, handed out as frames. A frame capability is a slot: pieces are cut so that each allocation takes one.

use crate::Slots;
use abi::PAGE_SIZE;
use abi::boot::MAX_RAM;
use abi::syscall::Status;

/// Most pieces of free RAM: ranges, what alignment leaves in front of guest RAM, and what failed VMs gave back.
const PIECES: usize = MAX_RAM + 64;

/// A frame capability of root, and what it covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Slot of the capability.
    pub slot: u64,
    /// Physical address.
    pub physical: u64,
    /// Pages.
    pub pages: u64,
}

/// The system call that splits a frame.
pub trait Split {
    /// `keep` pages stay in `frame`; the rest comes to the empty slot `rest`.
    fn split(&mut self, frame: u64, keep: u64, rest: u64) -> Result<(), Status>;
}

/// The free pieces of RAM.
#[derive(Clone, Debug)]
pub struct Free([Frame; PIECES]);

impl Free {
    /// Nothing.
    pub const fn new() -> Self {
        Self([Frame { slot: 0, physical: 0, pages: 0 }; PIECES])
    }

    /// Adds a piece; without room for it, it is lost until the next boot.
    pub fn give(&mut self, piece: Frame) {
        if piece.pages != 0
            && let Some(free) = self.0.iter_mut().find(|free| free.pages == 0)
        {
            *free = piece;
        }
    }

    /// Pages in all.
    pub fn pages(&self) -> u64 {
        self.0.iter().map(|piece| piece.pages).sum()
    }

    /// `pages` contiguous pages at a multiple of `align` bytes (a power of two, at least a page), from the smallest piece
    /// that has them. What needs no alignment is cut from a piece's end, so that its start stays aligned for others.
    ///
    /// # Errors
    /// `NoMemory`, `Full` without a slot, or what `split` says.
    pub fn alloc(
        &mut self,
        pages: u64,
        align: u64,
        slots: &mut Slots,
        split: &mut impl Split,
    ) -> Result<Frame, Status> {
        if pages == 0 {
            return Err(Status::BadArg);
        }
        let head = |piece: &Frame| (piece.physical.next_multiple_of(align.max(PAGE_SIZE)) - piece.physical) / PAGE_SIZE;
        let piece = self
            .0
            .iter_mut()
            .filter(|piece| piece.pages >= pages.saturating_add(head(piece)))
            .min_by_key(|piece| piece.pages)
            .ok_or(Status::NoMemory)?;
        if align <= PAGE_SIZE {
            return cut(piece, piece.pages - pages, slots, split);
        }
        let mut rest = cut(piece, head(piece), slots, split)?;
        let tail = cut(&mut rest, pages, slots, split);
        match tail {
            Ok(tail) => {
                self.give(tail);
                Ok(rest)
            }
            Err(status) => {
                self.give(rest);
                Err(status)
            }
        }
    }
}

impl Default for Free {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts `piece` behind `keep` pages and gives what comes after; either part may be empty.
fn cut(piece: &mut Frame, keep: u64, slots: &mut Slots, split: &mut impl Split) -> Result<Frame, Status> {
    if keep == 0 {
        return Ok(core::mem::take(piece));
    }
    if keep == piece.pages {
        return Ok(Frame::default());
    }
    let slot = slots.take().ok_or(Status::Full)?;
    if let Err(status) = split.split(piece.slot, keep, slot) {
        slots.give(slot);
        return Err(status);
    }
    let rest = Frame { slot, physical: piece.physical + keep * PAGE_SIZE, pages: piece.pages - keep };
    piece.pages = keep;
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: u64 = 2 << 20;

    /// Notes the splits, or refuses them.
    #[derive(Default)]
    struct Kernel {
        splits: Vec<(u64, u64, u64)>,
        refuse: bool,
    }

    impl Split for Kernel {
        fn split(&mut self, frame: u64, keep: u64, rest: u64) -> Result<(), Status> {
            self.splits.push((frame, keep, rest));
            if self.refuse { Err(Status::NoMemory) } else { Ok(()) }
        }
    }

    fn free(physical: u64, pages: u64) -> (Free, Slots, Kernel) {
        let (mut free, mut slots) = (Free::new(), Slots::new());
        let slot = slots.take().unwrap();
        free.give(Frame { slot, physical, pages });
        (free, slots, Kernel::default())
    }

    #[test]
    fn page_comes_from_the_end_and_takes_one_slot() {
        let (mut free, mut slots, mut kernel) = free(BLOCK, 1024);

        let frame = free.alloc(4, PAGE_SIZE, &mut slots, &mut kernel).unwrap();

        assert_eq!(frame, Frame { slot: 2, physical: BLOCK + 1020 * PAGE_SIZE, pages: 4 });
        assert_eq!(kernel.splits, [(1, 1020, 2)]);
        assert_eq!((free.pages(), slots.used()), (1020, 2));
    }

    #[test]
    fn aligned_frame_leaves_head_and_tail() {
        let (mut free, mut slots, mut kernel) = free(BLOCK - 3 * PAGE_SIZE, 3 + 512 + 5);

        let frame = free.alloc(512, BLOCK, &mut slots, &mut kernel).unwrap();

        assert_eq!((frame.physical, frame.pages), (BLOCK, 512));
        assert_eq!(free.pages(), 8);
        // The head is the smallest piece that has a page.
        assert_eq!(free.alloc(1, PAGE_SIZE, &mut slots, &mut kernel).unwrap().physical, BLOCK - PAGE_SIZE);
    }

    #[test]
    fn guests_and_small_frames_in_turn_take_one_slot_each() {
        let (mut free, mut slots, mut kernel) = free(BLOCK, 64 * 700);

        for _ in 0..64 {
            free.alloc(512, BLOCK, &mut slots, &mut kernel).unwrap();
            free.alloc(40, PAGE_SIZE, &mut slots, &mut kernel).unwrap();
            free.alloc(30, PAGE_SIZE, &mut slots, &mut kernel).unwrap();
        }

        assert_eq!(slots.used(), 1 + 64 * 3);
    }

    #[test]
    fn frames_never_overlap_and_nothing_is_lost() {
        let (mut free, mut slots, mut kernel) = free(7 * PAGE_SIZE, 5000);
        let mut frames: Vec<Frame> = Vec::new();

        let mut sizes = (1..).map(|n| (n % 90 + 1, if n % 3 == 0 { BLOCK } else { PAGE_SIZE }));
        let end = loop {
            let (pages, align) = sizes.next().unwrap();
            match free.alloc(pages, align, &mut slots, &mut kernel) {
                Ok(frame) => frames.push(frame),
                Err(status) => break status,
            }
        };
        assert_eq!(end, Status::NoMemory);

        assert_eq!(free.pages() + frames.iter().map(|frame| frame.pages).sum::<u64>(), 5000);
        frames.sort_by_key(|frame| frame.physical);
        assert!(frames.windows(2).all(|two| two[0].physical + two[0].pages * PAGE_SIZE <= two[1].physical));
        let mut by_slot: Vec<u64> = frames.iter().map(|frame| frame.slot).collect();
        by_slot.sort_unstable();
        by_slot.dedup();
        assert_eq!(by_slot.len(), frames.len());
    }

    #[test]
    fn refused_split_takes_nothing() {
        let (mut free, mut slots, mut kernel) = free(BLOCK - PAGE_SIZE, 2048);
        kernel.refuse = true;

        assert_eq!(free.alloc(512, BLOCK, &mut slots, &mut kernel), Err(Status::NoMemory));
        assert_eq!(free.alloc(1, PAGE_SIZE, &mut slots, &mut kernel), Err(Status::NoMemory));

        assert_eq!((free.pages(), slots.used()), (2048, 1));
    }

    #[test]
    fn too_large_is_no_memory() {
        let (mut free, mut slots, mut kernel) = free(BLOCK, 512);
        assert_eq!(free.alloc(513, PAGE_SIZE, &mut slots, &mut kernel), Err(Status::NoMemory));
        assert_eq!(free.alloc(u64::MAX, BLOCK, &mut slots, &mut kernel), Err(Status::NoMemory));
        assert_eq!(free.alloc(0, PAGE_SIZE, &mut slots, &mut kernel), Err(Status::BadArg));
    }
}
