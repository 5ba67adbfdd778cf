//! `sosia check`: the plan of memory and cores.

use crate::args::CheckArgs;
use crate::config::{Kernel, Profile, System, Vm, show_size};
use crate::image::{Payload, payload};
use crate::machine::{self, Machine, OWN_MEMORY, VM_MEMORY};
use crate::prepare::{self, toolchain};
use miette::Result;

/// A kernel's blocks.
const BLOCK: u64 = 2 << 20;
/// Memory that a guest needs beside kernel and initrd, in bytes: its device tree, a stack.
const GUEST_ROOM: u64 = 1 << 20;
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
    system.check_capacity(machine.cpus)?;
    let shared: u64 = system.links.shared.iter().map(|region| region.size).sum();
    let mut used = FIRMWARE + own_memory(system) + shared;
    let files = payload.kernels.iter().zip(&payload.forms).zip(&payload.initrds);
    for (vm, ((kernel, form), initrd)) in system.vms.iter().zip(files) {
        let initrd = initrd.as_ref().map_or(0, |initrd| initrd.len() as u64);
        check_guest(vm, form.memory, initrd)?;
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
    let needed = (kernel.next_multiple_of(BLOCK) + initrd + GUEST_ROOM).next_multiple_of(BLOCK);
    if vm.memory < needed {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let why = format!("its kernel takes {} MiB and its initrd {} MiB of it", mib(kernel), mib(initrd));
        return Err(vm.memory_error(needed, &why));
    }
    Ok(())
}

fn own_memory(system: &System) -> u64 {
    OWN_MEMORY + system.vms.len() as u64 * VM_MEMORY
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
        mib(FIRMWARE + own_memory(system))
    )
}

fn cores(vm: &Vm) -> String {
    let named = vm.cores.iter().map(u64::to_string);
    let chosen = (vm.cores.len() as u64..vm.vcpus).map(|_| "any".to_string());
    named.chain(chosen).collect::<Vec<_>>().join(" ")
}
