//! A VM and the checks of its table.

use super::engine::{self, Engine};
use super::file::{CoresToml, VmToml};
use super::guest::{Initrd, Kernel, check_file};
use super::{Problem, check_name};
use crate::config::{ConfigError, Source, parse_size, parse_time, show_size, show_time};
use miette::{Report, Result as MietteResult, miette};
use std::ops::Range;
use std::path::Path;
use sysdesc::{CMDLINE_LEN, MAX_VCPUS};
use toml::Spanned;

const MAX_PRIORITY: u64 = 30;
const DEFAULT_PRIORITY: u64 = 10;
/// Guest RAM comes in blocks of this many bytes.
const BLOCK: u64 = 2 << 20;
/// Least memory of a VM: a kernel's block and one with the device tree. Linux needs 64 MiB.
const MIN_MEMORY: u64 = 4 << 20;
/// Bounds of a budget's period, microseconds.
const PERIOD: std::ops::RangeInclusive<u64> = 1_000..=1_000_000;
/// Least budget, microseconds.
const MIN_BUDGET: u64 = 100;
const DEFAULT_PERIOD: u64 = 10_000;
/// Bounds of the heartbeat, microseconds.
const HEARTBEAT: std::ops::RangeInclusive<u64> = 100_000..=3_600_000_000;
const DEFAULT_HEARTBEAT: u64 = 10_000_000;
const DEFAULT_RESTART_LIMIT: u64 = 10;

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
    /// Whether its EL1 is AArch32.
    pub aarch32: bool,
    /// How it is virtualised.
    pub engine: Engine,
    /// Where a kernel file of bytes without a format goes in the guest.
    pub load: Option<u64>,
    /// Where such a file is entered: `load`, if the file says nothing.
    pub entry: Option<u64>,
    /// Bytes of RAM.
    pub memory: u64,
    /// vCPUs.
    pub vcpus: u64,
    /// Cores of the first vCPUs; those not named are placed by root.
    pub cores: Vec<u64>,
    /// Priority of its vCPUs, 0..=30.
    pub priority: u64,
    /// Limit of each vCPU's time, if there is one.
    pub share: Option<Share>,
    /// What happens when it stops.
    pub restart: Restart,
    /// Most restarts after failures, 0: no limit.
    pub restart_limit: u64,
    /// The VMM is taken for dead when it does not answer for so many milliseconds; 0: never.
    pub heartbeat: u64,
    /// Whether the machine is powered off when this VM powers itself off.
    pub ends_run: bool,
    pub(super) origin: Option<Origin>,
}

/// `budget` in each `period`, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Time that a vCPU may take in each period while others want the core.
    pub budget: u64,
    /// The period.
    pub period: u64,
}

impl Share {
    /// Parts of a core in millionths.
    pub fn millionths(self) -> u64 {
        self.budget * 1_000_000 / self.period
    }
}

/// What root does when a VM stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// It stays stopped.
    Never,
    /// Started anew after a failure.
    #[default]
    OnFailure,
    /// Started anew after a power-off, too.
    Always,
}

impl Restart {
    const ALL: [Self; 3] = [Self::Never, Self::OnFailure, Self::Always];

    /// As it is written in a system file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }

    /// Its number in `sysdesc::restart`.
    pub fn number(self) -> u64 {
        match self {
            Self::Never => sysdesc::restart::NEVER,
            Self::OnFailure => sysdesc::restart::ON_FAILURE,
            Self::Always => sysdesc::restart::ALWAYS,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|restart| restart.name() == text)
    }
}

/// Where a VM was described, for errors that show only later.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub source: Source,
    pub kernel: Range<usize>,
    pub initrd: Range<usize>,
    pub memory: Range<usize>,
    pub budget: Range<usize>,
    pub cores: Range<usize>,
}

impl Vm {
    /// An error of the kernel file's contents, at its line in the system file.
    pub fn kernel_error(&self, problem: &str) -> Report {
        let wrong = format!("the kernel of VM `{}` cannot be booted: {problem}", self.name);
        self.report(
            |origin| &origin.kernel,
            wrong,
            "`kernel` names an arm64 Image, an ELF file or a 32-bit zImage, uncompressed",
        )
    }

