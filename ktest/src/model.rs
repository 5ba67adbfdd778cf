//! An abstract model of capabilities, frames and translations: what the kernel's state has to be after each call, written
//! from `abi` alone. `tests::oracle` runs both side by side.

use crate::env::Accounts;
use abi::PAGE_SIZE;
use abi::cap::{Kind, MAX_BADGE, rights};
use abi::syscall::{Status, frame};

/// Slots that the model follows.
pub const SLOTS: usize = 24;
/// Most frames.
pub const FRAMES: usize = 24;
/// Most other objects alive.
pub const OBJECTS: usize = 8;
const ATTACHMENTS: usize = 128;

/// What a capability names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Frame by index.
    Frame(usize),
    /// Any other object by index.
    Other(usize),
}

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Its object.
    pub object: Object,
    /// Kind of it.
    pub kind: Kind,
    /// Rights.
    pub rights: u64,
    /// Badge.
    pub badge: u64,
}

/// A frame range.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Physical address.
    pub physical: u64,
    /// Pages.
    pub pages: u64,
    /// The domain that it is donated to.
    pub donee: Option<usize>,
}

/// Pages of a frame in a translation.
#[derive(Clone, Copy, Debug)]
struct Attachment {
    frame: usize,
    target: usize,
    address: u64,
    first: u64,
    pages: u64,
    rights: u64,
}

impl Attachment {
    fn holds(&self, target: usize, address: u64) -> bool {
        self.target == target && (self.address..self.address + self.pages * PAGE_SIZE).contains(&address)
    }
}

/// The model.
pub struct Model {
    /// The slots.
    pub slots: [Option<Cap>; SLOTS],
    /// All frames.
    pub frames: [Option<Frame>; FRAMES],
    /// Kinds of the other objects: Domain, Space, Notification.
    pub others: [Option<Kind>; OBJECTS],
    attachments: [Option<Attachment>; ATTACHMENTS],
}

type Result<T = ()> = core::result::Result<T, Status>;

fn index_of_free<T>(slots: &[Option<T>]) -> Option<usize> {
    slots.iter().position(Option::is_none)
}

impl Model {
    /// One frame, in slot 0 with all rights.
    pub fn new(physical: u64, pages: u64) -> Self {
        let mut model = Self {
            slots: [None; SLOTS],
            frames: [None; FRAMES],
            others: [None; OBJECTS],
            attachments: [None; ATTACHMENTS],
        };
        model.frames[0] = Some(Frame { physical, pages, donee: None });
        model.slots[0] = Some(Cap { object: Object::Frame(0), kind: Kind::Frame, rights: rights::ALL, badge: 0 });
        model
    }

    /// The object in a slot, if it is of one of `kinds` and the capability has `wanted`.
    fn get(&self, slot: usize, kinds: &[Kind], wanted: u64) -> Result<Object> {
        let cap = self.slots[slot].ok_or(Status::BadCap)?;
        if !kinds.contains(&cap.kind) {
            return Err(Status::BadKind);
        }
        if cap.rights & wanted != wanted {
            return Err(Status::NoRights);
        }
        Ok(cap.object)
    }

    fn frame(&self, slot: usize, wanted: u64) -> Result<usize> {
        match self.get(slot, &[Kind::Frame], wanted)? {
            Object::Frame(n) => Ok(n),
            Object::Other(_) => Err(Status::BadKind),
        }
    }

    fn other(&self, slot: usize, kinds: &[Kind], wanted: u64) -> Result<usize> {
        match self.get(slot, kinds, wanted)? {
            Object::Other(n) => Ok(n),
            Object::Frame(_) => Err(Status::BadKind),
        }
    }

    fn pages(&self, frame: usize) -> Frame {
        self.frames[frame].unwrap_or(Frame { physical: 0, pages: 0, donee: None })
    }

    /// COPY within the table.
    pub fn copy(&mut self, to: usize, from: usize, wanted: u64, badge: u64) -> Result {
        let source = self.slots[from].ok_or(Status::BadCap)?;
        if wanted & !source.rights != 0 {
            return Err(Status::NoRights);
        }
        if badge > MAX_BADGE || (source.badge != 0 && badge != source.badge) {
            return Err(Status::BadArg);
        }
        if self.slots[to].is_some() {
            return Err(Status::Taken);
        }
        self.slots[to] = Some(Cap { rights: wanted, badge, ..source });
        Ok(())
    }

