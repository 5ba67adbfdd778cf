//! The system file: which VMs there are, what they boot, what they get.

use super::{ConfigError, Source, parse_size, show_size};
use crate::paths;
use abi::pack::NAME_LEN;
use miette::{IntoDiagnostic, Report, Result, WrapErr, miette};
use serde::Deserialize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use sysdesc::{CMDLINE_LEN, MAX_VCPUS, MAX_VMS};
use toml::Spanned;

const MAX_PRIORITY: u64 = 30;
const DEFAULT_PRIORITY: u64 = 10;
/// Guest RAM comes in blocks of this many bytes.
const BLOCK: u64 = 2 << 20;
/// Least memory of a VM: Linux needs 64 MiB.
const MIN_MEMORY: u64 = 8 << 20;

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
    /// Where the file says how much memory the machine has.
    memory_origin: Option<(Source, Range<usize>)>,
}

/// A VM, checked.
#[derive(Clone, Debug)]
pub struct Vm {
    /// Name, at most 16 bytes.
    pub name: String,
    /// What it boots.
    pub kernel: Kernel,
    /// Its initrd.
    pub initrd: Initrd,
    /// Kernel command line.
    pub cmdline: String,
    /// Bytes of RAM.
    pub memory: u64,
    /// vCPUs.
    pub vcpus: u64,
    /// Cores of the first vCPUs; those not named are placed by root.
    pub cores: Vec<u64>,
    /// Priority of its vCPUs, 0..=30.
    pub priority: u64,
    /// Whether the machine is powered off when this VM powers itself off.
    pub ends_run: bool,
    origin: Option<Origin>,
}

