//! What root is given at start: its image, mapped from the pack (stack included), these capability slots, and in x0 the
//! offset of the device tree blob in the first page of its frame.

/// Slots of root's capability table at start.
pub mod slot {
    /// Root's own domain. (The VMM, too, finds its own domain here.)
    pub const SELF: u64 = 1;
    /// Authority over the machine.
    pub const MACHINE: u64 = 2;
    /// Scheduling context of root's first thread.
    pub const SCHED: u64 = 3;
    /// Root's first thread.
    pub const THREAD: u64 = 4;
    /// The pack.
    pub const PACK: u64 = 5;
    /// The pages of the device tree blob that the boot loader gave.
    pub const DTB: u64 = 6;
    /// First range of free RAM; at most [`super::MAX_RAM`] follow each other.
    pub const RAM: u64 = 16;
    /// First slot that is free for root.
    pub const FREE: u64 = 32;
}

/// Most RAM ranges.
pub const MAX_RAM: usize = 16;
