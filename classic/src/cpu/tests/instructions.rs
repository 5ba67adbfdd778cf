use super::*;
use crate::tlbi::{Scope, Tlbi};

fn sys(operation: SysReg, rt: u32) -> u32 {
    0xd500_0000 | operation << 5 | rt
}

/// What the kernel's `word` asks for, with X1 = `x1`.
fn effect(word: u32, x1: u64) -> Effect {
    let (mut cpu, mut frame) = kernel();
    frame.x[1] = x1;
    let effect = cpu.execute(word, &mut frame);
    assert!(frame.pc == PC || effect == Effect::Jump || effect == Effect::Next);
    effect
}

fn is_undefined(word: u32) -> bool {
    let (mut cpu, mut frame) = kernel();
    cpu.execute(word, &mut frame) == Effect::Jump && took_undefined(&cpu, &frame, 0x200)
}

#[test]
fn hvc_and_smc_are_calls_with_their_immediate() {
    assert_eq!(effect(0xd400_0002 | 0x123 << 5, 0), Effect::Hvc(0x123));
    assert_eq!(effect(0xd400_0003 | 0xffff << 5, 0), Effect::Smc(0xffff));
}

#[test]
fn hlt_dcps_and_udf_are_undefined() {
    assert!([0xd440_0000, 0xd4a0_0001, 0xd4a0_0002, 0xd4a0_0003, 0x0000_0055].into_iter().all(is_undefined));
}

#[test]
fn msr_spsel_immediate_banks_the_stack_pointer() {
    let (mut cpu, mut frame) = kernel();

    assert_eq!(cpu.execute(0xd500_40bf, &mut frame), Effect::Next);

    assert_eq!((cpu.mode(), frame.sp, frame.pc), (mode::EL1T, SP_EL0, PC + 4));
}

#[test]
fn daifset_and_daifclr_change_their_bits_alone() {
    let (mut cpu, mut frame) = kernel();
    frame.pstate = 0x6000_0140;

    cpu.execute(0xd503_42df, &mut frame);
    assert_eq!(frame.pstate, 0x6000_01c0);
    cpu.execute(0xd503_41ff, &mut frame);
    assert_eq!(frame.pstate, 0x6000_0180);
}

#[test]
fn msr_of_hidden_fields_of_pstate_is_undefined() {
    // PAN, UAO, ALLINT, SVCR.
    assert!([0xd500_419f, 0xd500_417f, 0xd501_411f, 0xd503_477f].into_iter().all(is_undefined));
}

#[test]
fn waiting_is_the_vmms() {
    const WFX: u64 = 1 << 26 | 1 << 25 | 0x1e0_0000;
    let (mut cpu, mut frame) = kernel();

    assert_eq!(cpu.trap(WFX, 0, &mut frame), Trap::Done(Effect::Wfi));
    assert_eq!(cpu.trap(WFX | 1, 0, &mut frame), Trap::Done(Effect::Wfe));
    assert_eq!(frame.pc, PC);
}

#[test]
fn wfit_is_undefined() {
    const WFIT: u64 = 1 << 26 | 1 << 25 | 2;
    let (mut cpu, mut frame) = kernel();

    assert_eq!(cpu.trap(WFIT, 0, &mut frame), Trap::Done(Effect::Jump));

    assert!(took_undefined(&cpu, &frame, 0x200));
}

#[test]
fn tlbi_by_address_takes_the_register() {
    let Effect::Tlbi { operation, value } = effect(sys(sysreg(1, 0, 8, 3, 1), 1), 0x0042_0000_0000_1234) else {
        panic!()
    };

    let scope = Scope::Addresses { va: 0x123_4000, bytes: 0x1000, asid: Some(0x42), last: false };
    assert_eq!(Tlbi::of(operation, value), Tlbi { scope, broadcast: true });
}

#[test]
fn tlbi_of_el2_and_of_stage_2_are_undefined() {
    let operations = [sysreg(1, 4, 8, 7, 0), sysreg(1, 4, 8, 7, 4), sysreg(1, 4, 8, 0, 1), sysreg(1, 6, 8, 7, 0)];
    assert!(operations.iter().all(|operation| is_undefined(sys(*operation, 1))));
}

#[test]
fn at_translates_for_its_level_and_direction() {
    let at = |user, write| Effect::At { va: 0x5000, user, write };
    assert_eq!(effect(sys(reg::AT_S1E1R, 1), 0x5000), at(false, false));
    assert_eq!(effect(sys(reg::AT_S1E1W, 1), 0x5000), at(false, true));
    assert_eq!(effect(sys(reg::AT_S1E0R, 1), 0x5000), at(true, false));
    assert_eq!(effect(sys(reg::AT_S1E0W, 1), 0x5000), at(true, true));
    // S1E1RP needs PAN, S12E1R EL2.
    assert!(is_undefined(sys(sysreg(1, 0, 7, 9, 0), 1)));
    assert!(is_undefined(sys(sysreg(1, 4, 7, 8, 4), 1)));
}

#[test]
fn cache_maintenance_that_el0_has_not_is_the_vmms() {
    let cache = |cache, value| Effect::Cache { cache, value };
    assert_eq!(effect(sys(reg::DC_IVAC, 1), 0x40), cache(Cache::Invalidate, 0x40));
    assert_eq!(effect(sys(reg::DC_CISW, 1), 2), cache(Cache::SetWay, 2));
    assert_eq!(effect(sys(reg::IC_IALLU, 31), 0), cache(Cache::Instructions, 0));
}

/// Another vCPU may have put any of these in place of one that trapped (Arm ARM B2.2.5).
#[test]
fn instructions_of_el0_are_left_to_the_hardware() {
    for word in [0xd503_201f, 0x1400_0000, 0x9400_0010, 0xd400_0001, 0xd420_0000, 0xd503_3fdf] {
        let (mut cpu, mut frame) = kernel();
        let before = (cpu.clone(), frame);

        assert_eq!(cpu.execute(word, &mut frame), Effect::Jump);

        assert_eq!((cpu, frame), before, "{word:#x}");
    }
}

#[test]
fn anything_else_is_undefined() {
    // MRRS, SYSL, LDGM, an SVE instruction, and words that are not allocated.
    assert!(
        [0xd570_0000, 0xd528_0000, 0xd9e0_0020, 0x04e0_e3e0, 0xffff_ffff, 0xd503_301f].into_iter().all(is_undefined)
    );
}
