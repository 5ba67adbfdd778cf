//! This domain's own image in the pack: other domains are made from its text and constants.
#![allow(unsafe_code, reason = "reads plain structures from the pack")]

use abi::cap::rights;
use abi::pack::{DomainImage, Segment};
use rt::boot::PACK;

/// The head of the image that this domain was started from: it is on the second page of the pack.
fn image() -> &'static DomainImage {
    // SAFETY: `env::setup` has mapped the pack for good, and the kernel has started this domain from there.
    unsafe { &*((PACK + abi::PAGE_SIZE) as *const DomainImage) }
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
    let image = image();
    let readonly = |s: &&Segment| s.rights & rights::WRITE == 0;
    image.segments.iter().take(image.count as usize).filter(readonly).map(move |s| Shareable {
        address: s.vaddr,
        first: 1 + (s.offset >> abi::PAGE_SHIFT),
        pages: s.size >> abi::PAGE_SHIFT,
        rights: s.rights,
    })
}
