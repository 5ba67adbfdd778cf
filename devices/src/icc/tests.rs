use super::registers::*;
use super::*;
use crate::idregs::sysreg;

const SGI: u32 = 3;
const UART: u32 = 33;

/// A list register with a pending group 1 interrupt.
fn pending(intid: u32, priority: u8) -> u64 {
    Lr::new(intid, priority, true).with(Lr::PENDING, true).0
}

/// Both groups enabled, nothing masked.
fn enabled() -> CpuInterface {
    let mut icc = CpuInterface::new();
    for (reg, value) in [(ICC_PMR_EL1, 0xff), (ICC_IGRPEN0_EL1, 1), (ICC_IGRPEN1_EL1, 1)] {
        assert_eq!(icc.write(reg, value), Some(Effect::Line));
    }
    icc
}

fn with(lrs: &[u64]) -> CpuInterface {
    let mut icc = enabled();
    (0..).zip(lrs).for_each(|(n, lr)| icc.install(n, *lr));
    icc
}

#[test]
fn pending_interrupt_raises_the_line_until_acknowledged() {
    let mut icc = with(&[pending(UART, 0xa0)]);
    assert!(icc.irq_line());

    assert_eq!(icc.read(ICC_IAR1_EL1), Some(UART.into()));

    assert!(!icc.irq_line());
    assert_eq!(icc.lr(0) >> 62, 2, "active");
    assert_eq!(icc.read(ICC_RPR_EL1), Some(0xa0));
    assert_eq!(icc.read(ICC_IAR1_EL1), Some(SPURIOUS.into()));
}

#[test]
fn end_of_interrupt_empties_the_list_register() {
    let mut icc = with(&[pending(UART, 0xa0)]);
    icc.read(ICC_IAR1_EL1);
    assert_eq!(icc.empty_mask(), 0xfffe);

    assert_eq!(icc.write(ICC_EOIR1_EL1, UART.into()), Some(Effect::Line));

    assert_eq!(icc.empty_mask(), 0xffff);
    assert_eq!(icc.read(ICC_RPR_EL1), Some(0xff));
}

#[test]
fn end_of_interrupt_with_the_eoi_bit_asks_for_maintenance() {
    let mut icc = with(&[pending(UART, 0xa0) | Lr::EOI]);
    icc.read(ICC_IAR1_EL1);

    assert_eq!(icc.write(ICC_EOIR1_EL1, UART.into()), Some(Effect::Maintenance));

    assert_eq!((icc.eoi_mask(), icc.empty_mask()), (1, 0xfffe));
}

#[test]
fn most_urgent_goes_first_and_preempts() {
    let mut icc = with(&[pending(UART, 0xa0), pending(SGI, 0x80)]);
    assert_eq!(icc.acknowledge(Group::One), SGI);
    assert!(!icc.irq_line());

    icc.install(2, pending(34, 0x60));

    assert!(icc.irq_line());
    assert_eq!(icc.acknowledge(Group::One), 34);
    assert_eq!(icc.running_priority(), 0x60);
    assert_eq!(icc.end(Group::One, 34), Effect::Line);
    assert_eq!(icc.running_priority(), 0x80);
}

#[test]
fn equal_priorities_go_by_list_register() {
    let mut icc = with(&[0, pending(40, 0xa0), pending(39, 0xa0)]);

    assert_eq!(icc.acknowledge(Group::One), 40);
}

#[test]
fn priority_mask_hides_what_is_not_more_urgent() {
    let mut icc = with(&[pending(UART, 0xa0)]);

    assert_eq!(icc.set_priority_mask(0xa7), Effect::Line);
    assert!(!icc.irq_line());
    assert_eq!(icc.read(ICC_PMR_EL1), Some(0xa0), "5 bits");
    assert_eq!(icc.read(ICC_HPPIR1_EL1), Some(UART.into()), "HPPIR does not look at it");

    assert_eq!(icc.set_priority_mask(0xa8), Effect::Line);
    assert!(icc.irq_line());
}

#[test]
fn binary_point_says_what_preempts() {
    let mut icc = with(&[pending(UART, 0x90)]);
    assert_eq!(icc.write(ICC_BPR1_EL1, 5), Some(Effect::Line));
    assert_eq!(icc.acknowledge(Group::One), UART);
    assert_eq!(icc.running_priority(), 0x80, "bits 7:5 are the group priority");

    icc.install(1, pending(SGI, 0x80));
    assert!(!icc.irq_line(), "the same group priority");

    icc.install(1, pending(SGI, 0x60));
    assert!(icc.irq_line());
}

#[test]
fn common_binary_point_shows_bpr0_plus_one_and_ignores_writes() {
    let mut icc = enabled();
    assert_eq!(icc.read(ICC_BPR1_EL1), Some(3), "at reset");
    assert_eq!(icc.write(ICC_CTLR_EL1, 1), Some(Effect::Line));
    assert_eq!(icc.write(ICC_BPR0_EL1, 7), Some(Effect::Line));
    assert_eq!(icc.read(ICC_BPR1_EL1), Some(7));
    assert_eq!(icc.write(ICC_BPR0_EL1, 4), Some(Effect::Line));
    assert_eq!(icc.read(ICC_BPR1_EL1), Some(5));

    assert_eq!(icc.write(ICC_BPR1_EL1, 6), Some(Effect::Line));
    assert_eq!(icc.write(ICC_CTLR_EL1, 0), Some(Effect::Line));

    assert_eq!(icc.read(ICC_BPR1_EL1), Some(3));
}

