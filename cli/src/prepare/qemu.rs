//! QEMU ≥ 10: the user's own, the machine's, or Debian's unpacked into a private root.

use super::apt::Apt;
use super::{sources, toolchain::host_arch};
use crate::paths;
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Oldest major version that works: SMMUv3 with stage 2 and `-cpu max` as the kernel expects it.
const MIN_MAJOR: u32 = 10;
const PROGRAM: &str = "qemu-system-aarch64";

/// A QEMU that can be run.
#[derive(Clone, Debug)]
pub struct Qemu {
    program: PathBuf,
    /// The private root that it was unpacked into.
    root: Option<PathBuf>,
    /// As `10.0.2`.
    pub version: String,
}

impl Qemu {
    /// A command that runs it, with its libraries and data where it was unpacked.
    pub fn command(&self) -> Command {
        command(&self.program, self.root.as_deref())
    }

    /// Where it is.
    pub fn program(&self) -> &Path {
        &self.program
    }
}

fn command(program: &Path, root: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    if let Some(root) = root {
        let triplet = if host_arch() == "arm64" { "aarch64-linux-gnu" } else { "x86_64-linux-gnu" };
        let dirs = [root.join("usr/lib").join(triplet), root.join("lib").join(triplet)];
        if let Ok(path) = std::env::join_paths(dirs) {
            command.env("LD_LIBRARY_PATH", path);
        }
        command.arg("-L").arg(root.join("usr/share/qemu"));
    }
    command
}

fn private_root() -> PathBuf {
    paths::cache().join("qemu")
}

/// Whether a QEMU that is new enough is there.
pub fn is_present() -> bool {
    matches!(find(), Ok(Some(_)))
}

/// The QEMU that is there: `SOSIA_QEMU`, then the path, then the private root.
pub fn find() -> Result<Option<Qemu>> {
    if let Some(program) = std::env::var_os("SOSIA_QEMU") {
        let program = PathBuf::from(program);
        let version = version(&program, None).wrap_err("SOSIA_QEMU names no working QEMU")?;
        if !is_new_enough(&version) {
            bail!(
                help = "name another one in SOSIA_QEMU, or unset it: then one is fetched",
                "{} is QEMU {version}, which is too old: {MIN_MAJOR}.0 or newer is needed",
                program.display()
            );
        }
        return Ok(Some(Qemu { program, root: None, version }));
    }
    if let Ok(version) = version(Path::new(PROGRAM), None)
        && is_new_enough(&version)
    {
        return Ok(Some(Qemu { program: PROGRAM.into(), root: None, version }));
    }
    let root = private_root();
    if !root.is_dir() {
        return Ok(None);
    }
    let program = root.join("usr/bin").join(PROGRAM);
    let version = version(&program, Some(&root)).wrap_err_with(|| {
        format!("the QEMU in {} does not run: remove that directory and start again", root.display())
    })?;
    Ok(Some(Qemu { program, root: Some(root), version }))
}

/// Finds or fetches QEMU.
pub fn prepare() -> Result<Qemu> {
    if let Some(qemu) = find()? {
        return Ok(qemu);
    }
    let (package, suite) = package()?;
    let apt = Apt::open("host", host_arch(), &suite.list(), true)?;
    apt.unpack_with_dependencies(package, &suite.source, &private_root())?;
    find()?.ok_or_else(|| miette!("QEMU was fetched, but is not in {}", private_root().display()))
}

/// Installs QEMU on the machine (`--system`), still without a new package source in its configuration.
pub fn install() -> Result<()> {
    let (package, suite) = package()?;
    Apt::open("host", host_arch(), &suite.list(), true)?.install(package, &suite.source)
}

struct Suite {
    release: String,
    source: String,
}

impl Suite {
    fn list(&self) -> Vec<&str> {
        let mut suites = vec![self.release.as_str(), self.source.as_str()];
        suites.dedup();
        suites
    }
}

fn package() -> Result<(&'static str, Suite)> {
    let release = sources::codename().ok_or_else(|| {
        miette!(
            help = "install qemu-system-aarch64 of your distribution, or name one in SOSIA_QEMU",
            "QEMU >= {MIN_MAJOR}.0 is missing, and it can be fetched on Debian only"
        )
    })?;
    let source = if release == "bookworm" { "bookworm-backports".into() } else { release.clone() };
    Ok(("qemu-system-arm", Suite { release, source }))
}

fn version(program: &Path, root: Option<&Path>) -> Result<String> {
    let output = command(program, root).arg("--version").output().into_diagnostic();
    let output = output.wrap_err_with(|| format!("cannot run {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse_version(&text).ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        miette!("{} --version says: {}{}", program.display(), text.trim(), words.trim())
    })
}

/// `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_version(text: &str) -> Option<String> {
    text.split_once("version ")?.1.split([' ', '\n']).next().map(str::to_string)
}

fn is_new_enough(version: &str) -> bool {
    version.split('.').next().and_then(|major| major.parse().ok()).is_some_and(|major: u32| major >= MIN_MAJOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_line_is_read() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2~bpo12+1)\nCopyright (c)\n";

        assert_eq!(parse_version(text).as_deref(), Some("10.0.2"));
    }

    #[test]
    fn seven_is_too_old_and_ten_is_not() {
        assert!(!is_new_enough("7.2.17"));
        assert!(is_new_enough("10.0.2"));
        assert!(!is_new_enough(""));
    }
}
