//! vCPUs: exits and their syndromes, kicks, timers, doorbells, stage 2 faults, interrupts into the guest.

use crate::env::{DONE, FREE, SELF, after_ms, frame, now, status};
use crate::guest::{self, DOORBELLS, Exit, RAM, Vcpu, parking, stepping};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::shared::word;
use crate::thread::{self, sleep_ms, wait_until};
use crate::{check, check_eq, programs, tests};
use abi::cap::rights::{READ, WRITE};
use abi::syscall::{RESUME_PARK, RESUME_RUN, RESUME_WAIT, Status};
use abi::vcpu::reason;
use rt::boot::frequency;
use rt::sys::{self, create};

tests! {
    1 hypercall_exits_with_its_syndrome;
    1 registers_survive_exits;
    1 sensitive_instructions_exit;
    1 stage_two_faults_give_the_address;
    1 kick_ends_a_guest_that_computes;
    2 kick_from_another_core_ends_a_guest;
    2 no_kick_is_lost;
    1 parked_vcpu_runs_at_a_kick_only;
    1 vcpu_timer_exits;
    1 doorbell_signals_what_the_vmm_put_there;
    1 guests_yield_to_each_other;
    1 handler_may_not_block;
    1 only_the_handler_resumes_and_sets_the_timer;
    1 guest_takes_an_injected_interrupt;
    1 guest_takes_its_virtual_timer;
    1 virtual_timer_of_a_guest_that_waits_among_others;
    1 virtual_timer_waits_until_the_vmm_enables_it;
    1 virtual_timer_with_a_negative_offset;
    1 resume_wait_ends_at_the_timer;
    1 maintenance_interrupt_exits;
    2 running_vcpu_is_destroyed;
    1 guest_shares_its_core_with_threads;
    1 handler_is_configured_while_parked_only;
}

const SPACE: u64 = FREE;
const BELL: u64 = DOORBELLS.0 as u64;

programs! {
    /// HVC #0x42 for ever.
    calls "1: hvc #0x42" "b 1b";
    /// A step of arithmetic on registers between calls.
    adds "1: add x1, x1, x0" "add x30, x30, x29" "hvc #0" "b 1b";
    /// Counts for ever, in the word at x1.
    spins "1: add x0, x0, #1" "str w0, [x1]" "b 1b";
    loads "1: ldr x1, [x0]" "hvc #0" "b 1b";
    stores "1: str x1, [x0]" "hvc #0" "b 1b";
    jumps "br x0";
 /// Yields x1 times, counted in x0, then calls.
    yields "1: hvc #2" "add x0, x0, #1" "cmp x0, x1" "b.lo 1b" "hvc #0" "b 1b";
    rings "1: hvc #1" "hvc #0" "b 1b";
    /// Enables its interrupts, then waits; each interrupt: x0 = INTID, HVC #5. From 0x280 of the vectors.
    waits
        "adr x9, 3f" "msr VBAR_EL1, x9"
        "mov x9, #1" "msr s3_0_c12_c12_7, x9" // ICC_IGRPEN1_EL1
        "mov x9, #0xff" "msr s3_0_c4_c6_0, x9" // ICC_PMR_EL1
        "isb"
        "hvc #4"
        "msr DAIFClr, #2"
        "2: wfi" "add x2, x2, #1" "b 2b"
        ".balign 2048" "3:" ".skip 0x280"
        "mrs x0, s3_0_c12_c12_0" // ICC_IAR1_EL1
        "msr s3_0_c12_c12_1, x0" // ICC_EOIR1_EL1
        "hvc #5" "eret";
    /// As [`waits`], with the virtual timer set to now + x3 ticks before; at the interrupt the timer is turned off.
    times
        "adr x9, 3f" "msr VBAR_EL1, x9"
        "mov x9, #1" "msr s3_0_c12_c12_7, x9"
        "mov x9, #0xff" "msr s3_0_c4_c6_0, x9"
        "isb"
        "1: mrs x4, CNTVCT_EL0" "add x4, x4, x3" "msr CNTV_CVAL_EL0, x4" "mov x9, #1" "msr CNTV_CTL_EL0, x9"
        "isb"
        "msr DAIFClr, #2"
        "2: wfi" "b 2b"
        ".balign 2048" "3:" ".skip 0x280"
        "mrs x0, s3_0_c12_c12_0"
        "mrs x6, CNTVCT_EL0"
        "msr CNTV_CTL_EL0, xzr"
        "isb"
        "msr s3_0_c12_c12_1, x0"
        "hvc #5"
        "adr x9, 1b" "msr ELR_EL1, x9" "eret";
    /// Sets the virtual timer to now + x3 ticks and calls HVC #6 with interrupts masked, then HVC #7.
    suspends
        "1: mrs x4, CNTVCT_EL0" "add x4, x4, x3" "msr CNTV_CVAL_EL0, x4" "mov x9, #1" "msr CNTV_CTL_EL0, x9"
        "isb" "hvc #6" "mrs x6, CNTVCT_EL0" "msr CNTV_CTL_EL0, xzr" "hvc #7" "b 1b";
}

