//! What an instruction asks for that is more than registers.

use super::super::stats::kind;
use super::super::vcpu::PARK_ONCE;
use super::super::vm::DOORBELLS;
use super::super::{call, host, irq, sysreg};
use super::code;
use super::interrupt::{self, with_list_registers};
use super::memory::World;
use super::vcpus::{Classic, Engine, Virtual};
use abi::syscall::{RESUME_RUN, RESUME_WAIT, Status};
use classic::cpu::{Access, Cache, Effect, Exception, Frame};
use classic::reg;
use classic::tlbi::Tlbi;
use classic::walk::{self, El};
use core::sync::atomic::Ordering::Relaxed;
use devices::vgic::SgiRegister;
use rt::lock::Guard;
use rt::sys;
use sysdesc::MAX_BELLS_OUT;

/// HVCs that the kernel answers to guests at EL1 (`docs/internals/vmm.md`): ring doorbell x0, give the core away.
const DOORBELL: u16 = 1;
const YIELD: u16 = 2;

/// ISR_EL1.I and F.
const ISR_I: u64 = 1 << 7;
const ISR_F: u64 = 1 << 6;

/// Does it, and steps over the instruction or has the guest take an exception.
#[inline(never)]
pub fn perform(
    classic: &'static Classic,
    engine: &'static Engine,
    state: Guard<'static, Virtual>,
    effect: Effect,
) -> Guard<'static, Virtual> {
    if let Effect::Icc(access) = effect
        && !matches!(access.register, reg::ICC_SGI1R_EL1 | reg::ICC_ASGI1R_EL1 | reg::ICC_SGI0R_EL1)
    {
        classic.count(kind::SYSREG);
        return icc(classic, state, access);
    }
    drop(state);
    other(classic, engine, effect);
    classic.state.lock()
}

/// An access to the CPU interface.
#[inline]
fn icc(classic: &'static Classic, mut state: Guard<'static, Virtual>, access: Access) -> Guard<'static, Virtual> {
    let mut live = classic.live();
    let done = if access.write {
        let effect = state.icc.write(access.register, live.x(access.rt));
        if effect == Some(devices::icc::Effect::Maintenance) {
            drop(state);
            interrupt::written(classic, devices::icc::Effect::Maintenance);
            state = classic.state.lock();
        }
        effect.is_some()
    } else {
        let value = state.icc.read(access.register);
        if let Some(value) = value {
            live.set_x(access.rt, value);
        }
        value.is_some()
    };
    if done {
        live.skip();
    } else {
        state.cpu.take(Exception::UNDEFINED, &mut live);
    }
    state
}

/// All but accesses to the CPU interface, with no lock held.
#[inline(never)]
fn other(classic: &'static Classic, engine: &'static Engine, effect: Effect) {
    let mut live = classic.live();
    classic.count(match effect {
        Effect::Icc(_) => kind::SGI,
        Effect::Hvc(_) | Effect::Smc(_) => kind::CALL,
        Effect::Wfi | Effect::Wfe => kind::OTHER,
        _ => kind::SYSREG,
    });
    match effect {
        Effect::Next | Effect::Jump => {}
        Effect::Icc(access) => software_interrupt(classic, access),
        Effect::Timer(access) => timer(classic, engine, access),
        Effect::Platform(access) => platform(classic, access),
        Effect::Isr { rt } => {
            let state = classic.state.lock();
            let irq = if state.icc.irq_line() { ISR_I } else { 0 };
            let fiq = if state.icc.fiq_line() { ISR_F } else { 0 };
            live.set_x(rt, irq | fiq);
            live.skip();
        }
        Effect::Tlbi { operation, value } => {
            let tlbi = Tlbi::of(operation, value);
            engine.shadow.lock().tlbi(&tlbi, &mut World::new(&engine.map));
            let before = code::next_era();
            classic.state.lock().code.drop(&tlbi, before);
            live.skip();
        }
        Effect::At { va, user, write } => {
            translate(classic, engine, va, user, write);
            live.skip();
        }
        Effect::Cache { cache, value } => maintain(classic, engine, cache, value),
        Effect::Wfi => {
            live.skip();
            wait(classic, PARK_ONCE);
        }
        Effect::Wfe => live.skip(),
        Effect::Hvc(DOORBELL) => doorbell(classic),
        Effect::Hvc(YIELD) => {
            live.skip();
            sys::yield_now();
        }
        Effect::Hvc(_) | Effect::Smc(_) => {
            live.skip();
            with_list_registers(classic, || call::call(classic.cpu()));
            if classic.own.action.load(Relaxed) == RESUME_WAIT {
                classic.cpu().set_action(RESUME_RUN);
                wait(classic, PARK_ONCE);
            }
        }
    }
}

