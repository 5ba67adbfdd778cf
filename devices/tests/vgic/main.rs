//! The vGIC, driven as a guest and a VMM drive it: registers by offset and width, and whole VMs with a fake virtual CPU
//! interface against a reference model.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

mod bell;
mod cpu_interface;
mod delivery;
mod late;
mod reference;
mod registers;
mod sgi;
mod state;
mod storm;
mod timerless;
mod vm;
