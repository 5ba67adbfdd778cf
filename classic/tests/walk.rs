//! The walker of the guest's tables, clause by clause, and against a second one on random registers and memory.

#[path = "shadow/oracle.rs"]
mod oracle;

use classic::walk::{Access, El, Fault, Leaf, Reason, Regime, Rights, translate};
use proptest::prelude::*;
use std::collections::BTreeMap;

const TABLE: u64 = 3;
/// A page with the access flag.
const PAGE: u64 = 0x403;
/// A block with the access flag.
const BLOCK: u64 = 0x401;
const USER: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;

/// 48 bits, 4 KiB, output of 48 bits, for both halves.
const TCR: u64 = 16 | 16 << 16 | 2 << 30 | 5 << 32;

fn regime(tcr: u64) -> Regime {
    Regime { sctlr: 1, tcr, ttbr0: 0x1000, ttbr1: 0x5000 }
}

fn memory(words: &[(u64, u64)]) -> impl Fn(u64) -> Option<u64> {
    let words: BTreeMap<u64, u64> = words.iter().copied().collect();
    move |ipa| words.get(&ipa).copied()
}

/// A kernel read.
fn read(tcr: u64, va: u64, words: &[(u64, u64)]) -> Result<Leaf, Fault> {
    translate(&regime(tcr), El::Kernel, va, Access::Read, memory(words))
}

fn ipa(tcr: u64, va: u64, words: &[(u64, u64)]) -> Option<u64> {
    read(tcr, va, words).ok().map(|leaf| leaf.ipa)
}

fn fault(reason: Reason, level: u8) -> Result<Leaf, Fault> {
    Err(Fault { reason, level })
}

/// Tables of four levels to a page of VA 0x4000_3000, with attributes.
fn four_levels(page: u64) -> [(u64, u64); 4] {
    [(0x1000, 0x2000 | TABLE), (0x2008, 0x3000 | TABLE), (0x3000, 0x4000 | TABLE), (0x4018, page)]
}

#[test]
fn test_d8_2_four_levels_of_4k_end_at_a_page() {
    assert_eq!(ipa(TCR, 0x4000_3abc, &four_levels(0x4000_5000 | PAGE)), Some(0x4000_5abc));
}

#[test]
fn test_d8_2_upper_half_is_ttbr1s_and_may_end_at_a_block() {
    let words = [(0x5ff8, 0x6000 | TABLE), (0x6ff8, 0x7000 | TABLE), (0x7ff8, 0x4020_0000 | BLOCK)];

    assert_eq!(ipa(TCR, 0xffff_ffff_ffe1_2344, &words), Some(0x4021_2344));
}

#[test]
fn test_d8_2_39_bits_begin_at_level_1_with_a_block_of_1_gib() {
    assert_eq!(ipa(25 | 5 << 32, 0x4000_0040, &[(0x1008, 0x8000_0000 | BLOCK)]), Some(0x8000_0040));
}

#[test]
fn test_d8_2_16k_granule_has_blocks_of_32_mib() {
    // 36 bits: the first table is of level 2.
    let regime = Regime { ttbr0: 0x4000, ..regime(28 | 2 << 14 | 5 << 32) };

    let leaf = translate(&regime, El::Kernel, 0x2ff_0040, Access::Read, memory(&[(0x4008, 0x4200_0000 | BLOCK)]));

    assert_eq!(leaf.map(|leaf| leaf.ipa), Ok(0x42ff_0040));
}

#[test]
fn test_d8_2_64k_granule_has_strides_of_13_bits() {
    let regime = Regime { ttbr0: 0x2_0000, ..regime(22 | 1 << 14 | 5 << 32) };
    let words = [(0x2_0000, 0x1_0000 | TABLE), (0x1_0008, 0x4001_0000 | PAGE)];

    let leaf = translate(&regime, El::Kernel, 0x1_0020, Access::Read, memory(&words));

    assert_eq!(leaf.map(|leaf| leaf.ipa), Ok(0x4001_0020));
}

#[test]
fn test_d8_2_small_first_table_is_aligned_to_its_size() {
    // 16 descriptors of 4 KiB: TTBR0 0x1040 is not aligned to 0x80.
    let regime = Regime { ttbr0: 0x1040, ..regime(48 | 5 << 32) };

    let leaf = translate(&regime, El::Kernel, 0x3000, Access::Read, memory(&[(0x1018, 0x4000_0000 | PAGE)]));

    assert_eq!(leaf.map(|leaf| leaf.ipa), Ok(0x4000_0000));
}

