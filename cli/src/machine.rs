//! From a profile and a system to QEMU's command line.

use crate::config::{Profile, System, show_size};
use crate::prepare::qemu::Qemu;
use miette::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Memory that kernel, root and VMMs take beside the guests' own, in bytes: page tables, pools, device state.
pub const OWN_MEMORY: u64 = 32 << 20;
/// Memory that each VM takes beside its guest's RAM, in bytes: its VMM, page tables, rings.
pub const VM_MEMORY: u64 = 1 << 20;
/// Most that a machine is grown to by itself, in bytes.
const MAX_AUTO_MEMORY: u64 = 8 << 30;

/// A QEMU machine, ready to be started.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its profile.
    pub profile: Profile,
    /// Cores.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// Without EL2: the guest runs on the machine itself.
    pub bare: bool,
    /// The clock counts instructions.
    pub icount: bool,
    /// Socket of the management channel, which is the second serial line; none: the machine has one line.
    pub manage: Option<PathBuf>,
    /// More arguments of the user's.
    pub extra: Vec<String>,
}

/// What QEMU loads.
pub enum Boot {
    /// An Image at `-kernel`, with initrd and command line where given.
    Kernel {
        /// The Image.
        image: PathBuf,
        /// The initrd.
        initrd: Option<PathBuf>,
        /// The command line.
        cmdline: String,
    },
    /// Firmware, which finds the image in memory.
    Firmware {
        /// The firmware's file.
        bios: PathBuf,
        /// The image.
        image: PathBuf,
        /// Where the image is put.
        address: u64,
    },
}

impl Machine {
    /// The machine that a system asks for, or its profile's where it says nothing.
    pub fn new(profile: Profile, system: &System) -> Result<Self> {
        let cpus = system.machine_cpus.unwrap_or(profile.cpus.max(system.wanted_cores()));
        let memory = system.machine_memory.unwrap_or(profile_memory(&profile)?.max(wanted_memory(system)));
        Ok(Self { profile, cpus, memory, bare: false, icount: false, manage: None, extra: Vec::new() })
    }

    /// QEMU's command line. The console is on stdin and stdout.
    pub fn command(&self, qemu: &Qemu, boot: &Boot) -> Command {
        let mut command = qemu.command();
        let machine = if self.bare { &self.profile.bare_machine } else { &self.profile.machine };
        command.args(["-nodefaults", "-no-user-config", "-machine", machine]);
        command.args(["-cpu", &self.profile.cpu, "-smp", &self.cpus.to_string()]);
        command.args(["-m", &format!("{}M", self.memory >> 20)]);
        command.args(["-display", "none", "-monitor", "none", "-serial", "stdio"]);
        if let Some(socket) = &self.manage {
            command.arg("-serial").arg(format!("unix:{},server=on,wait=off", escape(socket)));
        }
        if self.icount {
            // The real-time clock, too, goes by it and not by the host's.
            command.args(["-icount", "shift=0,sleep=off", "-rtc", "clock=vm"]);
        }
        add_boot(&mut command, boot);
        command.args(&self.profile.args).args(&self.extra);
        command
    }
}

/// A path among QEMU's options: a comma is written twice.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn add_boot(command: &mut Command, boot: &Boot) {
    match boot {
        Boot::Kernel { image, initrd, cmdline } => {
            command.arg("-kernel").arg(image);
            if let Some(initrd) = initrd {
                command.arg("-initrd").arg(initrd);
            }
            if !cmdline.is_empty() {
                command.args(["-append", cmdline]);
            }
        }
        Boot::Firmware { bios, image, address } => {
            command.arg("-bios").arg(bios).arg("-device");
            command.arg(format!("loader,file={},addr={address:#x},force-raw=on", image.display()));
        }
    }
}

fn profile_memory(profile: &Profile) -> Result<u64> {
    crate::config::parse_size(&profile.memory).map_err(|wrong| miette::miette!("{wrong}"))
}

/// The guests' memory, as much again for files in the pack at the least, rounded up to 256 MiB.
fn wanted_memory(system: &System) -> u64 {
    let vms: u64 = system.vms.iter().map(|vm| vm.memory + VM_MEMORY + vm.engine.memory(vm.memory)).sum();
    let guests = vms + system.links.shared.iter().map(|region| region.size).sum::<u64>();
    (guests + guests / 8 + 6 * OWN_MEMORY).next_multiple_of(256 << 20).min(MAX_AUTO_MEMORY)
}

/// A command line as one can paste it into a shell.
pub fn shell_words(command: &Command) -> String {
    let mut words = Vec::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", key.to_string_lossy(), quote(&value.to_string_lossy())));
        }
    }
    words.push(quote(&command.get_program().to_string_lossy()));
    words.extend(command.get_args().map(|arg| quote(&arg.to_string_lossy())));
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// How the machine is named in messages: `max, 2 cores, 1 GiB`.
pub fn describe(machine: &Machine) -> String {
    let cores = if machine.cpus == 1 { "core" } else { "cores" };
    format!("{}, {} {cores}, {}", machine.profile.name, machine.cpus, show_size(machine.memory))
}

/// Boots an image by QEMU's own loader.
pub fn kernel(image: &Path) -> Boot {
    Boot::Kernel { image: image.into(), initrd: None, cmdline: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_blanks_and_quotes_are_quoted() {
        let mut command = Command::new("qemu");
        command.args(["-append", "a b", "it's"]);

        assert_eq!(shell_words(&command), "qemu -append 'a b' 'it'\\''s'");
    }
}
