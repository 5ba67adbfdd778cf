//! `sosia check`: the plan of memory, cores and what connects VMs.

mod placement;
mod ram;
mod table;

use crate::args::CheckArgs;
use crate::config::{Engine, Kernel, Profile, System, Vm, show_size};
use crate::image::{Payload, payload};
use crate::machine::{Machine, OWN_MEMORY, VM_MEMORY};
use crate::prepare::{self, toolchain};
use miette::{Report, Result};
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
    // Each different file is in the pack once.
    let files: HashSet<&Vec<u8>> = payload.kernels.iter().chain(payload.initrds.iter().flatten()).collect();
    let files: u64 = files.iter().map(|file| file.len() as u64).sum();
    let shared: u64 = system.links.shared.iter().map(|region| region.size).sum();
    let vms: Vec<u64> = system.vms.iter().map(|vm| vm.memory).collect();
    for ((vm, form), initrd) in system.vms.iter().zip(&payload.forms).zip(&payload.initrds) {
        check_guest(vm, form.memory, initrd.as_ref().map_or(0, |initrd| initrd.len() as u64))?;
        if form.aarch32 && machine.profile.aarch32 == Some(false) {
            return Err(vm.aarch32_error(&machine.profile.name));
        }
        if form.aarch32 && vm.engine != Engine::Hardware {
            return Err(vm.kernel_error("the engine `classic` runs guests of 64-bit Arm only"));
        }
    }
    let used = FIRMWARE + own_memory(system) + shared + files + vms.iter().sum::<u64>();
    let wanted = ram::Wanted {
        image: FIRMWARE + files,
        own: OWN_MEMORY + engine_memory(system) + shared,
        vms: &vms,
        beside: VM_MEMORY,
    };
    match ram::first_without_room(machine.memory, &wanted) {
        None => Ok(used),
        Some(vm) => Err(no_room(system, machine, vm, used, &wanted)),
    }
}

fn no_room(system: &System, machine: &Machine, vm: usize, used: u64, wanted: &ram::Wanted) -> Report {
    let has = format!("the machine ({}) has {}", machine.profile.name, show_size(machine.memory));
    let wrong = if used > machine.memory {
        format!("the system needs {} MiB of memory, and {has}", used.div_ceil(1 << 20))
    } else {
        let name = system.vms.get(vm).map_or("?", |vm| vm.name.as_str());
        format!("the memory of VM `{name}` has no room in one piece: {has}, with the device tree in the midst of it")
    };
    let right = format!("under [machine]: memory = \"{}M\"", ram::enough(machine.memory, wanted) >> 20);
    system.memory_error(wrong, right)
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
    OWN_MEMORY + engine_memory(system) + system.vms.len() as u64 * VM_MEMORY
}

/// What VMs without the virtualisation extensions take for their shadow tables.
fn engine_memory(system: &System) -> u64 {
    system.vms.iter().map(|vm| vm.engine.memory(vm.memory)).sum()
}
