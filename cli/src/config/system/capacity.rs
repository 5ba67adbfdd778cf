//! Whether the machine's cores have the time that VMs are promised.

use super::{Share, System, Vm};
use crate::config::show_time;
use miette::Result;

const WHOLE: u64 = 1_000_000;

impl System {
    /// Checks cores and budgets against a machine with so many cores.
    pub fn check_capacity(&self, cpus: u64) -> Result<()> {
        self.check_cores(cpus)?;
        let mut fixed = vec![0; cpus as usize];
        let mut all = 0;
        for vm in &self.vms {
            let Some(share) = vm.share else { continue };
            for core in &vm.cores {
                let Some(used) = fixed.get_mut(*core as usize) else { continue };
                *used += share.millionths();
                if *used > WHOLE {
                    return Err(over(vm, share, &format!("core {core}"), *used, WHOLE));
                }
            }
            all += share.millionths() * vm.vcpus;
            if all > WHOLE * cpus {
                return Err(over(vm, share, "the machine", all, WHOLE * cpus));
            }
        }
        Ok(())
    }

    fn check_cores(&self, cpus: u64) -> Result<()> {
        for vm in &self.vms {
            if let Some(core) = vm.cores.iter().find(|core| **core >= cpus) {
                let wrong = format!("VM `{}` asks for core {core}, and the machine has {cpus}", vm.name);
                let right = format!("cores are counted from 0 to {}; [machine] cpus = N gives more", cpus - 1);
                return Err(vm.report(|origin| &origin.cores, wrong, &right));
            }
        }
        Ok(())
    }
}

impl Vm {
    /// An error of the VM's budget: `sum` millionths of a core on which root places it are promised.
    pub fn budget_error(&self, core: u64, sum: u64) -> miette::Report {
        let share = self.share.unwrap_or(Share { budget: 0, period: 1 });
        over(self, share, &format!("core {core}"), sum, WHOLE)
    }
}

fn over(vm: &Vm, share: Share, what: &str, sum: u64, have: u64) -> miette::Report {
    let percent = |millionths: u64| format!("{}.{} %", millionths / 10_000, millionths / 1_000 % 10);
    let wrong = format!(
        "with VM `{}` ({} in each {} for each vCPU), {} of {what} is promised, which has {}",
        vm.name,
        show_time(share.budget),
        show_time(share.period),
        percent(sum),
        percent(have)
    );
    let right = "smaller budgets, longer periods, or more cores; a VM without `budget` takes what is left";
    vm.report(|origin| &origin.budget, wrong, right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(shares: &[(u64, &[u64])]) -> System {
        let vms = shares.iter().map(|(budget, cores)| Vm {
            share: Some(Share { budget: *budget, period: 10_000 }),
            cores: cores.to_vec(),
            vcpus: cores.len().max(1) as u64,
            ..Vm::example()
        });
        System { vms: vms.collect(), ..System::empty(2) }
    }

    #[test]
    fn budgets_that_fill_a_core_are_taken() {
        assert!(system(&[(5_000, &[0]), (3_000, &[0]), (2_000, &[0])]).check_capacity(1).is_ok());
    }

    #[test]
    fn more_than_a_core_is_refused_by_name() {
        let error = system(&[(5_000, &[0]), (5_001, &[0])]).check_capacity(2).unwrap_err();

        assert!(error.to_string().contains("100.0 % of core 0 is promised"), "{error}");
    }

    #[test]
    fn more_than_all_cores_is_refused() {
        let error = system(&[(8_000, &[]), (8_000, &[]), (8_000, &[])]).check_capacity(2).unwrap_err();

        assert!(error.to_string().contains("240.0 % of the machine"), "{error}");
    }

    #[test]
    fn core_that_the_machine_has_not_is_refused() {
        let error = system(&[(1_000, &[3])]).check_capacity(2).unwrap_err();

        assert!(error.to_string().contains("asks for core 3"), "{error}");
    }
}
