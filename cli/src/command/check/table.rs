//! The plan, for people.

use super::placement::Place;
use crate::config::{Links, Restart, Share, System, Vm, show_size, show_time};
use crate::image::Payload;
use crate::machine::{self, Machine};
use sysdesc::{BELL_SPI, RAM_BASE};

/// First INTID of SPIs.
const SPI: u64 = 32;

/// All of the plan. `own` bytes are the hypervisor's of `used`.
pub fn plan(system: &System, payload: &Payload, machine: &Machine, places: &[Place], own: u64, used: u64) -> String {
    let sections = [
        format!("machine: {}\n", machine::describe(machine)),
        vms(system, payload),
        cores(system, machine, places),
        memory_map(system),
        doorbells(system),
        ports(system),
        format!(
            "memory: {} MiB of {} MiB used, {} MiB of it for the hypervisor (at most) and firmware\n",
            mib(used),
            mib(machine.memory),
            mib(own)
        ),
    ];
    let sections: Vec<&str> = sections.iter().map(String::as_str).filter(|section| !section.is_empty()).collect();
    sections.join("\n")
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1 << 20) as f64)
}

fn name(system: &System, vm: usize) -> &str {
    system.vms.get(vm).map_or("?", |vm| vm.name.as_str())
}

fn vms(system: &System, payload: &Payload) -> String {
    let mut out = format!(
        "{:<16} {:>5} {:>10} {:>10} {:>10} {:>4} {:>11} {:>16} {:>9} {}\n",
        "VM", "vCPUs", "RAM MiB", "kernel", "initrd", "prio", "budget", "restart", "heartbeat", "engine"
    );
    for ((vm, kernel), initrd) in system.vms.iter().zip(&payload.kernels).zip(&payload.initrds) {
        out += &format!(
            "{:<16} {:>5} {:>10} {:>10} {:>10} {:>4} {:>11} {:>16} {:>9} {}\n",
            vm.name,
            vm.vcpus,
            mib(vm.memory),
            mib(kernel.len() as u64),
            initrd.as_ref().map_or_else(|| "-".into(), |initrd| mib(initrd.len() as u64)),
            vm.priority,
            vm.share.map_or_else(|| "-".into(), budget),
            restart(vm),
            if vm.heartbeat == 0 { "off".into() } else { show_time(vm.heartbeat * 1000) },
            vm.engine.show()
        );
    }
    out
}

fn budget(share: Share) -> String {
    format!("{}/{}", show_time(share.budget), show_time(share.period))
}

fn restart(vm: &Vm) -> String {
    match (vm.restart, vm.restart_limit) {
        (Restart::Never, _) | (_, 0) => vm.restart.name().into(),
        (_, limit) => format!("{} ({limit})", vm.restart.name()),
    }
}

fn cores(system: &System, machine: &Machine, places: &[Place]) -> String {
    let mut out = String::from("core   vCPUs, by priority\n");
    for core in 0..machine.cpus {
        let mut here: Vec<&Place> = places.iter().filter(|place| place.core == core).collect();
        let priority = |place: &Place| system.vms.get(place.vm).map_or(0, |vm| vm.priority);
        here.sort_by_key(|place| std::cmp::Reverse(priority(place)));
        let names: Vec<String> = here
            .iter()
            .map(|place| {
                let chosen = system.vms.get(place.vm).is_none_or(|vm| place.vcpu >= vm.cores.len() as u64);
                let by = if chosen { ", chosen" } else { "" };
                format!("{}/{} (priority {}{by})", name(system, place.vm), place.vcpu, priority(place))
            })
            .collect();
        out += &format!("{core:<6} {}\n", if names.is_empty() { "-".into() } else { names.join(", ") });
    }
    out
}

fn memory_map(system: &System) -> String {
    let mut out = String::from("addresses in guests\n");
    for (vm, index) in system.vms.iter().zip(0..) {
        let seen = system.links.shared.iter().filter(|region| region.vms.contains(&index));
        for region in seen {
            let rights = if region.writers.contains(&index) { "read, write" } else { "read" };
            let what = format!("shared `{}`, {}, {rights}", region.name, show_size(region.size));
            out += &range(&vm.name, region.address, region.size, &what);
        }
        out += &range(&vm.name, RAM_BASE, vm.memory, &format!("RAM, {}", show_size(vm.memory)));
    }
    out
}

