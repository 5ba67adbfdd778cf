//! A running system at one moment, and how it is shown: as a table, as JSON.

use manage::{Cause, Counters, Hello, State, Stop, VcpuInfo, VmInfo};
use serde_json::{Value, json};
use sysdesc::stats::kind;

/// All there is to know.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The system.
    pub hello: Hello,
    /// Its VMs.
    pub vms: Vec<VmState>,
    /// The kernel's and root's counters.
    pub counters: Counters,
}

/// A VM with its vCPUs.
#[derive(Clone, Debug)]
pub struct VmState {
    /// The VM.
    pub info: VmInfo,
    /// Its vCPUs.
    pub vcpus: Vec<VcpuInfo>,
}

// What crosses the channel is what `sysdesc` counts.
const _: () = assert!(manage::counts::COUNT == kind::COUNT);
/// Kinds that are no exits.
const NO_EXITS: [usize; 2] = [kind::INJECTED, kind::REFUSED];

/// A name without its zeros.
pub fn name(bytes: &manage::Name) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.iter().take(end).map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '?' }).collect()
}

impl VmState {
    /// The VM's name.
    pub fn name(&self) -> String {
        name(&self.info.name)
    }
}

/// Exits of a vCPU, of all kinds.
pub fn exits(vcpu: &VcpuInfo) -> u64 {
    let kinds = vcpu.counts.iter().enumerate().filter(|(kind, _)| !NO_EXITS.contains(kind));
    kinds.fold(0, |sum, (_, count)| sum.saturating_add(*count))
}

/// A state in a word.
pub fn state(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Waiting => "restarting",
        State::Stopped => "stopped",
        State::Broken => "broken",
    }
}

/// A cause in words.
pub fn cause(cause: Cause) -> String {
    match cause {
        Cause::PowerOff => "powered off".into(),
        Cause::Reset => "reset by its guest".into(),
        Cause::Command => "stopped by command".into(),
        Cause::NotStarted => "root could not start it; the console says why".into(),
        Cause::Refused => "its VMM cannot run this guest".into(),
        Cause::Watchdog => "its watchdog was not served".into(),
        Cause::Crash => "its guest crashed".into(),
        Cause::Panic => "its VMM panicked".into(),
        Cause::Exit(code) => format!("its VMM ended with code {code}"),
        Cause::Fault => "fault of its VMM".into(),
        Cause::SError => "SError".into(),
        Cause::Silent => "its VMM did not answer".into(),
        Cause::Loop(vcpu) => format!("its VMM looped in the handler of vCPU {vcpu}"),
    }
}

fn last(stop: &Stop) -> String {
    let registers = if matches!(stop.cause, Cause::Fault | Cause::SError) {
        format!(" (esr={:#x} elr={:#x} far={:#x})", stop.esr, stop.elr, stop.far)
    } else {
        String::new()
    };
    cause(stop.cause) + &registers
}

impl Snapshot {
    /// Ticks as seconds.
    pub fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.hello.frequency.max(1) as f64
    }

    fn nanoseconds(&self, ticks: u64) -> u64 {
        (u128::from(ticks) * 1_000_000_000 / u128::from(self.hello.frequency.max(1))) as u64
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut out = format!(
            "{:<16} {:<10} {:>4} {:>4} {:>4} {:>12} {:>10} {:>10} {:>10} {:>10} {:>8}\n",
            "VM", "state", "vCPU", "core", "prio", "budget", "run s", "stolen s", "exits", "injected", "restarts"
        );
        for vm in &self.vms {
            for (vcpu, index) in vm.vcpus.iter().zip(0..) {
                out += &self.line(vm, vcpu, index);
            }
        }
        for vm in &self.vms {
            if let Some(stop) = &vm.info.last {
                out += &format!("\n{}: last stop: {}; failures: {}", vm.name(), last(stop), vm.info.failures);
            }
        }
        let counters = &self.counters;
        out + &format!(
            "\n{} cores, up {:.1} s; kernel objects {}, VMIDs {}, free memory {} MiB, slots of root in use {}\n",
            self.hello.cores,
            self.seconds(self.hello.now),
            counters.objects,
            counters.vmids,
            counters.memory_free >> 8,
            counters.slots_used
        )
    }

    fn line(&self, vm: &VmState, vcpu: &VcpuInfo, index: usize) -> String {
        let of_vm = |text: String| if index == 0 { text } else { String::new() };
        format!(
            "{:<16} {:<10} {:>4} {:>4} {:>4} {:>12} {:>10.3} {:>10.3} {:>10} {:>10} {:>8}\n",
            of_vm(vm.name()),
            of_vm(state(vm.info.state).into()),
            index,
            vcpu.core,
            vcpu.priority,
            budget(vcpu),
            self.seconds(vcpu.run),
            self.seconds(vcpu.stolen),
            exits(vcpu),
            vcpu.counts.get(kind::INJECTED).copied().unwrap_or(0),
            of_vm(vm.info.restarts.to_string())
        )
    }

    /// The same for programs: names, and numbers in the units that they name.
    pub fn json(&self) -> Value {
        let counters = &self.counters;
        json!({
            "version": self.hello.version,
            "cores": self.hello.cores,
            "up_ns": self.nanoseconds(self.hello.now),
            "garbage": self.hello.garbage,
            "vms": self.vms.iter().map(|vm| self.vm_json(vm)).collect::<Vec<_>>(),
            "counters": {
                "objects": counters.objects,
                "vmids": counters.vmids,
                "pool_pages": counters.pool_pages,
                "pool_free": counters.pool_free,
                "attachments": counters.attachments,
                "masked_max_ns": self.nanoseconds(counters.masked_max),
                "free_pages": counters.memory_free,
                "slots_used": counters.slots_used,
            },
        })
    }

    fn vm_json(&self, vm: &VmState) -> Value {
        let info = &vm.info;
        json!({
            "name": vm.name(),
            "state": state(info.state),
            "last_stop": info.last.map(|stop| json!({
                "cause": cause(stop.cause),
                "esr": stop.esr,
                "elr": stop.elr,
                "far": stop.far,
            })),
            "restarts": info.restarts,
            "failures": info.failures,
            "memory": info.memory,
            "vcpus": vm.vcpus.iter().map(|vcpu| self.vcpu_json(vcpu)).collect::<Vec<_>>(),
        })
    }

    fn vcpu_json(&self, vcpu: &VcpuInfo) -> Value {
        let counts: serde_json::Map<String, Value> =
            kind::NAMES.iter().zip(vcpu.counts).map(|(name, count)| (name.to_string(), count.into())).collect();
        json!({
            "core": vcpu.core,
            "priority": vcpu.priority,
            "budget_us": vcpu.budget,
            "period_us": vcpu.period,
            "now_ns": self.nanoseconds(vcpu.now),
            "run_ns": self.nanoseconds(vcpu.run),
            "stolen_ns": self.nanoseconds(vcpu.stolen),
            "chosen": vcpu.chosen,
            "depleted": vcpu.depleted,
            "counts": counts,
        })
    }
}

