//! Starts systems for other steps.

use super::Context;
use crate::command::run::Scratch;
use crate::config::System;
use crate::image::{self, initrd::Script};
use crate::machine::{self, Machine};
use crate::session::Session;
use miette::Result;

/// Boots a system on a machine. The console comes with marks: [`Session::text_of`], [`Session::wait_for_of`] and
/// [`Session::send_to`] name a VM, or `sosia` for root's lines; what names none means the first VM.
pub fn start(
    context: &Context,
    machine: &Machine,
    system: &System,
    script: Option<&Script>,
    scratch: &Scratch,
) -> Result<Session> {
    let mut system = system.clone();
    system.mux = true;
    let payload = image::payload(&system, &context.toolchain, script)?;
    let bytes = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let path = scratch.write("sosia.img", &bytes)?;
    Ok(Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?.with_names(&system))
}
