//! A vCPU whose kernel delivers no virtual timer: vINTID 27 and list register 0 are as any other.

use crate::cpu_interface::SPURIOUS;
use crate::vm::Vm;
use devices::Width::{B1, B4};

const VTIMER: u32 = 27;

#[test]
fn virtual_timer_is_a_level_ppi() {
    let mut vm = Vm::without_kernel_timer(1, 4);

    vm.set_ppi_level(0, VTIMER, true);
    assert_eq!(vm.acknowledge(0), VTIMER);
    vm.set_ppi_level(0, VTIMER, false);
    vm.end(0, VTIMER);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn virtual_timer_whose_line_stays_high_is_delivered_again() {
    let mut vm = Vm::without_kernel_timer(1, 4);
    vm.set_ppi_level(0, VTIMER, true);
    assert_eq!(vm.acknowledge(0), VTIMER);

    vm.end(0, VTIMER);
    vm.settle();

    assert_eq!(vm.acknowledge(0), VTIMER);
}

#[test]
fn masked_virtual_timer_is_withdrawn() {
    let mut vm = Vm::without_kernel_timer(1, 4);
    vm.set_ppi_level(0, VTIMER, true);

    vm.write_redist(0, 0x1_0180, B4, 1 << VTIMER);

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn virtual_timer_is_pended_and_shown_by_registers() {
    let mut vm = Vm::without_kernel_timer(1, 4);

    vm.write_redist(0, 0x1_0200, B4, 1 << VTIMER);

    assert_eq!(vm.read_redist(0, 0x1_0200, B4), 1 << VTIMER);
    assert_eq!(vm.acknowledge(0), VTIMER);
    assert_eq!(vm.read_redist(0, 0x1_0300, B4), 1 << VTIMER);
}

#[test]
fn list_register_0_is_used() {
    let mut vm = Vm::without_kernel_timer(1, 4);

    (0..4).for_each(|n| vm.write_redist(0, 0x1_0200, B4, 1 << n));

    assert!(vm.cpus[0].interface.present().iter().all(|lr| *lr != 0));
}

#[test]
fn all_list_registers_in_use_and_more_urgent_timer_displaces() {
    let mut vm = Vm::without_kernel_timer(1, 4);
    vm.write_redist(0, 0x1_0400, B4, 0x8080_8080);
    vm.write_redist(0, 0x1_0400 + VTIMER as u64, B1, 0x20);
    (0..4).for_each(|n| vm.write_redist(0, 0x1_0200, B4, 1 << n));

    vm.set_ppi_level(0, VTIMER, true);
    vm.settle();

    assert_eq!(vm.acknowledge(0), VTIMER);
}

#[test]
fn kernel_is_told_of_no_timer() {
    assert_eq!(Vm::without_kernel_timer(1, 4).cpus[0].redist.timer_word(), 0);
}
