//! The shadow MMU against a model of the kernel's roots.

mod support;
mod tlb;
