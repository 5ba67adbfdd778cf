//! Interrupts: who gets which.

use crate::core_local::{Core, Mode};
use crate::gic;
use crate::object::{Entity, Irq, Obj, RunState, Which};
use crate::{notify, sched, switch};
use abi::vcpu::reason;
use core::sync::atomic::{AtomicU64, Ordering};

/// The Irq object of each INTID, 0: none.
pub static BOUND: [AtomicU64; 1020] = [const { AtomicU64::new(0) }; 1020];

/// Takes one interrupt that is pending on this core: others come after the return, so that no storm masks them for long.
#[inline(always)]
pub fn take(core: &'static Core) {
    let intid = gic::acknowledge();
    if intid >= gic::SPECIAL {
        return;
    }
    gic::drop_priority(intid);
    match intid {
        gic::PPI_VTIMER => virtual_timer(core),
        gic::PPI_TIMER => {
            sched::timer_interrupt(core);
            gic::deactivate(intid);
        }
        gic::SGI_WAKE => {
            gic::deactivate(intid);
            sched::wake_interrupt(core);
        }
        gic::PPI_MAINTENANCE => {
            maintenance(core);
            gic::deactivate(intid);
        }
        _ => bound(intid),
    }
}

/// The loaded guest's timer: into its list register; the guest deactivates it (HW=1).
#[inline(always)]
fn virtual_timer(core: &Core) {
    let Some(v) = core.loaded.get() else {
        return gic::deactivate(gic::PPI_VTIMER);
    };
    switch::inject_timer(v);
    if v.common.state.get() == RunState::Wfi {
        sched::make_ready(core, Entity(Obj::at(v.addr())));
    }
}

/// The virtual CPU interface wants its VMM: the guest exits.
fn maintenance(core: &Core) {
    if core.mode.get() != Mode::Guest {
        return;
    }
    if let Some(Which::Vcpu(v)) = core.current.get().map(Entity::which) {
        switch::exit_maintenance(core, v, reason::MAINTENANCE);
    }
}

/// An interrupt for a driver: it stays active until IRQ_ACK.
fn bound(intid: u32) {
    let irq = BOUND.get(intid as usize).and_then(|b| Obj::<Irq>::opt(b.load(Ordering::Acquire)));
    match irq {
        Some(irq) => {
            if let Some(target) = Obj::opt(irq.target.load(Ordering::Acquire)) {
                notify::signal(target, irq.bits.get());
            }
        }
        None => gic::deactivate(intid),
    }
}
