//! Kernel objects: one page each, taken from the pool of the domain that they belong to.
//!
//! An [`Obj`] is the address of such a page. Objects are never moved, and their memory goes back only after every
//! capability was removed and every core has passed a point where it holds no reference (see `destroy`). All fields are
//! cells or atomics: a cell is touched only by the object's core, or under the management lock, as its comment says.

use crate::exclusive::Exclusive;
use abi::cap::Kind;
use abi::syscall::SHADOW_ROOTS;
use abi::vcpu::{MAX_LRS, RegFrame, sys};
use core::cell::Cell;
use core::marker::PhantomData;
use core::num::NonZero;
use core::ops::Deref;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use kcore::attach::AttachmentTable;
use kcore::budget::{Budget, Stopwatch};
use kcore::mpsc::WakeLink;
use kcore::notify::NotifyWord;
use kcore::pool::Pool;
use kcore::queue::{Link, List};

/// Reference to a kernel object.
pub struct Obj<T>(NonZero<u64>, PhantomData<T>);

impl<T> Clone for Obj<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Obj<T> {}
impl<T> PartialEq for Obj<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Obj<T> {}

impl<T> Obj<T> {
    /// The object whose page is at `page`. The caller got the address from a capability of the right kind, from another
    /// object's field, or has just made the object.
    #[inline(always)]
    pub const fn at(page: u64) -> Self {
        // SAFETY: no object is at address 0: page 0 is never donated (`root` leaves it out), and empty slots and links,
        // which are 0, are read through `opt`.
        #[allow(unsafe_code, reason = "a niche for Option")]
        Self(unsafe { NonZero::new_unchecked(page) }, PhantomData)
    }

    /// Address of its page.
    pub const fn addr(self) -> u64 {
        self.0.get()
    }

    /// As [`Self::at`]; 0 is none.
    pub fn opt(page: u64) -> Option<Self> {
        NonZero::new(page).map(|page| Self(page, PhantomData))
    }
}

impl<T> Obj<T> {
    /// The object, for as long as it lives: until the next point where this core holds no reference.
    #[inline(always)]
    pub fn live(self) -> &'static T {
        // SAFETY: see the module: the page is identity-mapped, holds a T for as long as references to it can exist, and
        // T has interior mutability only.
        #[allow(unsafe_code, reason = "objects live in donated pages")]
        unsafe {
            &*(self.addr() as *const T)
        }
    }
}

impl<T: 'static> Deref for Obj<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        self.live()
    }
}

/// First fields of every object.
#[repr(C)]
pub struct Header {
    /// What it is.
    pub kind: Cell<Kind>,
    /// Being destroyed: no new reference may be made.
    pub dead: AtomicBool,
    /// Domain whose pool the page is from. Management lock.
    pub owner: Cell<Option<Obj<Domain>>>,
    /// Neighbours in the owner's list of objects. Management lock.
    pub link: Cell<Link>,
}

/// Fields of what can be scheduled; follow the [`Header`] in [`Thread`] and [`Vcpu`].
#[repr(C)]
pub struct Schedulable {
    /// Header.
    pub header: Header,
    /// Core, for ever.
    pub core: Cell<usize>,
    /// Domain that it executes in (of a vCPU: the handler's).
    pub domain: Cell<Option<Obj<Domain>>>,
    /// Its own scheduling context. Its core.
    pub sched: Cell<Option<Obj<SchedContext>>>,
    /// What it does. Its core.
    pub state: Cell<RunState>,
    /// Its place on the wake stack.
    pub wake: WakeLink,
    /// Deadline, CNTPCT ticks, and links of the timer queue. Its core.
    pub deadline: Cell<u64>,
    /// See `deadline`.
    pub timer: Cell<Link>,
    /// It is in the timer queue.
    pub timed: Cell<bool>,
    /// Asked to start (1) or stop (2) by THREAD; read by its core.
    pub control: AtomicU32,
}

