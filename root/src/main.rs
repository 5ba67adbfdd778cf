//! First domain: reads the system description from the pack, makes a VMM domain for each VM ([`vm`]), watches them, and
//! starts a VM anew when its guest resets. Silent unless something fails.
//!
//! May live here: policy on memory, cores and restarts. May not: anything of guests' devices or boot protocols (the
//! VMM's). Go next to `vm.rs`, then to `vmm/src/main.rs`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod pack;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod vm;

#[cfg(target_os = "none")]
rt::main!(run::main);

/// Domains run at EL0 of the target only.
#[cfg(not(target_os = "none"))]
fn main() {}
