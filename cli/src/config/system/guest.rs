//! What a VM boots: where its kernel and its initrd come from.

use super::Problem;
use crate::paths;
use std::path::{Path, PathBuf};

/// What a VM boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// A kernel of Debian's, by a meta-package.
    Debian {
        /// As `trixie`.
        suite: String,
        /// As `linux-image-cloud-arm64`.
        package: String,
    },
    /// A file.
    File(PathBuf),
    /// One of our own bare-metal guests, by its package in `guests/`.
    Guest(String),
}

impl Kernel {
    /// Reads the value of `kernel`; a relative path starts at `base`.
    pub(super) fn parse(text: &str, base: &Path) -> Result<Self, Problem> {
        if let Some(rest) = text.strip_prefix("debian:") {
            return debian(text, rest);
        }
        if let Some(package) = text.strip_prefix("guest:") {
            return guest(package);
        }
        let path = base.join(text);
        check_file(&path)?;
        Ok(Self::File(path))
    }
}

fn debian(text: &str, rest: &str) -> Result<Kernel, Problem> {
    let parts = rest.split_once('/').filter(|(suite, package)| is_package(suite) && is_package(package));
    let (suite, package) = parts.ok_or_else(|| {
        (
            format!("`{text}` names no kernel of Debian's"),
            "\"debian:SUITE/PACKAGE\", as in \"debian:trixie/linux-image-cloud-arm64\"".into(),
        )
    })?;
    Ok(Kernel::Debian { suite: suite.into(), package: package.into() })
}

fn guest(package: &str) -> Result<Kernel, Problem> {
    if !paths::root().join("guests").join(package.trim_end_matches("-guest")).is_dir() || !is_package(package) {
        return Err((
            format!("there is no guest package `{package}`"),
            "a package of guests/, as in \"guest:bench-guest\"".into(),
        ));
    }
    Ok(Kernel::Guest(package.into()))
}

fn is_package(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
        && !name.starts_with(['-', '.'])
}

/// A VM's initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Initrd {
    /// None.
    None,
    /// A shell in busybox, made by this tool.
    Busybox,
    /// A file.
    File(PathBuf),
}

impl Initrd {
    /// Reads the value of `initrd`.
    pub(super) fn parse(text: &str, base: &Path) -> Self {
        match text {
            "" => Self::None,
            "busybox" => Self::Busybox,
            path => Self::File(base.join(path)),
        }
    }
}

/// Whether there is a file.
pub(super) fn check_file(path: &Path) -> Result<(), Problem> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err((format!("{} is no file", path.display()), "the path of a file".into())),
        Err(error) => Err((
            format!("cannot read {}: {error}", path.display()),
            "a path, which starts at the directory of this file unless it is absolute".into(),
        )),
    }
}
