//! The system file: which VMs there are, what they boot, what they get, what connects them.

mod capacity;
mod engine;
mod file;
mod guest;
mod links;
#[cfg(test)]
mod tests;
mod vm;

pub use engine::{Classic, Engine, Shadow};
pub use guest::{Initrd, Kernel};
pub use links::Links;
#[cfg(test)]
pub use links::{Bell, Port, Shared};
pub use vm::{Restart, Share, Vm};

use super::{ConfigError, Source};
use crate::paths;
use file::FileToml;
use miette::{IntoDiagnostic, Report, Result, WrapErr, miette};
use std::ops::Range;
use std::path::{Path, PathBuf};
use sysdesc::MAX_VMS;
use sysdesc::pack::NAME_LEN;
use toml::Spanned;

/// Most cores of a machine.
const MAX_CORES: u64 = abi::MAX_CORES as u64;

/// What is wrong, and what would be right.
type Problem = (String, String);

/// A system, checked.
#[derive(Clone, Debug)]
pub struct System {
    /// QEMU machine profile it is made for, if the file names one.
    pub machine: Option<String>,
    /// Cores of the machine, if the file says.
    pub machine_cpus: Option<u64>,
    /// Memory of the machine in bytes, if the file says.
    pub machine_memory: Option<u64>,
    /// Its VMs.
    pub vms: Vec<Vm>,
    /// What connects them.
    pub links: Links,
    /// Whether the console speaks to a program: all VMs' bytes, marked.
    pub mux: bool,
    /// Where the file says how much memory the machine has.
    memory_origin: Option<(Source, Range<usize>)>,
}

/// A VM described by options of the command line in place of a file.
#[derive(Clone, Debug, Default)]
pub struct VmOptions {
    /// `--kernel`.
    pub kernel: Option<String>,
    /// `--initrd`.
    pub initrd: Option<String>,
    /// `--append`: the whole command line with `--kernel`, else more of it.
    pub append: Option<String>,
    /// `--memory`.
    pub memory: Option<u64>,
    /// `--cpus`.
    pub cpus: Option<u64>,
}

impl System {
    /// No VM, on a machine with so many cores.
    pub fn empty(cpus: u64) -> Self {
        Self {
            machine: None,
            machine_cpus: Some(cpus),
            machine_memory: None,
            vms: Vec::new(),
            links: Links::default(),
            mux: false,
            memory_origin: None,
        }
    }

    /// A system of one VM.
    #[cfg(test)]
    pub fn single(vm: Vm) -> Self {
        Self { vms: vec![vm], ..Self::empty(1) }
    }

    /// Reads `systems/NAME.toml`, or a file by its path.
    pub fn load(name: &str) -> Result<Self> {
        let is_path = name.ends_with(".toml") || name.contains('/');
        let path = if is_path { name.into() } else { dir().join(format!("{name}.toml")) };
        let text = std::fs::read_to_string(&path).map_err(|error| {
            let known = format!("systems of this checkout: {}; or give a path to a .toml file", names().join(", "));
            miette!(help = known, "cannot read the system file {}: {error}", path.display())
        })?;
        let shown = path.strip_prefix(paths::root()).unwrap_or(&path);
        Ok(Self::parse(&Source::new(&shown.display().to_string(), &text), path.parent().unwrap_or(Path::new("")))?)
    }

    /// Reads a system from text that no file holds; relative paths start at the checkout.
    pub fn from_text(name: &str, text: &str) -> Result<Self> {
        Ok(Self::parse(&Source::new(name, text), &paths::root())?)
    }

    /// Reads a system file's text; relative paths in it start at `base`.
    pub fn parse(source: &Source, base: &Path) -> Result<Self, ConfigError> {
        let file = file::read(source)?;
        let vms = check_vms(source, base, &file)?;
        let links = Links::check(source, &file, &vms)?;
        let machine = &file.machine;
        let machine_memory = machine.memory.as_ref().map(|memory| vm::size(source, memory)).transpose()?;
        let machine_cpus = machine.cpus.as_ref().map(|cpus| machine_cpus(source, cpus)).transpose()?;
        let memory_origin = machine.memory.as_ref().map(|memory| (source.clone(), memory.span()));
        let machine = machine.profile.clone();
        Ok(Self { machine, machine_cpus, machine_memory, vms, links, mux: false, memory_origin })
    }

