//! A VMM that writes what it likes into the page of its vCPU: the guest runs at EL1 or EL0 only, the machine stays.

use crate::env::{FREE, now};
use crate::guest::{self, RAM, Vcpu, parking, stepping};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::shared::word;
use crate::thread::{self, sleep_ms, wait_until};
use crate::{check, programs, tests};
use abi::syscall::RESUME_RUN;
use abi::vcpu::{STATE_VERSION, reason, sys as register};
use rt::boot::frequency;
use rt::sys;

tests! {
    1 every_mode_in_spsr_runs_at_el1_or_el0;
    1 every_list_register_pattern_leaves_the_machine_alive;
    1 page_is_scribbled_over_between_exits;
    2 page_is_scribbled_over_from_another_core;
}

programs! {
    /// Stores its exception level at [`LEVEL`]; one that is not EL1 at the word behind, too. Then HVC #0. Vectors of HVC #0
    /// are behind it.
    levels
        "1: mrs x1, CurrentEL" "lsr x1, x1, #2" "adr x2, 1b" "add x2, x2, #0x8, lsl #12"
        "str w1, [x2]" "cmp x1, #1" "b.eq 2f" "str w1, [x2, #4]"
        "2: hvc #0" "b 1b"
        ".balign 2048" ".rept 256" "hvc #0" "b .-4" ".endr";
    /// Takes interrupts as fast as they come, with HVC #5 for each.
    takes
        "adr x9, 3f" "msr VBAR_EL1, x9"
        "mov x9, #1" "msr s3_0_c12_c12_7, x9" "msr s3_0_c12_c12_6, x9"
        "mov x9, #0xff" "msr s3_0_c4_c6_0, x9"
        "isb" "msr DAIFClr, #3"
        "2: hvc #4" "b 2b"
        ".balign 2048" "3:" ".skip 0x280"
        "mrs x0, s3_0_c12_c12_0" "msr s3_0_c12_c12_1, x0" "hvc #5" "eret"
        ".balign 128"
        "mrs x0, s3_0_c12_c8_0" "msr s3_0_c12_c8_1, x0" "hvc #5" "eret";
}

/// Offset in the guest's memory of the level that [`levels`] saw.
const LEVEL: u64 = 0x8000;

fn every_mode_in_spsr_runs_at_el1_or_el0() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, levels());
    let v = Vcpu::make(0, FREE, 0, 5, stepping)?;
    let mut rng = Rng::new(5);
    for round in 0..6 {
        for mode in 0..32u64 {
            let upper = [0, u64::MAX, 0x3c0, 1 << 20, 1 << 21, rng.next()][round];
            guest::ram(0, LEVEL).set(99);
            v.set_elr(RAM);
            v.set_spsr(upper & !0x1f | mode);
            sys::vcpu_kick(v.slot())?;
            // A guest that does not exit by itself (AArch32 code may be anything) is kicked out again.
            v.handler(stepping);
            let mut waited = 0;
            while crate::env::status(sys::wait(crate::env::DONE, crate::env::after_ms(20))) != abi::syscall::Status::Ok
            {
                v.handler(parking);
                sys::vcpu_kick(v.slot())?;
                waited += 1;
                check!(waited < 200, "mode {mode:#x}: no exit");
            }
            let level = guest::ram(0, LEVEL).get();
            check!(level == 99 || level == 1, "mode {mode:#x}: ran at EL{level}");
            check!(guest::ram(0, LEVEL + 4).get() == 0, "mode {mode:#x}: ran at EL{level}");
            check!(v.spsr() & 0xc == 0 || v.spsr() & 0x1f <= 5, "mode {mode:#x}: saved SPSR {:#x}", v.spsr());
        }
    }
    Ok(())
}

