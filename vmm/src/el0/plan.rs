//! What a load or store does, as decoded from its instruction, with the registers that it needs: for accesses to devices
//! whose syndrome does not tell (Arm ARM D24.2.40, ISV=0).

use super::mmio;
use super::vcpu::Cpu;
use abi::vcpu::VcpuState;
use devices::Width;
use devices::a64::{Access, Address, Extend, Kind};

/// The general registers of the guest that does it.
pub trait Registers {
    /// Xn; 31 is XZR.
    fn x(&self, n: u8) -> u64;
    /// The current stack pointer.
    fn sp(&self) -> u64;
    /// Address of the instruction.
    fn pc(&self) -> u64;
}

/// What an instruction does, with the register values that it needs.
pub struct Plan {
    /// The instruction.
    pub access: Access,
    /// Values to store.
    values: [u128; 2],
    /// Virtual address of the first byte.
    pub address: u64,
    /// Base register and its new value.
    writeback: Option<(u8, u64)>,
}

impl Plan {
    /// The plan of `access`; `vector` gives a SIMD register.
    pub fn new(access: Access, general: &impl Registers, vector: impl Fn(u8) -> u128) -> Self {
        let register = |n: u8| match access.kind {
            Kind::General { .. } => u128::from(general.x(n)),
            Kind::Simd => vector(n),
        };
        let base = |n: u8| if n == 31 { general.sp() } else { general.x(n) };
        let from = |rn, offset: i64| base(rn).wrapping_add_signed(offset);
        let (address, writeback) = match access.address {
            Address::Literal { offset } => (general.pc().wrapping_add_signed(offset), None),
            Address::Offset { rn, offset } => (from(rn, offset), None),
            Address::Pre { rn, offset } => (from(rn, offset), Some((rn, from(rn, offset)))),
            Address::Post { rn, offset } => (from(rn, 0), Some((rn, from(rn, offset)))),
            Address::Register { rn, rm, extend, shift } => {
                let index = general.x(rm);
                let index = match extend {
                    Extend::Uxtw => index & 0xffff_ffff,
                    Extend::Sxtw => i64::from(index as u32 as i32).cast_unsigned(),
                    Extend::X => index,
                };
                (from(rn, 0).wrapping_add(index << (shift & 7)), None)
            }
        };
        let values = [register(access.rt), access.rt2.map_or(0, register)];
        Self { access, values, address, writeback }
    }

    /// Does it at the devices from `ipa` on; `false`: there is none. `set_sp` sets the current stack pointer.
    pub fn perform(&self, cpu: Cpu, ipa: u64, set_sp: impl FnOnce(u64)) -> bool {
        let size = 1u64 << (self.access.size & 7);
        let registers = [Some(self.access.rt), self.access.rt2];
        let mut loaded = [0; 2];
        for ((n, value), loaded) in (0u64..).zip(self.values).zip(&mut loaded).take(registers.iter().flatten().count())
        {
            let ipa = ipa.wrapping_add(n.wrapping_mul(size));
            let done = if self.access.store { store(cpu, ipa, size, value) } else { load(cpu, ipa, size) };
            match done {
                Some(value) => *loaded = value,
                None => return false,
            }
        }
        self.finish(cpu, registers, loaded, set_sp);
        true
    }

    /// Writes the loaded registers and the base back.
    fn finish(&self, cpu: Cpu, registers: [Option<u8>; 2], loaded: [u128; 2], set_sp: impl FnOnce(u64)) {
        let width = Width::from_sas(u64::from(self.access.size));
        let results = registers.into_iter().zip(loaded).filter_map(|(n, value)| n.map(|n| (usize::from(n), value)));
        match self.access.kind {
            _ if self.access.store => {}
            Kind::General { signed, wide } => {
                results.for_each(|(n, value)| cpu.page().set_x(n, mmio::extend(value as u64, width, signed, wide)));
            }
            Kind::Simd => cpu.page().with_state(cpu.slot(), |_, state| {
                results.for_each(|(n, value)| {
                    if let Some(register) = state.v.get_mut(n) {
                        *register = value;
                    }
                });
                true
            }),
        }
        self.write_back(|rn, value| cpu.page().set_x(usize::from(rn), value), set_sp);
    }

    /// Writes the base back, if the access does that.
    pub fn write_back(&self, set_x: impl FnOnce(u8, u64), set_sp: impl FnOnce(u64)) {
        match self.writeback {
            Some((31, value)) => set_sp(value),
            Some((rn, value)) => set_x(rn, value),
            None => {}
        }
    }

    /// What is stored, from general registers: one or two values.
    pub fn stored(&self) -> impl Iterator<Item = u64> {
        let count = 1 + usize::from(self.access.rt2.is_some());
        self.values.into_iter().map(|value| value as u64).take(count)
    }
}

/// A SIMD register.
pub fn vector(state: &VcpuState, n: u8) -> u128 {
    state.v.get(usize::from(n)).copied().unwrap_or(0)
}

/// A Q register is two doublewords.
fn load(cpu: Cpu, ipa: u64, size: u64) -> Option<u128> {
    if size == 16 {
        let low = mmio::read(cpu, ipa, Width::B8)?;
        let high = mmio::read(cpu, ipa.wrapping_add(8), Width::B8)?;
        return Some(u128::from(high) << 64 | u128::from(low));
    }
    mmio::read(cpu, ipa, width(size)).map(u128::from)
}

fn store(cpu: Cpu, ipa: u64, size: u64, value: u128) -> Option<u128> {
    let write = |ipa, width: Width, value: u128| mmio::write(cpu, ipa, width, value as u64 & width.mask());
    let done = if size == 16 {
        write(ipa, Width::B8, value) && write(ipa.wrapping_add(8), Width::B8, value >> 64)
    } else {
        write(ipa, width(size), value)
    };
    done.then_some(0)
}

fn width(size: u64) -> Width {
    Width::from_sas(u64::from(size.trailing_zeros()))
}
