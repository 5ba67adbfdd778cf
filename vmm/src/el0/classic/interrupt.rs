//! Interrupts: the list registers are in software (`devices::icc`). While the vGIC's glue (`el0::irq`) works, the page
//! says of them what it would say of the hardware's.

use super::super::vcpu::Cpu;
use super::super::{irq, mmio};
use super::vcpus::{Classic, Engine};
use abi::vcpu::MAX_LRS;
use devices::icc::Effect;
use rt::sys;
use vmm::machine::{PTIMER_INTID, VTIMER_INTID};

/// Lets `work` use the vGIC, and takes the list registers that it installs.
pub fn with_list_registers<T>(classic: &Classic, work: impl FnOnce() -> T) -> T {
    let page = classic.own.page;
    {
        let state = classic.state.lock();
        page.set_elrsr(state.icc.empty_mask());
        page.set_eisr(state.icc.eoi_mask());
    }
    let result = work();
    let mut left = page.dirty();
    if left != 0 {
        let mut state = classic.state.lock();
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            state.icc.install(n, page.lr(n));
            left &= left - 1;
        }
        page.set_dirty(0);
    }
    result
}

/// The list registers as they are. Those not installed yet stay in the page as they were written.
pub fn exact_lrs(engine: &Engine, cpu: Cpu) -> [u64; MAX_LRS] {
    engine.vcpus.get(cpu.index()).map_or([0; MAX_LRS], |classic| classic.state.lock().icc.lrs())
}

/// The guest has written a register of the CPU interface.
pub fn written(classic: &Classic, effect: Effect) {
    if effect == Effect::Maintenance {
        // As the hardware's maintenance interrupt.
        classic.own.page.set_reason(abi::vcpu::reason::MAINTENANCE);
        with_list_registers(classic, || irq::maintain(classic.cpu()));
    }
}

/// Sets the timers' lines, and the kernel timer for their next change. In [`with_list_registers`].
pub fn update_timer(engine: &Engine, cpu: Cpu, now: u64) {
    let Some(classic) = engine.vcpus.get(cpu.index()) else { return };
    let (lines, before, deadline) = {
        let mut state = classic.state.lock();
        let lines = state.timers.lines(now);
        (lines, core::mem::replace(&mut state.lines, lines), state.timers.deadline(now))
    };
    // The handler's own vCPU: this does not fail.
    let _ = sys::vcpu_timer(cpu.slot(), deadline.min(mmio::alarm(cpu)));
    if lines.virt != before.virt {
        irq::set_ppi(cpu, VTIMER_INTID, lines.virt);
    }
    if lines.physical != before.physical {
        irq::set_ppi(cpu, PTIMER_INTID, lines.physical);
    }
}
