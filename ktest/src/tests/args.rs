//! Each syscall with arguments that are wrong in one way: the status is the one that `abi::syscall` documents.

use crate::env::{FREE, MACHINE, SELF, frame, raw};
use crate::guest::Vcpu;
use crate::outcome::Outcome;
use crate::{check, tests, thread};
use abi::cap::{Kind, rights};
use abi::syscall::{self as sc, Status, counter};
use rt::boot::frequency;
use rt::sys::{self, create};

tests! {
    1 unknown_numbers_are_no_syscalls;
    1 wrong_capabilities_are_refused;
    1 wrong_arguments_are_refused;
    1 capability_slots_beyond_the_table_are_refused;
    1 counters_and_information;
}

const MAX: u64 = u64::MAX;
const NOTIFICATION: u64 = FREE;
const ENDPOINT: u64 = FREE + 1;
const SCHED: u64 = FREE + 2;
const DOMAIN: u64 = FREE + 3;
const SPACE: u64 = FREE + 4;
const THREAD: u64 = FREE + 5;
const VCPU: u64 = Vcpu(0).slot();
const IRQ: u64 = FREE + 7;
const PAGE: u64 = frame::PAGE[0];
const EMPTY: u64 = FREE + 8;
/// Copy `n` of a capability, without rights.
const BARE: u64 = FREE + 16;

/// One of each kind, at the slots above; each also without rights, in the same order from [`BARE`] on.
const ALL: [u64; 10] = [DOMAIN, SPACE, THREAD, VCPU, SCHED, ENDPOINT, NOTIFICATION, IRQ, PAGE, MACHINE];

#[allow(unsafe_code, reason = "makes a thread that is never started")]
fn one_of_each() -> Outcome {
    create::notification(NOTIFICATION)?;
    create::sched_context(SCHED, MACHINE, 0, 5, 0)?;
    create::endpoint(ENDPOINT, SCHED)?;
    create::domain(DOMAIN)?;
    create::space(SPACE)?;
    // SAFETY: the thread is never started.
    unsafe { create::thread(THREAD, SELF, SCHED, thread::entry(), thread::stack_top(0))? };
    create::irq(IRQ, MACHINE, crate::env::RTC.1, NOTIFICATION, 0)?;
    Vcpu::make(0, SPACE, 0, 5, crate::guest::stepping)?;
    for (n, slot) in ALL.into_iter().enumerate() {
        sys::copy(SELF, BARE + n as u64, slot, 0, 0)?;
    }
    Ok(())
}

fn kind_of(slot: u64) -> u64 {
    sys::cap_info(slot).map_or(0, |(kind, ..)| kind)
}

fn bare(kind: Kind) -> u64 {
    BARE + ALL.iter().position(|slot| kind_of(*slot) == kind as u64).unwrap_or(0) as u64
}

fn expect(number: u64, arguments: [u64; 6], expected: Status) -> Outcome {
    let got = sys::to_status(raw(number, arguments)[0]);
    check!(got == expected, "{number}{arguments:x?}: {got:?}, not {expected:?}");
    Ok(())
}

fn unknown_numbers_are_no_syscalls() -> Outcome {
    for number in (9..16).chain([43, 44, 63, 64, 255, 256, 1 << 16, 1 << 32, 1 << 32 | sc::YIELD, 1 << 63, MAX]) {
        expect(number, [SELF; 6], Status::BadSyscall)?;
    }
    expect(sc::VCPU_RESUME, [0; 6], Status::BadState)
}

