//! Builds our own packages for the target, by cargo.

use crate::paths;
use crate::prepare::toolchain::Toolchain;
use crate::progress;
use miette::{IntoDiagnostic, Result, WrapErr, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A cargo command in the checkout.
pub fn cargo(subcommand: &str) -> Command {
    let mut command = Command::new("cargo");
    command.arg(subcommand).arg("--manifest-path").arg(paths::root().join("Cargo.toml"));
    command
}

/// Builds packages for the target; their ELF files are at [`paths::target_elf`].
pub fn packages(names: &[&str], toolchain: &Toolchain) -> Result<()> {
    packages_with(names, &[], toolchain)
}

/// The same with features, as `package/feature`. They stay in the files until the next build without them.
pub fn packages_with(names: &[&str], features: &[&str], toolchain: &Toolchain) -> Result<()> {
    let mut command = cargo("build");
    command.arg("--release");
    features.iter().for_each(|feature| {
        command.args(["--features", feature]);
    });
    names.iter().for_each(|name| {
        command.args(["-p", name]);
    });
    toolchain.apply(&mut command);
    run_quietly(&mut command, &format!("building {}", names.join(", ")))
}

/// Builds one of our bare-metal guests.
pub fn guest(package: &str, toolchain: &Toolchain) -> Result<PathBuf> {
    packages(&[package], toolchain)?;
    Ok(paths::target_elf(package))
}

/// Runs a command, and shows what it wrote only when it fails.
pub fn run_quietly(command: &mut Command, what: &str) -> Result<()> {
    let bar = progress::spinner(what);
    let output = command.stdin(Stdio::null()).output().into_diagnostic().wrap_err("cannot run cargo");
    bar.finish_and_clear();
    let output = output?;
    if output.status.success() {
        return Ok(());
    }
    eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    bail!("{what} failed: see above")
}
