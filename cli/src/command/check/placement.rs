//! Which vCPU runs where, as root will have it.

use crate::config::{System, Vm};
use miette::Result;
use sysdesc::{CMDLINE_LEN, MAX_VCPUS, VmDesc};

/// All of a core, in millionths.
const WHOLE: u64 = 1_000_000;

/// A vCPU on a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of its VM.
    pub vm: usize,
    /// Its number.
    pub vcpu: u64,
    /// Its core.
    pub core: u64,
}

/// Places of all vCPUs, in the order of the VMs: by the very function that root uses.
pub fn places(system: &System, cpus: u64) -> Vec<Place> {
    let descs: Vec<VmDesc> = system.vms.iter().map(desc).collect();
    let rows = root::place::place(&descs, cpus);
    let vms = system.vms.iter().zip(rows).enumerate();
    vms.flat_map(|(vm, (desc, row))| {
        (0..desc.vcpus).zip(row).map(move |(vcpu, core)| Place { vm, vcpu, core: core.into() })
    })
    .collect()
}

/// Refuses budgets that no core has room for, where root places them.
pub fn check(system: &System, cpus: u64) -> Result<Vec<Place>> {
    system.check_capacity(cpus)?;
    let places = places(system, cpus);
    let mut promised = vec![0; cpus as usize];
    for place in &places {
        let Some(vm) = system.vms.get(place.vm) else { continue };
        let Some(core) = promised.get_mut(place.core as usize) else { continue };
        *core += vm.share.map_or(0, |share| share.millionths());
        if *core > WHOLE {
            return Err(vm.budget_error(place.core, *core));
        }
    }
    Ok(places)
}

/// What placement looks at.
fn desc(vm: &Vm) -> VmDesc {
    let mut cores = [u64::MAX; MAX_VCPUS];
    cores.iter_mut().zip(&vm.cores).for_each(|(to, from)| *to = *from);
    let (budget, period) = vm.share.map_or((0, 0), |share| (share.budget, share.period));
    VmDesc {
        name: [0; 16],
        vcpus: vm.vcpus,
        memory: vm.memory,
        format: 0,
        kernel: [0; 16],
        initrd: [0; 16],
        cores,
        priority: vm.priority,
        budget,
        period,
        restart: 0,
        restart_limit: 0,
        heartbeat: 0,
        flags: 0,
        load: 0,
        entry: 0,
        cmdline: [0; CMDLINE_LEN],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Share;

    fn system(budgets: &[u64]) -> System {
        let mut system = System::empty(2);
        for budget in budgets {
            let mut vm = Vm::example();
            vm.vcpus = 1;
            vm.share = (*budget != 0).then_some(Share { budget: *budget, period: 10_000 });
            system.vms.push(vm);
        }
        system
    }

    #[test]
    fn places_are_roots() {
        let cores: Vec<u64> = places(&system(&[0, 3_000, 3_000]), 2).iter().map(|place| place.core).collect();

        assert_eq!(cores, [0, 1, 1]);
    }

    #[test]
    fn budgets_that_fit_together_but_on_no_core_are_refused() {
        let error = check(&system(&[6_000, 6_000, 6_000]), 2).unwrap_err();

        assert!(error.to_string().contains("120.0 % of core"), "{error}");
    }
}
