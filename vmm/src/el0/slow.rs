//! What needs a vCPU's whole state: injected exceptions, and accesses to devices without a syndrome.

use super::mmio;
use super::stats::kind;
use super::vcpu::Cpu;
use abi::vcpu::{RegFrame, VcpuState, sys};
use devices::Width;
use devices::a64::{self, Access, Address, Extend, Kind};
use vmm::inject::{self, Exception};
use vmm::syndrome::DataAbort;
use vmm::walk::walk;

/// Makes the guest take an exception at its current instruction.
#[cold]
pub fn inject(cpu: Cpu, exception: Exception) {
    cpu.count(kind::REFUSED, 1);
    cpu.page().with_state(cpu.slot(), |frame, state| {
        inject::inject(frame, state, exception);
        true
    });
}

/// What an instruction does, with the register values that it needs.
struct Plan {
    access: Access,
    /// Values to store.
    values: [u128; 2],
    /// Virtual address of the first byte.
    address: u64,
    /// Base register and its new value.
    writeback: Option<(u8, u64)>,
}

/// An access of the guest whose syndrome does not describe it (Arm ARM D24.2.40, ISV=0): pairs, writeback, SIMD.
#[cold]
pub fn access(cpu: Cpu, abort: DataAbort) {
    if abort.cache_maintenance() && abort.stage2() {
        // Devices have no cache lines.
        return cpu.page().skip();
    }
    let abort_now = |write| inject(cpu, Exception::DataAbort { far: cpu.page().far(), write });
    if abort.walk() || !abort.stage2() {
        return abort_now(abort.write());
    }
    let mut plan = None;
    let mut fetched = false;
    cpu.page().with_state(cpu.slot(), |frame, state| {
        let ipa = walk(state, frame.elr, |ipa| cpu.vm().memory.read_u64(ipa));
        let instruction = ipa.and_then(|ipa| cpu.vm().memory.read_u32(ipa));
        fetched = instruction.is_some();
        plan = instruction.and_then(|word| a64::decode(word).ok()).map(|access| Plan::new(access, frame, state));
        false
    });
    match plan {
        Some(plan) if plan.perform(cpu) => cpu.page().skip(),
        Some(plan) => abort_now(plan.access.store),
        None if fetched => abort_now(abort.write()),
        // The guest's tables changed meanwhile: it executes the instruction again, or takes its own fault.
        None => {}
    }
}

fn general(frame: &RegFrame, n: u8) -> u64 {
    frame.x.get(usize::from(n)).copied().unwrap_or(0)
}

/// The stack pointer in use: SPSR.M says which.
fn stack_pointer(frame: &RegFrame) -> usize {
    if frame.spsr & 0xf == 5 { sys::SP_EL1 } else { sys::SP_EL0 }
}

fn base(frame: &RegFrame, state: &VcpuState, n: u8) -> u64 {
    if n == 31 { state.sys.get(stack_pointer(frame)).copied().unwrap_or(0) } else { general(frame, n) }
}

impl Plan {
    fn new(access: Access, frame: &RegFrame, state: &VcpuState) -> Self {
        let register = |n: u8| match access.kind {
            Kind::General { .. } => u128::from(general(frame, n)),
            Kind::Simd => state.v.get(usize::from(n)).copied().unwrap_or(0),
        };
        let from = |rn, offset: i64| base(frame, state, rn).wrapping_add_signed(offset);
        let (address, writeback) = match access.address {
            Address::Literal { offset } => (frame.elr.wrapping_add_signed(offset), None),
            Address::Offset { rn, offset } => (from(rn, offset), None),
            Address::Pre { rn, offset } => (from(rn, offset), Some((rn, from(rn, offset)))),
            Address::Post { rn, offset } => (from(rn, 0), Some((rn, from(rn, offset)))),
            Address::Register { rn, rm, extend, shift } => {
                let index = general(frame, rm);
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

    /// Does it; `false`: there is no device.
    fn perform(&self, cpu: Cpu) -> bool {
        // The fault may be that of the second register's access.
        let ipa = cpu.page().ipa().wrapping_sub(cpu.page().far().wrapping_sub(self.address));
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
        self.finish(cpu, registers, loaded);
        true
    }

    /// Writes the loaded registers and the base back.
    fn finish(&self, cpu: Cpu, registers: [Option<u8>; 2], loaded: [u128; 2]) {
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
        match self.writeback {
            Some((31, value)) => cpu.page().with_state(cpu.slot(), |frame, state| {
                if let Some(register) = state.sys.get_mut(stack_pointer(frame)) {
                    *register = value;
                }
                true
            }),
            Some((rn, value)) => cpu.page().set_x(usize::from(rn), value),
            None => {}
        }
    }
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
