//! What happened between two looks at a system.

use crate::manage::{Snapshot, exits};
use manage::VcpuInfo;
use sysdesc::stats::kind;

/// A vCPU's rates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Percent of its core that it ran.
    pub run: f64,
    /// Percent of the time that it was ready and did not run.
    pub stolen: f64,
    /// Exits a second, of all kinds.
    pub exits: f64,
    /// By kind, a second.
    pub counts: [f64; kind::COUNT],
}

/// Rates of vCPU `index` of VM `vm` from `old` to `new`; zeros where one of them does not have it.
pub fn rates(old: &Snapshot, new: &Snapshot, vm: usize, index: usize) -> Rates {
    let find = |snapshot: &Snapshot| snapshot.vms.get(vm)?.vcpus.get(index).copied();
    let (Some(before), Some(after)) = (find(old), find(new)) else { return Rates::default() };
    let ticks = after.now.saturating_sub(before.now);
    if ticks == 0 {
        return Rates::default();
    }
    between(&before, &after, ticks as f64, new.hello.frequency as f64)
}

/// A counter that has started anew counts from zero.
fn grown(before: u64, after: u64) -> f64 {
    if after >= before { (after - before) as f64 } else { after as f64 }
}

fn between(before: &VcpuInfo, after: &VcpuInfo, ticks: f64, frequency: f64) -> Rates {
    let percent = |before, after| (grown(before, after) * 100.0 / ticks).min(100.0);
    let a_second = |before, after| grown(before, after) * frequency / ticks;
    let mut counts = [0.0; kind::COUNT];
    for (rate, (before, after)) in counts.iter_mut().zip(before.counts.iter().zip(&after.counts)) {
        *rate = a_second(*before, *after);
    }
    Rates {
        run: percent(before.run, after.run),
        stolen: percent(before.stolen, after.stolen),
        exits: a_second(exits(before), exits(after)),
        counts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::example;

    #[test]
    fn rates_are_by_the_systems_own_clock() {
        let old = example();
        let mut new = old.clone();
        let vcpu = &mut new.vms[0].vcpus[0];
        // Two seconds later.
        (vcpu.now, vcpu.run, vcpu.stolen) = (vcpu.now + 2_000_000, vcpu.run + 500_000, vcpu.stolen + 200_000);
        vcpu.counts[kind::MMIO] += 3000;

        let rates = rates(&old, &new, 0, 0);

        assert_eq!((rates.run, rates.stolen), (25.0, 10.0));
        assert_eq!((rates.exits, rates.counts[kind::MMIO], rates.counts[kind::SGI]), (1500.0, 1500.0, 0.0));
    }

    #[test]
    fn counters_of_a_vm_that_was_started_anew_count_from_zero() {
        let old = example();
        let mut new = old.clone();
        let vcpu = &mut new.vms[0].vcpus[0];
        vcpu.now += 1_000_000;
        vcpu.counts = [0; kind::COUNT];
        vcpu.counts[kind::CALL] = 2;

        assert_eq!(rates(&old, &new, 0, 0).exits, 2.0);
    }

    #[test]
    fn no_time_and_no_vcpu_give_zeros() {
        let snapshot = example();

        assert_eq!(rates(&snapshot, &snapshot, 0, 0), Rates::default());
        assert_eq!(rates(&snapshot, &snapshot, 9, 9), Rates::default());
    }
}
