//! The binary system description: what the host tool makes of a system file, and root reads from the pack's entry
//! `system`.
//!
//! May live here: layouts and constants that host tool, root and VMMs share. The kernel knows nothing of them.
#![no_std]
#![forbid(unsafe_code)]

use abi::pack::NAME_LEN;

/// First word: "SOSIASY1".
pub const SYSTEM_MAGIC: u64 = u64::from_le_bytes(*b"SOSIASY1");
/// Most VMs in a system.
pub const MAX_VMS: usize = 8;
/// Most vCPUs of a VM.
pub const MAX_VCPUS: usize = 8;
/// Bytes of a command line with its terminating zero.
pub const CMDLINE_LEN: usize = 1024;

/// Head of the description; [`VmDesc`] × `vm_count` follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SystemDesc {
    /// [`SYSTEM_MAGIC`].
    pub magic: u64,
    /// Number of VMs, 1..=[`MAX_VMS`].
    pub vm_count: u64,
    /// Seed for the guests' device trees (`rng-seed`), from the host.
    pub seed: [u8; 32],
    /// UNIX time at start, seconds (the guest's PL031).
    pub epoch: u64,
    /// Zero.
    pub reserved: u64,
}

/// Format of a guest's kernel file.
pub mod format {
    /// arm64 Image.
    pub const IMAGE: u64 = 0;
}

/// One VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct VmDesc {
    /// Name, zero padded.
    pub name: [u8; NAME_LEN],
    /// vCPUs, 1..=[`MAX_VCPUS`].
    pub vcpus: u64,
    /// RAM in bytes, a multiple of 2 MiB.
    pub memory: u64,
    /// [`format`].
    pub format: u64,
    /// Pack entry of the kernel.
    pub kernel: [u8; NAME_LEN],
    /// Pack entry of the initrd; all zero: none.
    pub initrd: [u8; NAME_LEN],
    /// Core of each vCPU; `u64::MAX`: root chooses.
    pub cores: [u64; MAX_VCPUS],
    /// Priority 0..=30.
    pub priority: u64,
    /// Bits: 1: the machine is powered off when this VM powers itself off.
    pub flags: u64,
    /// Command line, zero terminated.
    pub cmdline: [u8; CMDLINE_LEN],
}

/// [`VmDesc::flags`]: power off the machine with this VM.
pub const FLAG_POWER_OFF: u64 = 1;

/// Where a VMM finds [`VmmInfo`], mapped read-only.
pub const VMM_INFO: u64 = 0x7c_4000_0000;
/// Where a VMM finds its guest's RAM, mapped read-write.
pub const VMM_RAM: u64 = 0x60_0000_0000;
/// Where a VMM finds the guest's kernel file, mapped read-only.
pub const VMM_KERNEL: u64 = 0x7d_0000_0000;
/// Where a VMM finds the guest's initrd, mapped read-only.
pub const VMM_INITRD: u64 = 0x7d_4000_0000;
/// Where a VMM finds the physical PL011, mapped as a device.
pub const VMM_UART: u64 = 0x7c_5000_0000;
/// Where a VMM finds the pages of its vCPUs, one page each.
pub const VMM_VCPU_PAGES: u64 = 0x7c_6000_0000;
/// Top of the stack of a VMM's first thread; each stack of root's making has 8 pages and a hole below.
pub const VMM_STACK_TOP: u64 = 0x7c_3000_0000;

/// Slots of a VMM's capability table at start.
pub mod vmm_slot {
    /// The VMM's own domain.
    pub const SELF: u64 = 1;
    /// Log (a machine capability with READ only: it can log, nothing else).
    pub const LOG: u64 = 2;
    /// Guest RAM.
    pub const RAM: u64 = 4;
    /// Frames of the vCPU pages, one slot each.
    pub const VCPU_PAGE: u64 = 8;
    /// Scheduling contexts of the vCPUs, one slot each.
    pub const VCPU_SCHED: u64 = 16;
    /// Scheduling context of the worker thread.
    pub const WORKER_SCHED: u64 = 24;
    /// Notification of the worker (READ + WRITE): the UART's interrupt signals bit 0.
    pub const WORKER: u64 = 25;
    /// Irq of the physical UART, absent if the VM has no console.
    pub const UART_IRQ: u64 = 26;
    /// First slot that is free for the VMM.
    pub const FREE: u64 = 32;
}

/// How a VMM ends: its code in `EXIT`. Root, which watches the domain, reads it by `DOMAIN_INFO`.
pub mod exit {
    /// The guest powered itself off.
    pub const POWER_OFF: u64 = 1;
    /// The guest asked for a reset: root starts the VM anew.
    pub const RESET: u64 = 2;
    /// The VMM cannot start its guest, and said why in the log.
    pub const ERROR: u64 = 3;
}

/// The page at [`VMM_INFO`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct VmmInfo {
    /// [`SYSTEM_MAGIC`].
    pub magic: u64,
    /// Bytes of the kernel file at [`VMM_KERNEL`].
    pub kernel_size: u64,
    /// Bytes of the initrd at [`VMM_INITRD`], 0: none.
    pub initrd_size: u64,
    /// CNTFRQ_EL0, Hz.
    pub cntfrq: u64,
    /// Whether [`VMM_UART`] is mapped.
    pub has_uart: u64,
    /// List registers of the virtual CPU interface.
    pub lr_count: u64,
    /// How often this VM was started before.
    pub restarts: u64,
    /// UNIX time at start, seconds.
    pub epoch: u64,
    /// For the guest's `rng-seed`.
    pub seed: [u8; 32],
    /// The VM.
    pub vm: VmDesc,
}

const _: () = assert!(size_of::<VmmInfo>() <= 4096);
