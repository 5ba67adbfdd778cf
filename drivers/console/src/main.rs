//! The console server: the domain that has the physical UART and shares it between all VMs. Root starts it before the VMs
//! (`root/src/console.rs`).
//!
//! May live here: what needs system calls, mapped memory, device registers. May not: what can be tested on the host
//! (`lib.rs`). Go next to `server.rs`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "none")]
mod el0;

#[cfg(target_os = "none")]
rt::main!(el0::main);

/// Domains run at EL0 of the target only.
#[cfg(not(target_os = "none"))]
fn main() {}