/// Pending, group 1, this priority and INTID (ICH_LR<n>_EL2).
fn pending(priority: u64, intid: u64) -> u64 {
    1 << 62 | 1 << 60 | priority << 48 | intid
}

/// The VMM's word for a virtual timer that is enabled: INTID 27, group 1.
const TIMER: u64 = 1 << 31 | 1 << 30 | 0x80 << 16 | 27;

/// Offset of a word in a guest's memory that programs count in.
const COUNT: u64 = 0x8000;

fn one(program: &[u32]) -> Outcome<Vcpu> {
    guest::space(SPACE, 0)?;
    guest::load(0, program);
    let v = Vcpu::make(0, SPACE, 0, 5, stepping)?;
    v.set_x(1, RAM + COUNT);
    Ok(v)
}

/// Makes vCPU 1 in a space of its own on core 0, and lets it compute.
fn rival() -> Outcome {
    guest::space(SPACE + 1, 1)?;
    guest::load(1, spins());
    let v = Vcpu::make(1, SPACE + 1, 0, 5, |_| RESUME_RUN)?;
    v.set_x(1, RAM + COUNT);
    sys::vcpu_kick(v.slot())?;
    check!(wait_until(5000, || guest::ram(1, COUNT).get() != 0), "the other guest does not run");
    Ok(())
}

fn ticks(ms: u64) -> u64 {
    frequency() / 1000 * ms
}

fn hypercall_exits_with_its_syndrome() -> Outcome {
    let v = one(calls())?;
    for _ in 0..10 {
        let exit = v.step()?;
        check!(exit.is_hvc(0x42), "exit {exit:x?}");
        check_eq!(v.elr(), RAM + 4, "ELR");
        check_eq!(v.spsr() & 0x3ff, guest::EL1H, "SPSR");
    }
    Ok(())
}

fn registers_survive_exits() -> Outcome {
    let v = one(adds())?;
    let mut rng = Rng::new(1);
    for _ in 0..100 {
        let mut expected: [u64; 31] = core::array::from_fn(|_| rng.next());
        (0..31).for_each(|n| v.set_x(n, expected[n]));

        v.step()?;

        expected[1] = expected[1].wrapping_add(expected[0]);
        expected[30] = expected[30].wrapping_add(expected[29]);
        check_eq!(v.registers(), expected, "registers");
    }
    Ok(())
}

fn sensitive_instructions_exit() -> Outcome {
    guest::space(SPACE, 0)?;
    let v = Vcpu::make(0, SPACE, 0, 5, stepping)?;
    let cases: [(u32, u64, &str); 9] = [
        (0xd400_0003, 0x17, "smc #0"),
        (0xd400_0e02, 0x16, "hvc #0x70"),
        (0xd538_0401, 0x18, "mrs x1, ID_AA64PFR0_EL1"),
        (0xd538_0701, 0x18, "mrs x1, ID_AA64MMFR0_EL1"),
        (0xd538_1021, 0x18, "mrs x1, ACTLR_EL1"),
        (0xd508_7641, 0x18, "dc isw, x1"),
        (0xd53b_9c01, 0x18, "mrs x1, PMCR_EL0"),
        (0xd53b_e221, 0x18, "mrs x1, CNTP_CTL_EL0"),
        (0xd518_cba1, 0x18, "msr ICC_SGI1R_EL1, x1"),
    ];
    for (instruction, class, name) in cases {
        guest::load(0, &[instruction, 0xd400_0122]);
        v.set_elr(RAM);
        let exit = v.step()?;
        check!(exit.reason == reason::SYNC && exit.class() == class, "`{name}`: {exit:x?}");
        // A trapped instruction is at ELR; a call is behind it but for SMC, which traps too.
        let expected = if class == 0x16 { RAM + 4 } else { RAM };
        check_eq!(v.elr(), expected, name);
    }
    Ok(())
}

