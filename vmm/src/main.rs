//! The user-level VMM: one domain per VM. Its first thread builds the machine ([`el0::start`]) and then brings console
//! input; each vCPU has a handler that the kernel enters at each exit ([`el0::vcpu`]).
//!
//! May live here: what needs system calls or guest memory. May not: device models (`devices`), pure parts (`lib.rs`).
//!
//! Rules: a handler never blocks and keeps nothing on its stack from one exit to the next. Lock order: own
//! redistributor, distributor, then one device; system calls are made with no lock held. What one vCPU wants of another
//! goes into its mailbox, followed by a kick.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "none")]
mod el0;

#[cfg(target_os = "none")]
rt::main!(el0::start::main);

/// Domains run at EL0 of the target only.
#[cfg(not(target_os = "none"))]
fn main() {}