    /// An error of a kernel of 32-bit Arm on a machine without AArch32 at EL1.
    pub fn aarch32_error(&self, machine: &str) -> Report {
        let wrong = format!(
            "VM `{}` is of 32-bit Arm, and the machine ({machine}) runs such guests' user mode only",
            self.name
        );
        self.report(|origin| &origin.kernel, wrong, "another machine, as by profile = \"max\" under [machine]")
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

    pub(super) fn report(&self, place: impl Fn(&Origin) -> &Range<usize>, wrong: String, right: &str) -> Report {
        match &self.origin {
            Some(origin) => origin.source.error(place(origin).clone(), wrong, right).into(),
            None => miette!(help = right.to_string(), "{wrong}"),
        }
    }

    /// Checks what options of the command line changed.
    pub(super) fn check_limits(&self) -> MietteResult<()> {
        check_vcpus(self.vcpus)
            .and_then(|()| check_memory(self.memory))
            .map_err(|(wrong, right)| miette!(help = right, "{wrong}"))?;
        if self.cmdline.len() >= CMDLINE_LEN {
            let (have, most) = (self.cmdline.len(), CMDLINE_LEN - 1);
            return Err(miette!("the kernel command line has {have} bytes; there is room for {most}"));
        }
        Ok(())
    }

    /// Checks a VM's table, which comes after `others`.
    pub(super) fn check(source: &Source, base: &Path, vm: &VmToml, others: &[Self]) -> Result<Self, ConfigError> {
        let at = |span: Range<usize>| move |(wrong, right): Problem| source.error(span, wrong, right);
        let name = vm.name.get_ref();
        check_name("VM", name, others.iter().map(|other| &other.name)).map_err(at(vm.name.span()))?;
        let kernel = Kernel::parse(vm.kernel.get_ref(), base).map_err(at(vm.kernel.span()))?;
        let initrd = vm.initrd.as_ref().map_or(Initrd::None, |initrd| Initrd::parse(initrd.get_ref(), base));
        if let (Initrd::File(path), Some(text)) = (&initrd, &vm.initrd) {
            check_file(path).map_err(at(text.span()))?;
        }
        let memory = size(source, &vm.memory)?;
        check_memory(memory).map_err(at(vm.memory.span()))?;
        let vcpus = vm.vcpus.as_ref().map_or(1, |vcpus| *vcpus.get_ref());
        check_vcpus(vcpus).map_err(at(span(&vm.vcpus)))?;
        let (load, entry) = addresses(source, vm, memory)?;
        let aarch32 = aarch32(source, vm, &kernel)?;
        Ok(Self {
            aarch32,
            engine: engine::check(source, vm, aarch32)?,
            name: name.clone(),
            kernel,
            initrd,
            cmdline: cmdline(source, vm)?,
            load,
            entry,
            memory,
            vcpus,
            cores: cores(source, vm, vcpus)?,
            priority: priority(source, vm)?,
            share: share(source, vm)?,
            restart: restart(source, vm)?,
            restart_limit: vm.restart_limit.as_ref().map_or(DEFAULT_RESTART_LIMIT, |limit| *limit.get_ref()),
            heartbeat: heartbeat(source, vm)?,
            ends_run: vm.ends_run.unwrap_or(others.is_empty()),
            origin: Some(Origin {
                source: source.clone(),
                kernel: vm.kernel.span(),
                initrd: span(&vm.initrd),
                memory: vm.memory.span(),
                budget: span(&vm.budget),
                cores: span(&vm.cores),
            }),
        })
    }
}

fn span<T>(value: &Option<Spanned<T>>) -> Range<usize> {
    value.as_ref().map_or(0..0, Spanned::span)
}

/// Reads an amount of memory.
pub(super) fn size(source: &Source, text: &Spanned<String>) -> Result<u64, ConfigError> {
    parse_size(text.get_ref()).map_err(|wrong| source.error(text.span(), wrong, "for example: memory = \"256M\""))
}

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

fn cmdline(source: &Source, vm: &VmToml) -> Result<String, ConfigError> {
    let Some(text) = &vm.cmdline else { return Ok(String::new()) };
    let length = text.get_ref().len();
    if length >= CMDLINE_LEN {
        let start = text.span().start;
        let wrong = format!("the command line has {length} bytes");
        return Err(source.error(start..start + 16, wrong, format!("at most {} bytes", CMDLINE_LEN - 1)));
    }
    Ok(text.get_ref().clone())
}

/// AArch32 where the file says so, or where Debian's package is one of 32-bit Arm.
fn aarch32(source: &Source, vm: &VmToml, kernel: &Kernel) -> Result<bool, ConfigError> {
    let by_kernel = matches!(kernel, Kernel::Debian { package, .. } if package.starts_with("linux-image-armmp"));
    match vm.arch.as_ref().map(|arch| (arch.get_ref().as_str(), arch.span())) {
        None => Ok(by_kernel),
        Some(("aarch64", _)) if !by_kernel => Ok(false),
        Some(("aarch64", at)) => Err(source.error(at, "this kernel is one of 32-bit Arm", "arch = \"aarch32\"")),
        Some(("aarch32", _)) => Ok(true),
        Some((arch, at)) => {
            Err(source.error(at, format!("there is no architecture `{arch}`"), "\"aarch64\" or \"aarch32\""))
        }
    }
}

fn addresses(source: &Source, vm: &VmToml, memory: u64) -> Result<(Option<u64>, Option<u64>), ConfigError> {
    let ram = sysdesc::RAM_BASE..sysdesc::RAM_BASE + memory;
    for address in [&vm.load, &vm.entry].into_iter().flatten() {
        if !ram.contains(address.get_ref()) || !address.get_ref().is_multiple_of(4) {
            let wrong = format!("{:#x} is no place for code in this VM's memory", address.get_ref());
            let right = format!("a multiple of 4 from {:#x} to {:#x}", ram.start, ram.end - 4);
            return Err(source.error(address.span(), wrong, right));
        }
    }
    let load = vm.load.as_ref().map(|load| *load.get_ref());
    let entry = vm.entry.as_ref().map(|entry| *entry.get_ref());
    if let (None, Some(entry)) = (load, &vm.entry) {
        let wrong = "`entry` without `load`";
        return Err(source.error(entry.span(), wrong, "`load` says where the kernel's bytes go"));
    }
    Ok((load, entry))
}

fn cores(source: &Source, vm: &VmToml, vcpus: u64) -> Result<Vec<u64>, ConfigError> {
    let Some(cores) = &vm.cores else { return Ok(Vec::new()) };
    let list = match cores.get_ref() {
        CoresToml::List(list) => list,
        CoresToml::Word(word) if word == "auto" => return Ok(Vec::new()),
        CoresToml::Word(word) => {
            let right = "a list as [0, 1], or \"auto\": root chooses";
            return Err(source.error(cores.span(), format!("`{word}` names no cores"), right));
        }
    };
    if list.len() as u64 > vcpus {
        let wrong = format!("{} cores are named for {vcpus} vCPUs", list.len());
        return Err(source.error(cores.span(), wrong, "name at most one core for each vCPU"));
    }
    if let Some(core) = list.iter().find(|core| **core >= super::MAX_CORES) {
        let right = format!("cores are counted from 0 to {}", super::MAX_CORES - 1);
        return Err(source.error(cores.span(), format!("there is no core {core}"), right));
    }
    Ok(list.clone())
}

fn priority(source: &Source, vm: &VmToml) -> Result<u64, ConfigError> {
    let Some(priority) = &vm.priority else { return Ok(DEFAULT_PRIORITY) };
    let value = *priority.get_ref();
    if value > MAX_PRIORITY {
        let right = format!("0 (lowest) to {MAX_PRIORITY} (highest); {DEFAULT_PRIORITY} if none is given");
        return Err(source.error(priority.span(), format!("there is no priority {value}"), right));
    }
    Ok(value)
}

fn time(source: &Source, text: &Spanned<String>) -> Result<u64, ConfigError> {
    parse_time(text.get_ref()).map_err(|wrong| source.error(text.span(), wrong, "for example: \"10ms\""))
}

fn share(source: &Source, vm: &VmToml) -> Result<Option<Share>, ConfigError> {
    let Some(text) = &vm.budget else {
        return match &vm.period {
            None => Ok(None),
            Some(period) => {
                let right = "add `budget`, the time that each vCPU may take in each period";
                Err(source.error(period.span(), "`period` without `budget`", right))
            }
        };
    };
    let budget = time(source, text)?;
    let period = vm.period.as_ref().map_or(Ok(DEFAULT_PERIOD), |period| time(source, period))?;
    if !PERIOD.contains(&period) {
        let right = format!("{} to {}", show_time(*PERIOD.start()), show_time(*PERIOD.end()));
        let wrong = format!("a period of {} cannot be kept", show_time(period));
        return Err(source.error(span(&vm.period), wrong, right));
    }
    if !(MIN_BUDGET..=period).contains(&budget) {
        let wrong = format!("a budget of {} in a period of {}", show_time(budget), show_time(period));
        let right = format!("at least {}, at most the period", show_time(MIN_BUDGET));
        return Err(source.error(text.span(), wrong, right));
    }
    Ok(Some(Share { budget, period }))
}

fn restart(source: &Source, vm: &VmToml) -> Result<Restart, ConfigError> {
    let Some(text) = &vm.restart else { return Ok(Restart::default()) };
    Restart::parse(text.get_ref()).ok_or_else(|| {
        let names = Restart::ALL.map(|restart| format!("\"{}\"", restart.name()));
        source.error(text.span(), format!("`{}` is no restart policy", text.get_ref()), names.join(", "))
    })
}

/// Milliseconds.
fn heartbeat(source: &Source, vm: &VmToml) -> Result<u64, ConfigError> {
    let Some(text) = vm.heartbeat.as_ref().filter(|text| text.get_ref() != "off") else {
        let off = vm.heartbeat.is_some();
        return Ok(if off { 0 } else { DEFAULT_HEARTBEAT / 1_000 });
    };
    let time = time(source, text)?;
    if !HEARTBEAT.contains(&time) {
        let right = format!("{} to {}, or \"off\"", show_time(*HEARTBEAT.start()), show_time(*HEARTBEAT.end()));
        return Err(source.error(text.span(), format!("a heartbeat of {} is no use", show_time(time)), right));
    }
    Ok(time.div_ceil(1_000))
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
            aarch32: false,
            engine: Engine::Hardware,
            load: None,
            entry: None,
            memory: 64 << 20,
            vcpus: 2,
            cores: Vec::new(),
            priority: DEFAULT_PRIORITY,
            share: None,
            restart: Restart::default(),
            restart_limit: DEFAULT_RESTART_LIMIT,
            heartbeat: DEFAULT_HEARTBEAT / 1_000,
            ends_run: true,
            origin: None,
        }
    }
}