fn abort(program: &[u32], address: u64, class: u64, kind: u64) -> Outcome {
    guest::load(0, program);
    let v = Vcpu(0);
    v.set_elr(RAM);
    v.set_x(0, address);
    let exit = v.step()?;
    check!(exit.reason == reason::SYNC && exit.class() == class, "{address:#x}: {exit:x?}");
    check_eq!((exit.esr >> 2) & 0xf, kind, "kind of fault");
    check_eq!((exit.ipa, exit.far), (address, address), "IPA and FAR");
    check_eq!(v.elr(), if class == 0x20 { address } else { RAM }, "ELR");
    Ok(())
}

fn stage_two_faults_give_the_address() -> Outcome {
    const READONLY: u64 = RAM + 0x1000_0000;
    one(loads())?;
    sys::map(frame::SMALL, SPACE, READONLY, 0, 2, READ)?;
    let (translation, permission) = (0b01, 0b11);

    for address in [0, 0x0900_0000, 0x7000_1238, (1 << 39) - 8] {
        abort(loads(), address, 0x24, translation)?;
        abort(stores(), address, 0x24, translation)?;
        abort(jumps(), address & !0xfff | 0x124, 0x20, translation)?;
    }
    abort(stores(), READONLY + 0x1238, 0x24, permission)?;
    abort(jumps(), READONLY + 0x1238, 0x20, permission)?;
    // Mapped while the vCPU is stopped: the access is repeated and succeeds.
    abort(stores(), 0x6000_0010, 0x24, translation)?;
    sys::map(frame::PAGE[0], SPACE, 0x6000_0000, 0, 1, READ | WRITE)?;
    let exit = Vcpu(0).step()?;
    check!(exit.is_hvc(0), "repeated access: {exit:x?}");
    Ok(())
}

fn kick_ends(core: u64) -> Outcome {
    guest::space(SPACE, 0)?;
    guest::load(0, spins());
    let v = Vcpu::make(0, SPACE, core, 5, |_| RESUME_RUN)?;
    v.set_x(1, RAM + COUNT);
    let count = || guest::ram(0, COUNT).get();
    for _ in 0..20 {
        let before = count();
        v.handler(|_| RESUME_RUN);
        sys::vcpu_kick(v.slot())?;
        check!(wait_until(5000, || count() != before), "the guest does not run");

        v.handler(parking);
        let exit = v.step()?;

        check_eq!(exit.reason, reason::KICK, "reason");
        let stopped = count();
        sleep_ms(1);
        check_eq!(count(), stopped, "the guest runs on");
    }
    Ok(())
}

fn kick_ends_a_guest_that_computes() -> Outcome {
    kick_ends(0)
}

fn kick_from_another_core_ends_a_guest() -> Outcome {
    kick_ends(1)
}

/// Counts kicks in word 0; the guest goes on at once.
fn counting(v: Vcpu) -> u64 {
    if v.exit().reason == reason::KICK {
        word(0).set(word(1).get());
    }
    RESUME_RUN
}

fn no_kick_is_lost() -> Outcome {
    guest::space(SPACE, 0)?;
    guest::load(0, calls());
    let v = Vcpu::make(0, SPACE, 1, 5, counting)?;
    for n in 1..=300 {
        word(1).set(n);
        sys::vcpu_kick(v.slot())?;
        let end = after_ms(20_000);
        while word(0).get() != n {
            check!(now() < end, "kick {n} is lost");
        }
    }
    Ok(())
}

fn parked_vcpu_runs_at_a_kick_only() -> Outcome {
    let v = one(calls())?;
    v.step()?;
    let exits = v.exits();

    sleep_ms(5);
    check_eq!(v.exits(), exits, "exits while parked");
    v.handler(parking);
    check_eq!(v.step()?.reason, reason::KICK, "reason of the kick");
    check_eq!(v.exits(), exits + 1, "exits");
    // Two kicks before it runs are one.
    sys::vcpu_kick(v.slot())?;
    sys::vcpu_kick(v.slot())?;
    v.wait()?;
    sleep_ms(2);
    check_eq!(v.exits(), exits + 2, "exits after two kicks");
    Ok(())
}

