//! Where things are: the checkout, the cache, the build products.

use std::path::{Path, PathBuf};

/// Target triple of the kernel, the domains and our own guests.
pub const TARGET: &str = "aarch64-unknown-none-softfloat";

/// The root of the checkout: from the entry script, else where this tool was compiled.
pub fn root() -> PathBuf {
    match std::env::var_os("SOSIA_ROOT") {
        Some(dir) => dir.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default(),
    }
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").unwrap_or_else(|| root().join("target"))
}

/// Everything that was downloaded, and what was unpacked of it.
pub fn cache() -> PathBuf {
    variable("SOSIA_CACHE").unwrap_or_else(|| target().join("sosia"))
}

/// A path from the environment, made absolute; an empty one counts as none.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
    std::path::absolute(value).ok()
}

/// Target directory of builds for the target, apart from the host's, so that neither waits for the other.
pub fn target_el() -> PathBuf {
    target().join("el")
}

/// The ELF file of one of our packages, as cargo leaves it.
pub fn target_elf(package: &str) -> PathBuf {
    target_el().join(TARGET).join("release").join(package)
}