#[test]
fn test_d8_2_va_outside_of_its_half_is_a_translation_fault_of_level_0() {
    assert_eq!(read(25 | 5 << 32, 1 << 39, &[]), fault(Reason::Translation, 0));
    assert_eq!(read(TCR, 0x00ff_0000_0000_0000, &[]), fault(Reason::Translation, 0));
}

#[test]
fn test_tcr_epd_and_e0pd_are_translation_faults_of_level_0() {
    let words = four_levels(0x4000_5000 | PAGE | USER);
    let user = |tcr| translate(&regime(tcr), El::User, 0x4000_3000, Access::Read, memory(&words));

    assert_eq!(read(TCR | 1 << 7, 0x4000_3000, &words), fault(Reason::Translation, 0));
    assert_eq!(user(TCR | 1 << 55), fault(Reason::Translation, 0));
    assert!(read(TCR | 1 << 55, 0x4000_3000, &words).is_ok());
    assert!(user(TCR | 1 << 56).is_ok());
}

#[test]
fn test_tcr_tbi_ignores_the_tag() {
    let words = four_levels(0x4000_5000 | PAGE);

    assert_eq!(ipa(TCR | 1 << 37, 0xab00_0000_4000_3010, &words), Some(0x4000_5010));
    assert_eq!(read(TCR, 0xab00_0000_4000_3010, &words), fault(Reason::Translation, 0));
}

#[test]
fn test_tcr_ips_limits_tables_and_pages() {
    let small = TCR & !(7 << 32);
    let words = [(0x1000, 0x2000 | TABLE), (0x2008, 1 << 32 | TABLE)];

    assert_eq!(read(small, 0x4000_3000, &words), fault(Reason::AddressSize, 1));
    assert_eq!(read(small, 0x4000_3000, &four_levels(1 << 40 | PAGE)), fault(Reason::AddressSize, 3));
    let far = Regime { ttbr0: 1 << 33, ..regime(small) };
    assert_eq!(translate(&far, El::Kernel, 0, Access::Read, memory(&[])), fault(Reason::AddressSize, 0));
}

#[test]
fn test_d8_3_invalid_and_reserved_descriptors_are_translation_faults_of_their_level() {
    assert_eq!(read(TCR, 0x4000_3000, &four_levels(0)), fault(Reason::Translation, 3));
    assert_eq!(read(TCR, 0x4000_3000, &four_levels(0x4000_5000 | BLOCK)), fault(Reason::Translation, 3));
    assert_eq!(read(TCR, 0x4000_3000, &[(0x1000, 0x4000_0000 | BLOCK)]), fault(Reason::Translation, 0));
}

#[test]
fn test_d8_4_clear_access_flag_faults_before_permission() {
    let words = four_levels(0x4000_5003 | READ_ONLY);

    let outcome = translate(&regime(TCR), El::Kernel, 0x4000_3000, Access::Write, memory(&words));

    assert_eq!(outcome, fault(Reason::AccessFlag, 3));
}

#[test]
fn test_table_outside_of_memory_is_an_external_abort_of_its_level() {
    let words = [(0x1000, 0x2000 | TABLE), (0x2008, 0x7777_0000 | TABLE)];

    assert_eq!(read(TCR, 0x4000_3000, &words), fault(Reason::External, 2));
}

/// Rights of EL1 and EL0 of a page with attributes, under an L1 table with attributes.
fn rights(sctlr: u64, tcr: u64, table: u64, page: u64) -> (u8, u8) {
    let mut words = four_levels(0x4000_5000 | PAGE | page);
    words[1].1 |= table;
    let regime = Regime { sctlr: 1 | sctlr, ..regime(tcr) };
    let leaf = translate(&regime, El::Kernel, 0x4000_3000, Access::Read, memory(&words)).unwrap();
    (leaf.kernel.bits(), leaf.user.bits())
}

const R: u8 = Rights::READ.bits();
const W: u8 = Rights::WRITE.bits();
const X: u8 = Rights::EXEC.bits();

