//! What each core has for itself. Only its own core touches it, but for [`Core::wakes`], [`Core::seen`] and the
//! statistics.

use crate::arch::{self, sysreg};
use crate::config::{self, HCR_DOMAIN, SCTLR_DOMAIN};
use crate::exclusive::Exclusive;
use crate::object::{Entity, Obj, SchedContext, Vcpu};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use kcore::mpsc::{Taken, WakeStack};
use kcore::queue::RunQueue;
use kcore::spsr::GUEST_SPSR;
use kcore::timerq::TimerQueue;

/// Which context the exception return goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Mode {
    /// A guest. 0 for vectors.S.
    Guest,
    /// The VMM's handler of a vCPU.
    Handler,
    /// A thread of a domain.
    Thread,
    /// Nothing: the core waits.
    Idle,
}

/// State of one core. Some fields are known to the assembly (`arch`).
#[repr(C)]
pub struct Core {
    /// Top of the kernel stack.
    pub stack: Cell<u64>,
    /// Address of the current context's `RegFrame`.
    pub frame: Cell<u64>,
    /// Not 0: the return enters a vCPU's handler anew.
    pub fresh: Cell<u64>,
    /// Top of the stack for crash records.
    pub emergency: Cell<u64>,
    /// HCR_EL2 for a guest: WFI traps while others are ready.
    pub guest_hcr: Cell<u64>,
    /// Bits of SPSR_EL2 that an AArch64 guest may set.
    pub guest_spsr: Cell<u64>,
    /// SCTLR_EL1 and HCR_EL2 for a domain.
    pub domain_regime: Cell<[u64; 2]>,
    /// Number of this core.
    pub index: Cell<usize>,
    /// MPIDR affinity of this core.
    pub mpidr: Cell<u64>,
    /// Address of its GIC redistributor.
    pub redistributor: Cell<u64>,
    /// HCR_EL2 for a guest that has the core alone.
    pub hcr_alone: Cell<u64>,
    /// What runs.
    pub mode: Cell<Mode>,
    /// Who runs; `None` in idle.
    pub current: Cell<Option<Entity>>,
    /// The vCPU whose EL1 state is in the registers.
    pub loaded: Cell<Option<Obj<Vcpu>>>,
    /// The vCPU whose FP/SIMD state is in the registers.
    pub fp_owner: Cell<Option<Obj<Vcpu>>>,
    /// Scheduling contexts that are ready, the running one included: those that may run, and those whose budget has run
    /// out.
    pub ready: [Exclusive<RunQueue>; 2],
    /// Number of them.
    pub ready_count: Cell<u32>,
    /// Those whose budget has run out, by the time that enough has come back.
    pub refills: Exclusive<TimerQueue>,
    /// The scheduling context that runs; `None` in idle.
    pub running: Cell<Option<Obj<SchedContext>>>,
    /// Start of the stretch that it pays for, CNTPCT ticks.
    pub since: Cell<u64>,
    /// When its budget will have run out; `u64::MAX`: it does not pay.
    pub budget_end: Cell<u64>,
    /// Entities that wait for a deadline.
    pub timers: Exclusive<TimerQueue>,
    /// End of the time slice of the context that runs, CNTPCT ticks; `u64::MAX`: none is counted.
    pub slice_end: Cell<u64>,
    /// Nanoseconds of a CNTPCT tick, in units of 2^-32.
    pub tick: Cell<u64>,
    /// What the EL2 timer is set to.
    pub timer_set: Cell<u64>,
    /// The scheduler must choose anew before the return.
    pub resched: Cell<bool>,
    /// Entities that other cores want looked at.
    pub wakes: WakeStack,
    /// Those that were taken off and not looked at yet.
    pub taken: Exclusive<Taken>,
    /// Destruction: where this core goes on in the list of objects, 0: at the target.
    pub drop_cursor: Cell<u64>,
    /// The last destruction epoch that this core has seen with no reference held.
    pub seen: AtomicU64,
    /// Start of the stretch that is measured.
    #[cfg(feature = "measure")]
    pub masked_since: Cell<u64>,
    /// The core runs.
    pub online: AtomicBool,
    crash_stack: Cell<[u64; 512]>,
}

// SAFETY: the fields that are not atomic are touched only by the core that the structure belongs to; it finds itself
// through TPIDR_EL2.
#[allow(unsafe_code, reason = "per-core data")]
unsafe impl Sync for Core {}

impl Core {
    /// Called once by each core before anything else.
    pub fn start(&'static self, index: usize) {
        let stacks = (&raw const arch::__stacks) as u64;
        self.index.set(index);
        self.mode.set(Mode::Idle);
        self.guest_spsr.set(GUEST_SPSR);
        self.domain_regime.set([SCTLR_DOMAIN, HCR_DOMAIN]);
        self.slice_end.set(u64::MAX);
        self.budget_end.set(u64::MAX);
        self.tick.set((1_000_000_000 << 32) / sysreg::cntfrq_el0::read().max(1));
        self.mpidr.set(sysreg::mpidr_el1::read() & 0xff_00ff_ffff);
        self.hcr_alone.set(config::hcr_guest());
        self.stack.set(stacks + ((index + 1) * arch::STACK_STRIDE) as u64);
        self.emergency.set(self.crash_stack.as_ptr() as u64 + 4096);
        sysreg::tpidr_el2::write(core::ptr::from_ref(self) as u64);
    }

    /// Ticks of CNTPCT.
    pub fn now() -> u64 {
        sysreg::cntpct_el0::read()
    }
}

/// All cores. All zeros is a core before [`Core::start`].
// SAFETY: zero is a valid value of each field: numbers, false, None, empty queues, `Mode::Guest`.
#[allow(unsafe_code, reason = "zeros")]
pub static CORES: [Core; abi::MAX_CORES] = unsafe { core::mem::zeroed() };

/// The core that executes.
#[inline(always)]
pub fn here() -> &'static Core {
    // SAFETY: `Core::start` has put the address of an element of `CORES` there, and nobody else writes it.
    #[allow(unsafe_code, reason = "per-core data")]
    unsafe {
        &*(sysreg::tpidr_el2::read() as *const Core)
    }
}

/// The cores that run.
pub fn online() -> impl Iterator<Item = &'static Core> {
    CORES.iter().filter(|c| c.online.load(Ordering::Acquire))
}
