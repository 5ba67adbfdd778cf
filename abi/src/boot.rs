//! What root is given at start: its capability slots and the boot information page.

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
    /// The pack, read-only mappable.
    pub const PACK: u64 = 5;
    /// The device tree blob that the boot loader gave, read-only mappable.
    pub const DTB: u64 = 6;
    /// First RAM range; [`super::BootInfo::ram_count`] of them follow each other.
    pub const RAM: u64 = 16;
    /// First slot that is free for root.
    pub const FREE: u64 = 32;
}

/// Where root finds [`BootInfo`], mapped read-only.
pub const BOOT_INFO: u64 = 0x7c_4000_0000;
/// Where root finds the pack, mapped read-only.
pub const PACK: u64 = 0x7d_0000_0000;
/// Top of root's first stack.
pub const STACK_TOP: u64 = 0x7c_3000_0000;
/// Pages of root's first stack; the page below is not mapped.
pub const STACK_PAGES: u64 = 8;
/// Most RAM ranges.
pub const MAX_RAM: usize = 16;
/// First word of [`BootInfo`]: "SOSIABI1".
pub const BOOT_MAGIC: u64 = u64::from_le_bytes(*b"SOSIABI1");

/// A range of free RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Ram {
    /// Physical address, page aligned.
    pub base: u64,
    /// Pages.
    pub pages: u64,
}

/// The page at [`BOOT_INFO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BootInfo {
    /// [`BOOT_MAGIC`].
    pub magic: u64,
    /// Cores that run.
    pub cores: u64,
    /// Free RAM ranges, in slots from [`slot::RAM`].
    pub ram_count: u64,
    /// The free RAM ranges.
    pub ram: [Ram; MAX_RAM],
    /// Bytes of the pack.
    pub pack_size: u64,
    /// Bytes of the device tree blob, which starts at page offset [`BootInfo::dtb_offset`] of its frame.
    pub dtb_size: u64,
    /// Offset of the blob in its first page.
    pub dtb_offset: u64,
    /// CNTFRQ_EL0, Hz.
    pub cntfrq: u64,
    /// Physical address of the console PL011, 0 if there is none.
    pub uart_base: u64,
    /// INTID of the console PL011.
    pub uart_intid: u64,
    /// List registers of the virtual CPU interface.
    pub lr_count: u64,
    /// Bytes of kernel memory in use at start: image, stacks, tables, root's pool.
    pub kernel_bytes: u64,
}
