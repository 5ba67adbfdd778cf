//! One function for each encoding group.

use super::Undecodable::{self, Exclusive, NotALoadOrStore, Unsupported};
use super::{Access, Address, Extend, Kind, bits};

type Decoded = Result<Access, Undecodable>;

const ZERO_EXTEND: Kind = Kind::General { signed: false, wide: false };

pub fn rt(word: u32) -> u8 {
    bits(word, 0, 5) as u8
}

pub fn rn(word: u32) -> u8 {
    bits(word, 5, 5) as u8
}

pub fn rt2(word: u32) -> u8 {
    bits(word, 10, 5) as u8
}

/// `width` bits at `lsb`, as a signed number.
fn signed(word: u32, lsb: u32, width: u32) -> i64 {
    let shift = 32 - width;
    ((bits(word, lsb, width) << shift) as i32 >> shift) as i64
}

/// imm9 (20:12).
fn imm9(word: u32) -> i64 {
    signed(word, 12, 9)
}

/// What size (31:30), V (26) and opc (23:22) mean for a single register: store, size, kind.
fn size_opc(word: u32) -> Result<(bool, u8, Kind), Undecodable> {
    let (size, opc) = (bits(word, 30, 2) as u8, bits(word, 22, 2));
    if bits(word, 26, 1) == 1 {
        return match (size, opc) {
            (0, 0b10 | 0b11) => Ok((opc & 1 == 0, 4, Kind::Simd)),
            (_, 0b00 | 0b01) => Ok((opc & 1 == 0, size, Kind::Simd)),
            _ => Err(NotALoadOrStore),
        };
    }
    let wide = size == 3;
    match (size, opc) {
        (_, 0b00) => Ok((true, size, Kind::General { signed: false, wide })),
        (_, 0b01) => Ok((false, size, Kind::General { signed: false, wide })),
        (0..=2, 0b10) => Ok((false, size, Kind::General { signed: true, wide: true })),
        (0..=1, 0b11) => Ok((false, size, Kind::General { signed: true, wide: false })),
        (3, 0b10) => Err(Unsupported),
        _ => Err(NotALoadOrStore),
    }
}

fn single_access(word: u32, address: Address) -> Decoded {
    let (store, size, kind) = size_opc(word)?;
    Ok(Access { store, size, rt: rt(word), rt2: None, kind, address })
}

/// `size 001000 o2 L o1 Rs o0 Rt2 Rn Rt`: of these only LDAR, STLR, LDLAR and STLLR (o2=1, o1=0) touch devices sensibly.
/// Rs and Rt2 should be ones; that is not checked, as the CPU does not.
pub fn ordered(word: u32) -> Decoded {
    if bits(word, 23, 1) == 0 || bits(word, 21, 1) == 1 {
        return Err(Exclusive);
    }
    let size = bits(word, 30, 2) as u8;
    let kind = Kind::General { signed: false, wide: size == 3 };
    let address = Address::Offset { rn: rn(word), offset: 0 };
    Ok(Access { store: bits(word, 22, 1) == 0, size, rt: rt(word), rt2: None, kind, address })
}

/// `opc 011 V 00 imm19 Rt`.
pub fn literal(word: u32) -> Decoded {
    let opc = bits(word, 30, 2);
    let (size, kind) = match (bits(word, 26, 1), opc) {
        (0, 0b00) => (2, ZERO_EXTEND),
        (0, 0b01) => (3, Kind::General { signed: false, wide: true }),
        (0, 0b10) => (2, Kind::General { signed: true, wide: true }),
        (0, _) => return Err(Unsupported),
        (_, 0b11) => return Err(NotALoadOrStore),
        (_, _) => (2 + opc as u8, Kind::Simd),
    };
    let address = Address::Literal { offset: signed(word, 5, 19) * 4 };
    Ok(Access { store: false, size, rt: rt(word), rt2: None, kind, address })
}

