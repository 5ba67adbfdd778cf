//! What the architecture says, written once more from the Arm ARM (D8.2–D8.4) for comparison with `classic::walk`: whole
//! bit fields by name, no state kept between levels but the table's address and the limits.

use classic::walk::{Access, El, Fault, Reason, Regime, Rights};

/// A translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub ipa: u64,
    pub rights: Rights,
    /// log2 of what the descriptor maps.
    pub bits: u32,
    pub global: bool,
}

fn bits(value: u64, msb: u32, lsb: u32) -> u64 {
    (value >> lsb) & (u64::MAX >> (63 - (msb - lsb)))
}

fn fault<T>(reason: Reason, level: u32) -> Result<T, Fault> {
    Err(Fault { reason, level: level as u8 })
}

/// The translation of a VA, whatever the access.
pub fn translate(regime: &Regime, el: El, va: u64, read: impl Fn(u64) -> Option<u64>) -> Result<Entry, Fault> {
    let upper = bits(va, 55, 55) == 1;
    let tcr = regime.tcr;
    let tbi = bits(tcr, if upper { 38 } else { 37 }, if upper { 38 } else { 37 }) == 1;
    let top = if tbi { 55 } else { 63 };
    if bits(regime.sctlr, 0, 0) == 0 {
        return match bits(va, top, 48) {
            0 => Ok(Entry { ipa: bits(va, 47, 0), rights: Rights::ALL, bits: 30, global: true }),
            _ => fault(Reason::AddressSize, 0),
        };
    }
    let (t, tg, epd, e0pd, hpd, ttbr) = if upper {
        (bits(tcr, 21, 16), ["4", "16", "4", "64"][bits(tcr, 31, 30) as usize], 23, 56, 42, regime.ttbr1)
    } else {
        (bits(tcr, 5, 0), ["4", "64", "16", "4"][bits(tcr, 15, 14) as usize], 7, 55, 41, regime.ttbr0)
    };
    let page = match tg {
        "4" => 12,
        "16" => 14,
        _ => 16,
    };
    let allowed = 16..=(if page == 16 { 47 } else { 48 });
    let input = 64 - t as u32;
    let off = bits(tcr, epd, epd) == 1 || el == El::User && bits(tcr, e0pd, e0pd) == 1;
    if !allowed.contains(&t) || off {
        return fault(Reason::Translation, 0);
    }
    let extension = bits(va, top, input);
    if extension != if upper { u64::MAX >> (63 - (top - input)) } else { 0 } {
        return fault(Reason::Translation, 0);
    }
    let output = [32, 36, 40, 42, 44, 48, 48, 48][bits(tcr, 34, 32) as usize];
    let too_large = |address: u64| output < 48 && bits(address, 47, output) != 0;

    let resolved = page - 3;
    let start = 4 - (input - page).div_ceil(resolved);
    let low = |level: u32| page + (3 - level) * resolved;
    let first_bits = 3 + (input - low(start));
    let mut table = bits(ttbr, 47, 1) << 1;
    if too_large(table) {
        return fault(Reason::AddressSize, 0);
    }
    table = table >> first_bits << first_bits;
    let (mut user_limit, mut write_limit, mut uxn_limit, mut pxn_limit) = (true, true, false, false);
    for level in start..=3 {
        let high = if level == start { input - 1 } else { low(level) + resolved - 1 };
        let Some(entry) = read(table + 8 * bits(va, high, low(level))) else { return fault(Reason::External, level) };
        let kind = match (bits(entry, 1, 0), level) {
            (3, 3) => "page",
            (3, _) => "table",
            (1, 2) => "block",
            (1, 1) if page == 12 => "block",
            _ => return fault(Reason::Translation, level),
        };
        let span = if kind == "table" { page } else { low(level) };
        let address = bits(entry, 47, span) << span;
        if too_large(address) {
            return fault(Reason::AddressSize, level);
        }
        if kind == "table" {
            table = address;
            if bits(tcr, hpd, hpd) == 0 {
                user_limit &= bits(entry, 61, 61) == 0;
                write_limit &= bits(entry, 62, 62) == 0;
                uxn_limit |= bits(entry, 60, 60) == 1;
                pxn_limit |= bits(entry, 59, 59) == 1;
            }
            continue;
        }
        if bits(entry, 10, 10) == 0 {
            return fault(Reason::AccessFlag, level);
        }
        let wxn = bits(regime.sctlr, 19, 19) == 1;
        let user = bits(entry, 6, 6) == 1 && user_limit;
        let write = bits(entry, 7, 7) == 0 && write_limit;
        let (read, write, exec) = match el {
            El::Kernel => {
                let never = bits(entry, 53, 53) == 1 || pxn_limit || (user && write);
                (true, write, !(never || wxn && write))
            }
            El::User => {
                let never = bits(entry, 54, 54) == 1 || uxn_limit;
                (user, user && write, !(never || wxn && user && write))
            }
        };
        let rights = Rights::from_bits(u8::from(read) | u8::from(write) << 1 | u8::from(exec) << 2);
        let ipa = address | bits(va, low(level) - 1, 0);
        return Ok(Entry { ipa, rights, bits: low(level), global: bits(entry, 11, 11) == 0 });
    }
    fault(Reason::Translation, 3)
}

/// With the access: a permission fault has the level of the descriptor.
pub fn check(regime: &Regime, entry: Entry, access: Access, granule: u32) -> Result<u64, Fault> {
    if entry.rights.allow(access) {
        return Ok(entry.ipa);
    }
    let level = if regime.sctlr & 1 == 0 { 0 } else { 3 - (entry.bits - granule) / (granule - 3) };
    fault(Reason::Permission, level)
}
