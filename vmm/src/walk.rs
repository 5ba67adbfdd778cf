//! A walk of a guest's stage-1 tables in software, to fetch the instruction behind an abort without syndrome
//! (Arm ARM D8.2, VMSAv8-64 with 4, 16 and 64 KiB granules, also with LPA2's fourth level).

use abi::vcpu::{VcpuState, sys};

const SCTLR_M: u64 = 1;
const TCR_DS: u64 = 1 << 59;
/// Output address bits of tables and descriptors; guest RAM lies below, so LPA2's and LVA's upper bits are zero.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
/// Output address bits of TTBRn, aligned as the smallest table.
const TTBR_ADDRESS: u64 = 0x0000_ffff_ffff_ffc0;
const VALID: u64 = 1;
const TABLE: u64 = 2;
const LAST_LEVEL: u32 = 3;
/// A VA bit that is the same in both ranges' top byte: the one that selects the range.
const RANGE_BIT: u64 = 1 << 55;

/// One half of the translation regime.
struct Half {
    ttbr: u64,
    /// Bits of the input address.
    bits: u32,
    /// log2 of the granule.
    granule: u32,
}

impl Half {
    fn of(state: &VcpuState, va: u64) -> Option<Self> {
        let register = |n: usize| state.sys.get(n).copied();
        let tcr = register(sys::TCR_EL1)?;
        let upper = va & RANGE_BIT != 0;
        let (ttbr, size, granule) = if upper {
            let granule = match tcr >> 30 & 3 {
                1 => 14,
                2 => 12,
                3 => 16,
                _ => return None,
            };
            (sys::TTBR1_EL1, tcr >> 16 & 63, granule)
        } else {
            let granule = match tcr >> 14 & 3 {
                0 => 12,
                1 => 16,
                2 => 14,
                _ => return None,
            };
            (sys::TTBR0_EL1, tcr & 63, granule)
        };
        let bits = 64u32.checked_sub(size as u32)?;
        let most = if granule == 16 || tcr & TCR_DS != 0 { 52 } else { 48 };
        (bits > granule && bits <= most).then_some(Self { ttbr: register(ttbr)? & TTBR_ADDRESS, bits, granule })
    }
}

/// Translates an instruction's address; `read` gives a doubleword of guest memory by IPA. `None`: not mapped, or not
/// readable.
pub fn walk(state: &VcpuState, va: u64, read: impl Fn(u64) -> Option<u64>) -> Option<u64> {
    if state.sys.get(sys::SCTLR_EL1)? & SCTLR_M == 0 {
        return Some(va);
    }
    let Half { ttbr, bits, granule } = Half::of(state, va)?;
    let stride = granule.checked_sub(3)?;
    let mut table = ttbr;
    // Bits that the levels below the current one resolve; the first level may resolve fewer than a full stride.
    let mut levels = bits.checked_sub(granule)?.div_ceil(stride);
    let mut top = bits;
    while levels > 0 {
        levels = levels.checked_sub(1)?;
        let shift = granule.checked_add(stride.checked_mul(levels)?)?;
        let index = va >> shift & mask(top.checked_sub(shift)?);
        let descriptor = read(table.checked_add(index.checked_mul(8)?)?)?;
        if descriptor & VALID == 0 {
            return None;
        }
        let level = LAST_LEVEL.wrapping_sub(levels);
        let page = level == LAST_LEVEL && descriptor & TABLE != 0;
        let block = level != LAST_LEVEL && descriptor & TABLE == 0;
        if page || block {
            return Some(descriptor & ADDRESS & !mask(shift) | va & mask(shift));
        }
        if level == LAST_LEVEL {
            return None;
        }
        table = descriptor & ADDRESS & !mask(granule);
        top = shift;
    }
    None
}

/// The low `bits` (below 64).
const fn mask(bits: u32) -> u64 {
    !(u64::MAX << (bits & 63))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reset;

    const TCR_4K_48: u64 = 16 | 16 << 16 | 2 << 30;

    fn state(tcr: u64) -> VcpuState {
        let mut state = reset::state();
        state.sys[sys::SCTLR_EL1] |= SCTLR_M;
        state.sys[sys::TCR_EL1] = tcr;
        state.sys[sys::TTBR0_EL1] = 0x1000;
        state.sys[sys::TTBR1_EL1] = 0x5000;
        state
    }

    /// Memory of (address, doubleword) pairs.
    fn memory(words: &[(u64, u64)]) -> impl Fn(u64) -> Option<u64> {
        move |address| words.iter().find(|word| word.0 == address).map(|word| word.1)
    }

    #[test]
    fn walk_with_the_mmu_off_is_the_identity() {
        assert_eq!(walk(&reset::state(), 0x4000_1234, |_| None), Some(0x4000_1234));
    }

    #[test]
    fn walk_of_four_levels_ends_at_a_page() {
        let words = [(0x1000, 0x2003), (0x2008, 0x3003), (0x3000, 0x4003), (0x4018, 0x4000_5703)];

        let ipa = walk(&state(TCR_4K_48), 0x4000_3abc, memory(&words));

        assert_eq!(ipa, Some(0x4000_5abc));
    }

    #[test]
    fn walk_of_the_upper_half_uses_ttbr1_and_ends_at_a_block() {
        let words = [(0x5ff8, 0x6003), (0x6ff8, 0x7003), (0x7ff8, 0x4020_0701)];

        let ipa = walk(&state(TCR_4K_48), 0xffff_ffff_ffe1_2344, memory(&words));

        assert_eq!(ipa, Some(0x4021_2344));
    }

    #[test]
    fn walk_of_39_bits_begins_at_level_one() {
        let words = [(0x1008, 0x4000_0701)];

        assert_eq!(walk(&state(25 | 25 << 16 | 2 << 30), 0x4000_0040, memory(&words)), Some(0x4000_0040));
    }

    #[test]
    fn walk_of_64k_pages_takes_its_large_strides() {
        // 42 bits, 64 KiB: two levels, 13 bits each.
        let words = [(0x1000, 0x1_0003), (0x1_0008, 0x4001_0703)];

        assert_eq!(walk(&state(22 | 1 << 14), 0x1_0020, memory(&words)), Some(0x4001_0020));
    }

    #[test]
    fn walk_of_what_is_not_mapped_finds_nothing() {
        assert_eq!(walk(&state(TCR_4K_48), 0x4000_0000, memory(&[(0x1000, 0)])), None);
    }

    #[test]
    fn walk_with_any_tcr_ends() {
        for tcr in 0..0x1_0000u64 {
            let _ = walk(&state(tcr | tcr << 16), 0x1234_5678, |_| Some(u64::MAX));
        }
    }
}
