//! The target's `core` and `alloc`: by rustup where that works, else from Debian's source of the very same rustc.

use super::apt::Apt;
use crate::paths::{self, TARGET};
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long rustup's server may take to answer and deliver.
const RUSTUP_LIMIT: Duration = Duration::from_secs(15);

/// How to build for the target.
pub enum Toolchain {
    /// The target's library is installed.
    Installed,
    /// Build `core` and `alloc` from this source directory.
    Source(PathBuf),
}

impl Toolchain {
    /// Adds what cargo needs to a command line that builds this checkout for the target.
    pub fn apply(&self, cargo: &mut Command) {
        self.apply_to(cargo, &paths::target_el());
    }

    /// The same for a build in another directory.
    pub fn apply_to(&self, cargo: &mut Command, target: &Path) {
        cargo.args(["--target", TARGET, "--target-dir"]).arg(target);
        cargo.arg("--config").arg(format!("target.{TARGET}.rustflags={:?}", self.remapped()));
        if let Self::Source(library) = self {
            // Not for host builds: crates that probe for nightly features would find them.
            cargo.env("RUSTC_BOOTSTRAP", "1").env("__CARGO_TESTS_ONLY_SRC_ROOT", library).arg("-Zbuild-std=core,alloc");
        }
    }

    /// Options of rustc that keep this machine's directories out of what is built: panics name their files, and the same
    /// source gives the same bytes wherever it lies. (Our own files have names from the root of the checkout.)
    fn remapped(&self) -> Vec<String> {
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"));
        let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from).or(home);
        let crates = cargo.map(|cargo| remap(&cargo.join("registry/src"), "crates"));
        let library: Vec<&Path> = match self {
            Self::Installed => Vec::new(),
            // Cargo names what is below the checkout from there.
            Self::Source(library) => {
                library.strip_prefix(paths::root()).into_iter().chain([library.as_path()]).collect()
            }
        };
        let library = library.into_iter().map(|path| remap(path, "library"));
        crates.into_iter().chain(library).collect()
    }
}

/// The version of rustc on the path, as `1.95.0`.
pub fn rustc_version() -> Result<String> {
    let text = rustc(&["-V"])?;
    let version = text.split_whitespace().nth(1).and_then(|version| version.split('-').next());
    version.map(str::to_string).ok_or_else(|| miette!("rustc says `{text}`, which is no version"))
}

fn rustc(args: &[&str]) -> Result<String> {
    let output = Command::new("rustc").args(args).output();
    let output = output.into_diagnostic().wrap_err("cannot run rustc: install Rust as rustup.rs says")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn has_target() -> bool {
    let Ok(dir) = rustc(&["--print", "target-libdir", "--target", TARGET]) else { return false };
    let Ok(entries) = std::fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

fn cached_source(version: &str) -> PathBuf {
    paths::cache().join(format!("rust-src-{version}"))
}

fn library(root: &Path, version: &str) -> PathBuf {
    root.join(format!("usr/src/rustc-{version}/library"))
}

/// Whether nothing has to be fetched.
pub fn is_present() -> bool {
    has_target() || rustc_version().is_ok_and(|version| cached_source(&version).is_dir())
}

/// Finds or fetches the target's library or its source.
pub fn prepare() -> Result<Toolchain> {
    if has_target() {
        return Ok(Toolchain::Installed);
    }
    let version = rustc_version()?;
    let root = cached_source(&version);
    if !root.is_dir() {
        if rustup_adds_target(&version) && has_target() {
            return Ok(Toolchain::Installed);
        }
        fetch_source(&version, &root)?;
    }
    let library = library(&root, &version);
    if !library.is_dir() {
        bail!(help = "remove it and start again", "{} has no Rust library in it", root.display());
    }
    Ok(Toolchain::Source(library))
}

fn fetch_source(version: &str, root: &Path) -> Result<()> {
    let suite = "trixie-backports";
    let fetched = Apt::open("rust-src", host_arch(), &[suite], false)
        .and_then(|apt| apt.unpack(&format!("rust-src={version}*"), root));
    fetched.wrap_err_with(|| {
        format!(
            "Rust's library for {TARGET} is missing, `rustup target add {TARGET}` did not work, and Debian's {suite} \
             has no rust-src {version}"
        )
    })
}

/// Debian's name of the host's architecture.
pub fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

/// Tries rustup once per version of rustc; a failure is remembered, so that offline machines do not wait each time.
fn rustup_adds_target(version: &str) -> bool {
    let failed = paths::cache().join(format!("rustup-failed-{version}"));
    if failed.exists() {
        return false;
    }
    let bar = crate::progress::spinner(&format!("rustup target add {TARGET}"));
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let added = run_limited(&mut command, RUSTUP_LIMIT);
    bar.finish_and_clear();
    if !added {
        let _ = std::fs::create_dir_all(paths::cache());
        let _ = std::fs::write(&failed, "");
    }
    added
}

fn run_limited(command: &mut Command, limit: Duration) -> bool {
    let Ok(mut child) = command.spawn() else { return false };
    let end = Instant::now() + limit;
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}