#[test]
fn binary_points_have_a_least_value() {
    let mut icc = enabled();

    assert_eq!(icc.write(ICC_BPR0_EL1, 0), Some(Effect::Line));
    assert_eq!(icc.write(ICC_BPR1_EL1, 0), Some(Effect::Line));

    assert_eq!((icc.read(ICC_BPR0_EL1), icc.read(ICC_BPR1_EL1)), (Some(2), Some(3)));
}

#[test]
fn eoi_mode_1_splits_priority_drop_and_deactivation() {
    let mut icc = with(&[pending(UART, 0xa0) | Lr::EOI]);
    assert_eq!(icc.write(ICC_CTLR_EL1, 2), Some(Effect::Line));
    icc.acknowledge(Group::One);

    assert_eq!(icc.end(Group::One, UART), Effect::Line);
    assert_eq!(icc.running_priority(), 0xff);
    assert_eq!(icc.lr(0) >> 62, 2, "still active");

    assert_eq!(icc.write(ICC_DIR_EL1, UART.into()), Some(Effect::Maintenance));
    assert_eq!(icc.lr(0) >> 62, 0);
}

#[test]
fn lpi_is_deactivated_by_its_end_in_eoi_mode_1_too() {
    let mut icc = with(&[pending(8192, 0xa0)]);
    assert_eq!(icc.write(ICC_CTLR_EL1, 2), Some(Effect::Line));
    icc.acknowledge(Group::One);

    assert_eq!(icc.end(Group::One, 8192), Effect::Line);

    assert_eq!(icc.lr(0) >> 62, 0);
}

#[test]
fn deactivation_in_eoi_mode_0_does_nothing() {
    let mut icc = with(&[pending(UART, 0xa0)]);
    icc.acknowledge(Group::One);

    assert_eq!(icc.deactivate(UART), Effect::None);

    assert_eq!(icc.lr(0) >> 62, 2);
}

#[test]
fn active_and_pending_becomes_pending_at_the_end() {
    let mut icc = with(&[pending(UART, 0xa0)]);
    icc.acknowledge(Group::One);
    icc.install(0, pending(UART, 0xa0) | Lr::ACTIVE);
    assert!(!icc.irq_line(), "not while active");

    assert_eq!(icc.end(Group::One, UART), Effect::Line);

    assert!(icc.irq_line());
}

#[test]
fn end_of_a_spurious_interrupt_drops_no_priority() {
    let mut icc = with(&[pending(UART, 0xa0)]);
    icc.acknowledge(Group::One);

    assert_eq!(icc.end(Group::One, SPURIOUS), Effect::None);

    assert_eq!(icc.running_priority(), 0xa0);
}

#[test]
fn end_without_active_priority_is_ignored() {
    let mut icc = with(&[Lr::new(UART, 0xa0, true).with(Lr::ACTIVE, true).0]);

    assert_eq!(icc.end(Group::One, UART), Effect::None);

    assert_eq!(icc.lr(0) >> 62, 2);
}

#[test]
fn group_0_is_signalled_as_fiq_and_not_acknowledged_as_group_1() {
    let mut icc = with(&[Lr::new(UART, 0xa0, false).with(Lr::PENDING, true).0]);

    assert!(icc.fiq_line() && !icc.irq_line());
    assert_eq!(icc.read(ICC_IAR1_EL1), Some(SPURIOUS.into()));
    assert_eq!(icc.read(ICC_HPPIR0_EL1), Some(UART.into()));
    assert_eq!(icc.read(ICC_IAR0_EL1), Some(UART.into()));
    assert_eq!((icc.read(ICC_AP0R0_EL1), icc.read(ICC_AP1R0_EL1)), (Some(1 << 20), Some(0)));
}

#[test]
fn disabled_group_is_not_seen_at_all() {
    let mut icc = with(&[pending(UART, 0xa0)]);

    assert_eq!(icc.write(ICC_IGRPEN1_EL1, 0), Some(Effect::Line));

    assert!(!icc.irq_line());
    assert_eq!(icc.read(ICC_HPPIR1_EL1), Some(SPURIOUS.into()));
}

#[test]
fn fixed_fields_read_as_the_virtual_interface_shows_them() {
    let mut icc = enabled();

    assert_eq!(icc.write(ICC_CTLR_EL1, u64::MAX), Some(Effect::Line));
    assert_eq!(icc.write(ICC_SRE_EL1, 0), Some(Effect::None));

    assert_eq!(icc.read(ICC_CTLR_EL1), Some(0x8c03));
    assert_eq!(icc.read(ICC_SRE_EL1), Some(7));
}

#[test]
fn what_is_not_there_is_refused() {
    let mut icc = enabled();

    assert_eq!(icc.read(ICC_EOIR1_EL1), None, "write-only");
    assert_eq!(icc.write(ICC_IAR1_EL1, 0), None, "read-only");
    assert_eq!(icc.read(ICC_AP1R0_EL1 + 1), None, "ICC_AP1R1_EL1: more than 5 bits of preemption");
    assert_eq!(icc.write(sysreg(3, 0, 12, 11, 5), 0), None, "ICC_SGI1R_EL1 is the vGIC's");
}

#[test]
fn list_registers_that_do_not_exist_are_ignored() {
    let mut icc = enabled();

    icc.install(MAX_LRS, pending(UART, 0));

    assert_eq!((icc.lr(MAX_LRS), icc.clone()), (0, enabled()));
}
