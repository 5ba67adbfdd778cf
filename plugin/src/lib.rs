//! QEMU TCG plugin that counts executed instructions by PC range and exception level, exactly.
//!
//! The kernel and the domains run at addresses that no guest uses, so their share of a run is a count by address.
//! Arguments (`-plugin libplugin.so,KEY=VALUE,…`):
//!
//! - `range=NAME:0xSTART-0xEND` (several): half-open, virtual addresses; the first that matches counts.
//! - `out=FILE`: where the JSON goes when QEMU ends.
//! - `start=0xPC`, `stop=0xPC`: count from the execution of one instruction (counted) to that of the other (not
//!   counted), each time; without `start` from the beginning. `0xPC@N`: only at exception level N.
//! - `mark=0xPC`: each execution of that instruction notes what was executed until then; `marks` in the JSON has them.
//! - `writes`: count store accesses too.
//!
//! Each instruction has a counter of its own vCPU, incremented inline before it executes: an instruction that faults
//! is counted each time it is tried. Under `-icount` virtual time leaves the faulting tries out.
//!
//! `args` and `report` are pure and tested on the host, `api` declares QEMU's symbols, `count` instruments.

#[cfg(not(test))] // QEMU's symbols exist only inside of QEMU.
mod api;
mod args;
#[cfg(not(test))]
mod count;
mod report;
