//! Guest files out of Debian's arm64 packages: kernels, busybox, U-Boot.

use super::apt::Apt;
use crate::paths;
use miette::{Result, miette};
use std::path::PathBuf;

/// Suite of the default guest.
pub const SUITE: &str = "trixie";
/// Package of the default guest's kernel.
pub const KERNEL: &str = "linux-image-cloud-arm64";

fn unpacked(suite: &str, package: &str) -> PathBuf {
    paths::cache().join("guest").join(suite).join(package)
}

fn apt(suite: &str) -> Result<Apt> {
    Apt::open(&format!("arm64-{suite}"), "arm64", &[suite], false)
}

/// Whether the default guest is there.
pub fn is_present() -> bool {
    unpacked(SUITE, KERNEL).is_dir() && unpacked(SUITE, "busybox-static").is_dir()
}

/// A kernel Image of Debian: `package` is a meta-package, which names the newest true one.
pub fn kernel(suite: &str, package: &str) -> Result<PathBuf> {
    let dir = unpacked(suite, package);
    if !dir.is_dir() {
        let apt = apt(suite)?;
        apt.unpack(&apt.first_dependency(package)?, &dir)?;
    }
    let entries = std::fs::read_dir(dir.join("boot")).ok();
    let image = entries.and_then(|entries| {
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
    });
    image.ok_or_else(|| miette!(help = "is it a kernel's meta-package?", "{suite}/{package} has no boot/vmlinuz-*"))
}

/// The static arm64 busybox.
pub fn busybox() -> Result<PathBuf> {
    let file = file("busybox-static", "usr/bin/busybox");
    // Before the merge of /usr it was in /bin.
    file.or_else(|_| self::file("busybox-static", "bin/busybox"))
}

/// One file of a package of the default suite.
pub fn file(package: &str, path: &str) -> Result<PathBuf> {
    let dir = unpacked(SUITE, package);
    if !dir.is_dir() {
        apt(SUITE)?.unpack(package, &dir)?;
    }
    let file = dir.join(path);
    if !file.is_file() {
        return Err(miette!("{SUITE}/{package} has no {path}"));
    }
    Ok(file)
}
