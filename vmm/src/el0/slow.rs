//! What needs a vCPU's whole state: injected exceptions, and accesses to devices without a syndrome.

use super::plan::{self, Plan, Registers};
use super::stats::kind;
use super::vcpu::Cpu;
use abi::vcpu::{RegFrame, VcpuState, sys};
use devices::a64;
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
        plan = instruction.and_then(|word| a64::decode(word).ok()).map(|access| {
            let vector = |n| plan::vector(state, n);
            Plan::new(access, &Held(frame, state), vector)
        });
        false
    });
    match plan {
        Some(plan) if perform(&plan, cpu) => cpu.page().skip(),
        Some(plan) => abort_now(plan.access.store),
        None if fetched => abort_now(abort.write()),
        // The guest's tables changed meanwhile: it executes the instruction again, or takes its own fault.
        None => {}
    }
}

/// The stack pointer in use: SPSR.M says which.
fn stack_pointer(frame: &RegFrame) -> usize {
    if frame.spsr & 0xf == 5 { sys::SP_EL1 } else { sys::SP_EL0 }
}

/// General registers of a guest whose stack pointers are kernel-held.
struct Held<'a>(&'a RegFrame, &'a VcpuState);

impl Registers for Held<'_> {
    fn x(&self, n: u8) -> u64 {
        self.0.x.get(usize::from(n)).copied().unwrap_or(0)
    }

    fn sp(&self) -> u64 {
        self.1.sys.get(stack_pointer(self.0)).copied().unwrap_or(0)
    }

    fn pc(&self) -> u64 {
        self.0.elr
    }
}

fn perform(plan: &Plan, cpu: Cpu) -> bool {
    // The fault may be that of the second register's access.
    let ipa = cpu.page().ipa().wrapping_sub(cpu.page().far().wrapping_sub(plan.address));
    plan.perform(cpu, ipa, |sp| {
        cpu.page().with_state(cpu.slot(), |frame, state| {
            let which = stack_pointer(frame);
            if which == sys::SP_EL0 {
                frame.sp = sp;
            }
            if let Some(register) = state.sys.get_mut(which) {
                *register = sp;
            }
            true
        });
    })
}
