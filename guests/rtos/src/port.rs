//! embassy on bare AArch64: two executors on one CPU, and critical sections.
//!
//! ```text
//!   interrupt ─▶ handlers wake tasks ─▶ CONTROL is polled, still in the interrupt   (never waits for BACKGROUND)
//!   main loop ─▶ BACKGROUND is polled ─▶ nothing to do: WFI with interrupts masked, so that no wake-up is lost
//! ```
#![allow(unsafe_code, reason = "Executors, critical sections and penders are unsafe interfaces.")]

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering::Relaxed};

use critical_section::RawRestoreState;
use embassy_executor::Spawner;
use embassy_executor::raw::Executor;
use guest_base::machine::VIRTUAL_TIMER;
use guest_base::sysreg::{mask_irq, unmask_irq, wfi};
use guest_base::{gic, irq, read_sysreg};

use crate::{clock, link};

/// The executor of what has deadlines.
static CONTROL: AtomicPtr<Executor> = AtomicPtr::new(ptr::null_mut());
/// Whether tasks of the two executors are to be run.
static CONTROL_PENDS: AtomicBool = AtomicBool::new(false);
static BACKGROUND_PENDS: AtomicBool = AtomicBool::new(false);
/// Whether an interrupt is being handled.
static HANDLING: AtomicBool = AtomicBool::new(false);
/// SGI that polls [`CONTROL`].
const SGI: u32 = 0;
/// PSTATE.I in DAIF.
const DAIF_I: u64 = 1 << 7;

/// Runs the executors for ever. `start` spawns the first tasks: those of control, and those of the background.
pub fn run(start: impl FnOnce(Spawner, Spawner)) -> ! {
    let control = Executor::new(CONTROL_PENDS.as_ptr().cast());
    let background = Executor::new(BACKGROUND_PENDS.as_ptr().cast());
    let (control, background) = (&raw const control, &raw const background);
    // SAFETY: this function never returns, and a panic ends the machine: its locals live for ever.
    let (control, background): (&'static Executor, &'static Executor) = unsafe { (&*control, &*background) };
    CONTROL.store(ptr::from_ref(control).cast_mut(), Relaxed);
    start(control.spawner(), background.spawner());
    irq::install(interrupt);
    unmask_irq();
    loop {
        // SAFETY: only here, and not from interrupts.
        unsafe { background.poll() };
        mask_irq();
        if !BACKGROUND_PENDS.swap(false, Relaxed) {
            wfi();
        }
        unmask_irq();
    }
}

/// Says that an executor has something to do. `context` is its flag.
#[unsafe(export_name = "__pender")]
fn pender(context: *mut ()) {
    let flag = context.cast::<bool>();
    // SAFETY: both executors were made with the address of their flag; other than here these are atomics of one CPU.
    unsafe { AtomicBool::from_ptr(flag) }.store(true, Relaxed);
    if ptr::eq(flag, CONTROL_PENDS.as_ptr()) && !HANDLING.load(Relaxed) {
        gic::send_sgi(SGI, own_bit());
    }
}

/// This CPU in a mask of Aff0.
fn own_bit() -> u16 {
    1u16.wrapping_shl(read_sysreg!("mpidr_el1") as u32 & 0xf)
}

fn interrupt(intid: u32) {
    HANDLING.store(true, Relaxed);
    match intid {
        VIRTUAL_TIMER => clock::interrupt(),
        link::BELL => link::interrupt(),
        _ => {}
    }
    while CONTROL_PENDS.swap(false, Relaxed) {
        // SAFETY: `run` stored it before interrupts were unmasked. Interrupts stay masked: no second poll begins.
        unsafe { (*CONTROL.load(Relaxed)).poll() };
    }
    HANDLING.store(false, Relaxed);
}

struct Masked;

critical_section::set_impl!(Masked);

// SAFETY: one CPU, and no other context than interrupts.
unsafe impl critical_section::Impl for Masked {
    unsafe fn acquire() -> RawRestoreState {
        let unmasked = read_sysreg!("daif") & DAIF_I == 0;
        mask_irq();
        unmasked
    }

    unsafe fn release(unmasked: RawRestoreState) {
        if unmasked {
            unmask_irq();
        }
    }
}
