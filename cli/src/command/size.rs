//! `sosia size`: how much code must be trusted.

use crate::image::compile;
use crate::lines::{Count, count_dir};
use crate::paths;
use crate::prepare::toolchain;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, SectionKind};
use std::path::PathBuf;

/// Most code lines of ours at EL2.
pub const LIMIT: usize = 6000;
/// Crates of ours that are linked into the EL2 image.
const EL2: [&str; 3] = ["kernel", "kcore", "abi"];
/// Crates that a VM must trust beside them.
const USER: [&str; 8] = ["vmm", "classic", "devices", "rt", "root", "sysdesc", "ring", "drivers/console"];

/// Prints the table; fails above the limit.
pub fn run() -> Result<u8> {
    let toolchain = toolchain::prepare()?;
    compile::packages(&["kernel"], &toolchain)?;
    let (table, lines) = table()?;
    print!("{table}");
    if lines > LIMIT {
        eprintln!("sosia: {lines} code lines at EL2 are more than the limit of {LIMIT}");
        return Ok(1);
    }
    Ok(0)
}

/// The table, and the code lines at EL2. The kernel must have been built.
pub fn table() -> Result<(String, usize)> {
    let mut out = String::from("| part | code lines | unsafe blocks | without SAFETY |\n|---|---:|---:|---:|\n");
    let mut row = |name: &str, count: &Count| {
        out += &format!("| {name} | {} | {} | {} |\n", count.lines, count.unsafe_blocks, count.unargued);
    };
    let (mut el2, mut user) = (Count::default(), Count::default());
    for name in EL2 {
        let count = count_dir(&paths::root().join(name).join("src"))?;
        row(name, &count);
        el2 += count;
    }
    row(&format!("**at EL2** (limit {LIMIT})"), &el2);
    for name in USER {
        let count = count_dir(&paths::root().join(name).join("src"))?;
        row(name, &count);
        user += count;
    }
    row("**user-level TCB of one VM**", &user);
    out += "\n| third-party crate linked at EL2 | code lines |\n|---|---:|\n";
    let mut foreign = 0;
    for (name, dir) in third_party()? {
        let count = count_dir(&dir)?;
        foreign += count.lines;
        out += &format!("| {name} | {} |\n", count.lines);
    }
    out += &format!("| **together** (whole crates, most of it unused) | {foreign} |\n");
    let (text, rodata) = text_bytes()?;
    out += &format!("\nKernel: {text} bytes of text, {rodata} bytes of read-only data.\n");
    Ok((out, el2.lines))
}

/// Third-party crates that the kernel is linked with: name with version, source directory.
fn third_party() -> Result<Vec<(String, PathBuf)>> {
    let mut cargo = compile::cargo("tree");
    cargo.args(["-p", "kernel", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--target", paths::TARGET]);
    let output = cargo.output().into_diagnostic().wrap_err("cannot run cargo")?;
    if !output.status.success() {
        return Err(miette!("cargo tree failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let mut words = line.split_whitespace();
        let (Some(name), Some(version)) = (words.next(), words.next()) else { continue };
        let ours = line.contains('(');
        let package = format!("{name} {}", version.trim_start_matches('v'));
        if !ours && found.iter().all(|(other, _)| *other != package) {
            let dir = registry_dir(&package.replace(' ', "-"))?;
            found.push((package, dir));
        }
    }
    Ok(found)
}

/// Where cargo unpacked a crate.
fn registry_dir(name: &str) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.ok_or_else(|| miette!("neither CARGO_HOME nor HOME is set"))?.join("registry/src");
    let registries = std::fs::read_dir(&sources).into_diagnostic()?;
    let mut dirs = registries.filter_map(|entry| Some(entry.ok()?.path().join(name).join("src")));
    dirs.find(|dir| dir.is_dir()).ok_or_else(|| miette!("cargo's registry has no source of {name}"))
}

/// Bytes of the kernel's text and of its read-only data.
fn text_bytes() -> Result<(u64, u64)> {
    let bytes = crate::image::read(&paths::target_elf("kernel"))?;
    let file = ElfFile64::<Endianness>::parse(&*bytes).map_err(|error| miette!("the kernel's ELF file: {error}"))?;
    let sum = |kinds: &[SectionKind]| {
        file.sections().filter(|section| kinds.contains(&section.kind())).map(|section| section.size()).sum()
    };
    Ok((sum(&[SectionKind::Text]), sum(&[SectionKind::ReadOnlyData, SectionKind::ReadOnlyString])))
}
