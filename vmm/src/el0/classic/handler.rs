//! The handler of a classic vCPU: entered at each exit, ends by resuming it.

use super::super::stats::kind;
use super::super::vcpu;
use super::start::engine;
use super::vcpus::{Classic, Engine, Virtual};
use super::{abort, effect, interrupt};
use abi::vcpu::reason;
use classic::cpu::{Effect, Frame, Trap};
use core::sync::atomic::Ordering::Relaxed;
use rt::lock::Guard;

rt::vcpu_handler!(entry, handle);

/// Address of the handler's entry for the kernel.
pub fn entry_address() -> u64 {
    entry as *const () as u64
}

/// One exit. What exits most, an instruction that is done with registers alone, takes the vCPU's lock once and calls
/// nothing else.
extern "C" fn handle(classic: &'static Classic) -> u64 {
    let Some(engine) = engine() else { return vcpu::action(classic.own) };
    let mut state = if classic.own.page.reason() == reason::SYNC {
        synchronous(classic, engine)
    } else {
        asynchronous(classic, engine)
    };
    classic.settle(engine, &mut state);
    drop(state);
    vcpu::action(classic.own)
}

#[inline]
fn synchronous(classic: &'static Classic, engine: &'static Engine) -> Guard<'static, Virtual> {
    let page = classic.own.page;
    let mut live = classic.live();
    let mut state = classic.state.lock();
    match state.cpu.trap(page.esr(), page.far(), &mut live) {
        Trap::Fetch => {
            let era = engine.era.load(Relaxed);
            match state.code.known(live.pc(), era, engine.map.ram) {
                Some(word) => match state.cpu.execute(word, &mut live) {
                    Effect::Next | Effect::Jump => done(classic, state),
                    effect => effect::perform(classic, engine, state, effect),
                },
                None => unknown_code(classic, engine, state),
            }
        }
        Trap::Done(Effect::Next | Effect::Jump) => done(classic, state),
        Trap::Done(effect) => effect::perform(classic, engine, state, effect),
        Trap::Abort => {
            drop(state);
            abort::abort(classic, engine);
            classic.state.lock()
        }
    }
}

#[inline(always)]
fn done(classic: &'static Classic, state: Guard<'static, Virtual>) -> Guard<'static, Virtual> {
    classic.count(kind::SYSREG);
    state
}

/// The page of the instruction is not known yet.
#[inline(never)]
fn unknown_code(
    classic: &'static Classic,
    engine: &'static Engine,
    mut state: Guard<'static, Virtual>,
) -> Guard<'static, Virtual> {
    let mut live = classic.live();
    let (pc, era, regime) = (live.pc(), engine.era.load(Relaxed), state.regime());
    match state.code.find(pc, era, &regime, engine.map.ram) {
        Some(word) => {
            let effect = state.cpu.execute(word, &mut live);
            effect::perform(classic, engine, state, effect)
        }
        None => {
            // The guest has changed its tables since. What the shadow still has of the page goes: then the guest takes its own fault.
            drop(state);
            abort::drop_page(engine, pc);
            classic.state.lock()
        }
    }
}

/// An exit that is not an exception of the guest's, or its virtual interrupt.
#[inline(never)]
fn asynchronous(classic: &'static Classic, _engine: &'static Engine) -> Guard<'static, Virtual> {
    if classic.own.page.reason() == reason::VIRQ {
        // PSTATE.I is 0 now: it is taken as the exit ends.
        classic.count(kind::OTHER);
    } else {
        interrupt::with_list_registers(classic, || vcpu::asynchronous(classic.cpu()));
    }
    classic.state.lock()
}
