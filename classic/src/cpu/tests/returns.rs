use super::*;

fn eret(spsr: u64) -> (Cpu, Plain) {
    let (mut cpu, mut frame) = kernel();
    write(&mut cpu, &mut frame, reg::SPSR_EL1, spsr);
    write(&mut cpu, &mut frame, reg::ELR_EL1, 0x4_0000);
    cpu.take_changed();
    assert_eq!(cpu.execute(ERET, &mut frame), Effect::Jump);
    (cpu, frame)
}

#[test]
fn eret_to_el0_switches_the_stack_pointer_and_the_view() {
    let (mut cpu, frame) = eret(0x6000_0000);

    assert_eq!((frame.pc, frame.pstate, frame.sp), (0x4_0000, 0x6000_0000, SP_EL0));
    assert!(!cpu.privileged());
    assert!(cpu.take_changed().any(Changed::LEVEL));
}

#[test]
fn eret_within_el1_keeps_the_view() {
    let (mut cpu, frame) = eret(0x3c5);
    assert_eq!((cpu.mode(), frame.sp, frame.pstate), (mode::EL1H, SP_EL1, 0x3c0));
    assert_eq!(cpu.take_changed(), Changed::NONE);

    let (cpu, frame) = eret(0x4);
    assert_eq!((cpu.mode(), frame.sp, frame.pstate), (mode::EL1T, SP_EL0, 0));
}

#[test]
fn eret_restores_dit_ssbs_and_il_but_no_step() {
    const DIT_SSBS_IL: u64 = 1 << 24 | 1 << 12 | 1 << 20;

    let (_, frame) = eret(DIT_SSBS_IL | 1 << 21);

    assert_eq!(frame.pstate, DIT_SSBS_IL);
}

/// Arm ARM D1.4.4, "Illegal exception returns from AArch64 state".
#[test]
fn eret_to_a_mode_that_is_not_there_sets_il_and_keeps_the_mode() {
    // Reserved, EL2, EL3, EL0 with SP_EL1, AArch32 User and Supervisor.
    for m in [0b0010, 0b0110, 0b1000, 0b1001, 0b1101, 0b0001, 0x10, 0x13] {
        let (mut cpu, frame) = eret(0x9000_0140 | m);

        assert_eq!((cpu.mode(), frame.pc, frame.sp), (mode::EL1H, 0x4_0000, SP_EL1), "{m:#x}");
        assert_eq!(frame.pstate, 0x9010_0140);
        assert_eq!(cpu.take_changed(), Changed::NONE);
    }
}

#[test]
fn the_illegal_state_is_reported_to_the_level_it_is_in() {
    const ILLEGAL: u64 = 0x0e << 26 | 1 << 25;
    let (mut cpu, mut frame) = eret(0x3c9);

    cpu.trap(ILLEGAL, 0, &mut frame);

    assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::ELR_EL1)), (ILLEGAL, 0x4_0000));
    assert_eq!((cpu.get(Slot::SPSR_EL1), frame.pstate), (0x10_03c5, 0x3c0));
    assert_eq!(frame.pc, VBAR + 0x200);
}

#[test]
fn eret_with_authentication_is_undefined() {
    for word in [0xd69f_0bff, 0xd69f_0fff] {
        let (mut cpu, mut frame) = kernel();

        assert_eq!(cpu.execute(word, &mut frame), Effect::Jump);

        assert!(took_undefined(&cpu, &frame, 0x200));
    }
}

#[test]
fn eret_works_in_el1t() {
    let (mut cpu, mut frame) = kernel_with_sp_el0();
    cpu.put(Slot::ELR_EL1, 0x10);

    assert_eq!(cpu.execute(ERET, &mut frame), Effect::Jump);

    assert_eq!((cpu.mode(), frame.pc, frame.sp), (mode::EL0T, 0x10, SP_EL0));
}
