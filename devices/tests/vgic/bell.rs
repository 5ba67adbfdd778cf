//! A doorbell that the kernel delivers by itself: an edge-triggered SPI that is parked in a list register.

use crate::cpu_interface::SPURIOUS;
use crate::vm::Vm;
use devices::Width::{B1, B4, B8};
use devices::vgic::{BELL_LR, Lr};

const BELL: u32 = 40;
const UART: u32 = 33;
/// Offset of BELL's word in one-bit-an-interrupt registers, and its bit there.
const WORD: u64 = 4;
const BIT: u64 = 1 << (BELL % 32);

fn vm() -> Vm {
    Vm::with_bell(2, 4, BELL)
}

fn is_parked(vm: &Vm) -> bool {
    vm.cpus[0].bell != 0
}

/// How often the guest of vCPU 0 takes the doorbell, at most 3 times.
fn taken(vm: &mut Vm) -> usize {
    (0..3)
        .take_while(|_| {
            let intid = vm.acknowledge(0);
            vm.end(0, intid);
            intid == BELL
        })
        .count()
}

#[test]
fn doorbell_is_delivered_without_an_exit() {
    let mut vm = vm();
    let exits = vm.exits;

    for _ in 0..3 {
        vm.ring(BELL);
        assert_eq!(taken(&mut vm), 1);
    }

    assert_eq!(vm.exits, exits);
    assert!(!vm.cpus[0].kicked);
}

#[test]
fn edges_before_acknowledge_merge() {
    let mut vm = vm();

    vm.ring(BELL);
    vm.ring(BELL);

    assert_eq!(taken(&mut vm), 1);
}

#[test]
fn edge_while_active_is_delivered_after_the_end() {
    let mut vm = vm();
    vm.ring(BELL);
    assert_eq!(vm.acknowledge(0), BELL);

    vm.ring(BELL);
    assert_eq!(vm.acknowledge(0), SPURIOUS);
    vm.end(0, BELL);

    assert_eq!(taken(&mut vm), 1);
}

#[test]
fn word_has_priority_and_group() {
    let mut vm = vm();
    vm.write_dist(0, 0x400 + u64::from(BELL), B1, 0x60);

    let lr = Lr(vm.cpus[0].bell);

    assert_eq!((lr.intid(), lr.priority(), lr.pending(), lr.active()), (BELL, 0x60, true, false));
    assert_ne!(lr.0 & Lr::GROUP1, 0);
    vm.write_dist(0, 0x80 + WORD, B4, !BIT);
    assert_eq!(vm.cpus[0].bell & Lr::GROUP1, 0);
}

#[test]
fn pending_doorbell_is_shown_and_cleared() {
    let mut vm = vm();
    vm.ring(BELL);

    assert_eq!(vm.read_dist(0, 0x200 + WORD, B4) & BIT, BIT);
    vm.write_dist(0, 0x280 + WORD, B4, BIT);

    assert_eq!(vm.read_dist(0, 0x200 + WORD, B4) & BIT, 0);
    assert_eq!(taken(&mut vm), 0);
    assert!(is_parked(&vm));
}

#[test]
fn active_doorbell_is_shown_and_cleared() {
    let mut vm = vm();
    vm.ring(BELL);
    vm.acknowledge(0);

    assert_eq!(vm.read_dist(0, 0x300 + WORD, B4) & BIT, BIT);
    vm.write_dist(0, 0x380 + WORD, B4, BIT);

    assert_eq!(vm.read_dist(0, 0x300 + WORD, B4) & BIT, 0);
    assert!(is_parked(&vm));
}

#[test]
fn idle_doorbell_is_not_pending_for_others() {
    let mut vm = vm();

    assert_eq!(vm.read_dist(1, 0x200 + WORD, B4) & BIT, 0);
    assert!(is_parked(&vm));
}

#[test]
fn pending_by_software_is_delivered() {
    for cpu in [0, 1] {
        let mut vm = vm();

        vm.write_dist(cpu, 0x200 + WORD, B4, BIT);
        vm.settle();

        assert_eq!(taken(&mut vm), 1);
        assert!(is_parked(&vm));
    }
}

