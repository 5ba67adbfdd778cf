//! The pure parts of the equivalence guest, which the host can test: encodings, names of system registers, random
//! instruction sequences. The guest itself is `main.rs`.
#![no_std]

pub mod encoding;
pub mod generate;
pub mod names;
pub mod random;