/// `5ms/10ms`, or `-` without a limit.
pub fn budget(vcpu: &VcpuInfo) -> String {
    use crate::config::show_time;
    match vcpu.budget {
        0 => "-".into(),
        budget => format!("{}/{}", show_time(budget.into()), show_time(vcpu.period.into())),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Two VMs: one with two vCPUs that has failed once, one that has powered off.
    pub fn example() -> Snapshot {
        let vcpu = |core, run| VcpuInfo {
            core,
            priority: 10,
            budget: 0,
            period: 0,
            now: 10_000_000,
            run,
            stolen: 500_000,
            chosen: 7,
            depleted: 0,
            counts: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        };
        let mut info = VmInfo {
            name: *b"linux\0\0\0\0\0\0\0\0\0\0\0",
            state: State::Running,
            last: Some(Stop { cause: Cause::Fault, esr: 0x9600_0050, elr: 0x1000, far: 0x20 }),
            restarts: 1,
            failures: 1,
            memory: 256 << 20,
            vcpus: 2,
        };
        let linux = VmState { info, vcpus: vec![vcpu(0, 2_000_000), vcpu(1, 4_000_000)] };
        (info.name, info.state, info.vcpus) = (*b"rtos\0\0\0\0\0\0\0\0\0\0\0\0", State::Stopped, 1);
        info.last = Some(Stop { cause: Cause::PowerOff, esr: 0, elr: 0, far: 0 });
        let rtos = VcpuInfo { budget: 5_000, period: 10_000, priority: 20, ..vcpu(1, 1_000_000) };
        let hello = Hello { version: 1, vms: 2, cores: 2, frequency: 1_000_000, now: 10_000_000, garbage: 0 };
        let counters = Counters { objects: 40, vmids: 3, memory_free: 512, slots_used: 60, ..Counters::default() };
        Snapshot { hello, vms: vec![linux, VmState { info, vcpus: vec![rtos] }], counters }
    }

    #[test]
    fn table_has_a_line_for_each_vcpu_and_tells_of_stops() {
        let table = example().table();
        let lines: Vec<&str> = table.lines().collect();

        assert!(lines[1].starts_with("linux            running       0    0   10            -      2.000      0.500"));
        assert!(lines[2].starts_with("                               1    1   10"), "{table}");
        assert!(lines[3].contains("5ms/10ms"), "{table}");
        assert!(table.contains("linux: last stop: fault of its VMM (esr=0x96000050 elr=0x1000 far=0x20)"), "{table}");
        assert!(table.contains("rtos: last stop: powered off;"), "{table}");
        assert!(table.contains("2 cores, up 10.0 s"), "{table}");
    }

    #[test]
    fn json_has_names_and_units() {
        let json = example().json();

        assert_eq!(json["vms"][0]["vcpus"][1]["run_ns"], 4_000_000_000u64);
        assert_eq!(json["vms"][0]["vcpus"][1]["counts"]["mmio"], 1);
        assert_eq!(json["vms"][1]["state"], "stopped");
        assert_eq!(json["vms"][0]["last_stop"]["esr"], 0x9600_0050u64);
        assert_eq!(json["counters"]["objects"], 40);
    }

    #[test]
    fn exits_do_not_count_injections() {
        assert_eq!(exits(&example().vms[0].vcpus[0]), 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8);
    }

    #[test]
    fn name_with_odd_bytes_is_shown_without_them() {
        assert_eq!(name(b"a\x1bb\xff\0zzzzzzzzzzz"), "a?b?");
    }
}
