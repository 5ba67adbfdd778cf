//! vCPUs whose EL1 is AArch32. Where the core has none, one cannot be made.

use crate::env::{DONE, FREE, FREE as SPACE, MACHINE, after_ms, frame, status};
use crate::guest::{self, DOORBELLS, RAM, Vcpu, parking, stepping};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::shared::word;
use crate::thread::sleep_ms;
use crate::{check, check_eq, tests};
use abi::syscall::{RESUME_RUN, Status, VCPU_AARCH32};
use abi::vcpu::{STATE_VERSION, reason, sys as r};
use rt::sys::{self, create};

tests! {
    1 aarch32_is_refused_where_the_core_has_none;
    1 aarch32_guest_computes_and_calls;
    1 aarch32_banked_registers_are_in_the_frame_and_the_state;
    1 aarch32_traps_have_their_classes;
    1 aarch32_stage_two_fault_gives_the_address;
    1 aarch32_doorbell_signals;
    1 aarch32_wfi_waits_if_its_condition_holds;
    1 aarch32_every_mode_in_spsr_runs_below_el2;
    1 aarch32_guests_keep_their_state_beside_each_other;
    1 aarch32_floating_point_is_enabled_by_its_owner_only;
}

/// SPSR: Supervisor, A32, all interrupts masked.
const SVC: u64 = 0x1d3;
/// ID_AA64PFR0_EL1, as ID_REGISTER counts.
const ID_AA64PFR0: u64 = 4 << 3;
const HVC_0: u32 = 0xe140_0070;

/// `1: add r0, r0, #1; mrs r1, cpsr; hvc #0x42; b 1b`
const CALLS: &[u32] = &[0xe280_0001, 0xe10f_1000, 0xe140_0472, 0xeaff_fffb];
/// `1:` r1–r7 = SP_irq, SPSR_abt, SPSR_und, SPSR_irq, SPSR_fiq, LR_fiq, DACR; `hvc #0; b 1b`
const BANKED: &[u32] =
    &[0xe101_1300, 0xe144_2300, 0xe146_3300, 0xe140_4300, 0xe14e_5200, 0xe10e_6200, 0xee13_7f10, HVC_0, 0xeaff_fff6];
/// `1: hvc #1; hvc #0; b 1b`
const RINGS: &[u32] = &[0xe140_0071, HVC_0, 0xeaff_fffc];
/// `1: cmp r0, #0; wfine; hvc #0; b 1b`
const CONDITIONAL_WFI: &[u32] = &[0xe350_0000, 0x1320_f003, HVC_0, 0xeaff_fffb];
/// `vmsr fpexc, r0; vmov s0, r1; 1: hvc #0; vmov r2, s0; vmrs r3, fpexc; add r4, r4, #1; b 1b`
const FLOATS: &[u32] = &[0xeee8_0a10, 0xee00_1a10, HVC_0, 0xee10_2a10, 0xeef8_3a10, 0xe284_4001, 0xeaff_fffa];

fn has_aarch32() -> bool {
    sys::id_register(ID_AA64PFR0) >> 4 & 0xf == 2
}

/// vCPU `n` with a program in guest memory `n`; `None` where the core has no AArch32 at EL1.
fn vcpu(n: usize, program: &[u32]) -> Outcome<Option<Vcpu>> {
    if !has_aarch32() {
        return Ok(None);
    }
    guest::space(SPACE + n as u64, n)?;
    guest::load(n, program);
    let v = Vcpu::make_as(n, SPACE + n as u64, 0, 5, stepping, VCPU_AARCH32)?;
    v.set_spsr(SVC);
    Ok(Some(v))
}

fn saves(v: Vcpu) -> u64 {
    word(0).set(status(sys::vcpu_save(v.slot())) as u64);
    parking(v)
}

fn loads(v: Vcpu) -> u64 {
    v.version().set(u64::from(STATE_VERSION));
    word(0).set(status(sys::vcpu_load(v.slot())) as u64);
    parking(v)
}

/// Runs a handler once, then the guest steps again.
fn with(v: Vcpu, handler: guest::Handler) -> Outcome {
    v.handler(handler);
    v.step()?;
    v.handler(stepping);
    check_eq!(word(0).get(), 0, "status of VCPU_STATE");
    Ok(())
}

fn aarch32_is_refused_where_the_core_has_none() -> Outcome {
    guest::space(SPACE, 0)?;
    create::sched_context(FREE + 1, MACHINE, 0, 5, 0)?;
    let made = status(create::vcpu(FREE + 2, SPACE, FREE + 1, frame::VCPU[0], VCPU_AARCH32));
    check_eq!(made, if has_aarch32() { Status::Ok } else { Status::BadArg }, "CREATE");
    Ok(())
}

