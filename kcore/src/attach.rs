//! Attachments of a frame range, in a table inside of the frame object's page.
//!
//! An attachment is named by the address of that page with its index in the low bits; `link` links all
//! attachments of one Space by these names ([`crate::queue::Links`]), so that a Space can be destroyed.

use crate::queue::Link;
use abi::{PAGE_SHIFT, PAGE_SIZE};

/// One attachment. `space` is 0 in a free slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Attachment {
    /// Space (or domain) object.
    pub space: u64,
    /// First address in the Space, page aligned.
    pub ipa: u64,
    /// Its neighbours among the attachments of the Space.
    pub link: Link,
    /// First page in the frame range.
    pub first: u32,
    /// Pages.
    pub pages: u32,
    /// [`abi::cap::rights`].
    pub rights: u32,
    /// Pages from the first that an unfinished UNMAP or REVOKE has removed; such an attachment is not extended.
    pub done: u32,
}

impl Attachment {
    /// Address in the Space behind the last page.
    const fn end(&self) -> u64 {
        self.ipa.saturating_add((self.pages as u64) << PAGE_SHIFT)
    }
}

/// Bytes before the table in the frame object's page.
pub const HEADER: usize = 128;
/// Most attachments of one frame range.
pub const MAX: usize = (PAGE_SIZE as usize - HEADER) / size_of::<Attachment>();

/// The table. All zeros is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct AttachmentTable([Attachment; MAX]);

impl Default for AttachmentTable {
    fn default() -> Self {
        Self([Attachment::default(); MAX])
    }
}

impl AttachmentTable {
    /// The attachment with this index, if it is in use.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Attachment> {
        self.0.get(index).filter(|a| a.space != 0)
    }

    /// The same, for its links.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut Attachment> {
        self.0.get_mut(index).filter(|a| a.space != 0)
    }

    /// Attachments in use, with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Attachment)> {
        self.0.iter().enumerate().filter(|(_, a)| a.space != 0)
    }

    /// The attachment to `space` that starts at `ipa`.
    #[must_use]
    pub fn find(&self, space: u64, ipa: u64) -> Option<usize> {
        self.iter().find(|(_, a)| a.space == space && a.ipa == ipa).map(|(index, _)| index)
    }

    /// Where `new` is to be recorded: (index, whether the slot is free). It makes the attachment longer that it continues, so
    /// that a MAP in steps is one attachment. None: the table is full. One pass: the table is long.
    #[must_use]
    pub fn place(&self, new: &Attachment) -> Option<(usize, bool)> {
        let mut free = None;
        for (index, a) in self.0.iter().enumerate() {
            if a.space == 0 {
                free = free.or(Some((index, true)));
            } else if continues(a, new) {
                return Some((index, false));
            }
        }
        free
    }

    /// Records `new` (its links are ignored) where [`Self::place`] said; the caller links it into the Space's list if the
    /// slot was free.
    pub fn record(&mut self, (index, fresh): (usize, bool), new: Attachment) {
        match self.0.get_mut(index) {
            Some(slot) if fresh => *slot = Attachment { link: Link::default(), ..new },
            Some(slot) => slot.pages += new.pages,
            None => {}
        }
    }

    /// Frees a slot, which the caller has unlinked. Returns what it held.
    pub fn remove(&mut self, index: usize) -> Option<Attachment> {
        let slot = self.get_mut(index)?;
        Some(core::mem::take(slot))
    }
}

/// Whether `new` goes on where `a` ends, in the Space and in the frame range.
fn continues(a: &Attachment, new: &Attachment) -> bool {
    a.space == new.space
        && a.rights == new.rights
        && a.done == 0
        && a.end() == new.ipa
        && a.first.checked_add(a.pages) == Some(new.first)
}
