//! QEMU machines as data.

use super::{Source, parse_size};
use crate::paths;
use miette::{Context, IntoDiagnostic, Result, miette};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A QEMU machine that Sosia runs on.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// What `-cpu` gets.
    pub cpu: String,
    /// What `-machine` gets.
    pub machine: String,
    /// What `-machine` gets when a guest runs on the machine itself, without Sosia.
    pub bare_machine: String,
    /// Cores, unless a system says otherwise.
    pub cpus: u64,
    /// Memory, unless a system says otherwise.
    pub memory: String,
    /// Whether its CPU has AArch32 at EL1, for guests of 32-bit Arm. Nothing said: it is not known before they start.
    #[serde(default)]
    pub aarch32: Option<bool>,
    /// More arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// The file's name without `.toml`.
    #[serde(skip)]
    pub name: String,
}

impl Profile {
    /// Reads `machines/NAME.toml`, or a file by its path.
    pub fn load(name: &str) -> Result<Self> {
        let path = if name.ends_with(".toml") { PathBuf::from(name) } else { dir().join(format!("{name}.toml")) };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            miette!(
                help = format!("there are: {}", names().join(", ")),
                "no machine profile {}: {error}",
                path.display()
            )
        })?;
        Self::parse(&path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let source = Source::new(&path.display().to_string(), text);
        let mut profile: Self = toml::from_str(text).map_err(|error| {
            let right = "keys: cpu, machine, bare-machine, cpus, memory, aarch32, args";
            source.error(error.span().unwrap_or(0..0), error.message(), right)
        })?;
        parse_size(&profile.memory).map_err(|wrong| miette!("{}: {wrong}", path.display()))?;
        profile.name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(profile)
    }
}

fn dir() -> PathBuf {
    paths::root().join("machines")
}

/// The profiles that there are.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(dir()).into_diagnostic().wrap_err("no machines");
    let Ok(entries) = entries else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_string()))
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_of_the_repository_is_valid() {
        let names = names();

        assert!(names.contains(&"max".to_string()));
        names.iter().for_each(|name| drop(Profile::load(name).unwrap()));
    }

    #[test]
    fn unknown_key_is_refused() {
        let error = Profile::parse(Path::new("x.toml"), "cpu = \"max\"\ncores = 3\n").unwrap_err();

        assert!(error.to_string().contains("cores"));
    }
}
