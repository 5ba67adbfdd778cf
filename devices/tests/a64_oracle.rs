//! The decoder against a second, independent one (yaxpeax-arm): over all values of the bits that select an instruction,
//! and over random words.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

use devices::a64::{Access, Address, Atomic, DataAccess, Extend, Kind, Op, Undecodable, decode, decode_any};
use proptest::prelude::*;
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction, Operand, SIMDSizeCode, ShiftStyle, SizeCode};

fn disassemble(word: u32) -> Option<Instruction> {
    InstDecoder::default().decode(&mut U8Reader::new(&word.to_le_bytes())).ok()
}

/// Mnemonic without `ld`/`st` and the addressing part: width and sign (`""`, `b`, `sh`, `sw`…). `None` if it is not one of
/// the plain loads and stores.
fn suffix(mnemonic: &str) -> Option<&str> {
    let rest = mnemonic.strip_prefix("ld").or(mnemonic.strip_prefix("st"))?;
    let plain = ["apur", "lur", "lar", "apr", "ur", "tr", "ar", "np", "llr", "lr", "r", "p"];
    let suffix = plain.iter().find_map(|p| rest.strip_prefix(p))?;
    ["", "b", "h", "sb", "sh", "sw"].contains(&suffix).then_some(suffix)
}

/// log2 of the size and the kind of a transfer register.
fn register(operand: Operand) -> Option<(u8, u8, bool, bool)> {
    match operand {
        Operand::Register(SizeCode::W, n) => Some((n as u8, 2, false, false)),
        Operand::Register(SizeCode::X, n) => Some((n as u8, 3, true, false)),
        Operand::SIMDRegister(size, n) => Some((n as u8, simd_size(size), false, true)),
        _ => None,
    }
}

fn simd_size(size: SIMDSizeCode) -> u8 {
    match size {
        SIMDSizeCode::B => 0,
        SIMDSizeCode::H => 1,
        SIMDSizeCode::S => 2,
        SIMDSizeCode::D => 3,
        SIMDSizeCode::Q => 4,
    }
}

fn address(operand: Operand) -> Option<Address> {
    Some(match operand {
        Operand::PCOffset(offset) => Address::Literal { offset },
        Operand::RegPreIndex(rn, offset, false) => Address::Offset { rn: rn as u8, offset: offset as i64 },
        Operand::RegPreIndex(rn, offset, true) => Address::Pre { rn: rn as u8, offset: offset as i64 },
        Operand::RegPostIndex(rn, offset) => Address::Post { rn: rn as u8, offset: offset as i64 },
        Operand::RegRegOffset(rn, rm, _, style, shift) => {
            let extend = match style {
                ShiftStyle::UXTW => Extend::Uxtw,
                ShiftStyle::SXTW => Extend::Sxtw,
                ShiftStyle::LSL | ShiftStyle::UXTX | ShiftStyle::SXTX => Extend::X,
                // option<1> is 0: undefined (Arm ARM C6.2, "LDR (register)").
                _ => return None,
            };
            Address::Register { rn: rn as u8, rm: rm as u8, extend, shift }
        }
        _ => return None,
    })
}

/// The second opinion; `None` if `word` is not a plain load or store.
fn oracle(word: u32) -> Option<Access> {
    let instruction = disassemble(word)?;
    let mnemonic = instruction.opcode.to_string();
    let suffix = suffix(&mnemonic)?;
    let [first, second, third, _] = instruction.operands;
    let (rt, natural, wide, simd) = register(first)?;
    let (rt2, place) = match register(second) {
        Some((rt2, ..)) => (Some(rt2), third),
        None => (None, second),
    };
    let size = match suffix {
        "b" | "sb" => 0,
        "h" | "sh" => 1,
        "sw" => 2,
        _ => natural,
    };
    let kind = if simd { Kind::Simd } else { Kind::General { signed: suffix.starts_with('s'), wide } };
    Some(Access { store: mnemonic.starts_with("st"), size, rt, rt2, kind, address: address(place)? })
}

