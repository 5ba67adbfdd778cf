//! The interrupt that the kernel delivers for one bit of the notification that is bound to a vCPU.

use crate::env::FREE;
use crate::guest::{self, DOORBELLS, RAM, Vcpu, ram};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{sleep_ms, wait_until};
use crate::{check, check_eq, programs, tests};
use abi::syscall::{RESUME_PARK, RESUME_RUN};
use abi::vcpu::BELL_LR;
use rt::sys::{self, create};

tests! {
    1 doorbell_is_delivered_without_an_exit;
    1 doorbell_of_a_guest_that_is_not_loaded;
    2 no_doorbell_is_lost_across_cores;
    1 edges_merge_until_acknowledged_and_come_again_while_active;
    1 other_bits_are_the_handlers;
    1 words_that_name_no_interrupt_of_the_vmm_are_not_used;
    1 kick_takes_the_doorbell_along;
    1 parked_guest_is_not_run_by_its_doorbell;
    1 list_registers_of_the_handler_go_before_the_doorbell;
}

const SPACE: u64 = FREE;
/// The notification, which is the guests' own doorbell 0, too.
const BELL: u64 = DOORBELLS.0 as u64;
/// Places in the guest's memory: ready; interrupts taken; the last INTID.
const READY: u64 = 0x8000;
const TAKEN: u64 = READY + 4;
const INTID: u64 = READY + 8;
/// Bit of the doorbell, and its interrupt: pending, group 1, priority 0x80.
const BIT: u64 = 5;
const SPI: u64 = 80;
const PENDING: u64 = 1 << 62 | 1 << 60 | 0x80 << 48;
const WORD: u64 = PENDING | BIT << 32 | SPI;

programs! {
    /// x1 = READY; counts its interrupts, and rings doorbell 0 in the first x5 of them, while they are active. Before it
    /// takes any it rings x4 times.
    hears
        "adr x9, 3f" "msr VBAR_EL1, x9"
        "mov x9, #1" "msr s3_0_c12_c12_7, x9" // ICC_IGRPEN1_EL1
        "mov x9, #0xff" "msr s3_0_c4_c6_0, x9" // ICC_PMR_EL1
        "isb"
        "4: cbz x4, 5f" "mov x0, #0" "hvc #1" "sub x4, x4, #1" "b 4b"
        "5: mov w9, #1" "str w9, [x1]"
        "msr DAIFClr, #2"
        "2: wfi" "b 2b"
        ".balign 2048" "3:" ".skip 0x280"
        "mrs x2, s3_0_c12_c12_0" // ICC_IAR1_EL1
        "str w2, [x1, #8]"
        "cbz x5, 6f" "mov x0, #0" "hvc #1" "sub x5, x5, #1"
        "6: ldr w9, [x1, #4]" "add w9, w9, #1" "str w9, [x1, #4]"
        "msr s3_0_c12_c12_1, x2" // ICC_EOIR1_EL1
        "eret";
    spins "1: b 1b";
}

/// Sets the word that word 1 says, adds the bits to word 0, and runs the guest.
fn hearing(v: Vcpu) -> u64 {
    v.bell().set(word(1).get());
    word(0).set(word(0).get() | v.bells().get());
    v.bells().set(0);
    RESUME_RUN
}

/// Not started.
fn bound(core: u64, bell: u64) -> Outcome<Vcpu> {
    guest::space(SPACE, 0)?;
    guest::load(0, hears());
    let v = Vcpu::make(0, SPACE, core, 5, hearing)?;
    v.set_x(1, RAM + READY);
    create::notification(BELL)?;
    sys::vcpu_bind(v.slot(), BELL)?;
    word(0).set(0);
    word(1).set(bell);
    Ok(v)
}

/// Gives its exits so far.
fn start(v: Vcpu) -> Outcome<usize> {
    sys::vcpu_kick(v.slot())?;
    check!(wait_until(20_000, || ram(0, READY).get() != 0), "the guest does not run");
    Ok(v.exits())
}

/// Has the handler give the kernel another word.
fn retell(v: Vcpu, bell: u64) -> Outcome {
    v.bell().set(!bell);
    word(1).set(bell);
    sys::vcpu_kick(v.slot())?;
    check!(wait_until(20_000, || v.bell().get() == bell), "the handler does not run");
    Ok(())
}

fn taken() -> u32 {
    ram(0, TAKEN).get()
}

/// Signals `bits`: the guest takes `interrupts`, its handler is told `told`, and no more comes.
fn signals(bits: u64, interrupts: u32, told: u64) -> Outcome {
    let before = taken();
    word(0).set(0);
    sys::signal(BELL, bits)?;
    let result = || (taken() - before, word(0).get());
    wait_until(20_000, || result() == (interrupts, told));
    sleep_ms(2);
    check_eq!(result(), (interrupts, told), "interrupts and bits of {bits:#x}");
    Ok(())
}