/// What an entity does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Not started, stopped or dead.
    Stopped,
    /// Runs or could.
    Ready,
    /// Thread: waits for a server to take its call, or to reply.
    Calling,
    /// Thread: waits for a call.
    Receiving,
    /// Thread: waits for a notification.
    Waiting,
    /// vCPU: runs at a kick or timer only.
    Parked,
    /// vCPU: as [`Self::Parked`], or at an interrupt.
    Wfi,
}

/// A [`Thread`] or a [`Vcpu`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entity(pub Obj<Schedulable>);

/// One of the two.
pub enum Which {
    /// A thread.
    Thread(Obj<Thread>),
    /// A vCPU.
    Vcpu(Obj<Vcpu>),
}

impl Entity {
    /// By address; 0 is none.
    pub fn opt(addr: u64) -> Option<Self> {
        Obj::opt(addr).map(Self)
    }
    /// Its address.
    pub fn addr(self) -> u64 {
        self.0.addr()
    }
    /// Which of the two it is.
    #[inline(always)]
    pub fn which(self) -> Which {
        if self.0.header.kind.get() == Kind::Thread {
            Which::Thread(Obj::at(self.addr()))
        } else {
            Which::Vcpu(Obj::at(self.addr()))
        }
    }
}

impl Deref for Entity {
    type Target = Schedulable;
    fn deref(&self) -> &Schedulable {
        &self.0
    }
}

/// Protection domain.
#[repr(C)]
pub struct Domain {
    /// Header.
    pub header: Header,
    /// Capability table: one page of words.
    pub table: Cell<u64>,
    /// Its own translation.
    pub space: Cell<Option<Obj<Space>>>,
    /// Kernel memory. Management lock.
    pub pool: Exclusive<Pool>,
    /// Frames donated to the pool. Management lock.
    pub donations: Cell<u64>,
    /// Objects from the pool, the newest first. Management lock.
    pub objects: Exclusive<List>,
    /// Neighbours in the list of all domains. Management lock.
    pub domains: Cell<Link>,
    /// It will be destroyed after the domains that it has made: no more objects. Management lock.
    pub closing: Cell<bool>,
    /// Told when the domain stops. Management lock.
    pub watch: Cell<Option<Obj<Notification>>>,
    /// Bits that `watch` is signalled with.
    pub watch_bits: Cell<u64>,
    /// `abi::syscall::stop` reason; not 0: nothing of it runs any more.
    pub stopped: AtomicU32,
    /// ESR, ELR, FAR of the stop. Written once, under the management lock.
    pub stop_info: Cell<[u64; 3]>,
}

/// A translation: stage 2 table and VMID.
#[repr(C)]
pub struct Space {
    /// Header.
    pub header: Header,
    /// Level-1 table.
    pub root: Cell<u64>,
    /// VTTBR_EL2 value.
    pub vttbr: Cell<u64>,
    /// Domain whose pool the tables are from.
    pub pool_of: Cell<Option<Obj<Domain>>>,
    /// Attachments to it. Management lock.
    pub attachments: Exclusive<List>,
    /// vCPUs that use it. Management lock.
    pub users: Cell<u32>,
    /// For classic guests. Constant.
    pub classic: Cell<bool>,
    /// Stage 2 behind the shadow roots. Constant.
    pub wall: Cell<Option<Obj<Space>>>,
    /// Shadow roots, stage 1; `shadow::empty()`: none yet. Set once each, under the management lock.
    pub roots: Cell<[u64; SHADOW_ROOTS as usize]>,
    /// Bit n: root n may have entries. Management lock, as the following.
    pub filled: Cell<u64>,
    /// Bit n: root n is to be emptied.
    pub stale: Cell<u64>,
    /// The root that is being emptied, from this address on; 0: none is.
    pub emptying: Cell<(u64, u64)>,
    /// Descriptor of a table that was taken out of it, 0: none.
    pub loose: Cell<u64>,
    /// The vCPU that ran last on each core: its TLB entries share VMID and ASIDs with the next one's. That core.
    pub last_vcpu: [Cell<u64>; abi::MAX_CORES],
}