/// Where a VM was described, for errors that show only later.
#[derive(Clone, Debug)]
struct Origin {
    source: Source,
    kernel: Range<usize>,
    initrd: Range<usize>,
    memory: Range<usize>,
}

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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToml {
    #[serde(default)]
    machine: MachineToml,
    #[serde(default)]
    vm: Vec<Spanned<VmToml>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MachineToml {
    profile: Option<String>,
    cpus: Option<Spanned<u64>>,
    memory: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct VmToml {
    name: Spanned<String>,
    kernel: Spanned<String>,
    initrd: Option<Spanned<String>>,
    cmdline: Option<Spanned<String>>,
    memory: Spanned<String>,
    #[serde(default = "one")]
    vcpus: Spanned<u64>,
    cores: Option<Spanned<Vec<u64>>>,
    priority: Option<Spanned<u64>>,
    ends_run: Option<bool>,
}

fn one() -> Spanned<u64> {
    Spanned::new(0..0, 1)
}

impl System {
    /// No VM, on a machine with so many cores.
    pub fn empty(cpus: u64) -> Self {
        let machine_cpus = Some(cpus);
        Self { machine: None, machine_cpus, machine_memory: None, vms: Vec::new(), memory_origin: None }
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

    /// Reads a system file's text; relative paths in it start at `base`.
    pub fn parse(source: &Source, base: &Path) -> Result<Self, ConfigError> {
        let file: FileToml = toml::from_str(source.text()).map_err(|error| toml_error(source, &error))?;
        if file.vm.is_empty() || file.vm.len() > MAX_VMS {
            let wrong = format!("a system has 1 to {MAX_VMS} VMs, this one has {}", file.vm.len());
            return Err(source.error(0..0, wrong, "each VM is a table that starts with the line [[vm]]"));
        }
        let mut vms: Vec<Vm> = Vec::new();
        for vm in &file.vm {
            let vm = check_vm(source, base, vm.get_ref(), &vms)?;
            vms.push(vm);
        }
        let machine = &file.machine;
        let machine_memory = machine.memory.as_ref().map(|memory| size(source, memory)).transpose()?;
        let machine_cpus = machine.cpus.as_ref().map(|cpus| machine_cpus(source, cpus)).transpose()?;
        if let Some(cpus) = machine_cpus {
            check_cores(source, &file.vm, cpus)?;
        }
        let memory_origin = machine.memory.as_ref().map(|memory| (source.clone(), memory.span()));
        Ok(Self { machine: machine.profile.clone(), machine_cpus, machine_memory, vms, memory_origin })
    }

    /// Puts options of the command line over the first VM.
    pub fn with_options(mut self, options: &VmOptions) -> Result<Self> {
        let Some(vm) = self.vms.first_mut() else { return Ok(self) };
        if let Some(kernel) = &options.kernel {
            vm.kernel =
                parse_kernel(kernel, Path::new("")).map_err(|(wrong, right)| miette!(help = right, "{wrong}"))?;
            // A kernel of the user's own comes with its own command line and initrd.
            vm.initrd = Initrd::None;
            vm.cmdline = options.append.clone().unwrap_or_default();
            vm.origin = None;
        } else if let Some(append) = &options.append {
            vm.cmdline = format!("{} {append}", vm.cmdline);
        }
        if let Some(initrd) = &options.initrd {
            vm.initrd = parse_initrd(initrd, Path::new(""));
        }
        if let Some(memory) = options.memory {
            vm.memory = memory;
        }
        if let Some(cpus) = options.cpus {
            vm.vcpus = cpus;
            vm.cores.truncate(cpus as usize);
        }
        check_limits(vm)?;
        Ok(self)
    }
}

fn check_limits(vm: &Vm) -> Result<()> {
    check_vcpus(vm.vcpus)
        .and_then(|()| check_memory(vm.memory))
        .map_err(|(wrong, right)| miette!(help = right, "{wrong}"))?;
    if vm.cmdline.len() >= CMDLINE_LEN {
        return Err(miette!(
            "the kernel command line has {} bytes; there is room for {}",
            vm.cmdline.len(),
            CMDLINE_LEN - 1
        ));
    }
    Ok(())
}

impl System {
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
}

impl Vm {
    /// An error of the kernel file's contents, at its line in the system file.
    pub fn kernel_error(&self, problem: &str) -> Report {
        let wrong = format!("the kernel of VM `{}` cannot be booted: {problem}", self.name);
        self.report(|origin| &origin.kernel, wrong, "`kernel` names an uncompressed arm64 Image")
    }

    /// An error of the initrd's file.
    pub fn initrd_error(&self, problem: &str) -> Report {
        let wrong = format!("the initrd of VM `{}` cannot be used: {problem}", self.name);
        self.report(|origin| &origin.initrd, wrong, "`initrd` names a cpio archive, or \"busybox\"")
    }

    /// An error of the VM's memory, which is less than `needed` bytes.
    pub fn memory_error(&self, needed: u64, why: &str) -> Report {
        let wrong = format!("VM `{}` has {} of memory, but {why}", self.name, show_size(self.memory));
        let right = format!("give it at least {}: memory = \"{}M\"", show_size(needed), needed >> 20);
        self.report(|origin| &origin.memory, wrong, &right)
    }

    fn report(&self, place: impl Fn(&Origin) -> &Range<usize>, wrong: String, right: &str) -> Report {
        match &self.origin {
            Some(origin) => origin.source.error(place(origin).clone(), wrong, right).into(),
            None => miette!(help = right.to_string(), "{wrong}"),
        }
    }
}

fn toml_error(source: &Source, error: &toml::de::Error) -> ConfigError {
    let message = error.message();
    let right = if message.contains("unknown field") || message.contains("missing field") {
        "keys of [[vm]]: name, kernel, initrd, cmdline, memory, vcpus, cores, priority, ends-run; \
         of [machine]: profile, cpus, memory"
    } else {
        "values are written as in systems/linux.toml"
    };
    source.error(error.span().unwrap_or(0..0), message, right)
}

fn size(source: &Source, text: &Spanned<String>) -> Result<u64, ConfigError> {
    parse_size(text.get_ref()).map_err(|wrong| source.error(text.span(), wrong, "for example: memory = \"256M\""))
}

fn machine_cpus(source: &Source, cpus: &Spanned<u64>) -> Result<u64, ConfigError> {
    let count = *cpus.get_ref();
    if (1..=8).contains(&count) {
        return Ok(count);
    }
    Err(source.error(cpus.span(), format!("the machine cannot have {count} cores"), "1 to 8 cores"))
}

fn check_cores(source: &Source, vms: &[Spanned<VmToml>], cpus: u64) -> Result<(), ConfigError> {
    for cores in vms.iter().filter_map(|vm| vm.get_ref().cores.as_ref()) {
        if let Some(core) = cores.get_ref().iter().find(|core| **core >= cpus) {
            let wrong = format!("core {core} does not exist: the machine has {cpus} cores");
            return Err(source.error(cores.span(), wrong, format!("cores are counted from 0 to {}", cpus - 1)));
        }
    }
    Ok(())
}

/// What is wrong, and what would be right.
type Problem = (String, String);

fn check_vcpus(vcpus: u64) -> Result<(), Problem> {
    if (1..=MAX_VCPUS as u64).contains(&vcpus) {
        return Ok(());
    }
    Err((format!("a VM cannot have {vcpus} vCPUs"), format!("1 to {MAX_VCPUS} vCPUs")))
}

fn check_memory(memory: u64) -> Result<(), Problem> {
    if memory < MIN_MEMORY {
        let wrong = format!("{} of memory is too little for a VM", show_size(memory));
        return Err((wrong, format!("at least {}; Linux needs 64 MiB or more", show_size(MIN_MEMORY))));
    }
    if !memory.is_multiple_of(BLOCK) {
        let wrong =
            format!("{} is no multiple of 2 MiB, the blocks that a VM's memory is mapped in", show_size(memory));
        let below = (memory / BLOCK * BLOCK) >> 20;
        return Err((wrong, format!("\"{below}M\" or \"{}M\"", below + 2)));
    }
    Ok(())
}

fn check_vm(source: &Source, base: &Path, vm: &VmToml, others: &[Vm]) -> Result<Vm, ConfigError> {
    let at = |span: Range<usize>| move |(wrong, right): Problem| source.error(span, wrong, right);
    let name = vm.name.get_ref();
    check_name(name, others).map_err(at(vm.name.span()))?;
    let kernel = parse_kernel(vm.kernel.get_ref(), base).map_err(at(vm.kernel.span()))?;
    let initrd = vm.initrd.as_ref().map_or(Initrd::None, |initrd| parse_initrd(initrd.get_ref(), base));
    if let (Initrd::File(path), Some(text)) = (&initrd, &vm.initrd) {
        check_file(path).map_err(at(text.span()))?;
    }
    let memory = size(source, &vm.memory)?;
    check_memory(memory).map_err(at(vm.memory.span()))?;
    let vcpus = *vm.vcpus.get_ref();
    check_vcpus(vcpus).map_err(at(vm.vcpus.span()))?;
    let cmdline = vm.cmdline.as_ref().map_or("", |cmdline| cmdline.get_ref());
    if let Some(text) = vm.cmdline.as_ref().filter(|text| text.get_ref().len() >= CMDLINE_LEN) {
        let wrong = format!("the command line has {} bytes", cmdline.len());
        let start = text.span().start;
        return Err(source.error(start..start + 16, wrong, format!("at most {} bytes", CMDLINE_LEN - 1)));
    }
    let origin = Origin {
        source: source.clone(),
        kernel: vm.kernel.span(),
        initrd: vm.initrd.as_ref().map_or(0..0, Spanned::span),
        memory: vm.memory.span(),
    };
    Ok(Vm {
        name: name.clone(),
        kernel,
        initrd,
        cmdline: cmdline.to_string(),
        memory,
        vcpus,
        cores: checked_cores(source, vm, vcpus)?,
        priority: checked_priority(source, vm)?,
        ends_run: vm.ends_run.unwrap_or(others.is_empty()),
        origin: Some(origin),
    })
}

fn check_name(name: &str, others: &[Vm]) -> Result<(), Problem> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > NAME_LEN || !name.chars().all(good) {
        return Err((
            format!("`{name}` is no name for a VM"),
            format!("1 to {NAME_LEN} of the characters a-z, A-Z, 0-9, - and _"),
        ));
    }
    if others.iter().any(|other| other.name == name) {
        return Err((format!("two VMs are named `{name}`"), "give each VM a name of its own".into()));
    }
    Ok(())
}

fn checked_cores(source: &Source, vm: &VmToml, vcpus: u64) -> Result<Vec<u64>, ConfigError> {
    let Some(cores) = &vm.cores else { return Ok(Vec::new()) };
    let list = cores.get_ref();
    if list.len() as u64 > vcpus {
        let wrong = format!("{} cores are named for {vcpus} vCPUs", list.len());
        return Err(source.error(cores.span(), wrong, "name at most one core for each vCPU"));
    }
    Ok(list.clone())
}

fn checked_priority(source: &Source, vm: &VmToml) -> Result<u64, ConfigError> {
    let Some(priority) = &vm.priority else { return Ok(DEFAULT_PRIORITY) };
    let value = *priority.get_ref();
    if value > MAX_PRIORITY {
        let right = format!("0 (lowest) to {MAX_PRIORITY} (highest); {DEFAULT_PRIORITY} if none is given");
        return Err(source.error(priority.span(), format!("there is no priority {value}"), right));
    }
    Ok(value)
}

fn parse_kernel(text: &str, base: &Path) -> Result<Kernel, Problem> {
    if let Some(rest) = text.strip_prefix("debian:") {
        let parts = rest.split_once('/').filter(|(suite, package)| is_package(suite) && is_package(package));
        let (suite, package) = parts.ok_or_else(|| {
            (
                format!("`{text}` names no kernel of Debian's"),
                "\"debian:SUITE/PACKAGE\", as in \"debian:trixie/linux-image-cloud-arm64\"".into(),
            )
        })?;
        return Ok(Kernel::Debian { suite: suite.into(), package: package.into() });
    }
    if let Some(package) = text.strip_prefix("guest:") {
        if !paths::root().join("guests").join(package.trim_end_matches("-guest")).is_dir() || !is_package(package) {
            return Err((
                format!("there is no guest package `{package}`"),
                "a package of guests/, as in \"guest:bench-guest\"".into(),
            ));
        }
        return Ok(Kernel::Guest(package.into()));
    }
    let path = base.join(text);
    check_file(&path)?;
    Ok(Kernel::File(path))
}

fn is_package(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
        && !name.starts_with(['-', '.'])
}

fn check_file(path: &Path) -> Result<(), Problem> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err((format!("{} is no file", path.display()), "the path of a file".into())),
        Err(error) => Err((
            format!("cannot read {}: {error}", path.display()),
            "a path, which starts at the directory of this file unless it is absolute".into(),
        )),
    }
}

