//! The binary system description: what the host tool makes of a system file, and root reads from the pack's entry
//! `system`.
//!
//! May live here: layouts and constants that host tool, root and VMMs share. The kernel knows nothing of them.
#![no_std]
#![forbid(unsafe_code)]

use pack::NAME_LEN;

pub mod console;
pub mod pack;
pub mod stats;

/// First word: "SOSIASY2".
pub const SYSTEM_MAGIC: u64 = u64::from_le_bytes(*b"SOSIASY2");
/// Most VMs in a system: sets of VMs are one word.
pub const MAX_VMS: usize = 64;
/// Most vCPUs of a VM.
pub const MAX_VCPUS: usize = 8;
/// Bytes of a command line with its terminating zero.
pub const CMDLINE_LEN: usize = 1024;

/// Most shared regions in a system, and so of one VM.
pub const MAX_SHARED: usize = 8;
/// Most doorbells in a system.
pub const MAX_BELLS: usize = 62;
/// Most virtio console ports in a system, and so of one VM.
pub const MAX_PORTS: usize = 8;

/// Head of the description; [`VmDesc`] × `vm_count`, [`SharedDesc`] × `shared_count`, [`BellDesc`] × `bell_count`,
/// [`PortDesc`] × `port_count` follow.
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
    /// Bits: [`SYSTEM_MUX`].
    pub flags: u64,
    /// Number of shared regions, at most [`MAX_SHARED`].
    pub shared_count: u64,
    /// Number of doorbells, at most [`MAX_BELLS`].
    pub bell_count: u64,
    /// Number of virtio console ports, at most [`MAX_PORTS`].
    pub port_count: u64,
    /// Zero.
    pub reserved: u64,
}

/// [`SystemDesc::flags`]: the console speaks to a program (all VMs' bytes, marked), not to a terminal.
pub const SYSTEM_MUX: u64 = 1;

/// Format of a guest's kernel file.
pub mod format {
    /// arm64 Image.
    pub const IMAGE: u64 = 0;
    /// ELF executable: segments at their physical addresses, entered at its entry.
    pub const ELF: u64 = 1;
    /// Bytes, put at [`super::VmDesc::load`] and entered at [`super::VmDesc::entry`].
    pub const RAW: u64 = 2;
    /// 32-bit Arm zImage.
    pub const ZIMAGE: u64 = 3;
}

/// What root does when a VM stops. A guest's own reset starts it anew in any case.
pub mod restart {
    /// It stays stopped.
    pub const NEVER: u64 = 0;
    /// Started anew after a failure: its guest or VMM crashed, or a watchdog found it dead.
    pub const ON_FAILURE: u64 = 1;
    /// Started anew after a power-off, too.
    pub const ALWAYS: u64 = 2;
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
    /// Time that each vCPU may take in each [`VmDesc::period`] while others want the core, microseconds; 0: no limit.
    pub budget: u64,
    /// Microseconds; 0 with a budget of 0.
    pub period: u64,
    /// [`restart`].
    pub restart: u64,
    /// Most restarts after failures, 0: no limit.
    pub restart_limit: u64,
    /// The VMM is taken for dead when it does not answer for so many milliseconds; 0: never.
    pub heartbeat: u64,
    /// Bits: [`FLAG_POWER_OFF`], [`FLAG_AARCH32`], [`FLAG_CLASSIC`], [`FLAG_CLASSIC_STAGE2`]; [`shadow`] << [`SHADOW_SHIFT`].
    pub flags: u64,
    /// Where a [`format::RAW`] file goes.
    pub load: u64,
    /// Where it is entered.
    pub entry: u64,
    /// Command line, zero terminated.
    pub cmdline: [u8; CMDLINE_LEN],
}

/// [`VmDesc::flags`]: power off the machine with this VM.
pub const FLAG_POWER_OFF: u64 = 1;
/// [`VmDesc::flags`]: the guest's EL1 is AArch32.
pub const FLAG_AARCH32: u64 = 2;
/// [`VmDesc::flags`]: the guest is virtualised without the extensions.
pub const FLAG_CLASSIC: u64 = 4;
/// [`VmDesc::flags`]: with [`FLAG_CLASSIC`]: stage 2 stays on behind the shadow tables.
pub const FLAG_CLASSIC_STAGE2: u64 = 8;
/// [`VmDesc::flags`]: two bits from here on are one of [`shadow`], with [`FLAG_CLASSIC`].
pub const SHADOW_SHIFT: u32 = 4;

