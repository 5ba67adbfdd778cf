//! State of the engine, and the reset of a vCPU.

use super::super::stats;
use super::super::vcpu::Cpu;
use super::super::vm::{self, Vcpu};
use super::super::{host, irq};
use super::code::Code;
use super::frame::Live;
use super::memory::Map;
use abi::vcpu::{RegFrame, sys};
use classic::cpu::{Cpu as VirtualEl1, Features, Identity, Slot};
use classic::shadow::{Shadow, Views};
use classic::walk::Regime;
use devices::icc::CpuInterface;
use rt::lock::SpinLock;
use sysdesc::MAX_VCPUS;
use vmm::reset;
use vmm::timers::{Lines, Timers};

/// All of a VM that is virtualised without the extensions.
pub struct Engine {
    /// Its vCPUs.
    pub vcpus: [Classic; MAX_VCPUS],
    /// Shadow page tables.
    pub shadow: SpinLock<Shadow>,
    /// The guest's memory.
    pub map: Map,
    /// What the guest is told of its CPU.
    pub features: Features,
}

/// A vCPU.
pub struct Classic {
    /// As any vCPU.
    pub own: &'static Vcpu,
    /// What the hardware would hold.
    pub state: SpinLock<Virtual>,
}

/// What the hardware would hold of a vCPU.
pub struct Virtual {
    /// Registers of EL1.
    pub cpu: VirtualEl1,
    /// Interrupt controller's CPU interface.
    pub icc: CpuInterface,
    /// Timers.
    pub timers: Timers,
    /// Their lines as the vGIC knows them.
    pub lines: Lines,
    /// Instruction fetch.
    pub code: Code,
    /// Shadow roots.
    pub views: Views,
    /// TTBR1_EL1 that `code` holds for.
    pub ttbr1: u64,
    /// CPACR_EL1, CNTKCTL_EL1, TCR_EL1 and VBAR_EL1 as loaded.
    pub loaded: [u64; 4],
    identity: Identity,
}

/// Which registers [`Virtual::loaded`] are.
pub const LOADED: [usize; 4] = [sys::CPACR_EL1, sys::CNTKCTL_EL1, sys::TCR_EL1, sys::VBAR_EL1];

impl Virtual {
    /// At reset.
    pub fn new(identity: Identity, features: Features, views: Views, cntfrq: u64) -> Self {
        Self {
            cpu: VirtualEl1::new(identity, features),
            icc: CpuInterface::new(),
            timers: Timers::new(0, cntfrq),
            lines: Lines::default(),
            code: Code::new(),
            views,
            ttbr1: 0,
            loaded: [0; 4],
            identity,
        }
    }

    /// The guest's translation regime.
    #[inline]
    pub fn regime(&self) -> Regime {
        Regime {
            sctlr: self.cpu.get(Slot::SCTLR_EL1),
            tcr: self.cpu.get(Slot::TCR_EL1),
            ttbr0: self.cpu.get(Slot::TTBR0_EL1),
            ttbr1: self.cpu.get(Slot::TTBR1_EL1),
        }
    }

    /// An interrupt is pending and neither disabled nor of too low a priority, be it masked by PSTATE or not.
    #[inline]
    pub fn interrupted(&self) -> bool {
        self.icc.irq_line() || self.icc.fiq_line()
    }
}

impl Classic {
    /// As any vCPU.
    #[inline]
    pub fn cpu(&self) -> Cpu {
        Cpu { own: self.own }
    }

    /// The registers that the hardware holds.
    #[inline]
    pub fn live(&self) -> Live {
        Live(self.own.page)
    }

    /// Counts it as `kind` ([`stats::kind`]).
    #[inline]
    pub fn count(&self, kind: usize) {
        if let Some(counter) = self.own.stats.count.get(kind) {
            stats::add(counter, 1);
        }
    }
}

/// Begins anew at `entry`. Interrupts outlive it in the vGIC.
pub fn restart(engine: &'static Engine, cpu: Cpu, entry: u64, x0: u64) {
    let Some(classic) = engine.vcpus.get(cpu.index()) else { return };
    irq::across_reset(cpu, || {
        let mut frame = RegFrame { spsr: VirtualEl1::RESET_PSTATE, ..reset::frame(entry, x0) };
        frame.sp = 0;
        let mut state = reset::state();
        if let Some(vbar) = state.sys.get_mut(sys::VBAR_EL1) {
            *vbar = engine.shadow.lock().vectors();
        }
        cpu.page().replace(cpu.slot(), frame, state);
        let mut own = classic.state.lock();
        *own = Virtual {
            loaded: LOADED.map(|register| state.sys.get(register).copied().unwrap_or(0)),
            ..Virtual::new(own.identity, engine.features, own.views, vm::get().cntfrq)
        };
    });
    super::interrupt::update_timer(engine, cpu, host::counter());
}
