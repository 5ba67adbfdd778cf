use super::*;
use crate::cpu::{Cpu, Features, Identity};
use crate::insn::{Insn, decode};

#[test]
fn every_register_is_found_by_its_encoding() {
    for entry in REGISTERS {
        assert_eq!(find(entry.register).unwrap().name, entry.name);
    }
}

#[test]
fn every_word_of_a_register_decodes_to_it() {
    for entry in REGISTERS {
        let insn = decode(entry.word(true));
        match entry.register >> 14 {
            1 => assert_eq!(insn, Insn::Sys { operation: entry.register, rt: 0 }, "{}", entry.name),
            _ => assert_eq!(insn, Insn::Msr { register: entry.register, rt: 0 }, "{}", entry.name),
        }
    }
}

#[test]
fn breakpoint_fifteen_is_a_debug_register() {
    assert_eq!(find(sysreg(2, 0, 0, 15, 5)).unwrap().handling, Handling::Platform);
}

#[test]
fn an_unknown_register_is_not_found() {
    assert!(find(sysreg(3, 0, 15, 15, 7)).is_none());
}

#[test]
fn kernel_view_has_the_gates_of_the_virtual_el1() {
    let gates = Cpu::new(Identity::new(0x410f_d083, 0x8000_0000), Features::of(|_| 0)).gates();
    let bits = [
        (Gate::Uma, 9),
        (Gate::EnRctx, 10),
        (Gate::Dze, 14),
        (Gate::Uct, 15),
        (Gate::Ntwi, 16),
        (Gate::Uci, 26),
        (Gate::MscEn, 33),
        (Gate::EnTp2, 60),
    ];

    for (gate, bit) in bits {
        assert_eq!(gates >> bit & 1 == 1, KERNEL_VIEW.contains(&gate), "{gate:?}");
    }
}

#[test]
fn only_reads_of_the_id_space_have_a_syndrome_without_a_name() {
    assert_eq!(unnamed(sysreg(3, 0, 0, 7, 7), true)[0], Outcome::Traps(0x18));
    assert_eq!(unnamed(sysreg(3, 3, 0, 0, 2), true)[0], Outcome::Traps(0x18));
    assert_eq!(unnamed(sysreg(3, 0, 0, 7, 7), true)[1], Outcome::Traps(0));
    assert_eq!(unnamed(sysreg(3, 0, 0, 7, 7), false)[0], Outcome::Traps(0));
    assert_eq!(unnamed(sysreg(3, 2, 0, 0, 1), true)[0], Outcome::Traps(0));
    assert_eq!(unnamed(sysreg(3, 0, 0, 8, 0), true)[0], Outcome::Traps(0));
}
