//! The decoder against a second, independent one (yaxpeax-arm): exceptions, returns, and unprivileged accesses.

use classic::insn::{Authentication, Insn, decode};
use proptest::prelude::*;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Operand};

/// Mnemonic and first immediate.
fn oracle(word: u32) -> Option<(String, u16)> {
    let instruction = InstDecoder::default().decode(&mut U8Reader::new(&word.to_le_bytes())).ok()?;
    let immediate = match instruction.operands[0] {
        Operand::Imm16(value) => value,
        _ => 0,
    };
    Some((instruction.opcode.to_string(), immediate))
}

fn unprivileged(store: bool, size: u8) -> &'static [&'static str] {
    match (store, size) {
        (true, 0) => &["sttrb"],
        (true, 1) => &["sttrh"],
        (true, _) => &["sttr"],
        (false, 0) => &["ldtrb", "ldtrsb"],
        (false, 1) => &["ldtrh", "ldtrsh"],
        (false, 2) => &["ldtr", "ldtrsw"],
        (false, _) => &["ldtr"],
    }
}

const NAMES: [&str; 11] = ["svc", "hvc", "smc", "brk", "hlt", "dcps1", "dcps2", "dcps3", "eret", "eretaa", "eretab"];

fn agree(word: u32) {
    let known = oracle(word);
    let expected = match decode(word) {
        Insn::Svc(immediate) => ("svc", immediate),
        Insn::Hvc(immediate) => ("hvc", immediate),
        Insn::Smc(immediate) => ("smc", immediate),
        Insn::Brk(immediate) => ("brk", immediate),
        Insn::Hlt(immediate) => ("hlt", immediate),
        Insn::Eret(Authentication::None) => ("eret", 0),
        Insn::Eret(Authentication::KeyA) => ("eretaa", 0),
        Insn::Eret(Authentication::KeyB) => ("eretab", 0),
        Insn::Dcps(level) => {
            let name = known.map(|(name, _)| name);
            return assert_eq!(name, Some(format!("dcps{level}")), "{word:#010x}");
        }
        Insn::Unprivileged { store, size, .. } => {
            let (name, _) = known.unwrap_or_default();
            return assert!(unprivileged(store, size).contains(&name.as_str()), "{word:#010x} is {name}");
        }
        _ => {
            let name = known.map(|(name, _)| name).unwrap_or_default();
            let missed = NAMES.contains(&name.as_str()) || name.starts_with("ldtr") || name.starts_with("sttr");
            return assert!(!missed, "{word:#010x} is {name}");
        }
    };
    let (name, immediate) = expected;
    assert_eq!(known, Some((name.into(), immediate)), "{word:#010x}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn exceptions(low in any::<u32>()) {
        agree(0xd400_0000 | low & 0x00ff_ffff);
    }

    #[test]
    fn branches_to_registers(low in any::<u32>()) {
        agree(0xd600_0000 | low & 0x01ff_ffff);
        agree(0xd69f_0000 | low & 0xffff);
    }

    #[test]
    fn loads_and_stores_of_one_register(low in any::<u32>()) {
        agree(0x3800_0000 | low & 0xc7df_ffff);
    }

    #[test]
    fn any_word(word in any::<u32>()) {
        agree(word);
    }
}