/// EL0 context.
#[repr(C)]
pub struct Thread {
    /// Scheduling fields.
    pub common: Schedulable,
    /// Registers; `sp` is SP_EL0. Its core.
    pub frame: Cell<RegFrame>,
    /// The endpoint it calls or receives on. Its core.
    pub endpoint: Cell<Option<Obj<Endpoint>>>,
    /// The thread that waits for its reply. Its core.
    pub caller: Cell<Option<Obj<Thread>>>,
    /// The thread that serves its call. Its core.
    pub server: Cell<Option<Obj<Thread>>>,
    /// Scheduling context that it runs on: its own, or a caller's. Its core.
    pub running_on: Cell<Option<Obj<SchedContext>>>,
    /// Badge of its call.
    pub badge: Cell<u64>,
    /// Neighbours among the endpoint's callers. Its core.
    pub link: Cell<Link>,
    /// It was started once: x0 is its own. Management lock.
    pub started: Cell<bool>,
    /// The notification it waits for. Its core.
    pub waits_for: Cell<Option<Obj<Notification>>>,
}

/// Guest context with its handler.
#[repr(C)]
pub struct Vcpu {
    /// Scheduling fields.
    pub common: Schedulable,
    /// Registers of the handler, while it is preempted; `sp` is SP_EL0. Its core.
    pub handler: Cell<RegFrame>,
    /// The handler runs or is preempted (else: the guest). Its core.
    pub in_handler: Cell<bool>,
    /// Handler's entry, stack, argument.
    pub entry: Cell<u64>,
    /// See `entry`.
    pub stack: Cell<u64>,
    /// See `entry`.
    pub argument: Cell<u64>,
    /// VTTBR_EL2 of the handler's domain.
    pub domain_vttbr: Cell<u64>,
    /// VTTBR_EL2 of the guest.
    pub guest_vttbr: Cell<u64>,
    /// The guest's translation.
    pub space: Cell<Option<Obj<Space>>>,
    /// Physical address of the shared page.
    pub page: Cell<u64>,
    /// Physical address of the account page, 0: none.
    pub account: Cell<u64>,
    /// The frame of the shared page.
    pub page_frame: Cell<Option<Obj<Frame>>>,
    /// VMPIDR_EL2.
    pub vmpidr: Cell<u64>,
    /// CNTVOFF_EL2.
    pub cntvoff: Cell<u64>,
    /// First capability slot of the doorbells, and their number.
    pub doorbells: Cell<(u64, u64)>,
    /// Guest's SCTLR_EL1 while the guest does not run.
    pub sctlr: Cell<u64>,
    /// The bound notification (VCPU_BIND), 0: none. Set under the management lock, cleared by its core.
    pub bell: AtomicU64,
    /// A kick is not delivered yet. These seven bytes and one of padding are one word for vectors.S: 0 lets the guest go
    /// on at once.
    pub kicked: AtomicBool,
    /// The kernel timer passed.
    pub timer_passed: Cell<bool>,
    /// The virtual timer fired while the VMM had it disabled.
    pub timer_held: Cell<bool>,
    /// An SError is to be reported, or what a classic guest had taken to EL1: reason + 1, 0: nothing.
    pub deferred: Cell<u8>,
    /// EL1 is AArch32. Constant.
    pub aarch32: Cell<bool>,
    /// The bound notification was signalled.
    pub rung: AtomicBool,
    /// It runs at EL0 by shadow roots. Constant.
    pub classic: Cell<bool>,
    /// Deadline of the VMM's timer (VCPU_TIMER), CNTPCT ticks. Its core.
    pub vmm_deadline: Cell<u64>,
    /// Bits of HCR_EL2 that its guest runs without. Constant.
    pub hcr_off: Cell<u64>,
    /// List registers that are in use, EL1 registers and FP state while not loaded.
    pub lrs: Cell<[u64; MAX_LRS]>,
    /// Bit n: list register n is in use.
    pub lrs_used: Cell<u64>,
    /// See `lrs`.
    pub sys: Cell<[u64; sys::COUNT]>,
    /// See `lrs`.
    pub fp: Cell<crate::arch::fp::Regs>,
}

