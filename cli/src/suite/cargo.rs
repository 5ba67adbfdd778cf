//! Steps on the host: format, lints, unit and property tests, models, size.

use super::{Cases, Context};
use crate::command::size;
use crate::image::compile;
use crate::paths;
use crate::session::die_with_parent;
use miette::{IntoDiagnostic, Result, WrapErr};
use rustix::process::Signal;
use std::process::{Command, Output, Stdio};

/// Packages with tests that run on the host.
pub const HOST: [&str; 13] = [
    "kcore",
    "ring",
    "manage",
    "devices",
    "classic",
    "rt",
    "vmm",
    "root",
    "sosia-cli",
    "plugin",
    "equiv-guest",
    "rtos",
    "console-server",
];
/// Packages with loom models.
pub const LOOM: [&str; 3] = ["kcore", "ring", "devices"];
/// Packages that exist on the target only.
const TARGET_ONLY: [&str; 17] = [
    "kernel",
    "rt",
    "root",
    "vmm",
    "console-server",
    "ktest",
    "guest-base",
    "payload",
    "bench-guest",
    "classes",
    "equiv-guest",
    "hello",
    "hostile",
    "load",
    "loops",
    "mortal",
    "rtos",
];

/// Most seconds that a step may take.
const LIMIT: &str = "600";

/// `cargo fmt --check`.
pub fn rustfmt(_: &Context, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("fmt");
    let output = output(command.args(["--all", "--check"]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let files: Vec<&str> = text.lines().filter(|line| line.starts_with("Diff in")).collect();
    cases.case("", verdict(&output, || format!("run `cargo fmt --all`\n{}", files.join("\n"))));
    Ok(())
}

/// clippy on what the host builds; warnings are errors.
pub fn clippy_host(_: &Context, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("clippy");
    for package in ["abi", "sysdesc", "kcore", "ring", "manage", "devices", "classic", "root", "sosia-cli", "plugin"] {
        command.args(["-p", package]);
    }
    command.args(["--all-targets", "--quiet", "--target-dir"]).arg(paths::target());
    let output = output(command.args(["--", "-D", "warnings"]))?;
    cases.case("", verdict(&output, || end_of(&output.stderr)));
    Ok(())
}

/// clippy on what runs on the target.
pub fn clippy_target(context: &Context, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("clippy");
    for package in TARGET_ONLY {
        command.args(["-p", package]);
    }
    command.args(["--quiet", "--release"]);
    context.toolchain.apply(&mut command);
    let output = output(command.args(["--", "-D", "warnings"]))?;
    cases.case("", verdict(&output, || end_of(&output.stderr)));
    Ok(())
}

/// Unit and property tests of one package.
pub fn host(package: &str, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("test");
    command.args(["-p", package, "--target-dir"]).arg(paths::target());
    tests(&mut command, cases)
}

/// loom models of one package: every interleaving of its cross-core protocols.
pub fn loom(package: &str, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("test");
    command.args(["-p", package, "--release", "--target-dir"]).arg(paths::target().join("loom"));
    quickly_built(&mut command);
    command.env("RUSTFLAGS", "--cfg loom").args(["--test", "*loom*"]);
    tests(&mut command, cases)
}

/// The tests of one package that take minutes: random cases by the million, by seed.
pub fn random(package: &str, cases: &mut Cases) -> Result<()> {
    let mut command = compile::cargo("test");
    command.args(["-p", package, "--release", "--target-dir"]).arg(paths::target().join("random"));
    quickly_built(&mut command);
    command.args(["--tests", "--", "--ignored"]);
    tests(&mut command, cases)
}

/// Optimised, but soon built.
fn quickly_built(command: &mut Command) {
    command.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")]);
}

fn tests(command: &mut Command, cases: &mut Cases) -> Result<()> {
    let output = output(command)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let count = passed(&text);
    let result = verdict(&output, || {
        let named = text.lines().filter(|line| line.starts_with("test ") && line.ends_with("FAILED"));
        let named: Vec<&str> = named.collect();
        let late = if output.status.code() == Some(124) { format!("not done in {LIMIT} s\n") } else { String::new() };
        format!("{late}{}\n{}\n{}", named.join("\n"), end_of(&output.stdout), end_of(&output.stderr))
    });
    cases.several(&format!("({count} tests)"), count, result);
    Ok(())
}

/// The sum of libtest's `test result: ok. 12 passed; …`.
fn passed(text: &str) -> usize {
    let results = text.lines().filter_map(|line| line.strip_prefix("test result: ok. "));
    results.filter_map(|rest| rest.split(' ').next()?.parse::<usize>().ok()).sum()
}

/// The size table's limit.
pub fn size(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages(&["kernel"], &context.toolchain)?;
    let (table, lines) = size::table()?;
    let too_large = lines > size::LIMIT;
    cases.case(&format!("({lines} lines at EL2)"), if too_large { Err(table) } else { Ok(()) });
    Ok(())
}

/// Runs a command under a time limit. timeout(1) ends the whole process group, cargo's test binaries with it.
fn output(command: &Command) -> Result<Output> {
    let mut limited = Command::new("timeout");
    limited.arg("--kill-after=5").arg(LIMIT).arg(command.get_program()).args(command.get_args());
    limited.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    die_with_parent(&mut limited, Signal::TERM);
    limited.stdin(Stdio::null()).output().into_diagnostic().wrap_err("cannot run cargo")
}

fn verdict(output: &Output, why: impl Fn() -> String) -> Result<(), String> {
    if output.status.success() { Ok(()) } else { Err(why()) }
}

fn end_of(bytes: &[u8]) -> String {
    crate::session::tail(&String::from_utf8_lossy(bytes), 40)
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed() {
        let text = "test result: ok. 3 passed; 0 failed;\nx\ntest result: ok. 14 passed; 0 failed;\n";

        assert_eq!(passed(text), 17);
    }
}
