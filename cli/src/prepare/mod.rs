//! What must be on the machine before anything boots: toolchain, QEMU, guests. Each is looked for, else fetched into the
//! cache; nothing outside of the cache changes unless the user says `--system`.

pub mod apt;
pub mod guest;
pub mod qemu;
pub mod sources;
pub mod toolchain;

use crate::paths;
use miette::{IntoDiagnostic, Result, WrapErr};
use std::path::Path;

/// One thing that may have to be fetched: its name, and how much it costs at most, package lists included. (The Rust
/// library is a quarter of that where rustup brings it.)
pub struct Item {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there already.
    pub present: bool,
    /// Megabytes to fetch.
    pub fetch_mb: u32,
    /// Megabytes on disk afterwards.
    pub disk_mb: u32,
}

/// What is there and what is missing, without touching the network.
pub fn inventory() -> Vec<Item> {
    vec![
        Item { name: "target library or its source", present: toolchain::is_present(), fetch_mb: 55, disk_mb: 440 },
        Item { name: "QEMU 10", present: qemu::is_present(), fetch_mb: 35, disk_mb: 250 },
        Item {
            name: "Debian kernel and busybox for the guest",
            present: guest::is_present(),
            fetch_mb: 40,
            disk_mb: 230,
        },
    ]
}

/// Says once, before the first download, what it will cost.
pub fn announce() {
    let missing: Vec<Item> = inventory().into_iter().filter(|item| !item.present).collect();
    if missing.is_empty() {
        return;
    }
    let fetch: u32 = missing.iter().map(|item| item.fetch_mb).sum();
    let disk: u32 = missing.iter().map(|item| item.disk_mb).sum();
    let names: Vec<&str> = missing.iter().map(|item| item.name).collect();
    let minutes = 1 + fetch / 30;
    eprintln!("sosia: missing: {}", names.join(", "));
    eprintln!(
        "sosia: fetching up to {fetch} MB into {} ({disk} MB of disk), about {minutes} min; building takes 1 to 2 more",
        paths::cache().display()
    );
}

/// Makes a directory whole or not at all: `fill` works in a fresh one beside it, which then takes its name.
pub fn atomically(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let temp = dir.with_file_name(format!(".{name}.{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&temp);
    std::fs::create_dir_all(&temp).into_diagnostic().wrap_err_with(|| format!("cannot make {}", temp.display()))?;
    let filled = fill(&temp);
    if let Err(error) = filled {
        let _ = std::fs::remove_dir_all(&temp);
        return Err(error);
    }
    match std::fs::rename(&temp, dir) {
        Ok(()) => Ok(()),
        // Another run was faster: what it made is as good.
        Err(_) if dir.is_dir() => std::fs::remove_dir_all(&temp).into_diagnostic(),
        Err(error) => Err(error).into_diagnostic().wrap_err_with(|| format!("cannot make {}", dir.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atomically_failing_fill_leaves_nothing() {
        let base = std::env::temp_dir().join(format!("sosia-atomically-{}", std::process::id()));
        std::fs::create_dir_all(&base).unwrap();

        let result = atomically(&base.join("x"), |dir| {
            std::fs::write(dir.join("half"), "half").into_diagnostic()?;
            miette::bail!("broken off")
        });

        assert!(result.is_err());
        assert_eq!(std::fs::read_dir(&base).unwrap().count(), 0);
        std::fs::remove_dir_all(&base).unwrap();
    }
}
