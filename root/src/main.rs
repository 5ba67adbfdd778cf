//! First domain: reads the system description from the pack, makes a VMM domain for each VM ([`assets`]), watches them,
//! and starts a VM anew as its policy says ([`vm`]). Silent unless something fails.
//!
//! May live here: policy on memory, cores and restarts; its pure parts in the library. May not: anything of guests'
//! devices or boot protocols (the VMM's). Go next to `run.rs`, `system.rs` and `vm.rs`, then to `vmm/src/main.rs`.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod assets;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod files;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod manage;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod pack;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod system;
#[cfg(target_os = "none")]
mod vm;

#[cfg(target_os = "none")]
rt::main!(run::main, own_stack);

/// Domains run at EL0 of the target only.
#[cfg(not(target_os = "none"))]
fn main() {}
