//! Licences, bans and sources of all crates, by cargo-deny and `deny.toml`.

use super::{Cases, Context};
use crate::{paths, progress};
use miette::{IntoDiagnostic, Result, WrapErr, bail};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The version that is installed. Its advisories are not asked for: they come from a place that is no registry.
const VERSION: &str = "0.20.2";

/// Checks the graph of crates as `Cargo.lock` has it.
pub fn run(_: &Context, cases: &mut Cases) -> Result<()> {
    let program = installed()?;
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "300"]).arg(program).arg("--manifest-path");
    command.arg(paths::root().join("Cargo.toml")).args(["check", "licenses", "bans", "sources"]);
    let output = output(&mut command)?;
    let verdict = String::from_utf8_lossy(&output.stdout);
    for part in ["licenses", "bans", "sources"] {
        let good = verdict.contains(&format!("{part} ok"));
        let why = || format!("{verdict}{}", String::from_utf8_lossy(&output.stderr));
        cases.case(part, if good { Ok(()) } else { Err(why()) });
    }
    Ok(())
}

/// The program, built from its crate into the cache when it is not there.
fn installed() -> Result<PathBuf> {
    let root = paths::cache().join(format!("cargo-deny-{VERSION}"));
    let program = root.join("bin/cargo-deny");
    if program.exists() {
        return Ok(program);
    }
    let bar = progress::spinner("building cargo-deny");
    let mut command = Command::new("timeout");
    // Unoptimised: it runs for a second, and is built in a third of the time.
    command.args(["--kill-after=5", "1200", "cargo", "install", "cargo-deny", "--debug", "--locked", "--quiet"]);
    command.args(["--version", VERSION, "--root"]).arg(&root).arg("--target-dir").arg(root.join("build"));
    let output = output(&mut command);
    bar.finish_and_clear();
    let output = output?;
    let _ = std::fs::remove_dir_all(root.join("build"));
    if !output.status.success() {
        bail!("cannot build cargo-deny {VERSION}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(program)
}

fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).output().into_diagnostic().wrap_err("cannot run timeout(1)")
}