fn arming(v: Vcpu) -> u64 {
    if v.exit().reason != reason::KICK {
        return parking(v);
    }
    word(0).set(status(sys::vcpu_timer(v.slot(), word(1).get())) as u64 + 100);
    word(2).get()
}

fn vcpu_timer_exits() -> Outcome {
    let v = one(spins())?;
    v.handler(arming);
    for action in [RESUME_RUN, RESUME_PARK, RESUME_WAIT] {
        for ms in [0, 1, 5] {
            let deadline = after_ms(ms);
            word(1).set(deadline);
            word(2).set(action);

            let exit = v.step()?;

            check_eq!(word(0).get(), 100, "status of VCPU_TIMER");
            check_eq!(exit.reason, reason::TIMER, "reason");
            check!(now() >= deadline, "too early");
        }
    }
    // Disarmed: nothing comes.
    word(1).set(u64::MAX);
    word(2).set(RESUME_PARK);
    sys::vcpu_kick(v.slot())?;
    sleep_ms(5);
    check_eq!(status(sys::wait(DONE, 0)), Status::Timeout, "exit without a timer");
    Ok(())
}

fn doorbell_signals_what_the_vmm_put_there() -> Outcome {
    let v = one(rings())?;
    create::notification(BELL)?;
    sys::copy(SELF, BELL + 1, BELL, WRITE, 9)?;
    sys::copy(SELF, BELL + 2, BELL, READ, 0)?;
    sys::copy(SELF, BELL + 3, frame::PAGE[0], READ | WRITE, 0)?;
    create::notification(BELL + 4)?;
    let ring = |index| -> Outcome<u64> {
        v.set_x(0, index);
        let exit = v.step()?;
        check!(exit.is_hvc(0), "exit {exit:x?}");
        Ok(v.x(0))
    };

    check_eq!(ring(0)?, Status::Ok as u64, "bell");
    check_eq!(sys::wait(BELL, 0)?, 1, "bit of the bell");
    check_eq!(ring(1)?, Status::Ok as u64, "badged bell");
    check_eq!(sys::wait(BELL, 0)?, 1 << 8, "bit of the badge");
    check_eq!(ring(2)?, Status::NoRights as u64, "without WRITE");
    check_eq!(ring(3)?, Status::BadKind as u64, "no notification");
    for index in [4, 5, 1 << 32, u64::MAX, u64::MAX - BELL + 1] {
        check_eq!(ring(index)?, Status::BadCap as u64, "index out of range");
    }
    check_eq!(status(sys::wait(BELL + 4, 0)), Status::Timeout, "slot behind the bells");
    sys::destroy(BELL)?;
    check_eq!(ring(0)?, Status::BadCap as u64, "empty slot");
    Ok(())
}

/// Tries what may not be done in a handler: statuses to words 0 to 5.
fn blocking(v: Vcpu) -> u64 {
    let results = [
        status(sys::wait(BELL, u64::MAX)),
        status(sys::wait(BELL, 1)),
        status(sys::wait(BELL, 0)),
        status(sys::recv(BELL + 1)),
        status(sys::reply_recv(BELL + 1, [0; 4])),
        status(sys::ipc_call(BELL + 1, [0; 4])),
    ];
    for (n, result) in results.into_iter().enumerate() {
        word(n).set(result as u64);
    }
    sys::yield_now();
    parking(v)
}

fn guests_yield_to_each_other() -> Outcome {
    const ROUNDS: u64 = 2000;
    for n in 0..2 {
        guest::space(SPACE + n as u64, n)?;
        guest::load(n, yields());
        Vcpu::make(n, SPACE + n as u64, 0, 5, stepping)?.set_x(1, ROUNDS);
    }
    let start = now();

    sys::vcpu_kick(Vcpu(0).slot())?;
    sys::vcpu_kick(Vcpu(1).slot())?;
    Vcpu(0).wait()?;
    let took = now() - start;
    sys::vcpu_kick(Vcpu(1).slot())?;
    Vcpu(1).handler(parking);
    sys::vcpu_kick(Vcpu(1).slot())?;
    Vcpu(1).wait()?;

    rt::log!("FIGURE switch={} ticks", took / (2 * ROUNDS));
    check_eq!(Vcpu(0).x(0), ROUNDS, "the first guest's rounds");
    check!(Vcpu(1).x(0).abs_diff(ROUNDS) < ROUNDS / 10, "the second guest's rounds: {}", Vcpu(1).x(0));
    Ok(())
}