fn aarch32_guest_computes_and_calls() -> Outcome {
    let Some(v) = vcpu(0, CALLS)? else { return Ok(()) };
    for n in 1..=10 {
        let exit = v.step()?;
        check!(exit.reason == reason::SYNC && exit.class() == 0x12 && exit.esr & 0xffff == 0x42, "exit {exit:x?}");
        check_eq!((v.x(0), v.elr()), (n, RAM + 12), "r0 and PC");
        check_eq!((v.x(1) & 0x1ff, v.spsr() & 0x1ff), (SVC, SVC), "CPSR");
    }
    Ok(())
}

fn aarch32_banked_registers_are_in_the_frame_and_the_state() -> Outcome {
    let Some(v) = vcpu(0, BANKED)? else { return Ok(()) };
    with(v, saves)?;
    let state = [(r::SPSR_ABT, 0x17), (r::SPSR_UND, 0x1b), (r::SPSR_IRQ, 0x12), (r::SPSR_FIQ, 0x11)];
    for (n, mode) in state {
        v.sys(n).set(0x6000_01c0 | mode);
    }
    v.sys(r::DACR32_EL2).set(0x5555_4321);
    with(v, loads)?;
    v.set_x(17, 0x1111_0017); // SP_irq
    v.set_x(30, 0x1111_0030); // LR_fiq

    v.step()?;

    let seen = core::array::from_fn(|n| v.x(n + 1));
    let spsr = |mode: u64| 0x6000_01c0 | mode;
    check_eq!(
        seen,
        [0x1111_0017, spsr(0x17), spsr(0x1b), spsr(0x12), spsr(0x11), 0x1111_0030, 0x5555_4321],
        "what the guest reads"
    );
    Ok(())
}

fn aarch32_traps_have_their_classes() -> Outcome {
    let Some(v) = vcpu(0, CALLS)? else { return Ok(()) };
    let cases: [(u32, u64, &str); 5] = [
        (0xee10_1f11, 0x03, "mrc ID_PFR0"),
        (0xec41_0f0c, 0x04, "mcrr ICC_SGI1R"),
        (0xee19_1f1c, 0x03, "mrc PMCR"),
        (0xe160_0070, 0x13, "smc #0"),
        (0xee10_1e11, 0x05, "mrc DBGDSCRint"),
    ];
    for (instruction, class, name) in cases {
        guest::load(0, &[instruction, HVC_0]);
        v.set_elr(RAM);
        let exit = v.step()?;
        check!(exit.reason == reason::SYNC && exit.class() == class, "`{name}`: {exit:x?}");
        check_eq!(v.elr(), RAM, name);
    }
    Ok(())
}

fn aarch32_stage_two_fault_gives_the_address() -> Outcome {
    let Some(v) = vcpu(0, &[0xe590_1000, HVC_0])? else { return Ok(()) };
    v.set_x(0, 0x0900_0018);

    let exit = v.step()?;

    check!(exit.class() == 0x24 && exit.ipa == 0x0900_0018 && exit.far == 0x0900_0018, "{exit:x?}");
    // ISV, 32 bits, register 1.
    check_eq!((exit.esr >> 24 & 1, exit.esr >> 22 & 3, exit.esr >> 16 & 31), (1, 2, 1), "syndrome");
    Ok(())
}

fn aarch32_doorbell_signals() -> Outcome {
    let Some(v) = vcpu(0, RINGS)? else { return Ok(()) };
    create::notification(u64::from(DOORBELLS.0))?;

    v.step()?;
    check_eq!(v.x(0), Status::Ok as u64, "status");
    check_eq!(sys::wait(u64::from(DOORBELLS.0), 0)?, 1, "bits");
    v.set_x(0, u64::MAX);
    v.step()?;
    check_eq!(v.x(0), Status::BadCap as u64, "status of a doorbell that is none");
    Ok(())
}

fn aarch32_wfi_waits_if_its_condition_holds() -> Outcome {
    let Some(v) = vcpu(0, CONDITIONAL_WFI)? else { return Ok(()) };
    let Some(rival) = vcpu(1, &[0xeaff_fffe])? else { return Ok(()) };
    rival.handler(|_| RESUME_RUN);
    sys::vcpu_kick(rival.slot())?;

    let exit = v.step()?;
    check!(exit.class() == 0x12, "condition fails: {exit:x?}");
    v.set_x(0, 1);
    let exits = v.exits();
    v.handler(|_| RESUME_RUN);
    sys::vcpu_kick(v.slot())?;
    sleep_ms(30);
    check_eq!(v.exits(), exits + 1, "exits of a guest that waits");
    v.handler(parking);
    check_eq!(v.step()?.reason, reason::KICK, "what ends the wait");
    check_eq!(v.elr(), RAM + 8, "PC");
    Ok(())
}

