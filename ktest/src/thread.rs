//! Threads of this domain for tests: a scheduling context, a thread and a stack each.
#![allow(unsafe_code, reason = "stacks, thread entries")]

use crate::env::{self, MACHINE, PAUSE, SELF};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use rt::sys::{self, Result, create};

/// Most threads at a time.
pub const MAX: usize = 8;
const STACK: usize = 8 << 10;
/// Cores that have an idle thread: see [`settle`].
const IDLE: usize = 2;
/// Slots of the idle threads, each from here on by core: scheduling context, thread, and the notifications that start
/// and end a round.
const IDLE_SLOTS: [u64; 4] = [8, 10, 12, 14];

/// Slots of thread `n` and of its scheduling context.
pub const fn slots(n: usize) -> (u64, u64) {
    (480 + 2 * n as u64, 481 + 2 * n as u64)
}

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: each stack is used by the one thread with its number.
unsafe impl Sync for Stack {}

/// The last ones are the idle threads'.
static STACKS: [Stack; MAX + IDLE] = [const { Stack(UnsafeCell::new([0; STACK])) }; MAX + IDLE];
static MAINS: [AtomicUsize; MAX] = [const { AtomicUsize::new(0) }; MAX];
static ARGUMENTS: [AtomicU64; MAX] = [const { AtomicU64::new(0) }; MAX];
static RUNNING: [AtomicU64; MAX] = [const { AtomicU64::new(0) }; MAX];

/// What a thread does; it stops when this returns.
pub type Main = fn(u64);

/// Top of stack `n`.
pub fn stack_top(n: usize) -> u64 {
    STACKS[n % (MAX + IDLE)].0.get() as u64 + STACK as u64
}

/// Address that [`spawn`]ed threads start at.
pub fn entry() -> u64 {
    start as *const () as u64
}

extern "C" fn start(n: u64) -> ! {
    let n = n as usize % MAX;
    let main = MAINS[n].load(Ordering::Acquire);
    // SAFETY: `spawn` has stored a `Main`.
    let main = unsafe { core::mem::transmute::<usize, Main>(main) };
    main(ARGUMENTS[n].load(Ordering::Acquire));
    RUNNING[n].store(0, Ordering::Release);
    loop {
        let _ = sys::thread_stop(slots(n).0);
    }
}

/// Makes thread `n` without starting it.
pub fn make(n: usize, core: u64, priority: u64, main: Main, argument: u64) -> Result {
    make_budgeted(n, core, priority, (0, 0), main, argument)
}

/// As [`make`], with a budget: (ticks, period in ticks).
pub fn make_budgeted(n: usize, core: u64, priority: u64, limit: (u64, u64), main: Main, argument: u64) -> Result {
    let (thread, sched) = slots(n);
    MAINS[n].store(main as usize, Ordering::Release);
    ARGUMENTS[n].store(argument, Ordering::Release);
    create::budgeted(sched, MACHINE, core, priority, 0, limit)?;
    // SAFETY: `start` takes one word and does not return; the stack is the thread's alone, as its slot is.
    unsafe { create::thread(thread, SELF, sched, entry(), stack_top(n)) }
}

/// Makes and starts thread `n` on `core` with `priority`.
pub fn spawn(n: usize, core: u64, priority: u64, main: Main, argument: u64) -> Result {
    make(n, core, priority, main, argument)?;
    go(n)
}

/// Starts thread `n`.
pub fn go(n: usize) -> Result {
    RUNNING[n].store(1, Ordering::Release);
    sys::thread_start(slots(n).0, n as u64)
}

/// Whether thread `n` has not come to its end.
pub fn runs(n: usize) -> bool {
    RUNNING[n].load(Ordering::Acquire) != 0
}

/// Lets threads of lower priority run for `ms` milliseconds.
pub fn sleep_ms(ms: u64) {
    let _ = sys::wait(PAUSE, env::after_ms(ms));
}

/// Waits until the condition holds, for at most `ms` milliseconds; sleeps in between, so that threads of lower
/// priority run. For the first thread only.
pub fn wait_until(ms: u64, condition: impl Fn() -> bool) -> bool {
    let end = env::after_ms(ms);
    while !condition() {
        if env::now() > end {
            return false;
        }
        sleep_ms(1);
    }
    true
}

extern "C" fn idle(core: u64) -> ! {
    loop {
        if sys::wait(IDLE_SLOTS[2] + core, u64::MAX).is_ok() {
            let _ = sys::signal(IDLE_SLOTS[3] + core, 1);
        }
    }
}

/// Makes the threads that [`settle`] uses: one on each of the first cores, below all others.
pub fn make_idle(cores: u64) -> Result {
    for core in 0..cores.min(IDLE as u64) {
        let [sched, thread, go, done] = IDLE_SLOTS.map(|slot| slot + core);
        create::sched_context(sched, MACHINE, core, 0, 0)?;
        create::notification(go)?;
        create::notification(done)?;
        let stack = stack_top(MAX + core as usize);
        // SAFETY: `idle` takes one word and does not return; the stack is this thread's alone.
        unsafe { create::thread(thread, SELF, sched, idle as *const () as u64, stack)? };
        sys::thread_start(thread, core)?;
    }
    Ok(())
}

/// Waits until all other threads of core 0 or 1 wait: then its idle thread runs.
pub fn settle(core: u64) -> Result {
    sys::signal(IDLE_SLOTS[2] + core, 1)?;
    sys::wait(IDLE_SLOTS[3] + core, env::after_ms(5000)).map(drop)
}
