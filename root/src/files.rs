//! Where a domain maps a file of the pack from.
//!
//! A frame has a table of at most [`ATTACHMENTS`] attachments, and the pack is one frame. So files that too many domains
//! map are copied to frames of their own.

use crate::image::Window;
use crate::memory::{Frame, Memory};
use crate::pack::File;
use abi::boot::slot;
use abi::syscall::Status;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use rt::cache;
use sysdesc::MAX_VMS;

/// Attachments that a frame can have (`kcore::attach::MAX` is 82), less one for the window.
const ATTACHMENTS: u64 = 80;
/// Those of the pack that are left for VMs: root has its own image and the whole pack mapped, and starts other domains.
const OF_PACK: u64 = 64;
/// Most VMs that map the VMM's image, the kernel and the initrd from the pack itself.
const FEW: usize = 16;

/// A file in a frame.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Slot of the frame.
    pub slot: u64,
    /// Its first page there.
    pub page: u64,
}

#[derive(Clone, Copy)]
struct Replica {
    /// The file, by its offset in the pack.
    offset: u64,
    frame: Frame,
    left: u64,
}

/// The files' places, and how many attachments each can still have.
pub struct Files {
    of_pack: u64,
    replicas: [Option<Replica>; MAX_VMS],
}

impl Files {
    /// No replicas.
    pub const fn new() -> Self {
        Self { of_pack: OF_PACK, replicas: [None; MAX_VMS] }
    }

    /// A place for `file`, to be attached up to `uses` times. `shared`: each of the `vms` VMs maps this file.
    pub fn place(
        &mut self,
        memory: &mut Memory,
        file: File,
        uses: u64,
        shared: bool,
        vms: usize,
    ) -> Result<Place, Status> {
        if self.of_pack >= uses && (vms <= FEW || !shared) {
            self.of_pack -= uses;
            return Ok(Place { slot: slot::PACK, page: file.offset >> PAGE_SHIFT });
        }
        let such = |replica: &&mut Replica| replica.offset == file.offset && replica.left >= uses;
        if let Some(replica) = self.replicas.iter_mut().flatten().find(such) {
            replica.left -= uses;
            return Ok(Place { slot: replica.frame.slot, page: 0 });
        }
        let free = self.replicas.iter_mut().find(|replica| replica.is_none()).ok_or(Status::Full)?;
        let frame = copy(memory, file)?;
        *free = Some(Replica { offset: file.offset, frame, left: ATTACHMENTS.saturating_sub(uses) });
        Ok(Place { slot: frame.slot, page: 0 })
    }
}

/// Copies a file to a frame of its own; code among it is visible to instruction fetches from then on.
fn copy(memory: &mut Memory, file: File) -> Result<Frame, Status> {
    let frame = memory.pages((file.bytes.len() as u64).div_ceil(PAGE_SIZE).max(1))?;
    let mut window = Window::open(frame)?;
    let bytes = window.bytes();
    let (head, tail) = bytes.split_at_mut_checked(file.bytes.len()).ok_or(Status::BadArg)?;
    head.copy_from_slice(file.bytes);
    tail.fill(0);
    cache::clean_to_poc(bytes.as_ptr() as u64, bytes.len() as u64);
    Ok(frame)
}
