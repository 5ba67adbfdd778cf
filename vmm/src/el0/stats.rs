//! What the VMM counts, in a page that root reads (`sysdesc::stats`).
#![allow(unsafe_code, reason = "a page shared with root")]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rt::sys;
use sysdesc::stats::VmStats;
use sysdesc::{MAX_VCPUS, VMM_STATS, vmm_slot};

pub use sysdesc::stats::{VcpuStats, kind};

/// Counters that nobody reads, where root has mapped none.
static PRIVATE: VmStats = VmStats {
    heartbeat: AtomicU64::new(0),
    vcpus: [const { VcpuStats { count: [const { AtomicU64::new(0) }; kind::COUNT] } }; MAX_VCPUS],
};

/// The page.
pub fn page() -> &'static VmStats {
    match sys::translate(vmm_slot::SELF, VMM_STATS) {
        // SAFETY: root maps the page before the VMM starts, read-write and for good; it is atomics only.
        Ok(_) => unsafe { &*(VMM_STATS as *const VmStats) },
        Err(_) => &PRIVATE,
    }
}

/// Counters of vCPU `index`.
pub fn vcpu(index: usize) -> &'static VcpuStats {
    let [first, ..] = &page().vcpus;
    page().vcpus.get(index).unwrap_or(first)
}

/// Adds `n` to a counter that the caller alone writes.
#[inline(always)]
pub fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Answers root, which asks whether the VMM lives. Only the worker calls it.
pub fn heartbeat() {
    add(&page().heartbeat, 1);
}
