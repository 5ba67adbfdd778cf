//! The handler of a vCPU: entered at each exit of the guest, ends by resuming it.
//!
//! ```text
//!   off (PARK) ──START posted, kick──▶ on (RUN) ──CPU_SUSPEND──▶ WAIT, once ──interrupt, kick──▶ RUN
//!       ▲                                 └──CPU_OFF──┐
//!       └─────────────────────────────────────────────┘
//! ```

use super::page::Page;
use super::stats::{self, kind};
use super::vm::{self, Vcpu, Vm};
use super::{bell, call, classic, irq, mmio, ports, slow, sysreg};
use abi::syscall::{RESUME_PARK, RESUME_RUN, RESUME_WAIT};
use abi::vcpu::reason;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use devices::vgic::{Posted, SgiRegister};
use rt::sys;
use sysdesc::exit;
use vmm::inject::Exception;
use vmm::syndrome::{Sysreg, class, ec};
use vmm::{machine, reset};

/// Request in a mailbox: start, with what is in [`Vcpu::start`].
pub const START: u32 = 0;
/// Action: park until a kick, then run.
pub const PARK_ONCE: u64 = 1 << 8;

/// Request in a mailbox: console input has come, or room for output.
pub const INPUT: u32 = 1;
/// Request in vCPU 0's mailbox: the clock's alarm was changed.
pub const ALARM: u32 = 2;

/// Request in a mailbox: the virtio console has more to do.
pub const PORTS: u32 = 3;

/// The vCPU whose exit is being handled: one word, so that it stays in a register.
#[derive(Clone, Copy)]
pub struct Cpu {
    /// Its own state.
    pub own: &'static Vcpu,
}

impl Cpu {
    /// Its number.
    #[inline]
    pub fn index(self) -> usize {
        self.own.index
    }

    /// The page shared with the kernel.
    #[inline]
    pub fn page(self) -> Page {
        self.own.page
    }

    /// The VM's state.
    #[inline]
    pub fn vm(self) -> &'static Vm {
        vm::get()
    }

    /// Slot of the vCPU.
    pub fn slot(self) -> u64 {
        vm::vcpu_slot(self.index())
    }

    /// Its bit in a set of vCPUs.
    pub fn bit(self) -> u32 {
        1 << (self.index() & 31)
    }

    /// Adds `n` to what is counted of it as `kind`.
    #[inline(always)]
    pub fn count(self, kind: usize, n: u64) {
        if let Some(counter) = self.own.stats.count.get(kind) {
            stats::add(counter, n);
        }
    }

    /// What becomes of it at the end of this exit.
    pub fn set_action(self, action: u64) {
        self.own.action.store(action, Relaxed);
    }
}

rt::vcpu_handler!(entry, handle);

/// Address of the handler's entry for the kernel.
pub fn entry_address() -> u64 {
    entry as *const () as u64
}

/// One exit of a vCPU, which `own` is; gives the action for `VCPU_RESUME`.
///
/// What exits often is told apart here and in few instructions; all else is in functions of its own, so that the common
/// path has no registers to save.
extern "C" fn handle(own: &'static Vcpu) -> u64 {
    let cpu = Cpu { own };
    let page = cpu.page();
    if page.reason() == reason::SYNC {
        let esr = page.esr();
        if class(esr) == ec::DATA_ABORT {
            cpu.count(kind::MMIO, 1);
            mmio::data_abort(cpu, esr);
        } else if Sysreg(esr).is_write_of(sysreg::ICC_SGI1R_EL1) {
            cpu.count(kind::SGI, 1);
            irq::sgi(cpu, SgiRegister::Sgi1r, page.x(Sysreg(esr).register()));
            page.skip();
        } else {
            synchronous(cpu, esr);
        }
    } else {
        asynchronous(cpu);
    }
    action(own)
}

/// What becomes of the vCPU at the end of this exit.
#[inline(always)]
pub fn action(own: &Vcpu) -> u64 {
    match own.action.load(Relaxed) {
        RESUME_WAIT => {
            // Whatever ends the wait, the guest runs from then on.
            own.action.store(RESUME_RUN, Relaxed);
            RESUME_WAIT
        }
        PARK_ONCE => {
            own.action.store(RESUME_RUN, Relaxed);
            RESUME_PARK
        }
        action => action,
    }
}

