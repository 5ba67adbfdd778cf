//! Decoder of A64 loads and stores, for aborts whose syndrome says nothing of the access (ESR_EL2.ISS.ISV=0).

/// What a load or store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Store, else load.
    pub store: bool,
    /// log2 of the bytes per register: 0..=4 (4: a Q register).
    pub size: u8,
    /// Registers: `rt2` is there for a pair, at the address after `rt`.
    pub rt: u8,
    /// Second register of a pair.
    pub rt2: Option<u8>,
    /// What kind of registers `rt` and `rt2` are.
    pub kind: Kind,
    /// How the address is made.
    pub address: Address,
}

/// Kind of the transfer registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// X0–X30, 31 is XZR. Loads: `signed` extends the sign, to 32 bits (upper half zero) or, `wide`, to 64.
    General {
        /// Sign-extend.
        signed: bool,
        /// To 64 bits.
        wide: bool,
    },
    /// V0–V31; a load zeroes the bits above.
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
    /// Base + `offset`; no writeback.
    Offset {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base + `offset`, which is then written to the base.
    Pre {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base; base + `offset` is then written to it.
    Post {
        /// Base register.
        rn: u8,
        /// Bytes.
        offset: i64,
    },
    /// Base + index, which is extended and shifted.
    Register {
        /// Base register.
        rn: u8,
        /// Index register, 31 is XZR.
        rm: u8,
        /// How the index is extended.
        extend: Extend,
        /// Left shift, 0..=4.
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
    /// Exclusive, atomic, or compare-and-swap: has no meaning on a device.
    Exclusive,
    /// A load or store that has no business with devices (structures, tags, DC ZVA, memory copy, pointer authentication).
    Unsupported,
    /// CONSTRAINED UNPREDICTABLE: writeback to a register that is also transferred, or a load pair of one register.
    Unpredictable,
}

/// Describes the load or store `instruction`.
pub fn decode(instruction: u32) -> Result<Access, Undecodable> {
    let _ = instruction;
    Err(Undecodable::NotALoadOrStore)
}
