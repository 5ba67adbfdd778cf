//! This domain's own image in the pack: other domains are made from its text and constants.
#![allow(unsafe_code, reason = "reads plain structures from the pack")]

use abi::cap::rights;
use abi::pack::{DomainImage, PackEntry, PackHeader, Segment};
use rt::boot::PACK;

/// First page in the pack of the entry `root`, which is this domain, and the image's head.
fn image() -> (u64, &'static DomainImage) {
    let entry = (PACK + size_of::<PackHeader>() as u64) as *const PackEntry;
    // SAFETY: `env::setup` has mapped the pack for good, and the kernel has started this domain from its first entry.
    let offset = unsafe { (*entry).offset };
    // SAFETY: as above; the image's head is page aligned.
    (offset >> abi::PAGE_SHIFT, unsafe { &*((PACK + offset) as *const DomainImage) })
}

/// A segment that another domain may share: address, first page in the pack's frame, pages, rights.
pub struct Shareable {
    /// Address it is linked at.
    pub address: u64,
    /// First page in the frame of the pack.
    pub first: u64,
    /// Pages.
    pub pages: u64,
    /// `abi::cap::rights`.
    pub rights: u64,
}

/// Text and constants.
pub fn shareable() -> impl Iterator<Item = Shareable> {
    let (first, image) = image();
    let readonly = |s: &&Segment| s.rights & rights::WRITE == 0;
    image.segments.iter().take(image.count as usize).filter(readonly).map(move |s| Shareable {
        address: s.vaddr,
        first: first + (s.offset >> abi::PAGE_SHIFT),
        pages: s.size >> abi::PAGE_SHIFT,
        rights: s.rights,
    })
}
