//! The management channel from the host's side: the sockets of running systems ([`socket`]), requests and replies
//! ([`client`]), what they give together ([`snapshot`]).

mod client;
mod snapshot;
pub mod socket;

pub use client::Client;
#[cfg(test)]
pub use snapshot::tests::example;
pub use snapshot::{Snapshot, VmState, budget, cause, exits, state};