/// Core, priority, time slice, budget, and the account of all of it.
#[repr(C)]
pub struct SchedContext {
    /// Header.
    pub header: Header,
    /// Core, for ever.
    pub core: Cell<usize>,
    /// 0..=31, 31 highest.
    pub priority: Cell<u32>,
    /// CNTPCT ticks.
    pub slice: Cell<u64>,
    /// What is left of a slice that a higher priority interrupted, 0: nothing. Its core.
    pub left: Cell<u64>,
    /// The entity whose own it is. Claimed with a compare-and-swap, cleared when the entity is destroyed.
    pub bound: AtomicU64,
    /// Who runs on it. Its core.
    pub runs: Cell<Option<Entity>>,
    /// It is in the run queue. Its core.
    pub queued: Cell<bool>,
    /// Neighbours in the run queue. Its core.
    pub link: Cell<Link>,
    /// What it may use. Its core.
    pub budget: Exclusive<Budget>,
    /// It is ready and its budget has run out. Its core.
    pub depleted: Cell<bool>,
    /// When enough has come back, CNTPCT ticks, and links of the queue of such times. Its core.
    pub refill_at: Cell<u64>,
    /// See `refill_at`.
    pub refill: Cell<Link>,
    /// Time that it ran. Its core; all read.
    pub run: Stopwatch,
    /// Time that it was ready and did not run. Its core; all read.
    pub stolen: Stopwatch,
    /// Times that it was chosen. Its core; all read.
    pub chosen: AtomicU64,
    /// Times that its budget ran out. Its core; all read.
    pub depletions: AtomicU64,
}

/// Call and reply.
#[repr(C)]
pub struct Endpoint {
    /// Header.
    pub header: Header,
    /// Core, for ever.
    pub core: Cell<usize>,
    /// Threads that call. Its core.
    pub callers: Exclusive<List>,
    /// The thread that waits for a call. Its core.
    pub receiver: Cell<Option<Obj<Thread>>>,
}

/// Asynchronous bits.
#[repr(C)]
pub struct Notification {
    /// Header.
    pub header: Header,
    /// Bits and the WAITING flag.
    pub word: NotifyWord,
    /// Thread that waits, 0: none.
    pub waiter: AtomicU64,
}

/// Physical interrupt bound to a notification.
#[repr(C)]
pub struct Irq {
    /// Header.
    pub header: Header,
    /// INTID.
    pub intid: Cell<u32>,
    /// Who is told: address of a [`Notification`], 0: nobody. Cleared when that is destroyed.
    pub target: AtomicU64,
    /// Bits of the signal.
    pub bits: Cell<u64>,
}

/// Range of physical memory.
#[repr(C)]
pub struct Frame {
    /// Header.
    pub header: Header,
    /// Physical address.
    pub base: Cell<u64>,
    /// Pages.
    pub pages: Cell<u64>,
    /// `abi::syscall::frame` state.
    pub state: Cell<u64>,
    /// While donating or returning: pages scrubbed so far.
    pub progress: Cell<u64>,
    /// Domain that it is donated to.
    pub donee: Cell<Option<Obj<Domain>>>,
    /// Next frame donated to the same domain.
    pub next_donated: Cell<u64>,
    /// vCPUs whose page is in it.
    pub pins: Cell<u32>,
    /// Attachments. Management lock.
    pub attachments: Exclusive<AttachmentTable>,
}

/// Makes a type for the links of a list through a field of its objects.
macro_rules! links {
    ($name:ident, $object:ty, $field:ident) => {
        struct $name;
        impl kcore::queue::Links for $name {
            fn link(&self, id: u64) -> kcore::queue::Link {
                Obj::<$object>::at(id).$field.get()
            }
            fn set_link(&mut self, id: u64, link: kcore::queue::Link) {
                Obj::<$object>::at(id).$field.set(link);
            }
        }
    };
}
pub(crate) use links;
