//! One behaviour of delivery each.

use crate::cpu_interface::SPURIOUS;
use crate::vm::Vm;
use devices::Width;
use devices::vgic::SgiRegister::Sgi1r;

const UART: u32 = 33;
const RTC: u32 = 34;
/// ICC_SGI1R_EL1: SGI 3 to vCPU 0.
const SGI3_TO_0: u64 = 3 << 24 | 1;

#[test]
fn level_spi_is_delivered_again_while_its_line_is_high() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();

    assert_eq!(vm.acknowledge(0), UART);
    vm.end(0, UART);
    vm.settle();
    assert_eq!(vm.acknowledge(0), UART);
    vm.set_level(UART, false);
    vm.settle();
    vm.end(0, UART);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn level_spi_that_falls_before_acknowledge_is_withdrawn() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.set_level(UART, false);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn fallen_line_needs_no_exit_at_deactivation() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.acknowledge(0);
    vm.set_level(UART, false);
    vm.settle();
    vm.end(0, UART);

    assert!(!vm.cpus[0].interface.maintenance());
}

#[test]
fn edges_before_acknowledge_merge() {
    let mut vm = Vm::booted(1, 4);
    vm.write_dist(0, 0xc08, Width::B4, 0xffff_ffff);
    vm.pulse(UART);
    vm.settle();
    vm.pulse(UART);
    vm.settle();

    assert_eq!(vm.acknowledge(0), UART);
    vm.end(0, UART);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn edge_while_active_is_delivered_after_deactivation() {
    let mut vm = Vm::booted(1, 4);
    vm.write_dist(0, 0xc08, Width::B4, 0xffff_ffff);
    vm.pulse(UART);
    vm.settle();
    assert_eq!(vm.acknowledge(0), UART);
    vm.pulse(UART);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS, "active");
    vm.end(0, UART);
    assert_eq!(vm.acknowledge(0), UART, "without a further exit");
}

