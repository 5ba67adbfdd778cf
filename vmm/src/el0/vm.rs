//! The state of the VM that all handlers share.
#![allow(unsafe_code, reason = "a static that is set once")]

use super::bell::Bells;
use super::memory::Memory;
use super::page::Page;
use super::ports::Ports;
use super::stats::{self, VcpuStats};
use super::watchdog::Dog;
use abi::syscall::RESUME_PARK;
use abi::vcpu::MAX_LRS;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU64;
use devices::pl031::Pl031;
use devices::psci::Psci;
use devices::vgic::{Dist, Mailbox, Redist};
use rt::lock::SpinLock;
use sysdesc::{MAX_VCPUS, vmm_slot};
use vmm::ptimer::PTimer;

/// Slot of the guest's Space.
pub const SPACE_SLOT: u64 = vmm_slot::FREE;

/// Slot of the wall of a classic guest with `stage2`.
pub const WALL_SLOT: u64 = vmm_slot::FREE + 1 + MAX_VCPUS as u64;

/// First slot of the guest's doorbells (HVC #1). Number 0 is the VM's own: a notification that nobody waits for, so that
/// a guest can tell that it has doorbells.
pub const DOORBELLS: u32 = vmm_slot::BELLS_OUT as u32;

/// Slot of vCPU `index`.
pub const fn vcpu_slot(index: usize) -> u64 {
    vmm_slot::FREE + 1 + index as u64
}

/// What belongs to one vCPU. Its own handler uses it; others post to the mailbox.
pub struct Vcpu {
    /// The page shared with the kernel.
    pub page: Page,
    /// Its number.
    pub index: usize,
    /// SGIs, PPIs, list registers. Others lock it only to access this vCPU's redistributor frame.
    pub redist: SpinLock<Redist>,
    /// What others want of this vCPU.
    pub mailbox: Mailbox,
    /// Action for `VCPU_RESUME`: whether it runs.
    pub action: AtomicU64,
    /// Where to start ([`super::vcpu::START`]): entry and x0.
    pub start: [AtomicU64; 2],
    /// The physical timer.
    pub ptimer: SpinLock<PTimer>,
    /// Debug registers, which hold what is written and do nothing.
    pub debug: SpinLock<[u64; DEBUG_REGISTERS]>,
    /// What is counted of it.
    pub stats: &'static VcpuStats,
}

/// Breakpoint and watchpoint registers: CRm << 2 | (op2 - 4).
pub const DEBUG_REGISTERS: usize = 64;

/// The VM.
pub struct Vm {
    /// vCPUs in use.
    pub count: usize,
    /// Their state.
    pub vcpus: [Vcpu; MAX_VCPUS],
    /// SPIs.
    pub dist: SpinLock<Dist>,
    /// Clock.
    pub rtc: SpinLock<Pl031>,
    /// Watchdog.
    pub watchdog: Dog,
    /// Power control.
    pub psci: SpinLock<Psci>,
    /// Counter ticks per second.
    pub cntfrq: u64,
    /// The virtio console, if the VM has ports.
    pub ports: Option<Ports>,
    /// Incoming doorbells.
    pub bells: Bells,
    /// Guest RAM.
    pub memory: Memory,
    /// Where the device tree is, if the guest's EL1 is AArch32.
    pub aarch32: Option<u64>,
    /// ID registers as the guest sees them, by CRm << 3 | op2.
    pub id: [u64; 64],
}

impl Vcpu {
    /// A vCPU that is off.
    pub fn new(index: usize, count: usize, lr_count: u64, classic: bool) -> Self {
        let (cpu, cpus) = (index as u8, count as u8);
        let redist = match classic {
            false => Redist::new(cpu, cpus, lr_count as u8),
            true => Redist::without_kernel_timer(cpu, cpus, MAX_LRS as u8),
        };
        Self {
            page: Page::of(index),
            index,
            redist: SpinLock::new(redist),
            mailbox: Mailbox::new(),
            action: AtomicU64::new(RESUME_PARK),
            start: [const { AtomicU64::new(0) }; 2],
            ptimer: SpinLock::new(PTimer::new()),
            debug: SpinLock::new([0; DEBUG_REGISTERS]),
            stats: stats::vcpu(index),
        }
    }
}

/// Memory for the one [`Vm`].
struct Place(UnsafeCell<MaybeUninit<Vm>>);

// SAFETY: written once by `set`, before a second thread exists; read-only from then on (`Vm` is `Sync`).
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(MaybeUninit::uninit()));

/// Makes `vm` the VM of this domain.
///
/// # Safety
/// Called once, before any handler is set up and before [`get`].
pub unsafe fn set(vm: Vm) -> &'static Vm {
    // SAFETY: nobody else uses the place yet, says the caller.
    unsafe { (*PLACE.0.get()).write(vm) }
}

/// The VM.
#[inline]
pub fn get() -> &'static Vm {
    // SAFETY: only handlers and the input loop call this, which exist only after `set`.
    unsafe { (*PLACE.0.get()).assume_init_ref() }
}
