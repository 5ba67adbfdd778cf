//! The console server's parts that need no kernel: what it keeps of each channel ([`history`]), the switch key
//! ([`keys`]), what a terminal or a program is sent ([`server`], [`screen`], [`stream`]), and the UART ([`uart`]).
//!
//! ```text
//!   VM's ring ──pull──▶ history ──cursor of the view──▶ UART
//!   VM's ring ◀──────── switch key, marks ◀──────────── UART
//! ```
//! Everything goes through a channel's history, and views are cursors in it: replay is a cursor that is moved back, and a
//! VM is held back (its ring stays full) when its cursor is a history's length behind.
//!
//! May live here: pure logic over bytes. May not: system calls (`main.rs`). What a VM writes cannot make anything here
//! panic or write outside of its own channel. Go next to `server.rs`, then to `sysdesc/src/console.rs`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod channel;
pub mod history;
pub mod keys;
pub mod screen;
pub mod server;
pub mod stream;
pub mod text;
pub mod uart;
