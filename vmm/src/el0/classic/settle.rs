//! The end of an exit: what the hardware must be told before the guest goes on.

use super::vcpus::{Classic, Engine, LOADED, Virtual};
use abi::vcpu::view;
use classic::cpu::{Changed, Frame, Slot};
use classic::walk::El;

/// PSTATE.I and F.
const I: u64 = 1 << 7;
const F: u64 = 1 << 6;
/// TCR_EL1.TBI0 and TBI1: all of it that is the guest's.
const TBI: u64 = 3 << 37;

impl Classic {
    /// Takes what interrupt can be taken, and tells the hardware what changed.
    #[inline]
    pub fn settle(&self, engine: &'static Engine, state: &mut Virtual) {
        let mut live = self.live();
        if state.interrupted() {
            take_interrupt(state, &mut live);
        }
        let changed = state.cpu.take_changed();
        if changed != Changed::NONE {
            self.tell(engine, state, changed);
        }
        self.set_view(state);
    }

    #[inline]
    fn set_view(&self, state: &Virtual) {
        let roots = state.views.of(state.el());
        let irq = if state.icc.irq_line() { view::VIRQ } else { 0 };
        let word = u64::from(roots.low) << view::LOW | u64::from(roots.high) << view::HIGH | irq;
        self.own.page.set_view(word);
    }

    #[inline]
    fn tell(&self, engine: &'static Engine, state: &mut Virtual, changed: Changed) {
        const REGISTERS: Changed = Changed::REGIME.and(Changed::CPACR).and(Changed::CNTKCTL);
        const TRANSLATION: Changed = Changed::REGIME.and(Changed::TABLES);
        let page = self.own.page;
        if changed.any(TRANSLATION) {
            self.translate(engine, state, changed);
        }
        if changed.any(Changed::LEVEL.and(Changed::GATES)) {
            page.set_gates(state.cpu.gates());
        }
        if changed.any(Changed::TPIDRRO) {
            page.set_tpidrro(state.cpu.get(Slot::TPIDRRO_EL0));
        }
        if changed.any(REGISTERS) && state.wanted() != state.loaded {
            self.load(state);
        }
    }

    #[inline(never)]
    fn translate(&self, engine: &'static Engine, state: &mut Virtual, changed: Changed) {
        let regime = state.regime();
        let high = changed.any(Changed::REGIME) || (regime.ttbr1 ^ state.ttbr1) << 16 != 0;
        state.code.forget(high);
        state.ttbr1 = regime.ttbr1;
        state.views = engine.shadow.lock().view(self.own.index, &regime);
    }

    /// Loads the registers that are not in the page's block.
    #[cold]
    fn load(&self, state: &mut Virtual) {
        let wanted = state.wanted();
        self.own.page.with_state(self.cpu().slot(), |_, held| {
            for (register, value) in LOADED.into_iter().zip(wanted) {
                if let Some(place) = held.sys.get_mut(register) {
                    *place = value;
                }
            }
            true
        });
        state.loaded = wanted;
    }
}

impl Virtual {
    /// The level that the guest believes to be at.
    #[inline]
    pub fn el(&self) -> El {
        if self.cpu.privileged() { El::Kernel } else { El::User }
    }

    /// What [`Virtual::loaded`] should be.
    #[inline]
    fn wanted(&self) -> [u64; 4] {
        let [.., vbar] = self.loaded;
        [self.cpu.cpacr(), self.cpu.cntkctl(), self.cpu.get(Slot::TCR_EL1) & TBI, vbar]
    }
}

/// Takes an interrupt that PSTATE does not mask. One that it does is taken at the instruction that unmasks it: an IRQ by
/// the hardware's word (HCR_EL2.VI), an FIQ at the next exit.
#[inline(never)]
fn take_interrupt(state: &mut Virtual, live: &mut impl Frame) {
    let pstate = live.pstate();
    if state.icc.fiq_line() {
        if pstate & F == 0 {
            state.cpu.take_fiq(live);
        }
    } else if pstate & I == 0 {
        state.cpu.take_irq(live);
    }
}