/// Operation and size of an atomic or exclusive access, `None` size: that of the registers.
fn operation(mnemonic: &str) -> Option<(Op, Option<u8>)> {
    const OPERATIONS: [(&str, Op); 18] = [
        ("ldadd", Op::Add),
        ("ldclr", Op::Clear),
        ("ldeor", Op::Xor),
        ("ldset", Op::Set),
        ("ldsmax", Op::SignedMax),
        ("ldsmin", Op::SignedMin),
        ("ldumax", Op::UnsignedMax),
        ("ldumin", Op::UnsignedMin),
        ("swp", Op::Swap),
        ("casp", Op::CompareAndSwap),
        ("cas", Op::CompareAndSwap),
        ("ldxr", Op::LoadExclusive),
        ("ldaxr", Op::LoadExclusive),
        ("ldxp", Op::LoadExclusive),
        ("ldaxp", Op::LoadExclusive),
        ("stxr", Op::StoreExclusive),
        ("stlxr", Op::StoreExclusive),
        ("stxp", Op::StoreExclusive),
    ];
    let (rest, op) = match mnemonic.strip_prefix("stlxp") {
        Some(rest) => (rest, Op::StoreExclusive),
        None => OPERATIONS.iter().find_map(|(name, op)| Some((mnemonic.strip_prefix(name)?, *op)))?,
    };
    let size = match rest.trim_start_matches('a').trim_start_matches('l') {
        "" => None,
        "b" => Some(0),
        "h" => Some(1),
        _ => return None,
    };
    Some((op, size))
}

/// First register, size, and the second one of a pair.
fn transfer(operand: Operand) -> Option<(u8, u8, Option<u8>)> {
    match operand {
        Operand::RegisterPair(size, n) => Some((n as u8, if size == SizeCode::W { 2 } else { 3 }, Some(n as u8 + 1))),
        _ => register(operand).map(|(n, size, ..)| (n, size, None)),
    }
}

/// As [`oracle`], for the rest.
fn atomic_oracle(word: u32) -> Option<Atomic> {
    let instruction = disassemble(word)?;
    // Without the alias ST<op>, which has fewer operands when it is printed.
    let mnemonic = instruction.opcode.to_string();
    let (op, narrow) = operation(&mnemonic)?;
    let [first, second, third, fourth] = instruction.operands;
    let (rs, rest) = match op {
        // Rs is not printed: it should be ones and is not looked at.
        Op::LoadExclusive => ((word >> 16 & 31) as u8, [first, second, third]),
        _ => (transfer(first)?.0, [second, third, fourth]),
    };
    let (rt, natural, pair) = transfer(rest[0])?;
    let (rt2, place) = match transfer(rest[1]) {
        Some((rt2, ..)) => (Some(rt2), rest[2]),
        None => (pair, rest[1]),
    };
    let Address::Offset { rn, offset: 0 } = address(place)? else { return None };
    Some(Atomic { op, size: narrow.unwrap_or(natural), rn, rs, rt, rt2 })
}

fn assert_atomic_agreed(word: u32) {
    let theirs = atomic_oracle(word);
    match decode_any(word) {
        Ok(DataAccess::Plain(access)) => assert_eq!(decode(word), Ok(access)),
        Ok(DataAccess::Atomic(atomic)) => assert_eq!(Some(atomic), theirs, "{word:#010x}"),
        Err(Undecodable::Unpredictable) => {}
        Err(reason) => {
            assert_ne!(reason, Undecodable::Exclusive);
            assert_eq!(theirs, None, "{word:#010x} {reason:?}");
        }
    }
}

fn assert_agreed(word: u32) {
    assert_atomic_agreed(word);
    let ours = decode(word);
    let theirs = oracle(word);
    match (ours, theirs) {
        (Ok(ours), Some(theirs)) => assert_eq!(ours, theirs, "{word:#010x}"),
        (Err(Undecodable::Unpredictable), _) | (Err(_), None) => {}
        (ours, theirs) => {
            panic!("{word:#010x}: {ours:?} against {theirs:?} {:?}", disassemble(word).map(|i| i.to_string()))
        }
    }
}

#[test]
fn all_selecting_bits_agree_with_the_second_decoder() {
    // Bits 31:21 and 15:10 select the instruction and its form; 20:16 and 9:0 are registers and offsets.
    for high in 0..1u32 << 11 {
        for low in 0..1u32 << 6 {
            for rest in [0x0000_0041, 0x001f_03ff, 0x0003_0102, 0x0004_0046] {
                assert_agreed(high << 21 | low << 10 | rest);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_words_agree_with_the_second_decoder(words in proptest::collection::vec(any::<u32>(), 1000)) {
        for word in words {
            // Bits 27 and 25 are 1 and 0 in each load and store.
            assert_agreed(word & !(1 << 25) | 1 << 27);
            assert_agreed(word);
        }
    }
}
