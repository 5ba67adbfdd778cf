//! Decoder of A64 loads and stores, for aborts whose syndrome says nothing of the access (ESR_EL2.ISS.ISV=0: pairs,
//! writeback, SIMD&FP registers).
//!
//! A pure description of what the instruction does; the VMM does it. Devices take plain accesses ([`decode`]); atomic and
//! exclusive ones are described for emulated stores to memory ([`decode_any`]). Encodings: Arm ARM C4.1, "Loads and
//! Stores". Bits 29:24 select the group:
//!
//! ```text
//!   001000  exclusives, ordered, compare-and-swap      00110x  SIMD structures (not here)
//!   011x00  literal                                    011x01  ordered unscaled, tags, memory copy
//!   101xxx  pairs                                      111xxx  single register
//! ```

mod atomic;
mod group;

pub use atomic::{Atomic, Op, Outcome};

#[cfg(all(test, not(loom)))]
mod tests;

/// What a load or store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Store, else load.
    pub store: bool,
    /// log2 of the bytes per register: 0..=3, and 4 for a Q register.
    pub size: u8,
    /// First register, 0..=31.
    pub rt: u8,
    /// Second register of a pair; its memory follows that of `rt`.
    pub rt2: Option<u8>,
    /// What kind of registers `rt` and `rt2` are.
    pub kind: Kind,
    /// How the address is made.
    pub address: Address,
}

/// Kind of the transfer registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// X0–X30, 31 is XZR. A load zeroes the bits above the memory's; where `signed` it extends the sign to bit 31 (and
    /// zeroes the upper half), or to bit 63 where `wide`. Stores have `signed` false.
    General {
        /// Sign-extend.
        signed: bool,
        /// The register is written as X, else as W.
        wide: bool,
    },
    /// V0–V31. A load zeroes the bits above the memory's.
    Simd,
}

/// How the address is made. A base of 31 is SP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// PC + `offset`.
    Literal {
        /// Bytes.
        offset: i64,
    },
    /// Base + `offset`, without writeback.
    Offset {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base + `offset`, which is also written back.
    Pre {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base; base + `offset` is written back.
    Post {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base + index, extended, then shifted left.
    Register {
        /// Base register.
        rn: u8,
        /// Index register, 31 is XZR.
        rm: u8,
        /// How the index is extended.
        extend: Extend,
        /// 0..=4.
        shift: u8,
    },
}

/// Extension of an index register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extend {
    /// Low 32 bits, zero-extended.
    Uxtw,
    /// Low 32 bits, sign-extended.
    Sxtw,
    /// All 64 bits.
    X,
}

/// Why an instruction is not emulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// Not a load or store, or not allocated.
    NotALoadOrStore,
    /// Exclusive, atomic or compare-and-swap: needs memory that can be locked.
    Exclusive,
    /// Structures, tags, DC ZVA, memory copy, prefetch, pointer authentication, 64-byte accesses.
    Unsupported,
    /// CONSTRAINED UNPREDICTABLE: writeback to a register that is also transferred, or a load of a pair of one register.
    Unpredictable,
}

impl Access {
    /// Bytes that the whole access covers: 1..=32.
    pub const fn bytes(&self) -> u64 {
        (1 << (self.size & 7)) << self.rt2.is_some() as u32
    }
}

/// Bits `lsb + width - 1`:`lsb` of `word`.
const fn bits(word: u32, lsb: u32, width: u32) -> u32 {
    word >> lsb & ((1 << width) - 1)
}

/// Describes the load or store `word`.
pub fn decode(word: u32) -> Result<Access, Undecodable> {
    if word & 0xffff_ffe0 == DC_ZVA {
        return Err(Undecodable::Unsupported);
    }
    // Op0 (28:25) of loads and stores is x1x0.
    if bits(word, 27, 1) != 1 || bits(word, 25, 1) != 0 {
        return Err(Undecodable::NotALoadOrStore);
    }
    let access = match (bits(word, 28, 2), bits(word, 26, 1), bits(word, 24, 1)) {
        (0b00, 0, 0) => group::ordered(word),
        (0b00, 1, _) => Err(Undecodable::Unsupported),
        (0b01, _, 0) => group::literal(word),
        (0b01, _, _) => group::ordered_unscaled(word),
        (0b10, ..) => group::pair(word),
        (0b11, _, 1) => group::unsigned_offset(word),
        (0b11, _, _) => group::single(word),
        _ => Err(Undecodable::NotALoadOrStore),
    }?;
    if unpredictable(&access) { Err(Undecodable::Unpredictable) } else { Ok(access) }
}

/// Any data access that an instruction makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAccess {
    /// A load or store.
    Plain(Access),
    /// An atomic or exclusive access.
    Atomic(Atomic),
}

/// Describes the load, store, atomic or exclusive access `word`: as [`decode`], without [`Undecodable::Exclusive`].
pub fn decode_any(word: u32) -> Result<DataAccess, Undecodable> {
    match decode(word) {
        Ok(access) => Ok(DataAccess::Plain(access)),
        Err(Undecodable::Exclusive) => atomic(word).map(DataAccess::Atomic),
        Err(reason) => Err(reason),
    }
}

fn atomic(word: u32) -> Result<Atomic, Undecodable> {
    if bits(word, 28, 1) == 0 { atomic::exclusive(word) } else { atomic::memory_operation(word) }
}

/// DC ZVA, without Xt.
const DC_ZVA: u32 = 0xd50b_7420;

fn unpredictable(access: &Access) -> bool {
    let same_pair = !access.store && access.rt2 == Some(access.rt);
    let clash = match access.address {
        Address::Pre { rn, .. } | Address::Post { rn, .. } => {
            rn != 31 && access.kind != Kind::Simd && (access.rt == rn || access.rt2 == Some(rn))
        }
        _ => false,
    };
    same_pair || clash
}
