//! Guest files out of Debian's packages: kernels and their modules, busybox, U-Boot.

use super::apt::Apt;
use crate::paths;
use miette::{Result, miette};
use std::path::{Path, PathBuf};

/// Suite of the default guest.
pub const SUITE: &str = "trixie";
/// Package of the default guest's kernel.
pub const KERNEL: &str = "linux-image-cloud-arm64";
/// Debian's U-Boot for QEMU's machines: no meta-package, and no kernel.
const U_BOOT: (&str, &str) = ("u-boot-qemu", "usr/lib/u-boot/qemu_arm64/u-boot.bin");

/// Debian's names of the architectures that guests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// AArch64.
    Arm64,
    /// AArch32 (Armv7-A).
    Armhf,
}

impl Arch {
    /// That of a kernel's package: Debian's 32-bit Arm kernels are `linux-image-armmp` and `linux-image-armmp-lpae`.
    pub fn of_package(package: &str) -> Self {
        if package.starts_with("linux-image-armmp") { Self::Armhf } else { Self::Arm64 }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::Armhf => "armhf",
        }
    }
}

/// A suite's packages of an architecture.
#[derive(Clone, Copy)]
struct Archive<'a> {
    suite: &'a str,
    arch: Arch,
}

impl Archive<'_> {
    fn unpacked(self, package: &str) -> PathBuf {
        let suite = match self.arch {
            Arch::Arm64 => self.suite.to_string(),
            Arch::Armhf => format!("{}-armhf", self.suite),
        };
        paths::cache().join("guest").join(suite).join(package)
    }

    fn apt(self) -> Result<Apt> {
        let arch = self.arch.name();
        Apt::open(&format!("{arch}-{}", self.suite), arch, &[self.suite], false)
    }

    /// Where a package is unpacked, fetched if need be.
    fn package(self, package: &str) -> Result<PathBuf> {
        let dir = self.unpacked(package);
        if !dir.is_dir() {
            self.apt()?.unpack(package, &dir)?;
        }
        Ok(dir)
    }

    /// As [`Archive::package`] for what a meta-package names: the newest true one.
    fn newest(self, meta: &str) -> Result<PathBuf> {
        let dir = self.unpacked(meta);
        if !dir.is_dir() {
            let apt = self.apt()?;
            apt.unpack(&apt.first_dependency(meta)?, &dir)?;
        }
        Ok(dir)
    }

    fn file(self, package: &str, path: &str) -> Result<PathBuf> {
        let file = self.package(package)?.join(path);
        file.is_file().then_some(file).ok_or_else(|| miette!("{}/{package} has no {path}", self.suite))
    }
}

/// Whether the default guest is there.
pub fn is_present() -> bool {
    let archive = Archive { suite: SUITE, arch: Arch::Arm64 };
    archive.unpacked(KERNEL).is_dir() && archive.unpacked("busybox-static").is_dir()
}

/// A kernel of Debian's (`package` is a meta-package), or its U-Boot.
pub fn kernel(suite: &str, package: &str) -> Result<PathBuf> {
    let archive = Archive { suite, arch: Arch::of_package(package) };
    if package == U_BOOT.0 {
        return archive.file(package, U_BOOT.1);
    }
    let dir = archive.newest(package)?;
    let image = entries(&dir.join("boot")).into_iter().find(|path| name(path).starts_with("vmlinuz-"));
    image.ok_or_else(|| miette!(help = "is it a kernel's meta-package?", "{suite}/{package} has no boot/vmlinuz-*"))
}

/// Where a file of Debian's without a header goes: U-Boot runs anywhere and finds the device tree at the base of RAM.
pub fn load_address(package: &str) -> Option<u64> {
    (package == U_BOOT.0).then_some(0x4040_0000)
}

/// Directories of modules of a kernel of Debian's.
pub fn modules(suite: &str, package: &str) -> Result<Vec<PathBuf>> {
    let dir = Archive { suite, arch: Arch::of_package(package) }.newest(package)?;
    // Before the merge of /usr they were in /lib.
    let roots = ["usr/lib/modules", "lib/modules"].map(|path| dir.join(path));
    Ok(roots.iter().flat_map(|root| entries(root)).map(|version| version.join("kernel")).collect())
}

/// The static busybox.
pub fn busybox(arch: Arch) -> Result<PathBuf> {
    let archive = Archive { suite: SUITE, arch };
    archive.file("busybox-static", "usr/bin/busybox").or_else(|_| archive.file("busybox-static", "bin/busybox"))
}

/// One file of an arm64 package of the default suite.
pub fn file(package: &str, path: &str) -> Result<PathBuf> {
    Archive { suite: SUITE, arch: Arch::Arm64 }.file(package, path)
}

/// What is in a directory; nothing if there is none.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).ok();
    entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect()
}

/// A path's last part.
pub fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_tells_its_architecture() {
        assert_eq!(Arch::of_package("linux-image-armmp-lpae"), Arch::Armhf);
        assert_eq!(Arch::of_package("linux-image-cloud-arm64"), Arch::Arm64);
    }
}