    /// Puts options of the command line over the first VM.
    pub fn with_options(mut self, options: &VmOptions) -> Result<Self> {
        let Some(vm) = self.vms.first_mut() else { return Ok(self) };
        if let Some(kernel) = &options.kernel {
            vm.kernel =
                Kernel::parse(kernel, Path::new("")).map_err(|(wrong, right)| miette!(help = right, "{wrong}"))?;
            // A kernel of the user's own comes with its own command line and initrd.
            vm.initrd = Initrd::None;
            vm.cmdline = options.append.clone().unwrap_or_default();
            vm.origin = None;
        } else if let Some(append) = &options.append {
            vm.cmdline = format!("{} {append}", vm.cmdline);
        }
        if let Some(initrd) = &options.initrd {
            vm.initrd = Initrd::parse(initrd, Path::new(""));
        }
        if let Some(memory) = options.memory {
            vm.memory = memory;
        }
        if let Some(cpus) = options.cpus {
            vm.vcpus = cpus;
            vm.cores.truncate(cpus as usize);
        }
        vm.check_limits()?;
        Ok(self)
    }

    /// An error of the machine's memory.
    pub fn memory_error(&self, wrong: String, right: String) -> Report {
        match &self.memory_origin {
            Some((source, span)) => source.error(span.clone(), wrong, right).into(),
            None => miette!(help = right, "{wrong}"),
        }
    }

    /// Whether something of Debian's is part of it.
    pub fn needs_packages(&self) -> bool {
        let of_debian = |vm: &Vm| matches!(vm.kernel, Kernel::Debian { .. }) || vm.initrd == Initrd::Busybox;
        self.vms.iter().any(of_debian)
    }

    /// Cores that the VMs ask for: by name, and so many that no VM has two vCPUs on one.
    pub fn wanted_cores(&self) -> u64 {
        let named = self.vms.iter().flat_map(|vm| &vm.cores).max().map_or(1, |core| core + 1);
        self.vms.iter().map(|vm| vm.vcpus).max().unwrap_or(1).max(named)
    }
}

fn check_vms(source: &Source, base: &Path, file: &FileToml) -> Result<Vec<Vm>, ConfigError> {
    if file.vm.is_empty() || file.vm.len() > MAX_VMS {
        let wrong = format!("a system has 1 to {MAX_VMS} VMs, this one has {}", file.vm.len());
        return Err(source.error(0..0, wrong, "each VM is a table that starts with the line [[vm]]"));
    }
    let mut vms: Vec<Vm> = Vec::new();
    for vm in &file.vm {
        let vm = Vm::check(source, base, vm.get_ref(), &vms)?;
        vms.push(vm);
    }
    Ok(vms)
}

fn machine_cpus(source: &Source, cpus: &Spanned<u64>) -> Result<u64, ConfigError> {
    let count = *cpus.get_ref();
    if (1..=MAX_CORES).contains(&count) {
        return Ok(count);
    }
    Err(source.error(cpus.span(), format!("the machine cannot have {count} cores"), format!("1 to {MAX_CORES} cores")))
}

/// Whether `name` is a good name for a `what`, which none of the others has.
fn check_name<'a>(what: &str, name: &str, mut others: impl Iterator<Item = &'a String>) -> Result<(), Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_LEN || !name.chars().all(good) {
        return Err((
            format!("`{name}` is no name for a {what}"),
            format!("1 to {NAME_LEN} of the characters a-z, A-Z, 0-9, - and _"),
        ));
    }
    if others.any(|other| other == name) {
        return Err((format!("two {what}s are named `{name}`"), format!("give each {what} a name of its own")));
    }
    Ok(())
}

fn dir() -> PathBuf {
    paths::root().join("systems")
}

fn names() -> Vec<String> {
    let entries = std::fs::read_dir(dir()).into_diagnostic().wrap_err("no systems");
    let Ok(entries) = entries else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".toml")?.to_string()))
        .collect();
    names.sort();
    names
}
