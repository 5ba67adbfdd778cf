//! The system file as it is written: tables and keys, nothing checked but their types.

use crate::config::{ConfigError, Source};
use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileToml {
    #[serde(default)]
    pub machine: MachineToml,
    #[serde(default)]
    pub vm: Vec<Spanned<VmToml>>,
    #[serde(default)]
    pub shared: Vec<Spanned<SharedToml>>,
    #[serde(default)]
    pub doorbell: Vec<Spanned<BellToml>>,
    #[serde(default)]
    pub port: Vec<Spanned<PortToml>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineToml {
    pub profile: Option<String>,
    pub cpus: Option<Spanned<u64>>,
    pub memory: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct VmToml {
    pub name: Spanned<String>,
    pub kernel: Spanned<String>,
    pub initrd: Option<Spanned<String>>,
    pub cmdline: Option<Spanned<String>>,
    pub arch: Option<Spanned<String>>,
    pub load: Option<Spanned<u64>>,
    pub entry: Option<Spanned<u64>>,
    pub memory: Spanned<String>,
    pub vcpus: Option<Spanned<u64>>,
    pub cores: Option<Spanned<CoresToml>>,
    pub priority: Option<Spanned<u64>>,
    pub budget: Option<Spanned<String>>,
    pub period: Option<Spanned<String>>,
    pub restart: Option<Spanned<String>>,
    pub restart_limit: Option<Spanned<u64>>,
    pub heartbeat: Option<Spanned<String>>,
    pub ends_run: Option<bool>,
    pub engine: Option<Spanned<String>>,
    pub classic: Option<Spanned<ClassicToml>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassicToml {
    pub shadow: Option<Spanned<String>>,
    pub stage2: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a list of cores, or \"auto\"")]
pub(super) enum CoresToml {
    List(Vec<u64>),
    Word(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedToml {
    pub name: Spanned<String>,
    pub size: Spanned<String>,
    pub vms: Spanned<Vec<Spanned<String>>>,
    pub writers: Option<Spanned<Vec<Spanned<String>>>>,
    pub address: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BellToml {
    pub from: Spanned<String>,
    pub to: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortToml {
    pub vm: Spanned<String>,
    pub peer: Spanned<String>,
    pub name: Spanned<String>,
    pub shared: Spanned<String>,
}

/// Reads the text; what toml and serde find wrong gets a place and a remedy.
pub(super) fn read(source: &Source) -> Result<FileToml, ConfigError> {
    toml::from_str(source.text()).map_err(|error| {
        let message = error.message();
        source.error(error.span().unwrap_or(0..0), message, remedy(message))
    })
}

fn remedy(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let wrong = names.next().unwrap_or_default();
        return match nearest(wrong, names) {
            Some(name) => format!("did you mean `{name}`? docs/guide/systems.md lists all keys"),
            None => "docs/guide/systems.md lists all keys".into(),
        };
    }
    match names.next() {
        Some(name) if message.starts_with("missing field") => {
            format!("add a line `{name} = …`; docs/guide/systems.md says what it means")
        }
        _ => "values are written as in systems/linux.toml".into(),
    }
}

/// The name that is most like `wrong`, if one is like it.
fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(wrong, name);
    let best = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.75).then_some(best)
}
