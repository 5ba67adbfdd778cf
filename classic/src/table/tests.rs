use super::*;
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
