//! The command line.

use crate::config::{VmOptions, parse_size};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Sosia: a type-1 hypervisor for AArch64, and this its tool: builds, runs, tests and measures it on QEMU.
#[derive(Parser)]
#[command(name = "sosia", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Boot a system in QEMU and attach the console.
    Run(RunArgs),
    /// Build one image that any arm64 boot loader starts, and say how.
    Build(BuildArgs),
    /// Check a system file and show the plan of memory and cores; boots nothing.
    Check(CheckArgs),
    /// Show the VMs of a running system: times, exits, restarts.
    Ps(PsArgs),
    /// Watch a running system: a live table, q ends it.
    Top(TopArgs),
    /// Start, stop or restart a VM of a running system.
    Vm(VmArgs),
    /// Say in words what a crash record or an ESR means.
    Decode(DecodeArgs),
    /// Run the tests.
    Test(TestArgs),
    /// Measure the rows of the benchmark, in instructions.
    Bench(BenchArgs),
    /// Show how large the hypervisor is; fails above the limit.
    Size,
    /// Show what is there, what is missing, and what to do.
    Doctor(DoctorArgs),
    /// Write a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
}

/// Which system, and what to change in it.
#[derive(Args, Default)]
pub struct SystemArgs {
    /// A system: the name of a file in systems/, or the path of a .toml file [default: default, Linux and a real-time
    /// guest; linux alone with --kernel or --bare].
    pub system: Option<String>,
    /// Boot this arm64 Image as the guest (or debian:SUITE/PACKAGE).
    #[arg(long, value_name = "IMAGE")]
    pub kernel: Option<String>,
    /// Its initrd: a cpio archive, or `busybox` for a shell of ours.
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<String>,
    /// Kernel command line: the whole of it with --kernel, else added to the system's.
    #[arg(long, value_name = "TEXT")]
    pub append: Option<String>,
    /// Memory of the guest, as 256M or 1G.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// vCPUs of the guest.
    #[arg(long, value_name = "N")]
    pub cpus: Option<u64>,
}

impl SystemArgs {
    /// The system. A guest of the user's own is alone where none is named.
    pub fn name(&self) -> &str {
        let single = if self.kernel.is_some() { "linux" } else { "default" };
        self.system.as_deref().unwrap_or(single)
    }

    /// The options as the configuration takes them.
    pub fn options(&self) -> VmOptions {
        VmOptions {
            kernel: self.kernel.clone(),
            initrd: self.initrd.clone(),
            append: self.append.clone(),
            memory: self.memory,
            cpus: self.cpus,
        }
    }
}

/// Options of `run`.
#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub system: SystemArgs,
    /// Run this shell command in the first VM's guest (or that of --vm) without a terminal, print its output, return its
    /// exit status.
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// Connect with this VM alone [default: the first, with its switch key to the others].
    #[arg(long, value_name = "NAME")]
    pub vm: Option<String>,
    /// Write what each VM sends to its console to DIR/NAME.log, and the hypervisor's own lines to DIR/sosia.log.
    #[arg(long, value_name = "DIR")]
    pub log: Option<PathBuf>,
    /// End the run after this many seconds with status 124 [default with --exec: 120].
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// QEMU machine: the name of a file in machines/, or the path of a .toml file.
    #[arg(long, value_name = "PROFILE")]
    pub machine: Option<String>,
    /// Name of this run for `sosia ps`, `top` and `vm` [default: the system's].
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Run the guest on the machine itself, without the hypervisor, to compare.
    #[arg(long)]
    pub bare: bool,
    /// Print QEMU's command line and end.
    #[arg(long)]
    pub print_qemu: bool,
    /// Give QEMU one more argument; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<String>,
    /// Say what is done; with --exec also show the whole console, on stderr.
    #[arg(short, long)]
    pub verbose: bool,
}

impl RunArgs {
    /// The system. Without the hypervisor there is one guest.
    pub fn system_name(&self) -> &str {
        if self.bare && self.system.system.is_none() { "linux" } else { self.system.name() }
    }
}

/// Options of `build`.
#[derive(Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub system: SystemArgs,
    /// Where to write sosia.img and README.txt.
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Options of `check`.
#[derive(Args)]
pub struct CheckArgs {
    /// The system file.
    pub file: String,
    /// QEMU machine to plan for.
    #[arg(long, value_name = "PROFILE")]
    pub machine: Option<String>,
}

/// Which running system.
#[derive(Args)]
pub struct RunName {
    /// Name of the run, if there are several: the system's, or what `sosia run --name` gave.
    #[arg(long, value_name = "NAME", global = true)]
    pub name: Option<String>,
}

/// Options of `ps`.
#[derive(Args)]
pub struct PsArgs {
    #[command(flatten)]
    pub run: RunName,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `top`.
#[derive(Args)]
pub struct TopArgs {
    #[command(flatten)]
    pub run: RunName,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub interval: u64,
}

/// Options of `vm`.
#[derive(Args)]
pub struct VmArgs {
    #[command(flatten)]
    pub run: RunName,
    #[command(subcommand)]
    pub action: VmAction,
}

/// What to do with a VM.
#[derive(Subcommand)]
pub enum VmAction {
    /// Start a VM that is stopped.
    Start {
        /// The VM's name.
        vm: String,
    },
    /// Stop a VM at once, as if the power failed. It stays stopped.
    Stop {
        /// The VM's name.
        vm: String,
    },
    /// Stop a VM at once if it runs, and start it.
    Restart {
        /// The VM's name.
        vm: String,
    },
}

/// Options of `decode`.
#[derive(Args)]
pub struct DecodeArgs {
    /// A console log with a crash record, `-` for stdin, or the value of an ESR.
    #[arg(value_name = "FILE|-|ESR")]
    pub what: String,
    /// Take symbols from this ELF file [default: the kernel that was built last].
    #[arg(long, value_name = "FILE")]
    pub elf: Option<PathBuf>,
}

/// Options of `test`.
#[derive(Args)]
pub struct TestArgs {
    /// Add the long runs and the big downloads.
    #[arg(long)]
    pub all: bool,
    /// Show the tests and run none.
    #[arg(long)]
    pub list: bool,
    /// Run only tests whose name has this in it.
    pub filter: Option<String>,
}

/// Options of `bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Write the rows as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Compare with the stored baseline; fail on a rise of more than 2 %.
    #[arg(long)]
    pub check: bool,
    /// Make what is measured the stored baseline.
    #[arg(long, conflicts_with = "check")]
    pub save: bool,
    /// QEMU machine.
    #[arg(long, value_name = "PROFILE", default_value = "max")]
    pub machine: String,
    /// Measure the machine itself, without the hypervisor.
    #[arg(long)]
    pub bare: bool,
    /// Measure one guest under each engine: hardware and classic with each kind of shadow.
    #[arg(long, conflicts_with_all = ["check", "save", "bare"])]
    pub engines: bool,
    /// With --engines: draw the rows as an SVG chart, too.
    #[arg(long, value_name = "FILE", requires = "engines")]
    pub svg: Option<PathBuf>,
}

/// Options of `doctor`.
#[derive(Args)]
pub struct DoctorArgs {
    /// Fetch all that is missing now.
    #[arg(long)]
    pub fetch: bool,
    /// Install QEMU on the machine itself, by apt, in place of the private root.
    #[arg(long)]
    pub system: bool,
}
