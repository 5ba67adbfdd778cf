//! The handler of a classic vCPU: entered at each exit, ends by resuming it.

use super::super::stats::{self, kind};
use super::super::vcpu;
use super::frame::Live;
use super::start::engine;
use super::vcpus::{Classic, Engine, Virtual};
use super::{abort, effect, interrupt};
use abi::syscall::RESUME_RUN;
use abi::vcpu::reason;
use classic::cpu::{Effect, Frame, Trap};
use rt::lock::Guard;

rt::vcpu_handler!(entry, handle);

/// Address of the handler's entry for the kernel.
pub fn entry_address() -> u64 {
    entry as *const () as u64
}

/// One exit.
extern "C" fn handle(classic: &'static Classic) -> u64 {
    // An instruction decides nothing about the vCPU's going on: nobody but its handler does, at other exits.
    if quick(classic).is_some() { RESUME_RUN } else { slow(classic) }
}

/// What exits most: an MRS or MSR that is done with registers alone. Nothing is left to settle then: the view, the gates
/// and the pending interrupt are those of the last exit.
#[inline(always)]
fn quick(classic: &'static Classic) -> Option<()> {
    /// EC 0, IL: undefined at EL0.
    const UNDEFINED: u64 = 1 << 25;
    let (page, stats) = (classic.own.page, classic.own.stats);
    if page.reason() != reason::SYNC || page.esr() != UNDEFINED {
        return None;
    }
    let mut live = Live(page);
    let mut state = classic.state.lock_if_free()?;
    let word = state.code.known(live.pc())?;
    let counter = stats.count.get(kind::SYSREG)?;
    state.cpu.quick(word, &mut live).then(|| stats::add(counter, 1))
}

/// Any exit.
#[inline(never)]
fn slow(classic: &'static Classic) -> u64 {
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
        Trap::Fetch => match state.code.known(live.pc()) {
            Some(word) => match state.cpu.execute(word, &mut live) {
                Effect::Next | Effect::Jump => done(classic, state),
                effect => effect::perform(classic, engine, state, effect),
            },
            None => unknown_code(classic, engine, state),
        },
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
    let (pc, regime) = (live.pc(), state.regime());
    match state.code.find(pc, &regime, engine.map.ram) {
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
