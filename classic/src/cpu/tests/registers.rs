use super::*;

#[test]
fn a_kept_register_gives_what_was_written() {
    let (mut cpu, mut frame) = kernel();
    frame.x[3] = 0x1234_5678_9abc_def0;

    assert_eq!(cpu.execute(msr(reg::TPIDR_EL1, 3), &mut frame), Effect::Next);
    assert_eq!(cpu.execute(mrs(reg::TPIDR_EL1, 4), &mut frame), Effect::Next);

    assert_eq!(frame.x[4], 0x1234_5678_9abc_def0);
    assert_eq!(frame.pc, PC + 8);
}

#[test]
fn xzr_reads_as_zero_and_is_not_written() {
    let (mut cpu, mut frame) = kernel();
    write(&mut cpu, &mut frame, reg::TPIDR_EL1, 7);
    let before = frame.x;

    cpu.execute(mrs(reg::TPIDR_EL1, 31), &mut frame);
    cpu.execute(msr(reg::TPIDR_EL1, 31), &mut frame);

    assert_eq!((frame.x, cpu.get(Slot::TPIDR_EL1)), (before, 0));
}

/// Each register that is a place: what reads back after all ones, and after all zeros (Arm ARM D24.2).
#[test]
fn writable_bits_are_those_of_the_features_shown() {
    let all = u64::MAX;
    let expected = [
        (reg::SPSR_EL1, 0xf130_13df, 0),
        (reg::ELR_EL1, all, 0),
        (reg::SP_EL0, all, 0),
        (reg::ESR_EL1, all, 0),
        (reg::FAR_EL1, all, 0),
        (reg::TPIDR_EL1, all, 0),
        (reg::VBAR_EL1, !0x7ff, 0),
        (reg::SCTLR_EL1, 0x1000_34dd_db9f, 0x30d0_0980),
        (reg::TCR_EL1, 0x0180_0077_ffff_ffbf, 0),
        (reg::TTBR0_EL1, !1, 0),
        (reg::TTBR1_EL1, !1, 0),
        (reg::MAIR_EL1, all, 0),
        (reg::CONTEXTIDR_EL1, 0xffff_ffff, 0),
        (reg::CPACR_EL1, 0x30_0000, 0),
        (reg::CNTKCTL_EL1, 0x3ff, 0),
        (reg::TPIDRRO_EL0, all, 0),
        (reg::PAR_EL1, all, 0),
        (reg::CSSELR_EL1, 0xf, 0),
        (reg::AMAIR_EL1, 0, 0),
        (reg::AFSR0_EL1, 0, 0),
        (reg::AFSR1_EL1, 0, 0),
    ];
    for (register, ones, zeros) in expected {
        let (mut cpu, mut frame) = kernel();
        write(&mut cpu, &mut frame, register, all);
        let after_ones = read(&mut cpu, &mut frame, register);
        write(&mut cpu, &mut frame, register, 0);
        let after_zeros = read(&mut cpu, &mut frame, register);

        assert_eq!((after_ones, after_zeros), (ones, zeros), "{register:#x}");
    }
}

#[test]
fn without_ssbs_and_dit_their_bits_are_not_there() {
    let features = Features::default();
    let mut cpu = Cpu::new(Identity::new(0, 0), features);
    let mut frame = Plain::default();

    write(&mut cpu, &mut frame, reg::SPSR_EL1, u64::MAX);
    write(&mut cpu, &mut frame, reg::SCTLR_EL1, u64::MAX);

    assert_eq!(cpu.get(Slot::SPSR_EL1), 0xf030_03df);
    assert_eq!(cpu.get(Slot::SCTLR_EL1) >> 32, 0);
}

#[test]
fn sp_el0_is_the_banked_one_in_el1h() {
    let (mut cpu, mut frame) = kernel();

    assert_eq!(read(&mut cpu, &mut frame, reg::SP_EL0), SP_EL0);
    assert_eq!(frame.sp, SP_EL1);
}

#[test]
fn sp_el0_is_undefined_while_it_is_in_use() {
    let (mut cpu, mut frame) = kernel_with_sp_el0();

    assert_eq!(cpu.execute(mrs(reg::SP_EL0, 0), &mut frame), Effect::Jump);

    assert!(took_undefined(&cpu, &frame, 0x000));
}

#[test]
fn sp_el1_is_undefined_at_el1() {
    let (mut cpu, mut frame) = kernel_with_sp_el0();

    assert_eq!(cpu.execute(mrs(sysreg(3, 4, 4, 1, 0), 0), &mut frame), Effect::Jump);

    assert!(took_undefined(&cpu, &frame, 0x000));
}

