//! Virtio devices, driven as a guest drives them: by registers and by rings in its RAM.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

mod console;
mod driver;
mod hostile;
mod oracle;
mod queue;
mod ram;
mod transport;
