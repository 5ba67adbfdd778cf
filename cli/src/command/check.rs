//! `sosia check`: the plan of memory and cores.

use crate::args::CheckArgs;
use crate::config::{Kernel, Profile, System, Vm, show_size};
use crate::image::{Payload, arm64, payload};
use crate::machine::{self, Machine, OWN_MEMORY};
use crate::prepare::{self, toolchain};
use miette::{Result, miette};

/// Memory that a guest needs beside kernel and initrd, in bytes.
const GUEST_ROOM: u64 = 4 << 20;
/// The kernel and its pack lie behind the first 2 MiB, where firmware and device tree may be.
const FIRMWARE: u64 = 2 << 20;

/// Checks a system file with all that it names.
pub fn run(args: &CheckArgs) -> Result<u8> {
    let system = System::load(&args.file)?;
    let profile = Profile::load(args.machine.as_deref().or(system.machine.as_deref()).unwrap_or("max"))?;
    let machine = Machine::new(profile, &system)?;
    if system.needs_packages() {
        prepare::announce();
    }
    let own = system.vms.iter().any(|vm| matches!(vm.kernel, Kernel::Guest(_)));
    let toolchain = if own { toolchain::prepare()? } else { toolchain::Toolchain::Installed };
    let payload = payload(&system, &toolchain, None)?;
    let used = plan(&system, &payload, &machine)?;
    print!("{}", table(&system, &payload, &machine, used));
    Ok(0)
}

/// Checks that all fits; gives the bytes of the machine's memory that are used.
pub fn plan(system: &System, payload: &Payload, machine: &Machine) -> Result<u64> {
    let mut used = FIRMWARE + OWN_MEMORY;
    for ((vm, kernel), initrd) in system.vms.iter().zip(&payload.kernels).zip(&payload.initrds) {
        let initrd = initrd.as_ref().map_or(0, |initrd| initrd.len() as u64);
        check_guest(vm, arm64::memory_size(kernel), initrd)?;
        check_cores(vm, machine)?;
        used += vm.memory + kernel.len() as u64 + initrd;
    }
    if used > machine.memory {
        let wrong = format!(
            "the system needs {} MiB of memory, and the machine ({}) has {}",
            used.div_ceil(1 << 20),
            machine.profile.name,
            show_size(machine.memory)
        );
        let right = format!("under [machine]: memory = \"{}M\"", used.next_multiple_of(64 << 20) >> 20);
        return Err(system.memory_error(wrong, right));
    }
    Ok(used)
}

fn check_guest(vm: &Vm, kernel: u64, initrd: u64) -> Result<()> {
    let needed = (kernel + initrd + GUEST_ROOM).next_multiple_of(2 << 20);
    if vm.memory < needed {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let why = format!("its kernel takes {} MiB and its initrd {} MiB of it", mib(kernel), mib(initrd));
        return Err(vm.memory_error(needed, &why));
    }
    Ok(())
}

fn check_cores(vm: &Vm, machine: &Machine) -> Result<()> {
    match vm.cores.iter().find(|core| **core >= machine.cpus) {
        Some(core) => Err(miette!(
            help = format!("cores are counted from 0 to {}; [machine] cpus = N gives more", machine.cpus - 1),
            "VM `{}` asks for core {core}, which the machine ({}) has not",
            vm.name,
            machine::describe(machine)
        )),
        None => Ok(()),
    }
}

fn table(system: &System, payload: &Payload, machine: &Machine, used: u64) -> String {
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / (1 << 20) as f64);
    let mut out = format!("machine: {}\n\n", machine::describe(machine));
    out += &format!(
        "{:<16} {:>5} {:>10} {:>10} {:>10} {:>4}  {}\n",
        "VM", "vCPUs", "RAM MiB", "kernel", "initrd", "prio", "cores"
    );
    for ((vm, kernel), initrd) in system.vms.iter().zip(&payload.kernels).zip(&payload.initrds) {
        let initrd = initrd.as_ref().map_or_else(|| "-".into(), |initrd| mib(initrd.len() as u64));
        out += &format!(
            "{:<16} {:>5} {:>10} {:>10} {:>10} {:>4}  {}\n",
            vm.name,
            vm.vcpus,
            mib(vm.memory),
            mib(kernel.len() as u64),
            initrd,
            vm.priority,
            cores(vm)
        );
    }
    out + &format!(
        "\nmemory: {} MiB of {} MiB used, {} MiB of it for the hypervisor (at most) and firmware\n",
        mib(used),
        mib(machine.memory),
        mib(FIRMWARE + OWN_MEMORY)
    )
}

fn cores(vm: &Vm) -> String {
    let named = vm.cores.iter().map(u64::to_string);
    let chosen = (vm.cores.len() as u64..vm.vcpus).map(|_| "any".to_string());
    named.chain(chosen).collect::<Vec<_>>().join(" ")
}
