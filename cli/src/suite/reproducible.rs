//! What is in the boot image does not depend on where it was built.

use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::image::{compile, elf, read};
use crate::paths::{self, TARGET};
use crate::session::tail;
use miette::{IntoDiagnostic, Result, WrapErr, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// What a boot image is made of.
const PACKAGES: [&str; 4] = ["kernel", "root", "vmm", "console-server"];
/// Not of the source.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// Builds a copy of the checkout in another directory, and compares.
pub fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages(&PACKAGES, &context.toolchain)?;
    let scratch = Scratch::new()?;
    let (copy, target) = (scratch.path().join("another/place"), scratch.path().join("built"));
    copy_tree(&paths::root(), &copy)?;
    build(context, &copy, &target)?;
    for package in PACKAGES {
        let there = target.join(TARGET).join("release").join(package);
        let same = loaded(package, &paths::target_elf(package))? == loaded(package, &there)?;
        let why = format!("{package} built in {} is another: a path in it?", copy.display());
        cases.case(&format!("{package} is the same bytes"), if same { Ok(()) } else { Err(why) });
    }
    Ok(())
}

/// The bytes that go into the image.
fn loaded(package: &str, file: &Path) -> Result<Vec<u8>> {
    let bytes = read(file)?;
    if package == "kernel" { elf::flat(&bytes) } else { elf::domain_image(&bytes) }
}

fn build(context: &Context, root: &Path, target: &Path) -> Result<()> {
    let mut cargo = Command::new("timeout");
    cargo.args(["--kill-after=5", "900", "cargo", "build", "--release", "--quiet", "--manifest-path"]);
    cargo.arg(root.join("Cargo.toml"));
    PACKAGES.iter().for_each(|package| {
        cargo.args(["-p", package]);
    });
    context.toolchain.apply_to(&mut cargo, target);
    let output = cargo.stdin(Stdio::null()).output().into_diagnostic().wrap_err("cannot run cargo")?;
    if !output.status.success() {
        bail!("the copy cannot be built\n{}", tail(&String::from_utf8_lossy(&output.stderr), 20));
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let problem = || format!("cannot copy {}", from.display());
    std::fs::create_dir_all(to).into_diagnostic().wrap_err_with(problem)?;
    for entry in std::fs::read_dir(from).into_diagnostic().wrap_err_with(problem)? {
        let entry = entry.into_diagnostic()?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type().into_diagnostic()?.is_dir() {
            copy_tree(&path, &place)?;
        } else {
            std::fs::copy(&path, &place)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