fn handler_may_not_block() -> Outcome {
    let v = one(calls())?;
    create::notification(BELL)?;
    create::endpoint(BELL + 1, v.sched())?;
    v.handler(blocking);

    v.step()?;

    check_eq!([0, 1, 2, 3, 4, 5].map(|n| word(n).get()), [Status::BadState as u64; 6], "statuses");
    v.handler(stepping);
    check!(v.step()?.is_hvc(0x42), "the guest does not go on");
    Ok(())
}

fn only_the_handler_resumes_and_sets_the_timer() -> Outcome {
    let v = one(calls())?;
    let resume = crate::env::raw(abi::syscall::VCPU_RESUME, [RESUME_RUN, 0, 0, 0, 0, 0])[0];

    check_eq!(resume, Status::BadState as u64, "VCPU_RESUME by a thread");
    check_eq!(status(sys::vcpu_timer(v.slot(), 1)), Status::BadState, "VCPU_TIMER by a thread");
    check_eq!(status(sys::vcpu_save(v.slot())), Status::BadState, "VCPU_STATE by a thread");
    check_eq!(status(sys::vcpu_load(v.slot())), Status::BadState, "VCPU_STATE by a thread");
    Ok(())
}

fn guest_takes_an_injected_interrupt() -> Outcome {
    let v = one(waits())?;
    check!(v.step()?.is_hvc(4), "start");
    for intid in [32u64, 40, 100, 1019, 8192, 5] {
        let n = 1 + (intid % 3) as usize;
        v.lr(n).set(pending(0x80, intid));
        v.dirty().set(1 << n);

        let exit = v.step()?;

        check!(exit.is_hvc(5), "{intid}: {exit:x?}");
        check_eq!(v.x(0), intid, "INTID");
        check_eq!(v.dirty().get(), 0, "dirty after the resume");
    }
    // Two at once: the higher priority first.
    v.lr(1).set(pending(0x90, 50));
    v.lr(2).set(pending(0x40, 51));
    v.dirty().set(0b110);
    let first = (v.step()?, v.x(0)).1;
    let second = (v.step()?, v.x(0)).1;
    check_eq!((first, second), (51, 50), "order");
    Ok(())
}

fn timer_guest(v: Vcpu, ms: u64) -> Outcome<Exit> {
    v.set_x(3, ticks(ms));
    let exit = v.step()?;
    check!(exit.is_hvc(5), "exit {exit:x?}");
    check_eq!(v.x(0), 27, "INTID");
    check!(v.x(6) >= v.x(4), "too early");
    Ok(exit)
}

fn guest_takes_its_virtual_timer() -> Outcome {
    let v = one(times())?;
    v.timer().set(TIMER);
    for ms in [0, 1, 4, 0, 2] {
        timer_guest(v, ms)?;
    }
    Ok(())
}

fn spinner(n: u64) {
    loop {
        word(n as usize).set(word(n as usize).get() + 1);
    }
}

fn virtual_timer_of_a_guest_that_waits_among_others() -> Outcome {
    let v = one(times())?;
    v.timer().set(TIMER);
    // An equal thread wants the core: WFI traps. Another vCPU takes the registers away.
    thread::spawn(0, 0, 5, spinner, 0)?;
    rival()?;
    for ms in [0, 1, 4, 15, 2] {
        timer_guest(v, ms)?;
    }
    check!(word(0).get() > 0, "the thread did not run");
    Ok(())
}

fn virtual_timer_waits_until_the_vmm_enables_it() -> Outcome {
    let v = one(times())?;
    v.timer().set(TIMER & !(1 << 31));
    v.set_x(3, ticks(1));
    sys::vcpu_kick(v.slot())?;
    sleep_ms(10);
    check_eq!(status(sys::wait(DONE, 0)), Status::Timeout, "interrupt of a disabled timer");

    v.timer().set(TIMER);
    let exit = v.step()?;

    check!(exit.is_hvc(5), "exit {exit:x?}");
    check_eq!(v.x(0), 27, "INTID");
    Ok(())
}

