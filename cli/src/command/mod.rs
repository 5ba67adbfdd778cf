//! The subcommands.

pub mod bench;
pub mod build;
pub mod check;
pub mod decode;
pub mod doctor;
pub mod ps;
pub mod run;
pub mod size;
pub mod top;