/// `size 011 0 01 opc 0 imm9 00 Rn Rt`: LDAPUR and STLUR. The rest of the group is tags, memory copy and LRCPC3.
pub fn ordered_unscaled(word: u32) -> Decoded {
    if bits(word, 26, 1) == 1 || bits(word, 21, 1) == 1 || bits(word, 10, 2) != 0 {
        return Err(Unsupported);
    }
    if bits(word, 30, 2) == 3 && bits(word, 22, 2) == 0b10 {
        return Err(NotALoadOrStore);
    }
    single_access(word, Address::Offset { rn: rn(word), offset: imm9(word) })
}

/// `opc 101 V 0 mode L imm7 Rt2 Rn Rt`.
pub fn pair(word: u32) -> Decoded {
    let store = bits(word, 22, 1) == 0;
    let mode = bits(word, 23, 2);
    let opc = bits(word, 30, 2);
    let (size, kind) = match (bits(word, 26, 1), opc) {
        (0, 0b00) => (2, ZERO_EXTEND),
        (0, 0b01) if store || mode == 0 => return Err(Unsupported),
        (0, 0b01) => (2, Kind::General { signed: true, wide: true }),
        (0, 0b10) => (3, Kind::General { signed: false, wide: true }),
        (_, 0b11) => return Err(Unsupported),
        (_, _) => (2 + opc as u8, Kind::Simd),
    };
    let (rn, offset) = (rn(word), signed(word, 15, 7) << size);
    let address = match mode {
        0b01 => Address::Post { rn, offset },
        0b11 => Address::Pre { rn, offset },
        _ => Address::Offset { rn, offset },
    };
    Ok(Access { store, size, rt: rt(word), rt2: Some(rt2(word)), kind, address })
}

/// `size 111 V 01 opc imm12 Rn Rt`.
pub fn unsigned_offset(word: u32) -> Decoded {
    let (_, size, _) = size_opc(word)?;
    let offset = (bits(word, 10, 12) as i64) << size;
    single_access(word, Address::Offset { rn: rn(word), offset })
}

/// `size 111 V 00 opc …`: bits 21 and 11:10 select the addressing mode.
pub fn single(word: u32) -> Decoded {
    let (rn, offset) = (rn(word), imm9(word));
    let prefetch = bits(word, 26, 1) == 0 && bits(word, 30, 2) == 3 && bits(word, 22, 2) == 0b10;
    let address = match (bits(word, 21, 1), bits(word, 10, 2)) {
        (0, 0b00) => Address::Offset { rn, offset },
        (0, _) if prefetch => return Err(NotALoadOrStore),
        (0, 0b01) => Address::Post { rn, offset },
        (0, 0b10) if bits(word, 26, 1) == 0 => Address::Offset { rn, offset },
        (0, 0b10) => return Err(NotALoadOrStore),
        (0, _) => Address::Pre { rn, offset },
        (_, 0b10) => register_offset(word)?,
        (_, 0b00) => return atomic(word),
        _ => return Err(Unsupported),
    };
    single_access(word, address)
}

/// option (15:13) and S (12).
fn register_offset(word: u32) -> Result<Address, Undecodable> {
    let (_, size, _) = size_opc(word)?;
    let extend = match bits(word, 13, 3) {
        0b010 => Extend::Uxtw,
        0b110 => Extend::Sxtw,
        0b011 | 0b111 => Extend::X,
        _ => return Err(NotALoadOrStore),
    };
    let shift = if bits(word, 12, 1) == 1 { size } else { 0 };
    Ok(Address::Register { rn: rn(word), rm: bits(word, 16, 5) as u8, extend, shift })
}

/// Atomic memory operations, of which LDAPR (A=1, R=0, o3=1, opc=100; Rs should be ones) is an ordinary load.
fn atomic(word: u32) -> Decoded {
    const MASK: u32 = 0x3fe0_fc00;
    const LDAPR: u32 = 0x38a0_c000;
    if word & MASK != LDAPR {
        return Err(Exclusive);
    }
    let size = bits(word, 30, 2) as u8;
    let kind = Kind::General { signed: false, wide: size == 3 };
    let address = Address::Offset { rn: rn(word), offset: 0 };
    Ok(Access { store: false, size, rt: rt(word), rt2: None, kind, address })
}
