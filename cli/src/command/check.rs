//! `sosia check`: the plan of memory, cores and what connects VMs.

mod placement;
mod table;

use crate::args::CheckArgs;
use crate::config::{Kernel, Profile, System, Vm, show_size};
use crate::image::{Payload, payload};
use crate::machine::{Machine, OWN_MEMORY, VM_MEMORY};
use crate::prepare::{self, toolchain};
use miette::Result;
use std::collections::HashSet;

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
    let places = placement::check(&system, machine.cpus)?;
    print!("{}", table::plan(&system, &payload, &machine, &places, FIRMWARE + own_memory(&system), used));
    Ok(0)
}

/// Checks that all fits; gives the bytes of the machine's memory that are used.
pub fn plan(system: &System, payload: &Payload, machine: &Machine) -> Result<u64> {
    placement::check(system, machine.cpus)?;
    let shared: u64 = system.links.shared.iter().map(|region| region.size).sum();
    let mut used = FIRMWARE + own_memory(system) + shared;
    // Each different file is in the pack once.
    let files: HashSet<&Vec<u8>> = payload.kernels.iter().chain(payload.initrds.iter().flatten()).collect();
    used += files.iter().map(|file| file.len() as u64).sum::<u64>();
    for ((vm, form), initrd) in system.vms.iter().zip(&payload.forms).zip(&payload.initrds) {
        let initrd = initrd.as_ref().map_or(0, |initrd| initrd.len() as u64);
        check_guest(vm, form.memory, initrd)?;
        if form.aarch32 && machine.profile.aarch32 == Some(false) {
            return Err(vm.aarch32_error(&machine.profile.name));
        }
        used += vm.memory;
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