fn parse_initrd(text: &str, base: &Path) -> Initrd {
    match text {
        "" => Initrd::None,
        "busybox" => Initrd::Busybox,
        path => Initrd::File(base.join(path)),
    }
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

#[cfg(test)]
impl Vm {
    /// For tests.
    pub fn example() -> Self {
        Self {
            name: "a".into(),
            kernel: Kernel::Guest("bench-guest".into()),
            initrd: Initrd::None,
            cmdline: "quiet".into(),
            memory: 64 << 20,
            vcpus: 2,
            cores: Vec::new(),
            priority: DEFAULT_PRIORITY,
            ends_run: true,
            origin: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_of_the_repository_is_valid() {
        let names = names();

        assert!(names.contains(&"linux".to_string()));
        names.iter().for_each(|name| drop(System::load(name).unwrap()));
    }

    #[test]
    fn options_replace_the_first_vm() {
        let system = System::single(Vm::example());
        let options = VmOptions { cpus: Some(4), append: Some("debug".into()), ..VmOptions::default() };

        let system = system.with_options(&options).unwrap();

        assert_eq!(system.vms[0].vcpus, 4);
        assert_eq!(system.vms[0].cmdline, "quiet debug");
    }

    #[test]
    fn option_with_too_many_cpus_is_refused() {
        let options = VmOptions { cpus: Some(9), ..VmOptions::default() };

        assert!(System::single(Vm::example()).with_options(&options).is_err());
    }
}