#[test]
fn spsel_banks_the_stack_pointer_both_ways() {
    let (mut cpu, mut frame) = kernel();

    write(&mut cpu, &mut frame, reg::SPSEL, 0);
    assert_eq!((frame.sp, cpu.mode()), (SP_EL0, mode::EL1T));
    assert_eq!(read(&mut cpu, &mut frame, reg::SPSEL), 0);
    frame.sp = 0x77;
    write(&mut cpu, &mut frame, reg::SPSEL, 1);

    assert_eq!((frame.sp, cpu.mode()), (SP_EL1, mode::EL1H));
    assert_eq!(read(&mut cpu, &mut frame, reg::SP_EL0), 0x77);
    assert_eq!(read(&mut cpu, &mut frame, reg::SPSEL), 1);
    assert!(!cpu.take_changed().any(Changed::LEVEL));
}

#[test]
fn current_el_is_1_in_both_modes_of_el1() {
    for (mut cpu, mut frame) in [kernel(), kernel_with_sp_el0()] {
        assert_eq!(read(&mut cpu, &mut frame, reg::CURRENTEL), 4);
    }
}

#[test]
fn current_el_cannot_be_written() {
    let (mut cpu, mut frame) = kernel();

    assert_eq!(cpu.execute(msr(reg::CURRENTEL, 0), &mut frame), Effect::Jump);

    assert!(took_undefined(&cpu, &frame, 0x200));
}

#[test]
fn daif_is_that_of_the_hardware() {
    let (mut cpu, mut frame) = kernel();
    frame.pstate = 0x6000_0080;

    assert_eq!(read(&mut cpu, &mut frame, reg::DAIF), 0x80);
    write(&mut cpu, &mut frame, reg::DAIF, 0xffff_ffff_ffff_f340);

    assert_eq!(frame.pstate, 0x6000_0340);
}

#[test]
fn identity_is_the_vcpus_own() {
    let (mut cpu, mut frame) = kernel();

    assert_eq!(read(&mut cpu, &mut frame, reg::MIDR_EL1), 0x410f_d083);
    assert_eq!(read(&mut cpu, &mut frame, reg::MPIDR_EL1), 0x8000_0001);
    assert_eq!(cpu.execute(msr(reg::MPIDR_EL1, 0), &mut frame), Effect::Jump);
}

#[test]
fn ccsidr_follows_csselr() {
    let (mut cpu, mut frame) = kernel();
    let mut ccsidr = |selector| {
        write(&mut cpu, &mut frame, reg::CSSELR_EL1, selector);
        read(&mut cpu, &mut frame, reg::CCSIDR_EL1)
    };

    let of_levels = [0, 1, 2, 4, 15].map(&mut ccsidr);

    assert_eq!(of_levels, [2, 2, 0, 0, 0], "one set and one way of 64 bytes, at level 1 alone");
}

#[test]
fn id_space_and_debug_registers_are_the_platforms() {
    for register in [sysreg(3, 0, 0, 4, 0), sysreg(3, 0, 0, 7, 7), sysreg(2, 0, 0, 2, 2), reg::ACTLR_EL1] {
        let (mut cpu, mut frame) = kernel();

        let effect = cpu.execute(mrs(register, 9), &mut frame);

        assert_eq!(effect, Effect::Platform(Access { register, rt: 9, write: false }));
        assert_eq!(frame.pc, PC);
    }
}

#[test]
fn id_registers_cannot_be_written() {
    for register in [sysreg(3, 0, 0, 4, 0), sysreg(3, 0, 0, 7, 7), reg::MIDR_EL1, reg::CLIDR_EL1] {
        let (mut cpu, mut frame) = kernel();

        assert_eq!(cpu.execute(msr(register, 9), &mut frame), Effect::Jump);

        assert!(took_undefined(&cpu, &frame, 0x200), "{register:#x}");
    }
}

#[test]
fn gic_registers_are_left_to_their_model() {
    for (mut cpu, mut frame) in [kernel(), kernel_with_sp_el0()] {
        let access = Access { register: reg::ICC_IAR1_EL1, rt: 2, write: false };
        assert_eq!(cpu.execute(mrs(reg::ICC_IAR1_EL1, 2), &mut frame), Effect::Icc(access));
        let access = Access { register: reg::ICC_EOIR1_EL1, rt: 2, write: true };
        assert_eq!(cpu.execute(msr(reg::ICC_EOIR1_EL1, 2), &mut frame), Effect::Icc(access));
        assert_eq!(frame.pc, PC);
    }
}