fn virtual_timer_with_a_negative_offset() -> Outcome {
    let v = one(times())?;
    v.timer().set(TIMER);
    // The guest's counter is far ahead of the machine's, as after a move from one that ran longer.
    v.configure(stepping, 0u64.wrapping_sub(1 << 40))?;
    thread::spawn(0, 0, 5, spinner, 0)?;
    rival()?;
    for ms in [0, 3, 1] {
        timer_guest(v, ms)?;
        check!(v.x(4) > 1 << 40, "CNTVCT is {:#x}", v.x(4));
    }
    Ok(())
}

/// HVC #6: waits for an interrupt; all else as [`stepping`].
fn suspending(v: Vcpu) -> u64 {
    if v.exit().is_hvc(6) { RESUME_WAIT } else { stepping(v) }
}

fn resume_wait_ends_at_the_timer() -> Outcome {
    let v = one(suspends())?;
    v.timer().set(TIMER);
    v.handler(suspending);
    for ms in [0, 1, 5] {
        v.set_x(3, ticks(ms));
        let exit = v.step()?;
        check!(exit.is_hvc(7), "exit {exit:x?}");
        check!(v.x(6) >= v.x(4), "the guest went on before its timer");
        // The interrupt stays pending in list register 0: forget it.
        v.handler(forgetting);
        v.step()?;
        v.handler(suspending);
    }
    Ok(())
}

/// Loads a state without list registers and with an inactive timer.
fn forgetting(v: Vcpu) -> u64 {
    let _ = sys::vcpu_save(v.slot());
    (0..16).for_each(|n| v.lr(n).set(0));
    v.sys(abi::vcpu::sys::TIMER_ACTIVE).set(0);
    v.sys(abi::vcpu::sys::CNTV_CTL_EL0).set(0);
    word(9).set(status(sys::vcpu_load(v.slot())) as u64);
    parking(v)
}

fn maintenance_interrupt_exits() -> Outcome {
    let v = one(waits())?;
    check!(v.step()?.is_hvc(4), "start");
    // UIE: a maintenance interrupt while at most one list register is valid.
    v.hcr().set(1 << 1);
    v.lr(1).set(pending(0x80, 60));
    v.dirty().set(0b10);

    let exit = v.step()?;

    check_eq!(exit.reason, reason::MAINTENANCE, "reason");
    let misr = v.word(core::mem::offset_of!(abi::vcpu::VcpuPage, irq.misr)).get();
    check_eq!(misr & 2, 2, "MISR.U");
    v.hcr().set(0);
    check!(v.step()?.is_hvc(5), "the interrupt itself");
    check_eq!(v.x(0), 60, "INTID");
    Ok(())
}

fn running_vcpu_is_destroyed() -> Outcome {
    for program in [spins, calls] {
        for _ in 0..10 {
            guest::space(SPACE, 0)?;
            guest::load(0, program());
            let v = Vcpu::make(0, SPACE, 1, 5, |_| RESUME_RUN)?;
            v.set_x(1, RAM + COUNT);
            let exits = v.exits();
            sys::vcpu_kick(v.slot())?;
            check!(wait_until(5000, || v.exits() > exits), "does not run");

            sys::destroy(v.slot())?;

            let exits = v.exits();
            sleep_ms(1);
            check_eq!(v.exits(), exits, "exits of a destroyed vCPU");
            sys::destroy(v.sched())?;
            sys::destroy(SPACE)?;
        }
    }
    Ok(())
}

fn guest_shares_its_core_with_threads() -> Outcome {
    let v = one(spins())?;
    v.handler(|_| RESUME_RUN);
    thread::spawn(0, 0, 5, spinner, 0)?;
    sys::vcpu_kick(v.slot())?;
    for _ in 0..3 {
        let before = (word(0).get(), guest::ram(0, COUNT).get());
        check!(wait_until(5000, || word(0).get() != before.0), "the thread does not run");
        check!(wait_until(5000, || guest::ram(0, COUNT).get() != before.1), "the guest does not run");
    }
    Ok(())
}

fn handler_is_configured_while_parked_only() -> Outcome {
    let v = one(spins())?;
    v.handler(|_| RESUME_RUN);
    sys::vcpu_kick(v.slot())?;
    check!(wait_until(5000, || guest::ram(0, COUNT).get() != 0), "the guest does not run");

    check!(v.configure(stepping, 0).is_err(), "handler of a running vCPU replaced");
    Ok(())
}