/// The vCPU waits for an interrupt. The kernel knows of none of its interrupts, only of kicks and the timer.
fn wait(classic: &'static Classic, action: u64) {
    if !classic.state.lock().interrupted() {
        classic.cpu().set_action(action);
    }
}

fn undefined(classic: &'static Classic) {
    classic.cpu().count(kind::REFUSED, 1);
    classic.state.lock().cpu.take(Exception::UNDEFINED, &mut classic.live());
}

/// A write of an SGI register.
fn software_interrupt(classic: &'static Classic, access: Access) {
    let mut live = classic.live();
    let register = match access.register {
        _ if !access.write => return undefined(classic),
        reg::ICC_SGI1R_EL1 => SgiRegister::Sgi1r,
        reg::ICC_ASGI1R_EL1 => SgiRegister::Asgi1r,
        _ => SgiRegister::Sgi0r,
    };
    with_list_registers(classic, || irq::sgi(classic.cpu(), register, live.x(access.rt)));
    live.skip();
}

fn timer(classic: &'static Classic, engine: &'static Engine, access: Access) {
    let mut live = classic.live();
    let now = host::counter();
    let done = if access.write {
        let written = classic.state.lock().timers.write(access.register, live.x(access.rt), now);
        if written {
            with_list_registers(classic, || interrupt::update_timer(engine, classic.cpu(), now));
        }
        written
    } else {
        let value = classic.state.lock().timers.read(access.register, now);
        if let Some(value) = value {
            live.set_x(access.rt, value);
        }
        value.is_some()
    };
    if done { live.skip() } else { undefined(classic) }
}

/// A register that is as any other guest's.
fn platform(classic: &'static Classic, access: Access) {
    let mut live = classic.live();
    let cpu = classic.cpu();
    let done = if access.write {
        sysreg::write(cpu, access.register, live.x(access.rt))
    } else {
        let value = sysreg::read(cpu, access.register);
        if let Some(value) = value {
            live.set_x(access.rt, value);
        }
        value.is_some()
    };
    if done { live.skip() } else { undefined(classic) }
}

/// AT S1E0R, S1E0W, S1E1R, S1E1W: as the guest's tables are now.
fn translate(classic: &'static Classic, engine: &'static Engine, va: u64, user: bool, write: bool) {
    let mut state = classic.state.lock();
    let el = if user { El::User } else { El::Kernel };
    let access = if write { walk::Access::Write } else { walk::Access::Read };
    let read = |ipa| engine.map.ram.read_u64(ipa);
    match walk::translate(&state.regime(), el, va, access, read) {
        // Normal memory, write-back, inner shareable.
        Ok(leaf) => state.cpu.set_par(leaf.ipa, 0xff, 3),
        Err(fault) => state.cpu.set_par_fault(fault.fsc()),
    }
}

/// Cache maintenance that EL0 cannot do.
fn maintain(classic: &'static Classic, engine: &'static Engine, what: Cache, va: u64) {
    let mut live = classic.live();
    if what == Cache::Invalidate {
        let mut state = classic.state.lock();
        let read = |ipa| engine.map.ram.read_u64(ipa);
        match walk::translate(&state.regime(), El::Kernel, va, walk::Access::Write, read) {
            // Cleaned, too: what is invalidated without must not be lost for others than the guest.
            Ok(leaf) => engine.map.ram.clean(leaf.ipa),
            Err(fault) => {
                let exception = Exception::data_abort(va, true, true, fault.fsc());
                return state.cpu.take(exception, &mut live);
            }
        }
    }
    // By set and way a guest can only mean its own boot or power-down (`sysreg::write`). All instructions: the kernel's
    // maintenance of what it maps is enough where instruction caches are physical; others are in docs/internals/unseen.md.
    live.skip();
}

/// HVC #1, as the kernel answers it to a guest at EL1.
fn doorbell(classic: &'static Classic) {
    let mut live = classic.live();
    let index = live.x(0);
    let exists = index <= MAX_BELLS_OUT as u64;
    let status = if exists { sys::signal(u64::from(DOORBELLS) + index, 1).err() } else { Some(Status::BadCap) };
    live.set_x(0, status.unwrap_or(Status::Ok) as u64);
    live.skip();
}
