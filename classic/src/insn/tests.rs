use super::*;
use crate::{reg, sysreg};

#[test]
fn mrs_and_msr_name_their_register() {
    // MRS X7, SP_EL0; MSR ELR_EL1, X21; MRS XZR, MDSCR_EL1.
    assert_eq!(decode(0xd538_4107), Insn::Mrs { register: reg::SP_EL0, rt: 7 });
    assert_eq!(decode(0xd518_4035), Insn::Msr { register: reg::ELR_EL1, rt: 21 });
    assert_eq!(decode(0xd530_025f), Insn::Mrs { register: sysreg(2, 0, 0, 2, 2), rt: 31 });
}

#[test]
fn fields_of_pstate_have_their_immediate() {
    let immediate = |field, value| Insn::MsrImmediate { field, value };
    assert_eq!(decode(0xd503_42df), immediate(Field::DaifSet, 2));
    assert_eq!(decode(0xd503_4fff), immediate(Field::DaifClr, 15));
    assert_eq!(decode(0xd500_41bf), immediate(Field::SpSel, 1));
    assert_eq!(decode(0xd500_419f), immediate(Field::Pan, 1));
    assert_eq!(decode(0xd500_417f), immediate(Field::Uao, 1));
    assert_eq!(decode(0xd503_413f), immediate(Field::Ssbs, 1));
    assert_eq!(decode(0xd503_415f), immediate(Field::Dit, 1));
    assert_eq!(decode(0xd503_419f), immediate(Field::Tco, 1));
    assert_eq!(decode(0xd503_477f), immediate(Field::Svcr, 7));
    assert_eq!(decode(0xd500_401f), immediate(Field::Flags, 0));
}

#[test]
fn system_instructions_have_their_operation() {
    // TLBI VAE1IS, X3; DC CIVAC, X0; IC IALLU.
    assert_eq!(decode(0xd508_8323), Insn::Sys { operation: sysreg(1, 0, 8, 3, 1), rt: 3 });
    assert_eq!(decode(0xd50b_7e20), Insn::Sys { operation: reg::DC_CIVAC, rt: 0 });
    assert_eq!(decode(0xd508_751f), Insn::Sys { operation: reg::IC_IALLU, rt: 31 });
    assert_eq!(decode(0xd528_0000), Insn::Sysl { operation: sysreg(1, 0, 0, 0, 0), rt: 0 });
}

#[test]
fn exceptions_have_their_immediate() {
    assert_eq!(decode(0xd400_2461), Insn::Svc(0x123));
    assert_eq!(decode(0xd400_0002), Insn::Hvc(0));
    assert_eq!(decode(0xd41f_ffe3), Insn::Smc(0xffff));
    assert_eq!(decode(0xd42b_b000), Insn::Brk(0x5d80));
    assert_eq!(decode(0xd440_0020), Insn::Hlt(1));
    assert_eq!(decode(0xd4a0_0003), Insn::Dcps(3));
    assert_eq!(decode(0x0000_0055), Insn::Udf(0x55));
}

#[test]
fn waits_hints_and_barriers_are_told_apart() {
    assert_eq!(decode(0xd503_207f), Insn::Wfi);
    assert_eq!(decode(0xd503_205f), Insn::Wfe);
    assert_eq!(decode(0xd503_1025), Insn::Wfit(5));
    assert_eq!(decode(0xd503_1005), Insn::Wfet(5));
    assert_eq!(decode(0xd503_201f), Insn::Hint(0));
    assert_eq!(decode(0xd503_245f), Insn::Hint(34));
    assert!([0xd503_3f5f, 0xd503_3f9f, 0xd503_3fbf, 0xd503_3fdf].iter().all(|word| decode(*word) == Insn::Barrier));
}

#[test]
fn unprivileged_accesses_have_size_and_offset() {
    // LDTR X2, [X3, #-8]; STTRB W1, [SP, #255]; LDTRSW X0, [X1].
    let load = Insn::Unprivileged { store: false, size: 3, rt: 2, rn: 3, offset: -8 };
    assert_eq!(decode(0xf85f_8862), load);
    let store = Insn::Unprivileged { store: true, size: 0, rt: 1, rn: 31, offset: 255 };
    assert_eq!(decode(0x380f_fbe1), store);
    let signed = Insn::Unprivileged { store: false, size: 2, rt: 0, rn: 1, offset: 0 };
    assert_eq!(decode(0xb880_0820), signed);
}

#[test]
fn branches_to_registers_are_no_returns_from_exceptions() {
    assert_eq!(decode(0xd65f_03c0), Insn::Other);
    assert_eq!(decode(0xd69f_03e0), Insn::Eret(Authentication::None));
    assert_eq!(decode(0xd69f_0bff), Insn::Eret(Authentication::KeyA));
    assert_eq!(decode(0xd69f_0fff), Insn::Eret(Authentication::KeyB));
}

#[test]
fn a_register_of_128_bits_is_not_known() {
    // MRRS X0, X1, TTBR0_EL1; SYSP.
    assert_eq!(decode(0xd578_2000), Insn::Other);
    assert_eq!(decode(0xd548_8320), Insn::Other);
}
