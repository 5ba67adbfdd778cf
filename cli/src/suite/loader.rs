//! The image started by a boot loader of another project: Debian's U-Boot, by `booti` at its prompt.

use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::{Boot, Machine};
use crate::prepare::guest;
use crate::session::{Session, within};
use crate::{exec, image};
use miette::Result;
use std::time::Duration;

/// Where the image is put: away from U-Boot, which takes the first and the last of the memory.
const ADDRESS: u64 = 0x5000_0000;

/// Boots the default system.
pub fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    let bios = guest::file("u-boot-qemu", "usr/lib/u-boot/qemu_arm64/u-boot.bin")?;
    let system = System::load("linux")?;
    let script = exec::script("nproc");
    let payload = image::payload(&system, &context.toolchain, Some(&script))?;
    let bytes = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let scratch = Scratch::new()?;
    let image = scratch.write("sosia.img", &bytes)?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let boot = Boot::Firmware { bios, image, address: ADDRESS };
    let mut session = Session::start(&mut machine.command(&context.qemu, &boot))?;
    let at = session.wait_for("stop autoboot", 0, within(30))?;
    session.send(b" ")?;
    let at = session.wait_for("=> ", at, within(15))?;
    session.send(format!("booti {ADDRESS:#x} - $fdtcontroladdr\r").as_bytes())?;
    session.wait_for("Starting kernel", at, within(30))?;
    let mut output = Vec::new();
    let status = exec::run(&mut session, &script.nonce, Duration::from_secs(120), &mut output)?;
    let output = String::from_utf8_lossy(&output);
    let good = status == 0 && output == "2\n";
    cases.case("booti", if good { Ok(()) } else { Err(format!("status {status}, output {output}")) });
    Ok(())
}
