//! Atomic and exclusive accesses: LD<op>, ST<op>, SWP, CAS, CASP, LDXR, STXR, LDXP, STXP, with acquire and release or
//! without (Arm ARM C4.1, "Loads and Stores").
//!
//! Devices take none of them. They are for memory whose stores trap (page tables that are watched): there the VMM does
//! the access with an atomic of its own, in a loop:
//!
//! ```text
//!   old ← memory;  outcome ← apply(old, registers);  compare-and-swap(memory, old → outcome.memory), again if it failed;
//!   registers ← outcome.registers
//! ```
//!
//! Whoever does it with sequential consistency gives at least the order that any of the forms asks for, which is why
//! acquire and release are not described. Exclusives cannot be done for the guest: the monitor is the hardware's.

use super::Undecodable::{self, NotALoadOrStore, Unpredictable, Unsupported};
use super::{bits, group::rn, group::rt, group::rt2};

/// What an atomic or exclusive access does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Atomic {
    /// What is done.
    pub op: Op,
    /// log2 of the bytes per register: 0..=3.
    pub size: u8,
    /// Base register, without offset; 31 is SP.
    pub rn: u8,
    /// Operand; the value compared with, which becomes the old one; the status of a store-exclusive. 31 is XZR.
    pub rs: u8,
    /// Where the old value goes; the new value of compare-and-swap and of a store-exclusive. 31 is XZR.
    pub rt: u8,
    /// Second transfer register of a pair. Compare-and-swap compares with `rs` and `rs` + 1 then.
    pub rt2: Option<u8>,
}

/// Operation of an [`Atomic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// LDADD: memory + Rs.
    Add,
    /// LDCLR: memory & !Rs.
    Clear,
    /// LDEOR: memory ^ Rs.
    Xor,
    /// LDSET: memory | Rs.
    Set,
    /// LDSMAX.
    SignedMax,
    /// LDSMIN.
    SignedMin,
    /// LDUMAX.
    UnsignedMax,
    /// LDUMIN.
    UnsignedMin,
    /// SWP: Rs.
    Swap,
    /// CAS, CASP: Rt if memory is Rs.
    CompareAndSwap,
    /// LDXR, LDXP.
    LoadExclusive,
    /// STXR, STXP.
    StoreExclusive,
}

/// What becomes of memory and registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// New content of memory ([`Atomic::bytes`] of it, the first register's lowest); `None`: it stays.
    pub memory: Option<u128>,
    /// Registers (31 is XZR: nothing) and their new values.
    pub registers: [Option<(u8, u64)>; 2],
}

/// `size 001000 o2 L o1 Rs o0 Rt2 Rn Rt` with `o2 o1` other than `1 0`, which are plain accesses. Rs of loads and Rt2 of
/// what is no pair should be ones; that is checked only where it selects the instruction, as the CPU does.
pub fn exclusive(word: u32) -> Result<Atomic, Undecodable> {
    let (load, high_size) = (bits(word, 22, 1) == 1, bits(word, 31, 1) == 1);
    let op = if load { Op::LoadExclusive } else { Op::StoreExclusive };
    let single = Atomic {
        op,
        size: bits(word, 30, 2) as u8,
        rn: rn(word),
        rs: bits(word, 16, 5) as u8,
        rt: rt(word),
        rt2: None,
    };
    match (bits(word, 23, 1), bits(word, 21, 1)) {
        (0, 0) => predictable(single),
        (0, _) if high_size => predictable(Atomic { rt2: Some(rt2(word)), ..single }),
        (_, 1) if rt2(word) != 31 => Err(NotALoadOrStore),
        (0, _) => pair_of(Atomic { op: Op::CompareAndSwap, size: 2 + (single.size & 1), ..single }),
        (_, 1) => Ok(Atomic { op: Op::CompareAndSwap, ..single }),
        _ => Err(NotALoadOrStore),
    }
}

/// CASP: Rs and Rt are even.
fn pair_of(atomic: Atomic) -> Result<Atomic, Undecodable> {
    if (atomic.rs | atomic.rt) & 1 == 1 {
        return Err(NotALoadOrStore);
    }
    Ok(Atomic { rt2: Some(atomic.rt + 1), ..atomic })
}

