use super::*;

const IL: u64 = 1 << 25;
const SVC: u64 = 0x15 << 26 | IL;

#[test]
fn svc_of_a_user_enters_the_vector_of_the_lower_level() {
    let (mut cpu, mut frame) = user();
    frame.pstate = 0x8000_0000;

    assert_eq!(cpu.trap(SVC | 0x123, 0, &mut frame), Trap::Done(Effect::Jump));

    assert_eq!((frame.pc, frame.pstate, frame.sp), (VBAR + 0x400, 0x8000_03c0, SP_EL1));
    assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::SPSR_EL1)), (SVC | 0x123, 0x8000_0000));
    assert_eq!(cpu.get(Slot::ELR_EL1), PC);
    assert!(cpu.take_changed().any(Changed::LEVEL));
}

#[test]
fn svc_of_the_kernel_enters_the_vector_of_its_mode() {
    for ((mut cpu, mut frame), vector, mode, sp) in
        [(kernel(), 0x200, mode::EL1H, SP_EL1), (kernel_with_sp_el0(), 0x000, mode::EL1T, SP_EL0)]
    {
        assert_eq!(frame.sp, sp);

        cpu.trap(SVC, 0, &mut frame);

        assert_eq!((frame.pc, cpu.mode(), frame.sp), (VBAR + vector, mode::EL1H, SP_EL1));
        assert_eq!(cpu.get(Slot::SPSR_EL1), 0x3c0 | mode);
    }
}

#[test]
fn interrupts_enter_their_own_vectors() {
    let (mut cpu, mut frame) = user();
    cpu.take_irq(&mut frame);
    assert_eq!(frame.pc, VBAR + 0x480);

    let (mut cpu, mut frame) = kernel();
    cpu.take_fiq(&mut frame);
    assert_eq!(frame.pc, VBAR + 0x300);

    let (mut cpu, mut frame) = kernel_with_sp_el0();
    cpu.take_serror(1 << 24 | 5, &mut frame);
    assert_eq!((frame.pc, cpu.get(Slot::ESR_EL1)), (VBAR + 0x180, 0x2f << 26 | IL | 1 << 24 | 5));
}

#[test]
fn an_irq_leaves_esr_and_far_alone() {
    let (mut cpu, mut frame) = user();
    cpu.put(Slot::ESR_EL1, 1);
    cpu.put(Slot::FAR_EL1, 2);

    cpu.take_irq(&mut frame);

    assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::FAR_EL1)), (1, 2));
}

#[test]
fn entry_keeps_flags_and_dit_and_clears_the_rest() {
    const SS_IL_BTYPE_TCO_SSBS: u64 = 3 << 20 | 3 << 10 | 1 << 25 | 1 << 12;
    const NZCV_DIT: u64 = 0xf100_0000;
    let (mut cpu, mut frame) = user();
    frame.pstate = NZCV_DIT | SS_IL_BTYPE_TCO_SSBS;

    cpu.take_irq(&mut frame);

    assert_eq!(frame.pstate, NZCV_DIT | 0x3c0);
    // The guest has neither BTYPE nor TCO.
    assert_eq!(cpu.get(Slot::SPSR_EL1), NZCV_DIT | 3 << 20 | 1 << 12);
}

#[test]
fn ssbs_goes_by_sctlr_dssbs() {
    const SSBS: u64 = 1 << 12;
    let (mut cpu, mut frame) = kernel();
    write(&mut cpu, &mut frame, reg::SCTLR_EL1, file::sctlr::DSSBS);

    cpu.take_irq(&mut frame);

    assert_eq!(frame.pstate, 0x3c0 | SSBS);
}

#[test]
fn data_abort_of_a_user_is_one_of_a_lower_level() {
    // WnR, ISV and a level 3 translation fault of the shadow tables; the guest's own is a permission fault, level 2.
    let esr = 0x24 << 26 | IL | 1 << 24 | 1 << 6 | 7;
    let (mut cpu, mut frame) = user();
    assert_eq!(cpu.trap(esr, 0xdead, &mut frame), Trap::Abort);

    cpu.take(Exception::abort(esr, 0xdead, 0x0e), &mut frame);

    assert_eq!(cpu.get(Slot::ESR_EL1), 0x24 << 26 | IL | 1 << 6 | 0x0e);
    assert_eq!((cpu.get(Slot::FAR_EL1), frame.pc), (0xdead, VBAR + 0x400));
}

