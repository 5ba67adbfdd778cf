//! The handler of a vCPU whose EL1 is AArch32 (`vmm::aarch32`): as `vcpu`, with conditions, IT blocks, coprocessor registers
//! and the 32-bit calling convention.

use super::stats::kind;
use super::vcpu::{self, Cpu};
use super::vm::Vcpu;
use super::{call, irq, mmio, sysreg};
use abi::vcpu::reason;
use devices::Width;
use devices::psci::ret;
use devices::vgic::SgiRegister;
use vmm::aarch32::cp::{self, Access, Target};
use vmm::aarch32::{behind, executes, inject::inject, register};
use vmm::inject::Exception;
use vmm::syndrome::{DataAbort, class, ec};

rt::vcpu_handler!(entry, handle);

/// Address of the handler's entry for the kernel.
pub fn entry_address() -> u64 {
    entry as *const () as u64
}

extern "C" fn handle(own: &'static Vcpu) -> u64 {
    let cpu = Cpu { own };
    if cpu.page().reason() == reason::SYNC {
        synchronous(cpu, cpu.page().esr());
    } else {
        vcpu::asynchronous(cpu);
    }
    vcpu::action(own)
}

fn synchronous(cpu: Cpu, esr: u64) {
    match class(esr) {
        ec::DATA_ABORT => data_abort(cpu, DataAbort(esr)),
        ec::INSTRUCTION_ABORT => take(cpu, Exception::InstructionAbort { far: cpu.page().far() }),
        // WFE and WFI are hints.
        ec::WFX => skip(cpu),
        class => conditional(cpu, class, esr),
    }
}

/// What may have trapped though its condition fails.
fn conditional(cpu: Cpu, class: u64, esr: u64) {
    if class != cp::ec::HVC && !executes(esr, cpu.page().spsr()) {
        return skip(cpu);
    }
    match class {
        cp::ec::HVC => hypercall(cpu),
        cp::ec::SMC => {
            skip(cpu);
            hypercall(cpu);
        }
        class => match cp::decode(class, esr, cpu.page().spsr()) {
            Some(access) if coprocessor(cpu, access) => skip(cpu),
            _ => take(cpu, Exception::Undefined),
        },
    }
}

/// Steps over the instruction that exited.
fn skip(cpu: Cpu) {
    let page = cpu.page();
    let (pc, spsr) = behind(page.esr(), page.elr(), page.spsr());
    page.set_elr(pc);
    page.set_spsr(spsr);
}

#[cold]
fn take(cpu: Cpu, exception: Exception) {
    cpu.count(kind::REFUSED, 1);
    cpu.page().with_state(cpu.slot(), |frame, state| {
        inject(frame, state, exception);
        true
    });
}

/// An access to what is not RAM. Without a syndrome (LDM, LDRD, writeback) it is an external abort: no instruction of
/// AArch32 is decoded.
fn data_abort(cpu: Cpu, abort: DataAbort) {
    cpu.count(kind::MMIO, 1);
    if abort.cache_maintenance() && abort.stage2() {
        return skip(cpu);
    }
    if abort.valid() && abort.stage2() && device(cpu, abort) {
        return skip(cpu);
    }
    take(cpu, Exception::DataAbort { far: cpu.page().far(), write: abort.write() });
}

/// Does it; `false`: there is no device.
fn device(cpu: Cpu, abort: DataAbort) -> bool {
    let page = cpu.page();
    let width = Width::from_sas(u64::from(abort.size_log2()));
    let rt = register(abort.register(), page.spsr());
    if abort.write() {
        return mmio::write(cpu, page.ipa(), width, page.x(rt) & width.mask());
    }
    let value = mmio::read(cpu, page.ipa(), width);
    if let Some(value) = value {
        page.set_x(rt, mmio::extend(value, width, abort.sign_extend(), false));
    }
    value.is_some()
}

/// MCR, MRC, MCRR, MRRC, VMRS; `false`: there is no such register.
fn coprocessor(cpu: Cpu, access: Access) -> bool {
    let page = cpu.page();
    let high = access.rt2.map_or(0, |rt2| page.x(rt2) << 32);
    let value = high | page.x(access.rt) & 0xffff_ffff;
    let sgi = matches!(access.target, Target::Sgi(_));
    cpu.count(if sgi { kind::SGI } else { kind::SYSREG }, 1);
    match access.target {
        Target::Register(name) if access.read => match sysreg::read(cpu, name) {
            Some(value) => load(cpu, access, value),
            None => return false,
        },
        Target::Register(name) => return sysreg::write(cpu, name, value),
        Target::Sgi(0) if !access.read => irq::sgi(cpu, SgiRegister::Sgi1r, value),
        Target::Sgi(1) if !access.read => irq::sgi(cpu, SgiRegister::Asgi1r, value),
        Target::Sgi(2) if !access.read => irq::sgi(cpu, SgiRegister::Sgi0r, value),
        Target::Debug if access.read => load(cpu, access, 0),
        Target::Debug => {}
        _ => return false,
    }
    true
}

fn load(cpu: Cpu, access: Access, value: u64) {
    cpu.page().set_x(access.rt, value & 0xffff_ffff);
    if let Some(rt2) = access.rt2 {
        cpu.page().set_x(rt2, value >> 32);
    }
}

/// A call in the 32-bit convention (DEN0028 2.6): r0–r3, and no function of the 64-bit one.
fn hypercall(cpu: Cpu) {
    const SMC64: u64 = 1 << 30;
    let page = cpu.page();
    cpu.count(kind::CALL, 1);
    if page.x(0) & SMC64 != 0 {
        return page.set_x(0, ret::NOT_SUPPORTED & 0xffff_ffff);
    }
    (0..4).for_each(|n| page.set_x(n, page.x(n) & 0xffff_ffff));
    call::call(cpu);
    (0..4).for_each(|n| page.set_x(n, page.x(n) & 0xffff_ffff));
}