/// A status register that is also stored or the base; a pair loaded into one register.
fn predictable(atomic: Atomic) -> Result<Atomic, Undecodable> {
    let Atomic { op, rn, rs, rt, rt2, .. } = atomic;
    let clash = match op {
        Op::StoreExclusive => rs == rt || rt2 == Some(rs) || (rs == rn && rn != 31),
        _ => rt2 == Some(rt),
    };
    if clash { Err(Unpredictable) } else { Ok(atomic) }
}

/// `size 111 0 00 A R 1 Rs o3 opc 00 Rn Rt`, but for LDAPR, which is a plain access.
pub fn memory_operation(word: u32) -> Result<Atomic, Undecodable> {
    if bits(word, 26, 1) == 1 {
        return Err(Unsupported);
    }
    let op = match (bits(word, 15, 1), bits(word, 12, 3)) {
        (0, 0b000) => Op::Add,
        (0, 0b001) => Op::Clear,
        (0, 0b010) => Op::Xor,
        (0, 0b011) => Op::Set,
        (0, 0b100) => Op::SignedMax,
        (0, 0b101) => Op::SignedMin,
        (0, 0b110) => Op::UnsignedMax,
        (0, _) => Op::UnsignedMin,
        (_, 0b000) => Op::Swap,
        // 64-byte accesses and read-check-write.
        _ => return Err(Unsupported),
    };
    let size = bits(word, 30, 2) as u8;
    Ok(Atomic { op, size, rn: rn(word), rs: bits(word, 16, 5) as u8, rt: rt(word), rt2: None })
}

impl Atomic {
    /// Bytes that the access covers: 1..=16. It is aligned to them, or the CPU may fault.
    pub const fn bytes(&self) -> u64 {
        (1 << (self.size & 3)) << self.rt2.is_some() as u32
    }

    /// Whether memory may be written.
    pub const fn store(&self) -> bool {
        !matches!(self.op, Op::LoadExclusive)
    }

    /// What the access makes of memory that holds `old`, and of the registers, which `x` reads (31 is XZR). `None`: an
    /// exclusive, which the guest has to do by itself.
    pub fn apply(&self, old: u128, x: impl Fn(u8) -> u64) -> Option<Outcome> {
        let [rs, rt] = [self.rs, self.rt].map(|first| self.operand(first, &x));
        let memory = match self.op {
            Op::LoadExclusive | Op::StoreExclusive => return None,
            Op::CompareAndSwap => (self.truncated(old) == rs).then_some(rt),
            _ => Some(u128::from(self.combine(old as u64, rs as u64))),
        };
        let result = if self.op == Op::CompareAndSwap { self.rs } else { self.rt };
        let registers = match self.rt2 {
            None => [Some((result, self.truncated(old) as u64)), None],
            Some(_) => {
                let part = |shift: u32| (old >> shift) as u64 & self.register_mask();
                [Some((result, part(0))), Some((result.saturating_add(1), part(self.register_bits())))]
            }
        };
        Some(Outcome { memory, registers })
    }

    const fn register_bits(&self) -> u32 {
        8 << (self.size & 3)
    }

    const fn register_mask(&self) -> u64 {
        u64::MAX >> (64 - self.register_bits())
    }

    fn truncated(&self, value: u128) -> u128 {
        let bits = self.bytes() as u32 * 8;
        value & u128::MAX >> (128 - bits)
    }

    /// Register `first`, and for a pair the one behind it, as they lie in memory.
    fn operand(&self, first: u8, x: &impl Fn(u8) -> u64) -> u128 {
        let part = |n: u8| u128::from(x(n) & self.register_mask());
        match self.rt2 {
            None => part(first),
            Some(_) => part(first) | part(first.saturating_add(1)) << self.register_bits(),
        }
    }

    fn combine(&self, old: u64, operand: u64) -> u64 {
        let shift = 64 - self.register_bits();
        // At the top of the register, where signs and sizes are the same for all sizes.
        let (a, b) = (old << shift, operand << shift);
        let signed = |take_b: bool| if take_b { b } else { a };
        let new = match self.op {
            Op::Add => a.wrapping_add(b),
            Op::Clear => a & !b,
            Op::Xor => a ^ b,
            Op::Set => a | b,
            Op::SignedMax => signed(b.cast_signed() > a.cast_signed()),
            Op::SignedMin => signed(b.cast_signed() < a.cast_signed()),
            Op::UnsignedMax => a.max(b),
            Op::UnsignedMin => a.min(b),
            Op::Swap | Op::CompareAndSwap | Op::LoadExclusive | Op::StoreExclusive => b,
        };
        new >> shift
    }
}