    /// DELETE.
    pub fn delete(&mut self, slot: usize) -> Result {
        self.slots[slot].take().map(drop).ok_or(Status::BadCap)
    }

    /// CREATE of a kind without arguments; gives the object's index.
    pub fn create(&mut self, slot: usize, kind: Kind) -> Result<usize> {
        if self.slots[slot].is_some() {
            return Err(Status::Taken);
        }
        let n = index_of_free(&self.others).ok_or(Status::NoMemory)?;
        self.others[n] = Some(kind);
        self.slots[slot] = Some(Cap { object: Object::Other(n), kind, rights: rights::ALL, badge: 0 });
        Ok(n)
    }

    /// DESTROY.
    pub fn destroy(&mut self, slot: usize) -> Result<usize> {
        let cap = self.slots[slot].ok_or(Status::BadCap)?;
        if cap.rights != rights::ALL {
            return Err(Status::NoRights);
        }
        let Object::Other(n) = cap.object else { return Err(Status::BadKind) };
        self.others[n] = None;
        for slot in self.slots.iter_mut().filter(|slot| slot.is_some_and(|c| c.object == cap.object)) {
            *slot = None;
        }
        for a in self.attachments.iter_mut().filter(|a| a.is_some_and(|a| a.target == n)) {
            *a = None;
        }
        for frame in self.frames.iter_mut().flatten().filter(|frame| frame.donee == Some(n)) {
            frame.donee = None;
        }
        Ok(n)
    }

    /// FRAME_SPLIT; gives the new frame's index. The caller chooses an empty slot outside of the model.
    pub fn split(&mut self, slot: usize, keep: u64) -> Result<usize> {
        let f = self.frame(slot, rights::ALL)?;
        if self.attachments_of(f) != 0 || self.pages(f).donee.is_some() {
            return Err(Status::BadState);
        }
        let old = self.pages(f);
        if keep == 0 || keep >= old.pages {
            return Err(Status::BadArg);
        }
        let rest = index_of_free(&self.frames).ok_or(Status::NoMemory)?;
        self.frames[f] = Some(Frame { pages: keep, ..old });
        let physical = old.physical + keep * PAGE_SIZE;
        self.frames[rest] = Some(Frame { physical, pages: old.pages - keep, donee: None });
        Ok(rest)
    }

    /// MAP, all steps. Pages before the one that fails stay.
    pub fn map(&mut self, slot: usize, target: usize, address: u64, first: u64, pages: u64, wanted: u64) -> Result {
        let f = self.frame(slot, wanted & rights::ALL)?;
        let target = self.other(target, &[Kind::Domain, Kind::Space], rights::WRITE)?;
        if self.pages(f).donee.is_some() {
            return Err(Status::BadState);
        }
        if pages == 0 || first + pages > self.pages(f).pages || wanted & rights::READ == 0 || wanted >= rights::GRANT {
            return Err(Status::BadArg);
        }
        for n in 0..pages {
            self.map_page(f, target, address + n * PAGE_SIZE, first + n, wanted)?;
        }
        Ok(())
    }

    fn map_page(&mut self, frame: usize, target: usize, address: u64, first: u64, wanted: u64) -> Result {
        if self.translate(target, address).is_some() {
            return Err(Status::Taken);
        }
        let new = Attachment { frame, target, address, first, pages: 1, rights: wanted };
        let needed = self.tables_with(target, Some(new)) - self.tables(target);
        if self.others[target] == Some(Kind::Domain) && needed > self.pool(target).1 {
            return Err(Status::NoMemory);
        }
        let continued = self.attachments.iter_mut().flatten().find(|a| {
            (a.frame, a.target, a.rights) == (frame, target, wanted)
                && a.address + a.pages * PAGE_SIZE == address
                && a.first + a.pages == first
        });
        if let Some(a) = continued {
            a.pages += 1;
        } else {
            let free = index_of_free(&self.attachments).ok_or(Status::Full)?;
            self.attachments[free] = Some(new);
        }
        Ok(())
    }

