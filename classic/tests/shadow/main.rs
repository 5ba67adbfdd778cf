//! The shadow MMU against a model of the kernel's roots.

mod bounds;
mod follow;
mod oracle;
mod random;
mod support;
mod tlb;