#[test]
fn aborts_of_the_kernel_are_those_of_the_same_level() {
    for (class, seen) in [(0x24, 0x25), (0x20, 0x21)] {
        let (mut cpu, mut frame) = kernel();

        cpu.take(Exception::abort(class << 26, 0x10, 0x04), &mut frame);

        assert_eq!(cpu.get(Slot::ESR_EL1), seen << 26 | IL | 4);
    }
}

#[test]
fn an_instruction_abort_has_no_wnr() {
    let (mut cpu, mut frame) = kernel();

    cpu.take(Exception::abort(0x20 << 26 | 1 << 6 | 1 << 8, 0x10, 0x07), &mut frame);

    assert_eq!(cpu.get(Slot::ESR_EL1), 0x21 << 26 | IL | 7);
}

#[test]
fn abort_of_dc_ivac_is_a_write_of_cache_maintenance() {
    let (mut cpu, mut frame) = kernel();

    cpu.take(Exception::data_abort(0x40, true, true, 0x07), &mut frame);

    assert_eq!(cpu.get(Slot::ESR_EL1), 0x25 << 26 | IL | 1 << 8 | 1 << 6 | 7);
}

#[test]
fn external_abort_has_status_0x10() {
    let (mut cpu, mut frame) = kernel();

    cpu.take(Exception::external(0x24 << 26 | IL | 7, 0x900_0000), &mut frame);

    assert_eq!(cpu.get(Slot::ESR_EL1), 0x25 << 26 | IL | 0x10);
}

#[test]
fn misaligned_pc_gives_far() {
    let (mut cpu, mut frame) = user();

    cpu.trap(0x22 << 26 | IL, 0x1002, &mut frame);

    assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::FAR_EL1)), (0x22 << 26 | IL, 0x1002));
}

#[test]
fn brk_fp_and_alignment_of_sp_are_as_the_hardware_reports_them() {
    for esr in [0x3c << 26 | IL | 0x77, 0x07 << 26 | IL | 0x1e0_0000, 0x26 << 26 | IL, 0x2c << 26 | IL | 1] {
        let (mut cpu, mut frame) = kernel();
        cpu.put(Slot::FAR_EL1, 0xfa);

        assert_eq!(cpu.trap(esr, 0xbad, &mut frame), Trap::Done(Effect::Jump));

        assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::FAR_EL1)), (esr, 0xfa));
        assert_eq!((cpu.get(Slot::ELR_EL1), frame.pc), (PC, VBAR + 0x200));
    }
}

#[test]
fn traps_of_hidden_features_are_undefined_instructions() {
    // SVE, SME, PAC, LS64, BTI, 128-bit registers, memory copy.
    for class in [0x19, 0x1d, 0x09, 0x0a, 0x0d, 0x14, 0x27] {
        for ((mut cpu, mut frame), vector) in [(user(), 0x400), (kernel(), 0x200)] {
            assert_eq!(cpu.trap(class << 26 | IL | 3, 0, &mut frame), Trap::Done(Effect::Jump));
            assert!(took_undefined(&cpu, &frame, vector), "{class:#x}");
        }
    }
}

#[test]
fn an_unknown_instruction_of_the_kernel_is_fetched_and_of_its_user_undefined() {
    let (mut cpu, mut frame) = kernel();
    assert_eq!(cpu.trap(IL, 0, &mut frame), Trap::Fetch);
    assert_eq!(frame.pc, PC);

    let (mut cpu, mut frame) = user();
    assert_eq!(cpu.trap(IL, 0, &mut frame), Trap::Done(Effect::Jump));
    assert!(took_undefined(&cpu, &frame, 0x400));
}

#[test]
fn an_undefined_instruction_at_el0_is_never_executed() {
    let (mut cpu, mut frame) = user();

    assert_eq!(cpu.execute(msr(reg::VBAR_EL1, 0), &mut frame), Effect::Jump);

    assert!(took_undefined(&cpu, &frame, 0x400));
}
