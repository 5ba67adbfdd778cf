//! The generator against a second opinion: another decoder.

extern crate std;

use std::string::{String, ToString};
use std::vec::Vec;

use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

use super::sequence;
use crate::encoding::RET;
use crate::random::Random;

const LENGTH: usize = 128;

fn words(seed: u64) -> [u32; LENGTH] {
    let mut words = [0; LENGTH];
    sequence(&mut Random::new(seed), &mut words);
    words
}

fn disassemble(word: u32) -> Result<String, String> {
    let bytes = word.to_le_bytes();
    let decoded = InstDecoder::default().decode(&mut U8Reader::new(&bytes));
    decoded.map(|instruction| instruction.to_string()).map_err(|error| std::format!("{word:#010x}: {error}"))
}

#[test]
fn sequence_of_equal_seeds_is_equal() {
    assert_eq!(words(7), words(7));
    assert_ne!(words(7), words(8));
}

#[test]
fn sequence_ends_with_ret() {
    assert!((1..=200).all(|seed| words(seed).last() == Some(&RET)));
}

#[test]
fn sequence_has_allocated_instructions_only() {
    let errors: Vec<_> = (1..=200).flat_map(words).filter_map(|word| disassemble(word).err()).collect();

    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn sequence_does_not_write_reserved_registers() {
    let text: Vec<_> = (1..=200).flat_map(words).filter_map(|word| disassemble(word).ok()).collect();

    let first_operand =
        |line: &String| line.split_whitespace().nth(1).map(|operand| operand.trim_end_matches(',').to_string());
    for line in &text {
        let stores = ["st", "cb", "tb", "msr", "dc"].iter().any(|prefix| line.starts_with(prefix));
        let target = first_operand(line).unwrap_or_default();
        let reserved = ["x27", "w27", "x28", "w28", "x29", "w29", "x30", "w30", "sp"].contains(&target.as_str());
        assert!(stores || !reserved, "{line}");
    }
}