#[test]
fn disabled_doorbell_waits_in_the_distributor() {
    for cpu in [0, 1] {
        let mut vm = vm();
        vm.ring(BELL);

        vm.write_dist(cpu, 0x180 + WORD, B4, BIT);
        vm.settle();
        assert!(!is_parked(&vm));
        assert_eq!(taken(&mut vm), 0);
        vm.ring(BELL);
        vm.settle();
        assert_eq!(taken(&mut vm), 0);

        vm.write_dist(cpu, 0x100 + WORD, B4, BIT);
        vm.settle();
        assert_eq!(taken(&mut vm), 1);
        assert!(is_parked(&vm));
    }
}

#[test]
fn doorbell_of_a_disabled_group_waits_in_the_distributor() {
    let mut vm = vm();
    vm.ring(BELL);

    vm.write_dist(1, 0, B4, 1);
    vm.settle();
    assert!(!is_parked(&vm));
    assert_eq!(taken(&mut vm), 0);

    vm.write_dist(1, 0, B4, 3);
    vm.settle();
    assert_eq!(taken(&mut vm), 1);
}

#[test]
fn doorbell_routed_elsewhere_goes_there() {
    let mut vm = vm();
    vm.ring(BELL);

    vm.write_dist(1, 0x6000 + 8 * u64::from(BELL), B8, 1);
    vm.settle();

    assert!(!is_parked(&vm));
    assert_eq!(vm.acknowledge(1), BELL);
    vm.end(1, BELL);
    vm.ring(BELL);
    vm.settle();
    assert_eq!(vm.acknowledge(1), BELL);
    assert_eq!(vm.acknowledge(0), SPURIOUS);
}

#[test]
fn level_sensitive_doorbell_is_not_delivered() {
    let mut vm = vm();
    vm.write_dist(0, 0xc00 + u64::from(BELL / 16 * 4), B4, 0);

    assert!(!is_parked(&vm));
    vm.ring(BELL);
    vm.settle();
    assert_eq!(taken(&mut vm), 0);
}

#[test]
fn doorbell_gives_its_list_register_to_more_than_there_is_room_for() {
    let mut vm = vm();
    vm.ring(BELL);

    for intid in [UART, UART + 1, UART + 2] {
        vm.set_level(intid, true);
        vm.settle();
    }

    assert!(!is_parked(&vm));
    let mut all: Vec<u32> = (0..4)
        .map(|_| {
            let intid = vm.acknowledge(0);
            if intid != BELL {
                vm.set_level(intid, false);
                vm.settle();
            }
            vm.end(0, intid);
            vm.settle();
            intid
        })
        .collect();
    all.sort_unstable();
    assert_eq!(all, [UART, UART + 1, UART + 2, BELL]);
    vm.exit(0);
    assert!(is_parked(&vm), "there is room again");
}

#[test]
fn others_leave_the_list_register_to_the_doorbell() {
    let mut vm = vm();
    vm.write_dist(0, 0x180 + WORD, B4, BIT);

    vm.set_level(UART, true);
    vm.set_level(UART + 1, true);
    vm.settle();

    assert_eq!(vm.cpus[0].interface.lrs()[BELL_LR], 0);
    vm.write_dist(0, 0x100 + WORD, B4, BIT);
    assert!(is_parked(&vm));
}

#[test]
fn ring_that_goes_by_the_handler_is_delivered_once() {
    let mut vm = vm();
    vm.ring(BELL);
    vm.cpus[0].kicked = true;

    vm.ring(BELL);
    vm.settle();

    assert_eq!(taken(&mut vm), 1);
    assert!(is_parked(&vm));
}

#[test]
fn vcpu_without_kernel_timer_has_no_doorbell_of_the_kernel() {
    let mut vm = Vm::without_kernel_timer(1, 4);
    vm.cpus[0].redist.set_bell(BELL);
    vm.write_dist(0, 0xc00 + u64::from(BELL / 16 * 4), B4, !0);

    assert!(!is_parked(&vm));
}

#[test]
fn ring_outlives_a_reset_of_the_vcpu() {
    let mut vm = vm();
    vm.ring(BELL);

    vm.reset(0);

    assert_eq!(taken(&mut vm), 1);
    assert!(is_parked(&vm));
}