/// How the shadow tables of the classic engine follow the guest's.
pub mod shadow {
    /// As a TLB.
    pub const TLB: u64 = 0;
    /// Each write to a table is trapped.
    pub const TRACED: u64 = 1;
    /// Trapped up to the first write between two synchronisations.
    pub const LAZY: u64 = 2;
    /// Bits of the mode.
    pub const MASK: u64 = 3;
}

/// Pages of kernel memory that a classic VM with so many bytes of RAM has for its shadow tables: for 64 roots with some
/// tables each, and one table for each 2 MiB. When there are none left, the VMM empties roots.
#[must_use]
pub const fn shadow_pages(memory: u64) -> u64 {
    512 + memory / (2 << 20)
}

/// Memory that VMs share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SharedDesc {
    /// Name, zero padded.
    pub name: [u8; NAME_LEN],
    /// Address in each guest, page aligned, in [`SHARED_BASE`]..[`SHARED_END`].
    pub ipa: u64,
    /// Bytes, a multiple of the page size.
    pub size: u64,
    /// VMs that see it: bit n for VM n.
    pub vms: u64,
    /// Those of them that may write.
    pub writers: u64,
}

/// First address of RAM in guests.
pub const RAM_BASE: u64 = 0x4000_0000;
/// First address of shared regions in guests.
pub const SHARED_BASE: u64 = 0x2000_0000;
/// End of shared regions in guests.
pub const SHARED_END: u64 = 0x3000_0000;

/// A doorbell: the guest of `from` rings it by HVC #1, the guest of `to` takes an edge-triggered SPI.
///
/// In `from` its number (x0 of HVC #1) is 1 + how many bells of `from` stand before it in the description (number 0 is
/// the VM's own, which nobody hears). In `to` its SPI is [`BELL_SPI`] + how many bells to `to` stand before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct BellDesc {
    /// VM that rings.
    pub from: u64,
    /// VM that hears.
    pub to: u64,
}

/// SPI of a VM's first incoming doorbell (INTID 80).
pub const BELL_SPI: u64 = 48;
/// Most incoming doorbells of a VM.
pub const MAX_BELLS_IN: usize = 16;
/// Most outgoing doorbells of a VM, number 0 not counted.
pub const MAX_BELLS_OUT: usize = 15;

/// A virtio console port of a VM whose other end is a channel (two byte rings, crate `ring`) in a shared region. Its VMM
/// rings and hears the doorbells; the guest has no interrupt of `bell_in`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PortDesc {
    /// VM that has the port.
    pub vm: u64,
    /// Name of the port: `/dev/virtio-ports/NAME` in Linux. Zero padded.
    pub name: [u8; NAME_LEN],
    /// Shared region (index), which the VM sees and may write.
    pub shared: u64,
    /// Side of the channel that is the port's: 0 or 1.
    pub side: u64,
    /// Doorbell (index) from this VM, rung when there is something new in the channel.
    pub bell_out: u64,
    /// Doorbell (index) to this VM.
    pub bell_in: u64,
}

/// Where a VMM finds [`VmmInfo`], mapped read-only.
pub const VMM_INFO: u64 = 0x7c_4000_0000;
/// Where a VMM finds its guest's RAM, mapped read-write.
pub const VMM_RAM: u64 = 0x60_0000_0000;
/// Where a VMM finds the guest's kernel file, mapped read-only.
pub const VMM_KERNEL: u64 = 0x7d_0000_0000;
/// Where a VMM finds the guest's initrd, mapped read-only.
pub const VMM_INITRD: u64 = 0x7d_4000_0000;
/// Where a VMM finds the pages of its vCPUs: [`VCPU_PAGES`] pages each.
pub const VMM_VCPU_PAGES: u64 = 0x7c_6000_0000;
/// Pages of a vCPU: `abi::vcpu::VcpuPage`, then `abi::vcpu::AccountPage`, which the guest may read.
pub const VCPU_PAGES: u64 = 2;
/// Where a VMM finds its VM's console rings.
pub const VMM_CONSOLE: u64 = 0x7c_5800_0000;
/// Where a VMM finds [`stats::VmStats`], which it writes and root reads.
pub const VMM_STATS: u64 = 0x7c_5c00_0000;
/// Where the VMM of a classic VM ([`FLAG_CLASSIC`]) finds [`VMM_CLASSIC_PAGES`] pages for the engine, mapped read-write.
pub const VMM_CLASSIC: u64 = 0x7c_7000_0000;
/// See [`VMM_CLASSIC`].
pub const VMM_CLASSIC_PAGES: u64 = 104;
/// Where a VMM finds the VM's shared regions: one each [`VMM_SHARED_STRIDE`].
pub const VMM_SHARED: u64 = 0x7c_8000_0000;
/// See [`VMM_SHARED`]; the most bytes of a region.
pub const VMM_SHARED_STRIDE: u64 = 0x0200_0000;
/// Top of the stack of a VMM's first thread; each stack of root's making has 8 pages and a hole below.
pub const VMM_STACK_TOP: u64 = 0x7c_3000_0000;