#[test]
fn test_d8_4_access_permissions() {
    assert_eq!(rights(0, TCR, 0, 0), (R | W | X, X), "AP 00; EL0 may execute what it may not read");
    assert_eq!(rights(0, TCR, 0, USER), (R | W, R | W | X), "AP 01: writable by EL0, never executed by EL1");
    assert_eq!(rights(0, TCR, 0, READ_ONLY), (R | X, X), "AP 10");
    assert_eq!(rights(0, TCR, 0, READ_ONLY | USER), (R | X, R | X), "AP 11");
    assert_eq!(rights(0, TCR, 0, READ_ONLY | USER | PXN | UXN), (R, R));
}

#[test]
fn test_d8_4_wxn_takes_execution_from_what_is_writable() {
    let wxn = 1 << 19;

    assert_eq!(rights(wxn, TCR, 0, USER), (R | W, R | W));
    assert_eq!(rights(wxn, TCR, 0, 0), (R | W, X));
    assert_eq!(rights(wxn, TCR, 0, READ_ONLY), (R | X, X));
}

#[test]
fn test_d8_3_tables_limit_what_is_below_unless_hpd() {
    let (no_user, read_only, uxn, pxn) = (1 << 61, 1 << 62, 1 << 60, 1 << 59);

    assert_eq!(rights(0, TCR, no_user, USER), (R | W | X, X));
    assert_eq!(rights(0, TCR, read_only, USER), (R | X, R | X));
    assert_eq!(rights(0, TCR, uxn | pxn, READ_ONLY | USER), (R, R));
    assert_eq!(rights(0, TCR | 1 << 41, no_user | read_only | uxn | pxn, USER), (R | W, R | W | X));
}

#[test]
fn test_asid_is_ttbr0s_or_ttbr1s_with_8_or_16_bits() {
    let regime = |tcr| Regime { ttbr0: 0x1234 << 48, ttbr1: 0x5678 << 48, tcr, sctlr: 1 };

    assert_eq!(regime(0).asid(), 0x34);
    assert_eq!(regime(1 << 36).asid(), 0x1234);
    assert_eq!(regime(1 << 36 | 1 << 22).asid(), 0x5678);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    /// Registers and descriptors of any value: both walkers say the same.
    #[test]
    fn walkers_agree(
        sizes in (10u64..50, 10u64..50),
        granules in (0u64..4, 0u64..4),
        high in any::<u64>(),
        ttbr0 in any::<u64>(),
        ttbr1 in any::<u64>(),
        on in prop::bool::weighted(0.9),
        wxn in any::<bool>(),
        va in any::<u64>(),
        fold in 0u8..4,
        seed in any::<u64>(),
    ) {
        let tcr = sizes.0 | sizes.1 << 16 | granules.0 << 14 | granules.1 << 30 | high & !0xffff_ffff & !(1 << 59);
        let sctlr = u64::from(on) | u64::from(wxn) << 19;
        let regime = Regime { sctlr, tcr, ttbr0, ttbr1 };
        // Mostly in one of the halves.
        let va = match fold {
            0 => va,
            1 => va | !0 << (64 - sizes.1),
            _ => va & (u64::MAX >> sizes.0),
        };
        // Most descriptors are valid, most addresses small.
        let read = |ipa: u64| {
            let random = (ipa ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let valid = if random >> 60 == 0 { 0 } else { 0x403 ^ (random >> 50 & 2) };
            let limit = if random >> 56 & 15 == 0 { u64::MAX } else { 0xffff_0000_ffff_f8fc };
            (random >> 40 & 63 != 0).then_some(random.rotate_left(17) & limit | valid)
        };
        for el in [El::Kernel, El::User] {
            for access in [Access::Read, Access::Write, Access::Execute] {
                let ours = translate(&regime, el, va, access, read);
                let theirs = oracle::translate(&regime, el, va, read);
                let granule = match va >> 55 & 1 {
                    0 => [12, 16, 14, 12][granules.0 as usize],
                    _ => [12, 14, 12, 16][granules.1 as usize],
                };
                let checked = theirs.and_then(|entry| oracle::check(&regime, entry, access, granule).map(|_| entry));
                match (ours, checked) {
                    (Ok(leaf), Ok(entry)) => {
                        prop_assert_eq!((leaf.ipa, leaf.rights(el), leaf.global), (entry.ipa, entry.rights, entry.global));
                        prop_assert_eq!(u32::from(leaf.bits), entry.bits);
                    }
                    (ours, theirs) => prop_assert_eq!(ours.err(), theirs.err()),
                }
            }
        }
    }
}