fn doorbell_is_delivered_without_an_exit() -> Outcome {
    let v = bound(0, WORD)?;
    let exits = start(v)?;

    for n in 1..=50 {
        sys::signal(BELL, 1 << BIT)?;
        check!(wait_until(20_000, || taken() == n), "interrupt {n} does not come");
        check_eq!(u64::from(ram(0, INTID).get()), SPI, "INTID");
    }

    check_eq!(v.exits(), exits, "exits");
    Ok(())
}

fn doorbell_of_a_guest_that_is_not_loaded() -> Outcome {
    let v = bound(0, WORD)?;
    let exits = start(v)?;
    guest::space(SPACE + 1, 1)?;
    guest::load(1, spins());
    let other = Vcpu::make(1, SPACE + 1, 0, 5, |_| RESUME_RUN)?;
    sys::vcpu_kick(other.slot())?;
    check!(wait_until(20_000, || other.exits() > 0), "the other guest does not run");

    for n in 1..=50 {
        sys::signal(BELL, 1 << BIT)?;
        check!(wait_until(20_000, || taken() == n), "interrupt {n} does not come");
    }

    check_eq!(v.exits(), exits, "exits");
    Ok(())
}

fn no_doorbell_is_lost_across_cores() -> Outcome {
    let v = bound(1, WORD)?;
    let exits = start(v)?;

    for n in 1..=1000 {
        sys::signal(BELL, 1 << BIT)?;
        check!(wait_until(20_000, || taken() == n), "interrupt {n} does not come: {}", taken());
    }

    check_eq!(v.exits(), exits, "exits");
    Ok(())
}

fn edges_merge_until_acknowledged_and_come_again_while_active() -> Outcome {
    for (before, inside, expected) in [(1, 0, 1), (3, 0, 1), (1, 1, 2), (2, 4, 5)] {
        let v = bound(0, PENDING | SPI)?;
        v.set_x(4, before);
        v.set_x(5, inside);

        start(v)?;
        wait_until(20_000, || taken() == expected);
        sleep_ms(2);

        check_eq!(taken(), expected, "interrupts");
        check_eq!(word(0).get(), 0, "bits for the handler");
        crate::env::clean_up();
    }
    Ok(())
}

fn other_bits_are_the_handlers() -> Outcome {
    start(bound(0, WORD)?)?;

    for bits in [1, 1 << BIT | 1, 1 << 61 | 1 << BIT] {
        signals(bits, 0, bits)?;
    }
    signals(1 << BIT, 1, 0)
}

fn words_that_name_no_interrupt_of_the_vmm_are_not_used() -> Outcome {
    let v = bound(0, 0)?;
    v.timer().set(1 << 31 | 27);
    start(v)?;
    let not_pending = WORD & !PENDING;
    for bell in [0, not_pending, WORD & !SPI | 27, WORD & !SPI | 1020, WORD & !SPI | 8191, WORD ^ 1 << 32] {
        retell(v, bell)?;
        signals(1 << BIT, 0, 1 << BIT)?;
    }
    // HW and pINTID are no VMM's to set: nothing of the machine is deactivated, and the interrupt comes.
    retell(v, WORD | 1 << 61 | 0x1fc0 << 32)?;
    signals(1 << BIT, 1, 0)?;
    signals(1 << BIT, 1, 0)
}

fn kick_takes_the_doorbell_along() -> Outcome {
    let v = bound(0, WORD)?;
    sys::signal(BELL, 1 << BIT)?;

    start(v)?;

    sleep_ms(2);
    check_eq!((taken(), word(0).get()), (0, 1 << BIT), "interrupts, bits");
    Ok(())
}

fn parked_guest_is_not_run_by_its_doorbell() -> Outcome {
    let v = bound(0, WORD)?;
    v.handler(|v| {
        hearing(v);
        RESUME_PARK
    });
    sys::vcpu_kick(v.slot())?;
    check!(wait_until(20_000, || v.exits() > 0), "the handler does not run");

    signals(1 << BIT, 0, 1 << BIT)?;
    signals(1 << BIT, 0, 1 << BIT)?;

    check_eq!(ram(0, READY).get(), 0, "the guest ran");
    check!(wait_until(20_000, || v.bell().get() == 0), "the word of a parked vCPU stays");
    Ok(())
}

/// What the handler installs and a doorbell that rings meanwhile: the handler signals its own notification before it
/// resumes with another content for the doorbell's list register.
fn list_registers_of_the_handler_go_before_the_doorbell() -> Outcome {
    let v = bound(0, WORD)?;
    start(v)?;
    v.handler(|v| {
        let _ = sys::signal(BELL, 1 << BIT);
        v.lr(BELL_LR).set(0);
        v.dirty().set(1 << BELL_LR);
        hearing(v)
    });

    sys::vcpu_kick(v.slot())?;

    check!(wait_until(20_000, || taken() == 1), "the interrupt is lost");
    check_eq!(word(0).get(), 0, "bits for the handler");
    Ok(())
}
