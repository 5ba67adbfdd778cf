//! `sosia doctor`: what is there, what is missing, what to do.

use crate::args::DoctorArgs;
use crate::paths::{self, TARGET};
use crate::prepare::{self, guest, qemu, sources, toolchain};
use miette::Result;
use std::path::Path;

/// One line of the report.
struct Finding {
    what: &'static str,
    /// What was found, or what to do.
    state: Result<String, String>,
}

/// Reports; with `--fetch` or `--system` mends first.
pub fn run(args: &DoctorArgs) -> Result<u8> {
    if args.system {
        qemu::install()?;
    }
    if args.fetch {
        prepare::announce();
        toolchain::prepare()?;
        qemu::prepare()?;
        guest::kernel(guest::SUITE, guest::KERNEL)?;
        guest::busybox(guest::Arch::Arm64)?;
    }
    let findings = [rust(), target(), linker(), qemu_found(), apt(), guest_found(), cache()];
    let mut missing = 0;
    for finding in &findings {
        let (mark, words) = match &finding.state {
            Ok(words) => ("ok     ", words),
            Err(words) => ("MISSING", words),
        };
        missing += u8::from(finding.state.is_err());
        println!("{mark}  {:<14} {words}", finding.what);
    }
    if missing == 0 {
        println!("\nAll is there: `./sosia run`");
    } else {
        println!("\n`./sosia run` fetches what is missing on Debian, `./sosia doctor --fetch` does so now.");
    }
    Ok(u8::from(missing > 0))
}

fn rust() -> Finding {
    let state = match toolchain::rustc_version() {
        Ok(version) if at_least(&version, 1, 95) => Ok(format!("rustc {version}")),
        Ok(version) => Err(format!("rustc {version} is too old: 1.95 or newer is needed; `rustup update stable`")),
        Err(error) => Err(error.to_string()),
    };
    Finding { what: "Rust", state }
}

fn at_least(version: &str, major: u32, minor: u32) -> bool {
    let mut parts = version.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}

fn target() -> Finding {
    let state = if toolchain::is_present() {
        Ok(format!("core and alloc for {TARGET}, or their source"))
    } else {
        Err(format!("`rustup target add {TARGET}`, or Debian's rust-src of rustc's version, which `run` fetches"))
    };
    Finding { what: "target", state }
}

fn linker() -> Finding {
    let cc = std::process::Command::new("cc").arg("--version").output();
    let state = match cc {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_string())
        }
        _ => Err("a C linker for the host: `apt install gcc libc6-dev`".into()),
    };
    Finding { what: "linker", state }
}

fn qemu_found() -> Finding {
    let state = match qemu::find() {
        Ok(Some(qemu)) => Ok(format!("{} ({})", qemu.version, qemu.program().display())),
        Ok(None) => {
            Err("QEMU 10 or newer: `run` unpacks Debian's; `doctor --system` installs it; or SOSIA_QEMU=…".into())
        }
        Err(error) => Err(error.to_string()),
    };
    Finding { what: "QEMU", state }
}

fn apt() -> Finding {
    let state = match sources::mirror() {
        Ok(mirror) if Path::new(sources::KEYRING).exists() => Ok(format!("{mirror} (of this machine's configuration)")),
        Ok(_) => Err(format!("{}: `apt install debian-archive-keyring`", sources::KEYRING)),
        Err(error) => Err(error.to_string()),
    };
    Finding { what: "packages from", state }
}

fn guest_found() -> Finding {
    let state = if guest::is_present() {
        Ok(format!("Debian {} kernel and busybox", guest::SUITE))
    } else {
        Err("`run` fetches it; or give --kernel and --initrd".into())
    };
    Finding { what: "guest", state }
}

fn cache() -> Finding {
    Finding { what: "cache", state: Ok(paths::cache().display().to_string()) }
}