/// Slots of a VMM's capability table at start.
pub mod vmm_slot {
    /// The VMM's own domain.
    pub const SELF: u64 = 1;
    /// Guest RAM.
    pub const RAM: u64 = 4;
    /// Frame of the vCPU pages, one slot each; vCPU n has its pages from [`super::VCPU_PAGES`] × n on.
    pub const VCPU_PAGE: u64 = 8;
    /// Scheduling contexts of the vCPUs, one slot each.
    pub const VCPU_SCHED: u64 = 16;
    /// Scheduling context of the worker thread.
    pub const WORKER_SCHED: u64 = 24;
    /// Notification of the worker (READ + WRITE): [`super::worker`].
    pub const WORKER: u64 = 25;
    /// Notification (WRITE) of the console server: there is output, or room for input.
    pub const CONSOLE: u64 = 27;
    /// Notification (READ) of the incoming doorbells, bit n for the n-th; absent if there is none.
    pub const BELLS_IN: u64 = 28;
    /// Shared regions, one slot each, in the order of [`super::VmmInfo::shared`].
    pub const SHARED: u64 = 32;
    /// Outgoing doorbells (notifications, WRITE) from slot `BELLS_OUT + 1` on. `BELLS_OUT` itself is the VMM's to fill.
    pub const BELLS_OUT: u64 = 48;
    /// First slot that is free for the VMM.
    pub const FREE: u64 = 64;
}

/// Bits of a VMM's worker notification.
pub mod worker {
    /// There is console input, or room for console output.
    pub const CONSOLE: u64 = 1;
    /// Root asks whether the VMM lives: the worker counts [`super::stats::VmStats::heartbeat`] up.
    pub const HEARTBEAT: u64 = 2;
    /// First bit that is the VMM's own.
    pub const OWN: u64 = 1 << 8;
}

/// How a VMM ends: its code in `EXIT`. Root, which watches the domain, reads it by `DOMAIN_INFO`.
pub mod exit {
    /// The guest powered itself off.
    pub const POWER_OFF: u64 = 1;
    /// The guest asked for a reset: root starts the VM anew.
    pub const RESET: u64 = 2;
    /// The VMM cannot start its guest, and said why in the log.
    pub const ERROR: u64 = 3;
    /// The guest's watchdog was not served in time.
    pub const WATCHDOG: u64 = 4;
    /// The guest crashed in a way that it cannot go on: an SError, or as it said itself (PSCI SYSTEM_RESET2 is a reset).
    pub const CRASH: u64 = 5;
}

/// A shared region as its VMM sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct VmmShared {
    /// Name, zero padded.
    pub name: [u8; NAME_LEN],
    /// Address in the guest.
    pub ipa: u64,
    /// Bytes.
    pub size: u64,
    /// Whether this VM may write.
    pub writable: u64,
}

/// A virtio console port as its VMM sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct VmmPort {
    /// Name, zero padded.
    pub name: [u8; NAME_LEN],
    /// Index in [`VmmInfo::shared`].
    pub shared: u64,
    /// Side of the channel: 0 or 1.
    pub side: u64,
    /// Number of the outgoing doorbell, from 1: slot [`vmm_slot::BELLS_OUT`] + number.
    pub bell_out: u64,
    /// Number of the incoming doorbell, from 0: bit of [`vmm_slot::BELLS_IN`]. Not injected into the guest.
    pub bell_in: u64,
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
    /// Whether the VM has a console: [`VMM_CONSOLE`] is mapped.
    pub has_console: u64,
    /// List registers of the virtual CPU interface.
    pub lr_count: u64,
    /// How often this VM was started before.
    pub restarts: u64,
    /// UNIX time at start, seconds.
    pub epoch: u64,
    /// For the guest's `rng-seed`.
    pub seed: [u8; 32],
    /// The VM's number in the system.
    pub index: u64,
    /// Shared regions used in `shared`.
    pub shared_count: u64,
    /// Shared regions.
    pub shared: [VmmShared; MAX_SHARED],
    /// Outgoing doorbells, number 0 not counted.
    pub bells_out: u64,
    /// Incoming doorbells.
    pub bells_in: u64,
    /// Ports used in `ports`.
    pub port_count: u64,
    /// Virtio console ports.
    pub ports: [VmmPort; MAX_PORTS],
    /// The VM.
    pub vm: VmDesc,
}

const _: () = assert!(size_of::<VmmInfo>() <= 4096);
