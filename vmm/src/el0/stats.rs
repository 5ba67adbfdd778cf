//! What the VMM counts, in a page that root reads (`sysdesc::stats`).
#![allow(unsafe_code, reason = "a page shared with root")]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use sysdesc::VMM_STATS;
use sysdesc::stats::VmStats;

pub use sysdesc::stats::{VcpuStats, kind};

/// The page.
pub fn page() -> &'static VmStats {
    // SAFETY: root maps the page before the VMM starts, read-write and for good; it is atomics only.
    unsafe { &*(VMM_STATS as *const VmStats) }
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
