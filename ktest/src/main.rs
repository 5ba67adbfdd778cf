//! Test domain: takes root's place in the boot image, and tests the kernel through its syscalls.
//!
//! Output: `TEST <name> ... ok`, `TEST <name> ... FAILED <reason>` or `TEST <name> ... SKIPPED needs <n> cores` for each
//! test, `MASKED max=<ticks>`, `KTEST end <n> passed <m> failed <s> skipped`; then it powers the machine off.
//!
//! Lives here: [`tests`], a module for each kind of object; [`run`] the runner, which after each test destroys all that
//! the test left and compares the kernel's accounting with what it was; [`env`] the memory and slots that tests use;
//! [`thread`], [`child`], [`guest`]: threads of this domain, other domains, and guests to test with. May not: devices,
//! guests' boot protocols.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod child;
#[cfg(target_os = "none")]
mod env;
#[cfg(target_os = "none")]
mod guest;
#[cfg(target_os = "none")]
mod hostile;
#[cfg(target_os = "none")]
mod image;
#[cfg(target_os = "none")]
mod model;
#[cfg(target_os = "none")]
mod outcome;
#[cfg(target_os = "none")]
mod rng;
#[cfg(target_os = "none")]
mod run;
#[cfg(target_os = "none")]
mod shared;
#[cfg(target_os = "none")]
mod tests;
#[cfg(target_os = "none")]
mod thread;

#[cfg(target_os = "none")]
rt::main!(run::main, own_stack);

/// Domains run at EL0 of the target only.
#[cfg(not(target_os = "none"))]
fn main() {}