#[test]
fn pulse_of_a_level_spi_does_nothing() {
    let mut vm = Vm::booted(1, 4);
    vm.pulse(UART);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn sgi_to_self_needs_no_kick() {
    let mut vm = Vm::booted(1, 4);
    vm.send_sgi(0, Sgi1r, SGI3_TO_0);

    assert!(!vm.cpus[0].kicked);
    assert_eq!(vm.acknowledge(0), 3);
}

#[test]
fn sgi_again_while_active_is_delivered_again() {
    let mut vm = Vm::booted(2, 4);
    vm.send_sgi(1, Sgi1r, SGI3_TO_0);
    vm.settle();
    assert_eq!(vm.acknowledge(0), 3);
    vm.send_sgi(1, Sgi1r, SGI3_TO_0);
    vm.settle();
    vm.end(0, 3);

    assert_eq!(vm.acknowledge(0), 3);
    vm.end(0, 3);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn more_pending_than_list_registers_come_by_priority() {
    let mut vm = Vm::booted(1, 4);
    for n in 0..12 {
        vm.write_dist(0, 0x420 + n, Width::B1, 0xf0 - 0x10 * n);
        vm.set_level(32 + n as u32, true);
        vm.settle();
    }

    for n in (0..12).rev() {
        assert_eq!(vm.acknowledge(0), 32 + n);
        vm.set_level(32 + n, false);
        vm.settle();
        vm.end(0, 32 + n);
        vm.settle();
    }
    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn urgent_interrupt_displaces_less_urgent_pending_ones() {
    let mut vm = Vm::booted(1, 4);
    for n in 0..6 {
        vm.write_dist(0, 0x420 + n, Width::B1, 0x80);
        vm.set_level(32 + n as u32, true);
    }
    vm.settle();
    vm.write_dist(0, 0x43f, Width::B1, 0x10);
    vm.set_level(63, true);
    vm.settle();

    assert_eq!(vm.acknowledge(0), 63);
}

#[test]
fn nested_interrupts_deeper_than_the_list_registers_all_end() {
    let mut vm = Vm::booted(1, 4);
    for n in 0..8u32 {
        vm.write_dist(0, 0x420 + n as u64, Width::B1, 0xf0 - 0x10 * n as u64);
        vm.set_level(32 + n, true);
        vm.settle();
        assert_eq!(vm.acknowledge(0), 32 + n);
    }

    for n in (0..8u32).rev() {
        vm.set_level(32 + n, false);
        vm.settle();
        vm.end(0, 32 + n);
        vm.settle();
    }
    assert_eq!(vm.cpus[0].interface.lost_ends, 0);
    assert_eq!(vm.read_dist(0, 0x304, Width::B4), 0);
}

#[test]
fn spi_goes_where_irouter_says() {
    let mut vm = Vm::booted(4, 4);
    vm.write_dist(0, 0x6000 + 8 * UART as u64, Width::B8, 2);
    vm.set_level(UART, true);

    assert!(vm.cpus[2].kicked);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);
    assert_eq!(vm.acknowledge(2), UART);
}

#[test]
fn rerouted_pending_spi_moves() {
    let mut vm = Vm::booted(2, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.write_dist(1, 0x6000 + 8 * UART as u64, Width::B8, 1);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
    assert_eq!(vm.acknowledge(1), UART);
}

#[test]
fn spi_routed_to_nobody_waits() {
    let mut vm = Vm::booted(2, 4);
    vm.write_dist(0, 0x6000 + 8 * UART as u64, Width::B8, 7);
    vm.set_level(UART, true);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);

    vm.write_dist(0, 0x6000 + 8 * UART as u64, Width::B8, 1);
    vm.settle();
    assert_eq!(vm.acknowledge(1), UART);
}

#[test]
fn disabled_spi_leaves_the_other_vcpus_list_register() {
    let mut vm = Vm::booted(2, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.write_dist(1, 0x184, Width::B4, 1 << (UART - 32));
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn disabled_group_delivers_nothing_until_it_is_enabled() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.write_dist(0, 0, Width::B4, 1);
    vm.settle();
    assert_eq!(vm.acknowledge(0), SPURIOUS);

    vm.write_dist(0, 0, Width::B4, 2);
    vm.settle();
    assert_eq!(vm.acknowledge(0), UART);
}

#[test]
fn icactiver_lets_a_stuck_interrupt_come_again() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.acknowledge(0);
    assert_eq!(vm.read_dist(0, 0x304, Width::B4), 2);
    vm.write_dist(0, 0x384, Width::B4, 2);
    vm.settle();

    assert_eq!(vm.read_dist(0, 0x304, Width::B4), 0);
    assert_eq!(vm.cpus[0].interface.elrsr() & 2, 0, "pending again");
}

#[test]
fn ppi_line_is_level_sensitive() {
    let mut vm = Vm::booted(2, 4);
    vm.set_ppi_level(1, 30, true);
    assert_eq!(vm.acknowledge(0), SPURIOUS);
    assert_eq!(vm.acknowledge(1), 30);
    vm.set_ppi_level(1, 30, false);
    vm.end(1, 30);
    vm.settle();

    assert_eq!(vm.acknowledge(1), SPURIOUS);
}

#[test]
fn vtimer_never_comes_from_the_model() {
    let mut vm = Vm::booted(1, 4);
    vm.write_redist(0, 0x1_0200, Width::B4, 1 << 27);
    vm.write_redist(0, 0x1_0300, Width::B4, 1 << 27);
    vm.set_ppi_level(0, 27, true);

    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn vtimer_state_is_read_from_list_register_0() {
    let mut vm = Vm::booted(1, 4);
    vm.cpus[0].interface.install(0, 1 << 63 | 27);

    assert_eq!(vm.read_redist(0, 0x1_0300, Width::B4), 1 << 27);
    assert_eq!(vm.read_redist(0, 0x1_0200, Width::B4), 0);
}

#[test]
fn timer_word_follows_enable_group_and_priority() {
    let mut vm = Vm::new(1, 4);
    assert_eq!(vm.cpus[0].redist.timer_word(), 27);
    vm.write_redist(0, 0x1_0080, Width::B4, 1 << 27);
    vm.write_redist(0, 0x1_0100, Width::B4, 1 << 27);
    vm.write_redist(0, 0x1_041b, Width::B1, 0xa0);
    assert_eq!(vm.cpus[0].redist.timer_word(), 1 << 30 | 0xa0 << 16 | 27, "group disabled");
    vm.write_dist(0, 0, Width::B4, 2);

    assert_eq!(vm.cpus[0].redist.timer_word(), 1 << 31 | 1 << 30 | 0xa0 << 16 | 27);
}

#[test]
fn untouched_interrupts_cost_no_installation() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(RTC, true);
    vm.settle();
    let before = *vm.cpus[0].interface.lrs();
    let update = vm.cpus[0].redist.flush(&mut vm.dist);

    assert_eq!(update.dirty, 0);
    assert_eq!(*vm.cpus[0].interface.lrs(), before);
}

#[test]
fn line_that_rises_again_while_active_is_delivered_again() {
    let mut vm = Vm::booted(1, 4);
    vm.set_level(UART, true);
    vm.settle();
    vm.acknowledge(0);
    vm.set_level(UART, false);
    vm.settle();
    vm.set_level(UART, true);
    vm.settle();
    vm.end(0, UART);
    vm.settle();

    assert_eq!(vm.acknowledge(0), UART);
}

#[test]
fn edge_of_a_spi_that_is_active_here_goes_to_its_new_route() {
    let mut vm = Vm::booted(2, 4);
    vm.write_dist(0, 0xc08, Width::B4, 0xffff_ffff);
    vm.pulse(UART);
    vm.settle();
    vm.acknowledge(0);
    vm.write_dist(0, 0x6000 + 8 * UART as u64, Width::B8, 1);
    vm.pulse(UART);
    vm.settle();
    vm.end(0, UART);
    vm.settle();

    assert_eq!(vm.acknowledge(0), SPURIOUS);
    assert_eq!(vm.acknowledge(1), UART);
}

#[test]
fn private_flush_clears_the_eoi_of_a_finished_ppi() {
    let mut vm = Vm::booted(1, 4);
    vm.set_ppi_level(0, 30, true);
    vm.acknowledge(0);
    vm.end(0, 30);
    assert!(vm.cpus[0].interface.maintenance());
    let eisr = vm.cpus[0].interface.eisr();
    vm.cpus[0].redist.sync_private(0, eisr);
    assert!(!vm.cpus[0].redist.set_ppi_level(30, false));
    let update = vm.cpus[0].redist.flush_private().expect("there is room");

    assert_eq!((update.dirty, vm.cpus[0].redist.lr(1)), (2, 0));
}

#[test]
fn list_registers_not_yet_installed_count_by_the_models_content() {
    let mut vm = Vm::booted(1, 4);
    let _ = vm.dist.set_level(UART, true);
    let update = vm.cpus[0].redist.flush(&mut vm.dist);
    let _ = vm.cpus[0].redist.sync_full(&mut vm.dist, &[0; 16], update.dirty as u64);

    assert_eq!(vm.dist.read(0x204, Width::B4), 2);
}

#[test]
fn what_is_pending_in_list_registers_outlives_a_reset_of_the_vcpu() {
    let mut vm = Vm::booted(1, 4);
    vm.send_sgi(0, Sgi1r, SGI3_TO_0);

    vm.reset(0);

    assert_eq!(vm.acknowledge(0), 3);
}