fn aarch32_every_mode_in_spsr_runs_below_el2() -> Outcome {
    let Some(v) = vcpu(0, CALLS)? else { return Ok(()) };
    let mut rng = Rng::new(8);
    for round in 0..4 {
        for mode in 0..32u64 {
            v.set_elr(RAM);
            v.set_spsr([0x1c0, u64::MAX, rng.next(), 1 << 20][round] & !0x1f | mode);
            v.handler(stepping);
            sys::vcpu_kick(v.slot())?;
            // User mode cannot call, nor can an illegal state: what comes of it may loop.
            while sys::wait(DONE, after_ms(20)).is_err() {
                v.handler(parking);
                sys::vcpu_kick(v.slot())?;
            }
            let saved = v.spsr() & 0x1f;
            check!([0x10, 0x11, 0x12, 0x13, 0x17, 0x1b, 0x1f].contains(&saved), "mode {mode:#x}: saved {saved:#x}");
        }
    }
    Ok(())
}

/// Lets the other run first, a hundred times.
fn yielding(v: Vcpu) -> u64 {
    if v.exit().reason == reason::SYNC && v.x(0) >= 100 {
        return parking(v);
    }
    sys::yield_now();
    RESUME_RUN
}

fn aarch32_guests_keep_their_state_beside_each_other() -> Outcome {
    const KEPT: [(usize, u64); 9] = [
        (r::SPSR_ABT, 0xf000_01c0),
        (r::SPSR_UND, 0xf000_01c0),
        (r::SPSR_IRQ, 0xf000_01c0),
        (r::SPSR_FIQ, 0xf000_01c0),
        (r::DACR32_EL2, 0xffff_ffff),
        (r::IFSR32_EL2, 0x3f),
        (r::FPEXC32_EL2, 1 << 30),
        (r::TTBR0_EL1, 0xffff_f000),
        (r::TPIDR_EL0, 0xffff_ffff),
    ];
    let (Some(v), Some(w)) = (vcpu(0, CALLS)?, vcpu(1, CALLS)?) else { return Ok(()) };
    let mut rng = Rng::new(9);
    let mut expected = [[0; KEPT.len()]; 2];
    for (v, values) in [v, w].into_iter().zip(&mut expected) {
        with(v, saves)?;
        for ((n, mask), value) in KEPT.into_iter().zip(values.iter_mut()) {
            *value = rng.next() & mask;
            v.sys(n).set(*value);
        }
        with(v, loads)?;
        v.handler(yielding);
    }
    for v in [v, w] {
        sys::vcpu_kick(v.slot())?;
    }
    for v in [v, w] {
        v.wait()?;
    }
    for (v, values) in [v, w].into_iter().zip(expected) {
        with(v, saves)?;
        for ((n, mask), value) in KEPT.into_iter().zip(values) {
            check_eq!(v.sys(n).get() & mask, value, "state");
        }
    }
    Ok(())
}

fn aarch32_floating_point_is_enabled_by_its_owner_only() -> Outcome {
    const EN: u64 = 1 << 30;
    let (Some(v), Some(w)) = (vcpu(0, FLOATS)?, vcpu(1, FLOATS)?) else { return Ok(()) };
    for (v, enable, value) in [(v, EN, 0x1234_5678), (w, 0, 0x9abc_def0)] {
        with(v, saves)?;
        v.sys(r::CPACR_EL1).set(0xf << 20);
        // The vectors are where nothing is mapped: Undefined exits with a prefetch abort at VBAR + 4.
        v.sys(r::VBAR_EL1).set(0x2000_0000);
        with(v, loads)?;
        v.set_x(0, enable);
        v.set_x(1, value);
    }

    check_eq!(v.step()?.class(), 0x12, "FP that is enabled");
    let exit = w.step()?;
    check!(exit.class() == 0x20 && exit.far == 0x2000_0004, "FP that is not enabled: {exit:x?}");
    // The other's FPEXC.EN = 0 was the last in the register.
    check_eq!(v.step()?.class(), 0x12, "FP that is still enabled");
    check_eq!((v.x(2), v.x(3) & EN, v.x(4)), (0x1234_5678, EN, 1), "s0, FPEXC.EN, rounds");
    Ok(())
}