fn every_list_register_pattern_leaves_the_machine_alive() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, takes());
    let v = Vcpu::make(0, FREE, 0, 5, stepping)?;
    check!(v.step()?.is_hvc(4), "start");
    let mut rng = Rng::new(6);
    for round in 0..400u64 {
        let physical = [25, 26, 27, 30, 33, 34, 0, 1023][(round % 8) as usize];
        for n in 0..16 {
            let state = rng.below(4) << 62 | 1 << 61 | rng.below(2) << 60;
            let pattern = match round % 4 {
                0 => u64::MAX,
                1 => rng.next(),
                2 => 1u64 << (round / 4 % 64),
                _ => state | physical << 32 | (27 + n as u64),
            };
            v.lr(n).set(pattern);
        }
        v.dirty().set(if round % 3 == 0 { u64::MAX } else { rng.next() });
        v.hcr().set(if round % 5 == 0 { u64::MAX } else { rng.next() });
        v.timer().set(if round % 7 == 0 { u64::MAX } else { rng.next() });
        // Interrupts may stay active in the guest: it may exit for anything, but it goes on.
        let exit = v.step()?;
        check!(exit.reason <= reason::SERROR, "exit {exit:x?}");
    }
    // The kernel's timer still ticks, on time.
    let before = now();
    sleep_ms(5);
    check!(now() - before >= frequency() / 1000 * 5, "too early");
    Ok(())
}

/// Writes a page full of what no honest VMM would write.
fn scribble(v: Vcpu, rng: &mut Rng) {
    match rng.below(4) {
        0 => (0..512).for_each(|n| v.word(8 * n).set(rng.next())),
        1 => (0..512).for_each(|n| v.word(8 * n).set(u64::MAX)),
        2 => v.word(8 * rng.below(512) as usize).set(1u64 << rng.below(64)),
        _ => {
            v.set_spsr(rng.below(32) | rng.next() & !0x1f);
            v.lr(rng.below(16) as usize).set(rng.next() | 7 << 61);
            v.dirty().set(u64::MAX);
            v.hcr().set(u64::MAX);
            v.timer().set(1 << 31 | rng.next());
        }
    }
    v.set_elr(if rng.below(4) == 0 { rng.next() } else { RAM });
    if rng.below(8) == 0 {
        v.version().set(u64::from(STATE_VERSION));
    }
}

/// Scribbles over page 0 until word 1 says stop; counts in word 2.
fn scribbler(_: u64) {
    let mut rng = Rng::new(7);
    while word(1).get() == 0 {
        scribble(Vcpu(0), &mut rng);
        word(2).set(word(2).get() + 1);
    }
}

/// Has the guest go on; now and then loads the state that the page holds. Counts in word 0.
fn careless(v: Vcpu) -> u64 {
    let n = word(0).get() + 1;
    word(0).set(n);
    if n.is_multiple_of(16) {
        let _ = sys::vcpu_load(v.slot());
    }
    if n.is_multiple_of(32) {
        let _ = sys::vcpu_save(v.slot());
    }
    if word(3).get() != 0 {
        let mut rng = Rng::new(n);
        scribble(v, &mut rng);
        // Each exception of the guest ends in an exit: one that takes exceptions for ever gives a clock that counts
        // instructions hardly anything to count. From another core this is scribbled over, too.
        v.sys(register::SCTLR_EL1).set(0);
        v.sys(register::VBAR_EL1).set(RAM + 0x800);
    }
    v.set_elr(RAM);
    RESUME_RUN
}

/// Kicks the vCPU, which may be in a loop of its own, until it has exited often.
fn ends(v: Vcpu, exits: u64) -> Outcome {
    let end = crate::env::after_ms(30_000);
    while word(0).get() < exits {
        check!(now() < end, "{} exits", word(0).get());
        sys::vcpu_kick(v.slot())?;
        sleep_ms(1);
    }
    word(1).set(1);
    check!(guest::ram(0, LEVEL + 4).get() == 0, "ran at EL{}", guest::ram(0, LEVEL + 4).get());
    Ok(())
}

fn page_is_scribbled_over_between_exits() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, levels());
    let v = Vcpu::make(0, FREE, 0, 5, careless)?;
    word(3).set(1);
    sys::vcpu_kick(v.slot())?;
    ends(v, 600)
}

fn page_is_scribbled_over_from_another_core() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, levels());
    let v = Vcpu::make(0, FREE, 0, 5, careless)?;
    thread::spawn(0, 1, 5, scribbler, 0)?;
    check!(wait_until(5000, || word(2).get() > 0), "the scribbler does not run");
    sys::vcpu_kick(v.slot())?;
    ends(v, 600)?;
    check!(wait_until(5000, || !thread::runs(0)), "the scribbler does not end");
    Ok(())
}
