//! Other domains to test with. They run this image's text with a stack of their own and without statics; what they
//! do is a [`Role`], what they find goes into the page of [`crate::shared`].
#![allow(unsafe_code, reason = "thread entries")]

use crate::env::{self, MACHINE, RW, STACK_PAGES, frame};
use crate::hostile;
use crate::image;
use crate::rng::Rng;
use crate::shared::{self, word};
use abi::boot::slot;
use abi::cap::{CAP_SLOTS, Kind};
use abi::syscall::{self as sc, Status, stop};
use rt::sys::{self, DomainInfo, Result, create};

/// Top of a child's stack.
const STACK_TOP: u64 = 0x7c_3000_0000;
/// In a child's table: its own domain.
pub const OWN: u64 = 1;
/// In a child's table: what tests grant it, from here on.
pub const GRANTED: u64 = 2;

/// What a child does. The parameter is the upper part of its thread's argument.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Role {
    /// Counts in word `parameter` for ever.
    Spin = 0,
    /// Executes [`hostile::ALL`]`[parameter]`, counts in word 0 if it comes back.
    Hostile,
    /// Serves the endpoint in [`GRANTED`]: replies (x1 + 1, badge, x3, x4), counts in word `parameter`.
    Serve,
    /// Calls [`GRANTED`]: status to word 1, reply to words 2–5, counts in word 0.
    Call,
    /// Takes one call and does not reply: dereferences nothing instead.
    DieServing,
    /// Makes notifications until that fails: their number to word 1, status to word 2.
    Exhaust,
    /// Makes one of each kind that needs no right over the machine, then counts in word 0.
    MakeAll,
    /// Makes a domain in its own pool, then counts in word 0.
    Nest,
    /// `parameter` random syscalls, seeded by word 0; counts in word 1.
    Fuzz,
    /// Loads the word at the address in word 1, to word 2, again and again; counts in word 0.
    Load,
    /// Stores to the address in word 1, then counts in word 0.
    Store,
    /// Leaves by `EXIT` with `parameter`.
    Exit,
    /// Signals [`GRANTED`] with bit 1 for ever; counts in word `parameter`.
    Signal,
    /// TPIDR_EL0 to word 1, TPIDRRO_EL0 to word 2, overwrites the first, counts in word 0.
    ThreadPointers,
}

const ROLES: [fn(u64); 14] = [
    spin,
    run_hostile,
    serve,
    call,
    die_serving,
    exhaust,
    make_all,
    nest,
    fuzz,
    load,
    store,
    exit,
    signal,
    thread_pointers,
];

/// A child domain, its slots in this domain's table, and its pool and stack.
pub struct Child {
    /// Slot of the domain.
    pub domain: u64,
    /// Slot of its thread.
    pub thread: u64,
    /// Slot of its thread's scheduling context.
    pub sched: u64,
    /// Slot of the notification that is told when it stops.
    pub watch: u64,
    n: usize,
}

impl Child {
    /// Top of a child's stack.
    pub const STACK_TOP: u64 = STACK_TOP;

    /// Address that a child's threads start at.
    pub fn entry() -> u64 {
        start as *const () as u64
    }

    /// Slots of child `n`, which is below 4.
    pub const fn slots(n: usize) -> Self {
        let first = 440 + 8 * n as u64;
        Self { domain: first, thread: first + 1, sched: first + 2, watch: first + 3, n }
    }

    /// Makes child `n` with a thread on `core`, not started.
    pub fn make(n: usize, core: u64, priority: u64) -> Result<Self> {
        let child = Self::slots(n);
        create::domain(child.domain)?;
        sys::donate(frame::POOL[n], child.domain)?;
        for s in image::shareable() {
            sys::map(slot::PACK, child.domain, s.address, s.first, s.pages, s.rights)?;
        }
        let bottom = STACK_TOP - (STACK_PAGES << abi::PAGE_SHIFT);
        sys::map(frame::STACK[n], child.domain, bottom, 0, STACK_PAGES, RW)?;
        sys::map(frame::SHARED, child.domain, shared::ADDRESS, 0, 1, RW)?;
        create::notification(child.watch)?;
        sys::watch(child.domain, child.watch, 0)?;
        create::sched_context(child.sched, MACHINE, core, priority, 0)?;
        // SAFETY: the thread is not of this domain.
        unsafe {
            create::thread(child.thread, child.domain, child.sched, start as *const () as u64, STACK_TOP)?;
        }
        Ok(child)
    }

    /// Makes and starts child `n`.
    pub fn spawn(n: usize, core: u64, priority: u64, role: Role, parameter: u64) -> Result<Self> {
        let child = Self::make(n, core, priority)?;
        child.start(role, parameter)?;
        Ok(child)
    }

    /// Starts its thread.
    pub fn start(&self, role: Role, parameter: u64) -> Result {
        sys::thread_start(self.thread, role as u64 | parameter << 8)
    }

    /// Copies a capability of this domain into the child's table.
    pub fn grant(&self, slot: u64, source: u64, rights: u64, badge: u64) -> Result {
        sys::copy(self.domain, slot, source, rights, badge)
    }

    /// Waits at most `ms` milliseconds for its stop; what the kernel says of it.
    pub fn stopped(&self, ms: u64) -> Result<DomainInfo> {
        sys::wait(self.watch, env::after_ms(ms))?;
        sys::domain_info(self.domain)
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        sys::domain_info(self.domain).is_ok_and(|info| info.reason == stop::RUNNING)
    }

    /// Destroys it and all that [`Self::make`] made.
    pub fn destroy(self) -> Result {
        sys::destroy(self.domain)?;
        sys::destroy(self.sched)?;
        sys::destroy(self.watch)?;
        sys::revoke(frame::STACK[self.n])
    }
}

