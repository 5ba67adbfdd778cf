//! ICC_SGI1R_EL1, ICC_SGI0R_EL1, ICC_ASGI1R_EL1 (IHI0069 12.2.18–12.2.20).

use crate::cpu_interface::SPURIOUS;
use crate::vm::Vm;
use SgiRegister::{Asgi1r, Sgi0r, Sgi1r};
use devices::Width::B4;
use devices::vgic::{Sgi, SgiRegister};

const IRM: u64 = 1 << 40;

#[test]
fn target_list_names_aff0() {
    let sgi = Sgi::decode(Sgi1r, 5 << 24 | 0b1010, 0, 4);

    assert_eq!((sgi.intid, sgi.group1, sgi.targets), (5, true, 0b1010));
}

#[test]
fn irm_targets_all_but_self_and_ignores_the_list() {
    assert_eq!(Sgi::decode(Sgi1r, IRM | 0xff_0001, 2, 4).targets, 0b1011);
    assert_eq!(Sgi::decode(Sgi1r, IRM, 0, 1).targets, 0);
}

#[test]
fn other_clusters_and_missing_vcpus_are_nobody() {
    assert_eq!(Sgi::decode(Sgi1r, 1 << 16 | 1, 0, 4).targets, 0, "Aff1");
    assert_eq!(Sgi::decode(Sgi1r, 1 << 32 | 1, 0, 4).targets, 0, "Aff2");
    assert_eq!(Sgi::decode(Sgi1r, 1 << 48 | 1, 0, 4).targets, 0, "Aff3");
    assert_eq!(Sgi::decode(Sgi1r, 1 << 44 | 1, 0, 4).targets, 0, "RS");
    assert_eq!(Sgi::decode(Sgi1r, 0xfff0, 0, 4).targets, 0, "vCPUs 4–15");
}

#[test]
fn sgi_is_generated_only_in_the_group_that_the_target_has_configured() {
    let delivered = |group: u64, register| {
        let mut vm = Vm::booted(1, 4);
        vm.write_redist(0, 0x1_0080, B4, group);
        vm.send_sgi(0, register, 1);
        vm.acknowledge(0) != SPURIOUS
    };

    assert!(delivered(0xffff, Sgi1r) && !delivered(0, Sgi1r));
    assert!(delivered(0, Sgi0r) && !delivered(0xffff, Sgi0r));
    assert!(delivered(0, Asgi1r) && !delivered(0xffff, Asgi1r));
}

#[test]
fn sgi_of_a_disabled_interrupt_waits() {
    let mut vm = Vm::booted(1, 4);
    vm.write_redist(0, 0x1_0180, B4, 1);
    vm.send_sgi(0, Sgi1r, 1);
    assert_eq!(vm.acknowledge(0), SPURIOUS);
    vm.write_redist(0, 0x1_0100, B4, 1);

    assert_eq!(vm.acknowledge(0), 0);
}
