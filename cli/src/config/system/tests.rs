//! What good files become. Bad ones are in `cli/tests/rejected`.

use super::*;

fn parse(text: &str) -> System {
    System::from_text("test.toml", text).unwrap()
}

const TWO: &str = r#"
[[vm]]
name = "a"
kernel = "guest:bench-guest"
memory = "4M"

[[vm]]
name = "b"
kernel = "guest:bench-guest"
memory = "4M"
"#;

#[test]
fn every_system_of_the_repository_is_valid() {
    let names = names();

    assert!(names.contains(&"linux".to_string()));
    names.iter().for_each(|name| drop(System::load(name).unwrap()));
}

#[test]
fn options_replace_the_first_vm() {
    let system = System::single(Vm::example());
    let options = VmOptions { cpus: Some(4), append: Some("debug".into()), ..VmOptions::default() };

    let system = system.with_options(&options).unwrap();

    assert_eq!(system.vms[0].vcpus, 4);
    assert_eq!(system.vms[0].cmdline, "quiet debug");
}

#[test]
fn option_with_too_many_cpus_is_refused() {
    let options = VmOptions { cpus: Some(9), ..VmOptions::default() };

    assert!(System::single(Vm::example()).with_options(&options).is_err());
}

#[test]
fn keys_of_a_vm_are_read() {
    let system = parse(
        r#"
[[vm]]
name = "a"
kernel = "guest:bench-guest"
memory = "4M"
vcpus = 2
cores = [1]
priority = 20
budget = "2500us"
period = "5ms"
restart = "always"
restart-limit = 3
heartbeat = "500ms"
arch = "aarch32"
load = 0x4000_8000
entry = 0x4000_8040
"#,
    );
    let vm = &system.vms[0];

    assert_eq!(vm.share, Some(Share { budget: 2_500, period: 5_000 }));
    assert_eq!((vm.restart, vm.restart_limit, vm.heartbeat), (Restart::Always, 3, 500));
    assert_eq!((vm.load, vm.entry, vm.aarch32), (Some(0x4000_8000), Some(0x4000_8040), true));
    assert_eq!((vm.cores.as_slice(), vm.priority), ([1].as_slice(), 20));
    assert_eq!(system.wanted_cores(), 2);
}

#[test]
fn engine_and_its_table_are_read() {
    let engines = |text: &str| parse(text).vms[0].engine;
    let vm = "[[vm]]\nname = \"a\"\nkernel = \"guest:bench-guest\"\nmemory = \"4M\"\n";
    let classic = |shadow, stage2| Engine::Classic(Classic { shadow, stage2 });

    assert_eq!(engines(vm), Engine::Hardware);
    assert_eq!(engines(&format!("{vm}engine = \"hardware\"\n")), Engine::Hardware);
    assert_eq!(engines(&format!("{vm}engine = \"classic\"\n")), classic(Shadow::Tlb, false));
    let table = "engine = \"classic\"\n[vm.classic]\nshadow = \"lazy\"\nstage2 = true\n";
    assert_eq!(engines(&format!("{vm}{table}")), classic(Shadow::Lazy, true));
    assert_eq!(classic(Shadow::Lazy, true).flags(), 4 | 8 | 2 << 4);
}

#[test]
fn defaults_are_as_documented() {
    let system = parse(TWO);
    let vm = &system.vms[0];

    assert_eq!((vm.vcpus, vm.priority, vm.share), (1, 10, None));
    assert_eq!((vm.restart, vm.restart_limit, vm.heartbeat), (Restart::OnFailure, 10, 10_000));
    assert_eq!((vm.ends_run, system.vms[1].ends_run), (true, false));
}

#[test]
fn regions_without_an_address_get_free_ones() {
    let system = parse(&format!(
        r#"{TWO}
[[shared]]
name = "one"
size = "64K"
vms = ["a", "b"]
writers = ["b"]

[[shared]]
name = "two"
size = "4M"
vms = ["a", "b"]

[[shared]]
name = "fixed"
size = "4K"
vms = ["a", "b"]
address = 0x2001_0000
"#
    ));
    let places: Vec<u64> = system.links.shared.iter().map(|region| region.address).collect();

    assert_eq!(places, [0x2000_0000, 0x2020_0000, 0x2001_0000]);
    assert_eq!(system.links.shared[0].writers, [1]);
    assert_eq!(system.links.shared[1].writers, [0, 1]);
}

#[test]
fn port_brings_its_doorbells_behind_those_of_the_file() {
    let system = parse(&format!(
        r#"{TWO}
[[port]]
vm = "a"
peer = "b"
name = "link"
shared = "link"

[[doorbell]]
from = "a"
to = "b"

[[shared]]
name = "link"
size = "64K"
vms = ["a", "b"]
"#
    ));
    let links = &system.links;

    assert_eq!(links.bells, [Bell { from: 0, to: 1 }, Bell { from: 0, to: 1 }, Bell { from: 1, to: 0 }]);
    assert_eq!((links.ports[0].bell_out, links.ports[0].bell_in, links.ports[0].side), (1, 2, 0));
    assert_eq!((links.number_out(1), links.number_in(1)), (2, 1));
    assert_eq!((links.number_out(2), links.number_in(2)), (1, 0));
}

#[test]
fn ports_of_both_ends_share_channel_and_doorbells() {
    let port = |vm: &str, peer: &str| {
        format!("[[port]]\nvm = \"{vm}\"\npeer = \"{peer}\"\nname = \"link\"\nshared = \"link\"\n")
    };
    let region = "[[shared]]\nname = \"link\"\nsize = \"64K\"\nvms = [\"a\", \"b\"]\n";
    let system = parse(&format!("{TWO}{region}{}{}", port("a", "b"), port("b", "a")));
    let [first, second] = system.links.ports.as_slice() else { panic!("{:?}", system.links) };

    assert_eq!(system.links.bells.len(), 2);
    assert_eq!((first.side, second.side), (0, 1));
    assert_eq!((first.bell_out, first.bell_in), (second.bell_in, second.bell_out));
}