fn range(name: &str, start: u64, size: u64, what: &str) -> String {
    format!("{name:<16} {start:#010x}-{:#010x}  {what}\n", start + size - 1)
}

fn doorbells(system: &System) -> String {
    let links = &system.links;
    if links.bells.is_empty() {
        return String::new();
    }
    let mut out = String::from("doorbells\n");
    for (bell, index) in links.bells.iter().zip(0..) {
        let (from, to) = (name(system, bell.from), name(system, bell.to));
        out += &format!("{from:<16} -> {to:<16} {}, {}\n", rung(links, index), heard(links, index));
    }
    out
}

/// How a doorbell is rung: by the guest, or by the VMM of a port.
fn rung(links: &Links, index: usize) -> String {
    match links.ports.iter().find(|port| port.bell_out == index) {
        Some(port) => format!("rung by port `{}`", port.name),
        None => format!("rung by HVC #1 with x0 = {}", links.number_out(index)),
    }
}

fn heard(links: &Links, index: usize) -> String {
    match links.ports.iter().find(|port| port.bell_in == index) {
        Some(port) => format!("heard by port `{}`", port.name),
        None => {
            let spi = BELL_SPI + links.number_in(index) as u64;
            format!("heard as SPI {spi} (INTID {})", SPI + spi)
        }
    }
}

fn ports(system: &System) -> String {
    let links = &system.links;
    if links.ports.is_empty() {
        return String::new();
    }
    let mut out = String::from("ports\n");
    for port in &links.ports {
        let region = links.shared.get(port.shared).map_or("?", |region| region.name.as_str());
        out += &format!(
            "{:<16} /dev/virtio-ports/{} in Linux: to {} by region `{region}`, side {} of its channel\n",
            name(system, port.vm),
            port.name,
            name(system, port.peer),
            port.side
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;
    use crate::image::format::Form;

    const FILE: &str = r#"
[[vm]]
name = "linux"
kernel = "guest:bench-guest"
memory = "64M"
vcpus = 2
cores = [0]

[[vm]]
name = "rtos"
kernel = "guest:bench-guest"
memory = "4M"
priority = 20
budget = "1ms"
restart = "always"
restart-limit = 0

[[shared]]
name = "link"
size = "4K"
vms = ["linux", "rtos"]

[[doorbell]]
from = "rtos"
to = "linux"

[[port]]
vm = "linux"
peer = "rtos"
name = "rtos"
shared = "link"
"#;

    #[test]
    fn plan_names_cores_addresses_and_numbers() {
        let system = System::from_text("x.toml", FILE).unwrap();
        let machine = Machine::new(Profile::load("max").unwrap(), &system).unwrap();
        let form = Form { format: 0, load: 0, entry: 0, aarch32: false, memory: 0 };
        let payload =
            Payload { kernels: vec![vec![0; 1 << 20]; 2], forms: vec![form, form], initrds: vec![None, None] };
        let places = super::super::placement::check(&system, machine.cpus).unwrap();

        let plan = plan(&system, &payload, &machine, &places, 1 << 20, 2 << 20);

        for line in [
            "linux                2       64.0        1.0          -   10           -  on-failure (10)       10s hardware",
            "rtos                 1        4.0        1.0          -   20    1ms/10ms           always       10s hardware",
            "0      rtos/0 (priority 20, chosen), linux/0 (priority 10)",
            "1      linux/1 (priority 10, chosen)",
            "linux            0x20000000-0x20000fff  shared `link`, 4 KiB, read, write",
            "rtos             0x40000000-0x403fffff  RAM, 4 MiB",
            "rtos             -> linux            rung by HVC #1 with x0 = 1, heard as SPI 48 (INTID 80)",
            "linux            -> rtos             rung by port `rtos`, heard as SPI 48 (INTID 80)",
            "rtos             -> linux            rung by HVC #1 with x0 = 2, heard by port `rtos`",
            "linux            /dev/virtio-ports/rtos in Linux: to rtos by region `link`, side 0 of its channel",
        ] {
            assert!(plan.lines().any(|have| have == line), "no line\n{line}\nin\n{plan}");
        }
    }
}
