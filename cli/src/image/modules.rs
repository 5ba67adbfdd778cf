//! Kernel modules for an initrd: found below the kernel's own directory, with what they depend on, uncompressed.

use crate::prepare::guest::{entries, name};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use object::{Object, ObjectSection};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What guests of ours use and Debian's kernels have as modules; a kernel that has one built in, or lacks it, goes without.
const WANTED: [&str; 3] = ["virtio_mmio", "virtio_console", "sbsa_gwdt"];
const XZ: &str = ".ko.xz";
const PLAIN: &str = ".ko";

/// A module and its bytes, an ELF file.
pub struct Module {
    /// Name, as `virtio_mmio`.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// The modules that an initrd gets, in the order in which they are loaded.
pub fn wanted(dirs: &[PathBuf]) -> Result<Vec<Module>> {
    let mut files = HashMap::new();
    dirs.iter().for_each(|dir| collect(dir, &mut files));
    let mut modules = Vec::new();
    for wanted in WANTED {
        add(wanted, &mut files, &mut modules)?;
    }
    Ok(modules)
}

/// Module names and their files below a directory.
fn collect(dir: &Path, files: &mut HashMap<String, PathBuf>) {
    for path in entries(dir) {
        let file = name(&path);
        if path.is_dir() {
            collect(&path, files);
        } else if let Some(module) = file.strip_suffix(XZ).or_else(|| file.strip_suffix(PLAIN)) {
            files.insert(module.replace('-', "_"), path);
        }
    }
}

/// Adds a module after those that it depends on. Without a file it is built into the kernel, absent, or added already.
fn add(module: &str, files: &mut HashMap<String, PathBuf>, modules: &mut Vec<Module>) -> Result<()> {
    let module = module.replace('-', "_");
    let Some(path) = files.remove(&module) else { return Ok(()) };
    let bytes = read(&path).wrap_err_with(|| format!("cannot use the module {}", path.display()))?;
    for other in dependencies(&bytes)? {
        add(&other, files, modules)?;
    }
    modules.push(Module { name: module, bytes });
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = super::read(path)?;
    if !name(path).ends_with(XZ) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    lzma_rust2::XzReader::new(bytes.as_slice(), true).read_to_end(&mut plain).into_diagnostic()?;
    Ok(plain)
}

/// `depends=a,b` in the section `.modinfo` (Linux, include/linux/module.h).
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module).into_diagnostic().wrap_err("it is no ELF file")?;
    let section = file.section_by_name(".modinfo").ok_or_else(|| miette!("it has no .modinfo"))?;
    Ok(depends(section.data().into_diagnostic()?))
}

fn depends(modinfo: &[u8]) -> Vec<String> {
    let entries = modinfo.split(|byte| *byte == 0).filter_map(|entry| entry.strip_prefix(b"depends="));
    let names = entries.map(|names| String::from_utf8_lossy(names).into_owned());
    names
        .flat_map(|names| names.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modinfo_names_what_a_module_depends_on() {
        assert_eq!(depends(b"license=GPL\0depends=virtio,virtio_ring\0name=x\0"), ["virtio", "virtio_ring"]);
        assert_eq!(depends(b"license=GPL\0depends=\0"), [""; 0]);
    }

    #[test]
    fn a_module_that_is_no_elf_file_is_an_error() {
        assert!(dependencies(b"not a module").is_err());
    }
}