/// An exit that is not the guest's doing.
#[inline(never)]
pub fn asynchronous(cpu: Cpu) {
    let reason = cpu.page().reason();
    if reason != reason::KICK || !bell::quick(cpu) {
        asynchronous_any(cpu, reason);
    }
}

#[inline(never)]
fn asynchronous_any(cpu: Cpu, reason: u64) {
    match reason {
        reason::KICK => kicked(cpu),
        reason::MAINTENANCE => {
            cpu.count(kind::MAINTENANCE, 1);
            irq::maintain(cpu);
        }
        reason::TIMER => {
            cpu.count(kind::TIMER, 1);
            timers(cpu);
        }
        _ => failed(cpu),
    }
}

/// A synchronous exception of the guest.
#[inline(never)]
fn synchronous(cpu: Cpu, esr: u64) {
    let class = class(esr);
    cpu.count(
        match class {
            ec::SYSREG => kind::SYSREG,
            ec::HVC | ec::SMC => kind::CALL,
            _ => kind::OTHER,
        },
        1,
    );
    match class {
        ec::SYSREG => sysreg::trapped(cpu, esr),
        ec::HVC => call::call(cpu),
        ec::SMC => {
            cpu.page().skip();
            call::call(cpu);
        }
        ec::INSTRUCTION_ABORT => slow::inject(cpu, Exception::InstructionAbort { far: cpu.page().far() }),
        // WFE and WFI are hints.
        ec::WFX => cpu.page().skip(),
        _ => slow::inject(cpu, Exception::Undefined),
    }
}

/// An SError: memory of the machine has failed under the guest.
#[cold]
fn failed(cpu: Cpu) {
    rt::log!("vmm: vcpu {}: SError, esr={:#x} elr={:#x}", cpu.index(), cpu.page().esr(), cpu.page().elr());
    sys::exit(exit::CRASH)
}

/// A doorbell was rung, or someone posted to the mailbox.
fn kicked(cpu: Cpu) {
    cpu.count(kind::KICK, 1);
    let bells = cpu.page().bells();
    if bells != 0 {
        bell::rung(cpu, bells);
    }
    let posted = cpu.own.mailbox.take();
    if posted.is_empty() {
        return;
    }
    if posted.has_own(START) {
        start(cpu);
    }
    if posted.has_own(INPUT) {
        mmio::console_input(cpu);
    }
    if posted.has_own(ALARM) {
        mmio::update_alarm(cpu);
    }
    if posted.has_own(PORTS) {
        ports::poll(cpu);
    }
    irq::receive(cpu, posted);
}

/// The kernel timer passed: the physical timer's, or the clock's alarm.
fn timers(cpu: Cpu) {
    if cpu.index() == 0 {
        mmio::update_alarm(cpu);
    } else {
        sysreg::update_timer(cpu);
    }
}

/// Comes out of reset at the place in [`Vcpu::start`].
fn start(cpu: Cpu) {
    let [entry, x0] = &cpu.own.start;
    restart(cpu, entry.load(Acquire), x0.load(Acquire));
    cpu.vm().psci.lock().on(cpu.index() as u8);
}

/// Begins anew at `entry`.
pub fn restart(cpu: Cpu, entry: u64, x0: u64) {
    if let Some(engine) = classic::engine() {
        classic::restart(engine, cpu, entry, x0);
        return cpu.set_action(RESUME_RUN);
    }
    let (frame, state) = match cpu.vm().aarch32 {
        None => (reset::frame(entry, x0), reset::state()),
        Some(dtb) => reset::aarch32(entry, x0, dtb),
    };
    irq::across_reset(cpu, || cpu.page().replace(cpu.slot(), frame, state));
    cpu.set_action(RESUME_RUN);
}

/// Has vCPU `target` start at `entry`. It is off.
pub fn post_start(vm: &Vm, target: usize, entry: u64, x0: u64) {
    let Some(vcpu) = vm.vcpus.get(target) else { return };
    let [place_entry, place_x0] = &vcpu.start;
    place_entry.store(entry, Release);
    place_x0.store(x0, Release);
    irq::post(&vcpu.mailbox, target, Posted::own(START));
}

/// MPIDR affinity of a vCPU.
pub fn affinity(index: usize) -> u64 {
    machine::affinity(index as u64)
}
