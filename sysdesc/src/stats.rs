//! What a VMM counts, in a page that root reads. Root trusts none of it: it is for people to look at, and a heartbeat.

use crate::MAX_VCPUS;
use core::sync::atomic::AtomicU64;

/// Kinds of exits, and what else is counted: indices of [`VcpuStats::count`].
pub mod kind {
    /// Accesses to emulated devices.
    pub const MMIO: usize = 0;
    /// Trapped system registers, SGIs not counted.
    pub const SYSREG: usize = 1;
    /// SGIs sent.
    pub const SGI: usize = 2;
    /// Hypercalls: PSCI, SMCCC.
    pub const CALL: usize = 3;
    /// Kicks by other vCPUs, workers and doorbells.
    pub const KICK: usize = 4;
    /// Timers of the VMM's.
    pub const TIMER: usize = 5;
    /// Maintenance interrupts.
    pub const MAINTENANCE: usize = 6;
    /// All else.
    pub const OTHER: usize = 7;
    /// Interrupts that the VMM put into list registers.
    pub const INJECTED: usize = 8;
    /// Exceptions injected for what the guest must not do.
    pub const REFUSED: usize = 9;
    /// Number of counters.
    pub const COUNT: usize = 10;
    /// Their names, in this order.
    pub const NAMES: [&str; COUNT] =
        ["mmio", "sysreg", "sgi", "call", "kick", "timer", "maintenance", "other", "injected", "refused"];
}

/// Counters of one vCPU. Its own handler writes them.
#[derive(Debug, Default)]
#[repr(C)]
pub struct VcpuStats {
    /// By [`kind`].
    pub count: [AtomicU64; kind::COUNT],
}

/// The page at [`crate::VMM_STATS`].
#[derive(Debug, Default)]
#[repr(C)]
pub struct VmStats {
    /// Counted up by the worker for each [`crate::worker::HEARTBEAT`].
    pub heartbeat: AtomicU64,
    /// By vCPU.
    pub vcpus: [VcpuStats; MAX_VCPUS],
}

const _: () = assert!(size_of::<VmStats>() <= 4096);