#[test]
fn features_that_are_hidden_are_undefined() {
    let hidden = [
        reg::PAN,
        reg::UAO,
        sysreg(3, 0, 2, 1, 0),   // APIAKEYLO_EL1
        sysreg(3, 0, 1, 2, 0),   // ZCR_EL1
        sysreg(3, 0, 9, 14, 1),  // PMINTENSET_EL1
        sysreg(3, 3, 9, 13, 0),  // PMCCNTR_EL0
        sysreg(3, 0, 12, 1, 1),  // DISR_EL1
        sysreg(3, 0, 13, 0, 7),  // SCXTNUM_EL1
        sysreg(3, 4, 1, 1, 0),   // HCR_EL2
        sysreg(3, 5, 1, 0, 0),   // SCTLR_EL12
        sysreg(3, 6, 1, 1, 0),   // SCR_EL3
        sysreg(3, 0, 15, 15, 7), // IMPLEMENTATION DEFINED
        sysreg(3, 1, 15, 0, 0),
    ];
    for register in hidden {
        for word in [mrs(register, 0), msr(register, 0)] {
            let (mut cpu, mut frame) = kernel();

            assert_eq!(cpu.execute(word, &mut frame), Effect::Jump);

            assert!(took_undefined(&cpu, &frame, 0x200), "{word:#x}");
        }
    }
}

#[test]
fn each_write_tells_what_the_hardware_must_know() {
    let expected = [
        (reg::SCTLR_EL1, Changed::REGIME.and(Changed::GATES)),
        (reg::TCR_EL1, Changed::REGIME),
        (reg::MAIR_EL1, Changed::REGIME),
        (reg::TTBR0_EL1, Changed::TABLES),
        (reg::TTBR1_EL1, Changed::TABLES),
        (reg::CPACR_EL1, Changed::CPACR),
        (reg::CNTKCTL_EL1, Changed::CNTKCTL),
        (reg::TPIDRRO_EL0, Changed::TPIDRRO),
        (reg::TPIDR_EL1, Changed::NONE),
        (reg::CONTEXTIDR_EL1, Changed::NONE),
        (reg::SP_EL0, Changed::NONE),
    ];
    for (register, changed) in expected {
        let (mut cpu, mut frame) = kernel();

        write(&mut cpu, &mut frame, register, 0);

        assert_eq!(cpu.take_changed(), changed, "{register:#x}");
        assert_eq!(cpu.take_changed(), Changed::NONE);
    }
}

#[test]
fn the_kernels_gates_are_open_and_its_users_are_its_own() {
    use super::file::sctlr::{DZE, SA, SA0, UCI, UCT, UMA};
    let (mut cpu, mut frame) = kernel();
    write(&mut cpu, &mut frame, reg::SCTLR_EL1, DZE | SA);

    assert_eq!(cpu.gates(), UMA | DZE | UCT | UCI | SA0);
    cpu.set_mode(mode::EL0T, &mut frame);

    assert_eq!(cpu.gates(), DZE);
}

#[test]
fn fp_is_open_by_level() {
    const FPEN: u64 = 3 << 20;
    // FPEN, at EL1, at EL0 (Arm ARM D24.2.33).
    let expected = [(0b00, 0, 0), (0b01, FPEN, 0), (0b10, 0, 0), (0b11, FPEN, FPEN)];
    for (fpen, el1, el0) in expected {
        let (mut cpu, mut frame) = kernel();
        write(&mut cpu, &mut frame, reg::CPACR_EL1, fpen << 20);
        let at_el1 = cpu.cpacr();
        cpu.take_changed();

        cpu.set_mode(mode::EL0T, &mut frame);

        assert_eq!((at_el1, cpu.cpacr()), (el1, el0), "{fpen:#b}");
        assert_eq!(cpu.take_changed().any(Changed::CPACR), el1 != el0);
    }
}

#[test]
fn timers_never_reach_the_hardware() {
    let (mut cpu, mut frame) = kernel();

    write(&mut cpu, &mut frame, reg::CNTKCTL_EL1, 0x3ff);

    assert_eq!(cpu.cntkctl(), 0xff);
}

#[test]
fn par_of_a_success_has_page_attributes_and_shareability() {
    let (mut cpu, mut frame) = kernel();

    cpu.set_par(0x4123_4fff, 0xff, 3);

    assert_eq!(read(&mut cpu, &mut frame, reg::PAR_EL1), 0xff00_0000_4123_4b80);
}

#[test]
fn par_of_a_fault_has_its_status() {
    let (mut cpu, mut frame) = kernel();

    cpu.set_par_fault(0x0f);

    assert_eq!(read(&mut cpu, &mut frame, reg::PAR_EL1), 0x81f);
}
