//! The kernel's accounting, for COUNTER.

use core::sync::atomic::AtomicU64;

/// Live kernel objects.
pub static OBJECTS: AtomicU64 = AtomicU64::new(0);
/// Pages in all pools.
pub static POOL_PAGES: AtomicU64 = AtomicU64::new(0);
/// Attachments.
pub static ATTACHMENTS: AtomicU64 = AtomicU64::new(0);