    /// UNMAP.
    pub fn unmap(&mut self, slot: usize, target: usize, address: u64) -> Result {
        let f = self.frame(slot, rights::READ)?;
        let target = self.other(target, &[Kind::Domain, Kind::Space], rights::WRITE)?;
        let found = self
            .attachments
            .iter_mut()
            .find(|a| a.is_some_and(|a| (a.frame, a.target, a.address) == (f, target, address)));
        found.map(|a| *a = None).ok_or(Status::NotMapped)
    }

    /// REVOKE.
    pub fn revoke(&mut self, slot: usize) -> Result {
        let f = self.frame(slot, rights::ALL)?;
        for a in self.attachments.iter_mut().filter(|a| a.is_some_and(|a| a.frame == f)) {
            *a = None;
        }
        Ok(())
    }

    /// DONATE.
    pub fn donate(&mut self, slot: usize, donee: usize) -> Result {
        let donee = self.other(donee, &[Kind::Domain], rights::WRITE)?;
        let f = self.frame(slot, rights::ALL)?;
        let frame = self.pages(f);
        if frame.donee.is_some() || self.attachments_of(f) != 0 {
            return Err(Status::BadState);
        }
        self.frames[f] = Some(Frame { donee: Some(donee), ..frame });
        Ok(())
    }

    /// Physical page and rights that a translation has for an address.
    pub fn translate(&self, target: usize, address: u64) -> Option<u64> {
        let a = self.attachments.iter().flatten().find(|a| a.holds(target, address))?;
        let page = a.first + (address - a.address) / PAGE_SIZE;
        Some(self.pages(a.frame).physical + page * PAGE_SIZE + a.rights)
    }

    /// Attachments of a frame.
    pub fn attachments_of(&self, frame: usize) -> u64 {
        self.attachments.iter().flatten().filter(|a| a.frame == frame).count() as u64
    }

    /// State of a frame.
    pub fn state(&self, frame: usize) -> u64 {
        if self.pages(frame).donee.is_some() { frame::DONATED } else { frame::MAPPABLE }
    }

    /// Tables below the root of a translation: one for each GiB and each 2 MiB that has a page.
    fn tables(&self, target: usize) -> u64 {
        self.tables_with(target, None)
    }

    fn tables_with(&self, target: usize, more: Option<Attachment>) -> u64 {
        let all = || self.attachments.iter().chain([&more]).flatten().filter(|a| a.target == target);
        let regions =
            |a: &Attachment, shift: u32| a.address >> shift..=(a.address + (a.pages - 1) * PAGE_SIZE) >> shift;
        // A region counts at the first attachment that has a page in it.
        let count = |shift: u32| -> u64 {
            all()
                .enumerate()
                .map(|(n, a)| {
                    let fresh = |region: &u64| !all().take(n).any(|b| regions(b, shift).contains(region));
                    regions(a, shift).filter(fresh).count() as u64
                })
                .sum()
        };
        count(30) + count(21)
    }

    /// Pages of a domain's pool, and free ones of them.
    pub fn pool(&self, domain: usize) -> (u64, u64) {
        let donated = self.frames.iter().flatten().filter(|f| f.donee == Some(domain));
        let pages = donated.map(|f| f.pages).sum();
        (pages, pages - self.tables(domain))
    }

    /// The kernel's accounts, from those before there was anything of the model but its first frame.
    pub fn accounts(&self, before: Accounts) -> Accounts {
        let mut now = before;
        let splits = self.frames.iter().flatten().count() as u64 - 1;
        now.objects += splits;
        now.free -= splits;
        for (n, kind) in self.others.iter().enumerate().filter_map(|(n, kind)| kind.map(|kind| (n, kind))) {
            let (objects, vmids, pages) = match kind {
                Kind::Domain => (2, 1, 4),
                Kind::Space => (1, 1, 2),
                _ => (1, 0, 1),
            };
            now.objects += objects;
            now.vmids += vmids;
            now.free -= pages + self.tables(n);
            now.pool += self.pool(n).0;
            now.free += self.pool(n).0;
        }
        now.attachments += self.attachments.iter().flatten().count() as u64;
        now
    }
}