/// A call, the argument that names an object, the kinds of object that it takes, and its other arguments, which are right.
type Row = (u64, usize, &'static [Kind], [u64; 6], bool);

const TRANSLATIONS: &[Kind] = &[Kind::Domain, Kind::Space];

/// The last field: whether a capability without rights is refused.
const ROWS: &[Row] = &[
    (sc::CALL, 0, &[Kind::Endpoint], [0; 6], true),
    (sc::RECV, 0, &[Kind::Endpoint], [0; 6], true),
    (sc::REPLY_RECV, 0, &[Kind::Endpoint], [0; 6], true),
    (sc::SIGNAL, 0, &[Kind::Notification], [0, 1, 0, 0, 0, 0], true),
    (sc::WAIT, 0, &[Kind::Notification], [0; 6], true),
    (sc::VCPU_KICK, 0, &[Kind::Vcpu], [0; 6], true),
    (sc::VCPU_TIMER, 0, &[Kind::Vcpu], [0; 6], true),
    (sc::VCPU_HANDLER, 0, &[Kind::Vcpu], [0; 6], true),
    (sc::VCPU_STATE, 0, &[Kind::Vcpu], [0; 6], true),
    (sc::VCPU_BIND, 0, &[Kind::Vcpu], [0, NOTIFICATION, 0, 0, 0, 0], true),
    (sc::VCPU_BIND, 1, &[Kind::Notification], [VCPU, 0, 0, 0, 0, 0], true),
    (sc::VCPU_STATE, 0, &[Kind::Vcpu], [0, 1, 0, 0, 0, 0], true),
    (sc::COPY, 0, &[Kind::Domain], [0, EMPTY, NOTIFICATION, 0, 0, 0], true),
    (sc::FRAME_SPLIT, 0, &[Kind::Frame], [0, 1, EMPTY, 0, 0, 0], true),
    (sc::MAP, 0, &[Kind::Frame], [0, SPACE, 0, 0, 1, 1], true),
    (sc::MAP, 1, TRANSLATIONS, [PAGE, 0, 0, 0, 1, 1], true),
    (sc::UNMAP, 0, &[Kind::Frame], [0, SPACE, 0, 0, 0, 0], true),
    (sc::UNMAP, 1, TRANSLATIONS, [PAGE, 0, 0, 0, 0, 0], true),
    (sc::SHADOW_MAP, 0, &[Kind::Space], [0, 1 << 16, 0, 0, 0, 0], true),
    (sc::SHADOW_UNMAP, 0, &[Kind::Space], [0; 6], true),
    (sc::REVOKE, 0, &[Kind::Frame], [0; 6], true),
    (sc::DONATE, 0, &[Kind::Frame], [0, DOMAIN, 0, 0, 0, 0], true),
    (sc::DONATE, 1, &[Kind::Domain], [PAGE, 0, 0, 0, 0, 0], true),
    (sc::THREAD, 0, &[Kind::Thread], [0, sc::THREAD_STOP, 0, 0, 0, 0], true),
    (sc::IRQ_ACK, 0, &[Kind::Irq], [0; 6], true),
    (sc::WATCH, 0, &[Kind::Domain], [0, NOTIFICATION, 0, 0, 0, 0], true),
    (sc::WATCH, 1, &[Kind::Notification], [DOMAIN, 0, 0, 0, 0, 0], true),
    (sc::DOMAIN_INFO, 0, &[Kind::Domain], [0; 6], true),
    (sc::LOG, 0, &[Kind::Machine], [0; 6], true),
    (sc::POWER, 0, &[Kind::Machine], [0, 7, 0, 0, 0, 0], true),
    (sc::FRAME_INFO, 0, &[Kind::Frame], [0; 6], false),
    (sc::TRANSLATE, 0, TRANSLATIONS, [0; 6], true),
    (sc::COUNTER, 0, &[Kind::Machine], [0; 6], true),
    (sc::SCHED_INFO, 0, &[Kind::SchedContext], [0; 6], true),
    (sc::CREATE, 2, &[Kind::Domain], [Kind::Thread as u64, EMPTY, 0, SCHED, 0, 0], true),
    (sc::CREATE, 3, &[Kind::SchedContext], [Kind::Thread as u64, EMPTY, DOMAIN, 0, 0, 0], true),
    (sc::CREATE, 2, &[Kind::Space], [Kind::Vcpu as u64, EMPTY, 0, SCHED, PAGE, 0], true),
    (sc::CREATE, 3, &[Kind::SchedContext], [Kind::Vcpu as u64, EMPTY, SPACE, 0, PAGE, 0], true),
    (sc::CREATE, 4, &[Kind::Frame], [Kind::Vcpu as u64, EMPTY, SPACE, SCHED, 0, 0], true),
    (sc::CREATE, 2, &[Kind::Machine], [Kind::SchedContext as u64, EMPTY, 0, 0, 0, 0], true),
    (sc::CREATE, 2, &[Kind::SchedContext], [Kind::Endpoint as u64, EMPTY, 0, 0, 0, 0], false),
    (sc::CREATE, 2, &[Kind::Machine], [Kind::Irq as u64, EMPTY, 0, 60, NOTIFICATION, 0], true),
    (sc::CREATE, 4, &[Kind::Notification], [Kind::Irq as u64, EMPTY, MACHINE, 60, 0, 0], true),
    (sc::CREATE, 2, &[Kind::Machine], [Kind::Frame as u64, EMPTY, 0, 0x0c00_0000, 1, 0], true),
];

fn wrong_capabilities_are_refused() -> Outcome {
    one_of_each()?;
    for (number, argument, kinds, right, needs_rights) in ROWS {
        let with = |slot| {
            let mut arguments = *right;
            arguments[*argument] = slot;
            arguments
        };
        for slot in [EMPTY, 511, 512, 1 << 32 | SELF, MAX] {
            expect(*number, with(slot), Status::BadCap)?;
        }
        for slot in ALL.into_iter().filter(|slot| kinds.iter().all(|kind| *kind as u64 != kind_of(*slot))) {
            expect(*number, with(slot), Status::BadKind)?;
        }
        for kind in kinds.iter().filter(|_| *needs_rights) {
            expect(*number, with(bare(*kind)), Status::NoRights)?;
        }
    }
    Ok(())
}

fn wrong_arguments_are_refused() -> Outcome {
    one_of_each()?;
    let thread = Kind::Thread as u64;
    let sched = Kind::SchedContext as u64;
    for kind in [0, 10, 11, 15, 16, 1 << 32 | 7, MAX] {
        expect(sc::CREATE, [kind, EMPTY, 0, 0, 0, 0], Status::BadKind)?;
    }
    for slot in [512, 1 << 32, MAX] {
        expect(sc::CREATE, [Kind::Notification as u64, slot, 0, 0, 0, 0], Status::BadArg)?;
    }
    expect(sc::CREATE, [thread, NOTIFICATION, DOMAIN, SCHED, 0, 0], Status::Taken)?;
    let cores = crate::env::cores();
    for place in [cores | 1 << 8, 8 | 1 << 8, 0xff, 32 << 8, 1 << 32, 1 << 63, MAX] {
        expect(sc::CREATE, [sched, EMPTY, MACHINE, place, 0, 0], Status::BadArg)?;
    }
    let second = frequency();
    let least = second / 100_000;
    for (budget, period) in [(1, 0), (1, 1), (least - 1, second), (least + 1, least), (0xffff_ffff, 0xffff_fffe)] {
        expect(sc::CREATE, [sched, EMPTY, MACHINE, 0, 0, budget | period << 32], Status::BadArg)?;
    }
    for op in [2, 3, MAX] {
        expect(sc::THREAD, [THREAD, op, 0, 0, 0, 0], Status::BadArg)?;
        expect(sc::VCPU_STATE, [VCPU, op, 0, 0, 0, 0], Status::BadArg)?;
        expect(sc::POWER, [MACHINE, op, 0, 0, 0, 0], Status::BadArg)?;
    }
    for bit in [62, 63, 64, MAX] {
        expect(sc::WATCH, [DOMAIN, NOTIFICATION, bit, 0, 0, 0], Status::BadArg)?;
    }
    for length in [33, 1 << 32, MAX] {
        expect(sc::LOG, [MACHINE, length, 0, 0, 0, 0], Status::BadArg)?;
    }
    let vcpu = Kind::Vcpu as u64;
    for how in [1 << 40, MAX << 40, MAX] {
        expect(sc::CREATE, [vcpu, EMPTY, SPACE, SCHED, PAGE, how], Status::BadArg)?;
    }
    for which in [counter::COUNT, 64, MAX] {
        expect(sc::COUNTER, [MACHINE, which, 0, 0, 0, 0], Status::BadArg)?;
    }
    for pages in [0, 1, 2, MAX] {
        expect(sc::FRAME_SPLIT, [PAGE, pages, EMPTY, 0, 0, 0], Status::BadArg)?;
    }
    expect(sc::TRANSLATE, [SPACE, MAX, 0, 0, 0, 0], Status::NotMapped)?;
    expect(sc::UNMAP, [PAGE, SPACE, MAX, 0, 0, 0], Status::NotMapped)
}

fn capability_slots_beyond_the_table_are_refused() -> Outcome {
    for number in 0..=sc::SCHED_INFO {
        let skip = [sc::YIELD, sc::EXIT, sc::VCPU_RESUME, sc::CREATE, sc::ID_REGISTER];
        if skip.contains(&number) || (9..16).contains(&number) {
            continue;
        }
        for slot in [512, 513, 4096, 1 << 32, 1 << 61, MAX] {
            expect(number, [slot, slot, slot, slot, slot, slot], bad(number))?;
        }
    }
    Ok(())
}

/// The status of a call whose arguments are all out of range.
fn bad(number: u64) -> Status {
    // The operation is looked at before the capability.
    if number == sc::VCPU_STATE { Status::BadArg } else { Status::BadCap }
}

fn counters_and_information() -> Outcome {
    // MIDR_EL1 and ID_AA64MMFR0_EL1 are 0 on no core.
    for register in [0, 7 << 3] {
        check!(sys::id_register(register) != 0, "ID register {register:#o} reads 0");
    }
    expect(sc::ID_REGISTER, [64, 0, 0, 0, 0, 0], Status::BadArg)?;
    let image = sys::counter(MACHINE, counter::IMAGE_BASE)?;
    check!(image.is_multiple_of(2 << 20) && image != 0, "image at {image:#x}");
    check!((1..=abi::MAX_CORES as u64).contains(&sys::counter(MACHINE, counter::CORES)?), "cores");
    check!(
        (3..=abi::vcpu::MAX_LRS as u64).contains(&sys::counter(MACHINE, counter::LIST_REGISTERS)?),
        "list registers"
    );
    sys::copy(SELF, FREE, MACHINE, rights::READ, 0)?;
    check!(sys::counter(FREE, counter::OBJECTS).is_ok(), "counter with READ");
    expect(sc::POWER, [FREE, 7, 0, 0, 0, 0], Status::NoRights)?;
    expect(sc::CREATE, [Kind::SchedContext as u64, FREE + 1, FREE, 0, 1, 0], Status::NoRights)?;
    let info = sys::frame_info(PAGE)?;
    check!(info.pages == 1 && info.physical.is_multiple_of(abi::PAGE_SIZE), "frame {info:x?}");
    Ok(())
}
