use super::*;

/// ESR_EL1 of a trapped access to `register` (EC 0x18; Arm ARM D24.2.40).
fn syndrome(register: SysReg, rt: u64, read: bool) -> u64 {
    let register = u64::from(register);
    let (op0, op1, crn) = (register >> 14 & 3, register >> 11 & 7, register >> 7 & 15);
    let (crm, op2) = (register >> 3 & 15, register & 7);
    0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | u64::from(read)
}

fn reflected(esr: u64) -> bool {
    let (mut cpu, mut frame) = user();
    cpu.trap(esr, 0, &mut frame) == Trap::Done(Effect::Jump)
        && (cpu.get(Slot::ESR_EL1), cpu.get(Slot::ELR_EL1), frame.pc) == (esr, PC, VBAR + 0x400)
}

fn undefined(esr: u64) -> bool {
    let (mut cpu, mut frame) = user();
    cpu.trap(esr, 0, &mut frame) == Trap::Done(Effect::Jump) && took_undefined(&cpu, &frame, 0x400)
}

#[test]
fn what_a_closed_gate_stops_is_the_guests_affair() {
    let registers = [reg::DAIF, reg::CTR_EL0, reg::MIDR_EL1, sysreg(3, 0, 0, 4, 0), sysreg(3, 0, 0, 7, 6)];
    assert!(registers.iter().all(|register| reflected(syndrome(*register, 3, true))));
    let operations = [reg::DC_ZVA, reg::DC_CVAU, reg::DC_CVAC, reg::DC_CIVAC, reg::IC_IVAU];
    assert!(operations.iter().all(|operation| reflected(syndrome(*operation, 3, false))));
}

#[test]
fn daifset_with_uma_clear_is_reflected_as_it_was_reported() {
    // MSR DAIFSet, #2.
    assert!(reflected(0x6207_93e4));
}

#[test]
fn registers_of_hidden_features_are_undefined() {
    // PMCCNTR_EL0, TPIDR2_EL0, SCXTNUM_EL0, CFP RCTX, GMID_EL1.
    let hidden = [sysreg(3, 3, 9, 13, 0), sysreg(3, 3, 13, 0, 5), sysreg(3, 3, 13, 0, 7), sysreg(1, 3, 7, 3, 4)];
    assert!(hidden.iter().all(|register| undefined(syndrome(*register, 3, true))));
    assert!(undefined(syndrome(sysreg(3, 1, 0, 0, 4), 3, true)));
}

#[test]
fn the_guests_cntkctl_opens_counters_and_timers() {
    let bits = [
        (reg::CNTPCT_EL0, 1),
        (reg::CNTVCT_EL0, 2),
        (reg::CNTFRQ_EL0, 1),
        (reg::CNTFRQ_EL0, 2),
        (reg::CNTV_CTL_EL0, 1 << 8),
        (reg::CNTV_CVAL_EL0, 1 << 8),
        (reg::CNTV_TVAL_EL0, 1 << 8),
        (reg::CNTP_CTL_EL0, 1 << 9),
        (reg::CNTP_CVAL_EL0, 1 << 9),
        (reg::CNTP_TVAL_EL0, 1 << 9),
    ];
    for (register, bit) in bits {
        let esr = syndrome(register, 5, true);
        let (mut cpu, mut frame) = user();
        cpu.put(Slot::CNTKCTL_EL1, bit);

        let open = cpu.trap(esr, 0, &mut frame);

        assert_eq!(open, Trap::Done(Effect::Timer(Access { register, rt: 5, write: false })), "{register:#x}");
        assert!(reflected(esr), "{register:#x}");
    }
}

#[test]
fn the_kernel_has_timers_and_counters_at_all_times() {
    for register in [reg::CNTV_CTL_EL0, reg::CNTPCT_EL0, reg::CNTFRQ_EL0] {
        let (mut cpu, mut frame) = kernel();

        let effect = cpu.trap(syndrome(register, 5, true), 0, &mut frame);

        assert_eq!(effect, Trap::Done(Effect::Timer(Access { register, rt: 5, write: false })));
    }
}

#[test]
fn counters_cannot_be_written() {
    for register in [reg::CNTVCT_EL0, reg::CNTPCT_EL0, reg::CNTFRQ_EL0] {
        let (mut cpu, mut frame) = kernel();

        assert_eq!(cpu.execute(msr(register, 0), &mut frame), Effect::Jump);

        assert!(took_undefined(&cpu, &frame, 0x200));
    }
}

#[test]
fn an_access_of_the_kernel_with_a_syndrome_needs_no_fetch() {
    let (mut cpu, mut frame) = kernel();

    cpu.trap(syndrome(reg::MPIDR_EL1, 7, true), 0, &mut frame);

    assert_eq!((frame.x[7], frame.pc), (0x8000_0001, PC + 4));
}

#[test]
fn wfi_of_a_user_goes_by_ntwi() {
    const WFI: u64 = 1 << 26 | 1 << 25 | 0x1e0_0000;
    let (mut cpu, mut frame) = user();
    assert_eq!(cpu.trap(WFI, 0, &mut frame), Trap::Done(Effect::Jump));
    assert_eq!(cpu.get(Slot::ESR_EL1), WFI);

    let (mut cpu, mut frame) = user();
    cpu.put(Slot::SCTLR_EL1, file::sctlr::NTWI);
    assert_eq!(cpu.trap(WFI, 0, &mut frame), Trap::Done(Effect::Wfi));
}

#[test]
fn debug_status_is_the_platforms_at_el0_too() {
    let (mut cpu, mut frame) = user();

    let effect = cpu.trap(syndrome(reg::MDCCSR_EL0, 1, true), 0, &mut frame);

    assert_eq!(effect, Trap::Done(Effect::Platform(Access { register: reg::MDCCSR_EL0, rt: 1, write: false })));
}