extern "C" fn start(argument: u64) -> ! {
    if let Some(role) = ROLES.get((argument & 0xff) as usize) {
        role(argument >> 8);
    }
    sys::exit(0)
}

fn count(n: usize) {
    word(n).set(word(n).get().wrapping_add(1));
}

/// Counts in word 0 for ever: the sign that something did not stop the child.
fn came_back() {
    loop {
        count(0);
    }
}

fn spin(n: u64) {
    loop {
        count(n as usize);
    }
}

fn run_hostile(n: u64) {
    if let Some(case) = hostile::ALL.get(n as usize) {
        (case.run)();
    }
    came_back();
}

fn serve(n: u64) {
    let mut next = sys::recv(GRANTED);
    while let Ok(([a, _, c, d], badge)) = next {
        count(n as usize);
        next = sys::reply_recv(GRANTED, [a.wrapping_add(1), badge, c, d]);
    }
    word(8).set(env::status(next) as u64);
}

fn call(_: u64) {
    let result = sys::ipc_call(GRANTED, [10, 20, 30, 40]);
    for (n, value) in result.unwrap_or_default().into_iter().enumerate() {
        word(2 + n).set(value);
    }
    word(1).set(env::status(result) as u64);
    came_back();
}

fn die_serving(_: u64) {
    let _ = sys::recv(GRANTED);
    (hostile::ALL[0].run)();
}

fn exhaust(_: u64) {
    let mut made = 0;
    let last = loop {
        match create::notification(8 + made) {
            Ok(()) => made += 1,
            Err(status) => break status,
        }
    };
    word(1).set(made);
    word(2).set(last as u64);
    came_back();
}

fn make_all(_: u64) {
    let made = [
        create::domain(20),
        create::space(21),
        create::notification(22),
        create::endpoint(23, GRANTED),
        create::vcpu(24, 21, GRANTED, GRANTED + 1, 0),
    ];
    word(1).set(made.iter().filter(|result| result.is_ok()).count() as u64);
    came_back();
}

fn nest(depth: u64) {
    for n in 0..depth {
        word(1).set(env::status(create::domain(20 + n)) as u64);
    }
    came_back();
}

fn load(_: u64) {
    // SAFETY: the test wants the fault, or has mapped the word.
    let load = || unsafe { (word(1).get() as *const u64).read_volatile() };
    loop {
        word(2).set(load());
        count(0);
    }
}

fn store(_: u64) {
    // SAFETY: as above.
    unsafe { (word(1).get() as *mut u64).write_volatile(0x5051_5253) }
    came_back();
}

fn exit(code: u64) {
    sys::exit(code)
}

fn signal(n: u64) {
    loop {
        let _ = sys::signal(GRANTED, 2);
        count(n as usize);
    }
}

/// A number that a hostile caller would try.
fn strange(rng: &mut Rng) -> u64 {
    match rng.below(8) {
        0..=3 => rng.below(32),
        4 => rng.below(CAP_SLOTS + 8),
        5 => abi::DOMAIN_BASE.wrapping_add(rng.below(1 << 30) << abi::PAGE_SHIFT),
        6 => 1u64.wrapping_shl(rng.next() as u32).wrapping_sub(rng.below(2)),
        _ => [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 39, 0x8000_0000_0000][rng.below(5) as usize],
    }
}

/// Arguments for a call: often such that it gets past the first checks.
fn arguments(rng: &mut Rng, number: u64) -> [u64; 6] {
    let mut a = [0; 6].map(|_: u64| strange(rng));
    match number {
        sc::CREATE if rng.below(2) == 0 => {
            a[0] = rng.below(Kind::Machine as u64 + 2);
            a[1] = 32 + rng.below(64);
        }
        sc::MAP if rng.below(2) == 0 => {
            a[2] = 0x7c_a000_0000 + (rng.below(64) << abi::PAGE_SHIFT);
            (a[3], a[4], a[5]) = (rng.below(4), 1 + rng.below(16), 1 + rng.below(4));
        }
        sc::COPY if rng.below(2) == 0 => (a[0], a[3], a[4]) = (OWN, rng.below(16), 0),
        // A wait ends soon: the next call should come.
        sc::WAIT => a[1] = rng.below(2),
        _ => {}
    }
    a
}

fn thread_pointers(_: u64) {
    let (own, readonly);
    // SAFETY: nothing of this program is found by way of TPIDR_EL0.
    unsafe {
        core::arch::asm!("mrs {}, TPIDR_EL0", "mrs {}, TPIDRRO_EL0", "msr TPIDR_EL0, {}",
            out(reg) own, out(reg) readonly, in(reg) u64::MAX, options(nomem, nostack));
    }
    word(1).set(own);
    word(2).set(readonly);
    spin(0);
}

fn fuzz(calls: u64) {
    let mut rng = Rng::new(word(0).get());
    for n in 0..calls {
        let number = rng.below(sc::COUNTER + 4);
        // Blocking calls come rarely, EXIT never: the run should be long.
        let blocks = matches!(number, sc::CALL | sc::RECV | sc::REPLY_RECV) && rng.below(16) != 0;
        if !blocks && number != sc::EXIT {
            let a = arguments(&mut rng, number);
            let [status, ..] = env::raw(number, a);
            // Long calls go on until they are done, most of the time.
            if status == Status::Again as u64 && rng.below(4) != 0 {
                (0..rng.below(64)).for_each(|_| {
                    env::raw(number, a);
                });
            }
        }
        word(1).set(n + 1);
    }
    sys::exit(1)
}
