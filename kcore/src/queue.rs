//! Intrusive queues: the links live in the objects, so that no operation can fail or allocate.

/// The objects before and after one on a list; 0 is the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Link {
    /// The object after it.
    pub next: u64,
    /// The object before it.
    pub prev: u64,
}

/// Access to the links of objects. Each list that an object can be on at the same time has its own implementation, over
/// links of its own.
pub trait Links {
    /// The link of `id`.
    fn link(&self, id: u64) -> Link;
    /// Sets the link of `id`.
    fn set_link(&mut self, id: u64, link: Link);
}

/// Doubly linked FIFO. All zeros is the empty list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct List {
    head: u64,
    tail: u64,
}

impl List {
    /// Nothing is on it.
    pub const EMPTY: Self = Self { head: 0, tail: 0 };

    /// First object, 0 if there is none. Iterate with [`Links::link`].
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.head
    }

    /// Last object, 0 if there is none.
    #[must_use]
    pub const fn last(&self) -> u64 {
        self.tail
    }

    /// Whether nothing is on it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head == 0
    }

    /// Appends `id`, which is on no list of these links.
    pub fn push_back(&mut self, links: &mut impl Links, id: u64) {
        self.insert_after(links, self.tail, id);
    }

    /// Inserts `id` after `before`, which is on this list, or at the front if `before` is 0.
    pub fn insert_after(&mut self, links: &mut impl Links, before: u64, id: u64) {
        let after = if before == 0 { self.head } else { links.link(before).next };
        links.set_link(id, Link { next: after, prev: before });
        self.join(links, before, id);
        self.join(links, id, after);
    }

    /// Takes `id`, which is on this list, off it.
    pub fn remove(&mut self, links: &mut impl Links, id: u64) {
        let Link { next, prev } = links.link(id);
        self.join(links, prev, next);
        links.set_link(id, Link::default());
    }

    /// Takes the first object off.
    pub fn pop_front(&mut self, links: &mut impl Links) -> Option<u64> {
        let id = self.head;
        if id == 0 {
            return None;
        }
        self.remove(links, id);
        Some(id)
    }

    /// Makes `a` and `b` neighbours; 0 stands for the list's own end on that side.
    fn join(&mut self, links: &mut impl Links, a: u64, b: u64) {
        if a == 0 {
            self.head = b;
        } else {
            links.set_link(a, Link { next: b, ..links.link(a) });
        }
        if b == 0 {
            self.tail = a;
        } else {
            links.set_link(b, Link { prev: a, ..links.link(b) });
        }
    }
}

/// Ready objects of one core: 32 priorities, 31 highest, FIFO in each. All zeros is empty.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct RunQueue {
    /// Bit n: something is ready at priority n.
    bitmap: u32,
    queues: [List; 32],
}

impl RunQueue {
    /// The first object of the highest priority that is ready.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        let prio = self.bitmap.checked_ilog2()?;
        Some(self.queues[prio as usize & 31].first())
    }

    /// Whether two or more are ready at `prio`.
    #[must_use]
    pub const fn has_equal(&self, prio: u32) -> bool {
        let list = &self.queues[prio as usize & 31];
        list.first() != list.last()
    }

    /// Makes `id` ready, behind the others of `prio` (0..=31; higher bits are ignored).
    pub fn push_back(&mut self, links: &mut impl Links, prio: u32, id: u64) {
        self.queues[prio as usize & 31].push_back(links, id);
        self.bitmap |= 1 << (prio & 31);
    }

    /// Takes `id`, which is queued at `prio`, off the queue.
    pub fn remove(&mut self, links: &mut impl Links, prio: u32, id: u64) {
        let queue = &mut self.queues[prio as usize & 31];
        queue.remove(links, id);
        if queue.is_empty() {
            self.bitmap &= !(1 << (prio & 31));
        }
    }

    /// Puts `id`, which is queued at `prio`, behind its equals.
    pub fn rotate(&mut self, links: &mut impl Links, prio: u32, id: u64) {
        let queue = &mut self.queues[prio as usize & 31];
        queue.remove(links, id);
        queue.push_back(links, id);
    }
}
