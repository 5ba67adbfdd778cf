//! Which core each vCPU runs on.
//!
//! A vCPU with a core in the description runs there. For the others, VM by VM in the order of the description: the core
//! with the least load, among those that no vCPU of the same VM has (when all have one: that have the fewest); of equals
//! the one with the lowest number. The load of a vCPU is its budget by its period; without a budget, a whole core.

use abi::MAX_CORES;
use sysdesc::{MAX_VCPUS, MAX_VMS, VmDesc};

/// Load of a vCPU that may take a whole core.
const WHOLE: u64 = 1_000_000;

/// Cores of all vCPUs, by VM.
pub type Placement = [[u8; MAX_VCPUS]; MAX_VMS];

/// Places the vCPUs of all VMs on `cores` cores. A core in a description that the machine does not have is taken for
/// "root chooses".
pub fn place(vms: &[VmDesc], cores: u64) -> Placement {
    let cores = (cores as usize).clamp(1, MAX_CORES);
    let mut placement = [[0; MAX_VCPUS]; MAX_VMS];
    let mut load = [0u64; MAX_CORES];
    for vm in vms {
        fixed(vm, cores).flatten().for_each(|core| add(&mut load, core, weight(vm)));
    }
    for (vm, row) in vms.iter().zip(&mut placement) {
        let mut of_vm = [0u64; MAX_CORES];
        fixed(vm, cores).flatten().for_each(|core| add(&mut of_vm, core, 1));
        for (place, core) in row.iter_mut().zip(fixed(vm, cores)) {
            let core = core.unwrap_or_else(|| {
                let best = (0..cores).min_by_key(|core| (at(&of_vm, *core), at(&load, *core))).unwrap_or(0);
                add(&mut of_vm, best, 1);
                add(&mut load, best, weight(vm));
                best
            });
            *place = core as u8;
        }
    }
    placement
}

/// The cores that the description gives to a VM's vCPUs.
fn fixed(vm: &VmDesc, cores: usize) -> impl Iterator<Item = Option<usize>> {
    vm.cores.iter().take(count(vm)).map(move |core| usize::try_from(*core).ok().filter(|core| *core < cores))
}

/// vCPUs of a VM.
pub fn count(vm: &VmDesc) -> usize {
    (vm.vcpus as usize).clamp(1, MAX_VCPUS)
}

fn weight(vm: &VmDesc) -> u64 {
    match vm.budget.saturating_mul(WHOLE).checked_div(vm.period) {
        Some(share) if share != 0 => share.min(WHOLE),
        _ => WHOLE,
    }
}

fn at(list: &[u64; MAX_CORES], core: usize) -> u64 {
    list.get(core).copied().unwrap_or(u64::MAX)
}

fn add(list: &mut [u64; MAX_CORES], core: usize, what: u64) {
    if let Some(entry) = list.get_mut(core) {
        *entry = entry.saturating_add(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::tests::vm;

    const ANY: u64 = u64::MAX;

    fn with(vcpus: u64, cores: &[u64], budget: u64) -> VmDesc {
        let mut vm = VmDesc { vcpus, budget, period: if budget == 0 { 0 } else { 100 }, ..vm() };
        vm.cores.iter_mut().zip(cores).for_each(|(to, from)| *to = *from);
        vm
    }

    fn placed(vms: &[VmDesc], cores: u64) -> Vec<Vec<u8>> {
        let placement = place(vms, cores);
        vms.iter().zip(placement).map(|(vm, row)| row[..count(vm)].to_vec()).collect()
    }

    #[test]
    fn vcpus_of_a_vm_are_spread() {
        assert_eq!(placed(&[with(4, &[], 0)], 4), [[0, 1, 2, 3]]);
        assert_eq!(placed(&[with(5, &[], 0)], 2), [[0, 1, 0, 1, 0]]);
    }

    #[test]
    fn next_vm_goes_where_there_is_least() {
        assert_eq!(placed(&[with(1, &[], 0), with(1, &[], 0), with(1, &[], 0)], 2), [[0], [1], [0]]);
    }

    #[test]
    fn fixed_cores_count_before_any_is_chosen() {
        assert_eq!(placed(&[with(1, &[], 0), with(1, &[0], 0)], 2), [[1], [0]]);
    }

    #[test]
    fn chosen_cores_avoid_fixed_ones_of_the_same_vm() {
        assert_eq!(placed(&[with(2, &[ANY, 0], 0)], 2), [[1, 0]]);
    }

    #[test]
    fn small_budgets_share_a_core() {
        let vms = [with(1, &[], 0), with(1, &[], 30), with(1, &[], 30), with(1, &[], 30), with(1, &[], 30)];
        assert_eq!(placed(&vms, 2), [[0], [1], [1], [1], [1]]);
    }

    #[test]
    fn core_that_is_not_there_is_chosen_anew() {
        assert_eq!(placed(&[with(2, &[7, 1], 0)], 2), [[0, 1]]);
        assert_eq!(placed(&[with(0, &[], 0), with(99, &[], 0)], 1), [vec![0], vec![0; 8]]);
    }
}
