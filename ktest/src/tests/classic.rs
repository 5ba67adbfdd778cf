//! Classic guests: at EL0, translated by shadow roots alone, with the kernel's vectors at EL1.

use crate::env::{FREE, GUEST_PAGES, MACHINE, SELF, frame, read_counter, status};
use crate::guest::{self, Exit, RAM, Vcpu, parking, stepping};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::shared::word;
use crate::thread::sleep_ms;
use crate::{check, check_eq, programs, tests};
use abi::PAGE_SIZE;
use abi::cap::Kind;
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::{self as sc, RESUME_RUN, SHADOW_ROOTS, Status, VCPU_AARCH32, counter};
use abi::vcpu::{STATE_VERSION, VcpuPage, reason, sys as r, view};
use core::mem::offset_of;
use rt::sys::{self, create};
use rt::volatile::Volatile;

tests! {
    1 classic_exceptions_exit_with_their_syndromes;
    1 classic_rights_are_those_of_both_sides;
    1 classic_virtual_interrupt_comes_at_the_unmasking_instruction;
    1 classic_wfi_is_the_vmms;
    1 classic_guest_runs_without_stage_two;
    1 classic_wall_holds_what_is_mapped_in_it;
    1 classic_walls_are_plain_spaces_of_the_same_owner;
    1 classic_entry_is_replaced_and_removed;
    1 classic_entries_go_with_what_they_name;
    1 classic_blocks_are_split;
    1 classic_roots_are_emptied_and_freed;
    1 classic_calls_refuse_bad_arguments;
    1 classic_every_mode_in_spsr_runs_at_el0;
    // Guests that cannot fetch their vectors execute nothing: a clock that counts instructions, which a machine of one core
    // may have (`kernel-masked`), stands still then.
    2 classic_page_is_scribbled_over;
    2 classic_wrong_vectors_leave_the_vcpu_to_its_vmm;
    1 classic_and_hardware_guests_share_a_core;
    1 classic_state_is_confined;
}

const SPACE: u64 = FREE;
/// Roots of the two halves.
const LOW: u64 = 3;
const HIGH: u64 = 9;
const VECTORS: u64 = 0xffff_ffff_ff80_0000;
/// Where pages of the guest's memory are: page 0 (program), 8, 9.
const CODE: u64 = 0x5555_0000_1000;
const DATA: u64 = 0x7fff_ffff_f000;
const PAGE_8: u64 = 8 * PAGE_SIZE;
const PAGE_9: u64 = 9 * PAGE_SIZE;
/// SCTLR_EL1.UMA.
const UMA: u64 = 1 << 9;
const HCR_VM: u64 = 1;

programs! {
    calls "1: svc #7" "add x1, x1, #1" "b 1b";
    loads "1: ldr x1, [x0]" "svc #1" "b 1b";
    stores "1: str x1, [x0]" "svc #1" "b 1b";
    jumps "1: br x0" "ret";
    undefined "mrs x0, SCTLR_EL1" "svc #1";
    hypercall "hvc #1" "svc #1";
    vector_hypercall "hvc #0x4005" "svc #1";
    waits "1: wfi" "svc #1" "b 1b";
    floats "1: add v0.2d, v0.2d, v1.2d" "add x1, x1, #1" "svc #1" "b 1b";
    /// Masks interrupts, then unmasks them.
    masks "1: msr DAIFSet, #2" "svc #1" "add x1, x1, #1" "add x1, x1, #1" "msr DAIFClr, #2" "add x1, x1, #1" "svc #2" "b 1b";
    /// Goes on only at EL1.
    levels "1: mrs x0, CurrentEL" "svc #0x666" "b 1b";
    spins "1: add x1, x1, #1" "str x1, [x0]" "b 1b";
    counts "1: add v0.2d, v0.2d, v1.2d" "add x1, x1, #1" "hvc #0" "b 1b";
}

fn field(v: Vcpu, offset: usize) -> &'static Volatile<u64> {
    v.word(offset)
}

fn set_view(v: Vcpu, low: u64, high: u64, more: u64) {
    field(v, offset_of!(VcpuPage, classic.view)).set(low << view::LOW | high << view::HIGH | more);
}

fn set_gates(v: Vcpu, sctlr: u64) {
    field(v, offset_of!(VcpuPage, classic.sctlr)).set(sctlr);
}

/// Saves (1) or loads (2) the state, then parks.
fn commanded(v: Vcpu) -> u64 {
    let result = match word(10).get() {
        1 => sys::vcpu_save(v.slot()),
        _ => sys::vcpu_load(v.slot()),
    };
    word(11).set(status(result) as u64);
    word(12).set(read_counter(counter::GUEST_HCR));
    parking(v)
}

fn command(v: Vcpu, what: u64) -> Outcome {
    word(10).set(what);
    v.handler(commanded);
    v.version().set(u64::from(STATE_VERSION));
    v.step()?;
    v.handler(stepping);
    check_eq!(word(11).get(), 0, "status of VCPU_STATE");
    Ok(())
}

fn vcpu(n: usize) -> Outcome<Vcpu> {
    let v = Vcpu::make(n, SPACE + n as u64, 0, 5, stepping)?;
    command(v, 1)?;
    v.sys(r::VBAR_EL1).set(VECTORS);
    v.sys(r::CPACR_EL1).set(3 << 20);
    command(v, 2)?;
    v.set_elr(CODE);
    v.set_spsr(0);
    set_view(v, LOW, HIGH, 0);
    set_gates(v, UMA);
    Ok(v)
}

/// A space with guest memory `n` and its program at [`CODE`], and the vectors.
fn space(n: usize, program: &[u32]) -> Outcome {
    let space = SPACE + n as u64;
    create::classic_space(space, None)?;
    sys::map(frame::GUEST[n], space, RAM, 0, GUEST_PAGES, READ | WRITE | EXEC)?;
    guest::load(n, program);
    sys::shadow_map(space, LOW, CODE, RAM, 1, READ | EXEC)?;
    sys::shadow_map(space, HIGH, VECTORS, 0, 1, 0)?;
    Ok(())
}

fn one(program: &[u32]) -> Outcome<Vcpu> {
    space(0, program)?;
    vcpu(0)
}

/// The next exit, from the start of the program with x0 as given.
fn run(v: Vcpu, x0: u64) -> Outcome<Exit> {
    v.set_elr(CODE);
    v.set_spsr(0);
    v.set_x(0, x0);
    v.step()
}

/// Replaces the program, whose page stays entered.
fn program(words: &[u32]) {
    guest::load(0, words);
    for page in [PAGE_8, PAGE_9] {
        guest::ram(0, page).set((page >> 12) as u32);
    }
}

fn classic_exceptions_exit_with_their_syndromes() -> Outcome {
    let v = one(calls())?;
    for n in 0..5 {
        let exit = v.step()?;
        check!(exit.reason == reason::SYNC && exit.class() == 0x15 && exit.esr & 0xffff == 7, "SVC: {exit:x?}");
        check_eq!((v.elr(), v.spsr() & 0xf, v.x(1), exit.ipa), (CODE + 4, 0, n, 0), "ELR, mode, rounds, IPA");
    }
    type Case = (&'static str, fn() -> &'static [u32], u64, u64, u64);
    let cases: [Case; 7] = [
        ("MRS SCTLR_EL1", undefined, 0, 0x00, CODE),
        ("HVC", hypercall, 0, 0x00, CODE),
        ("HVC of a vector", vector_hypercall, 0, 0x00, CODE),
        ("load", loads, 0x1234_5678, 0x24, CODE),
        ("load from the high half", loads, 0xffff_0000_0000_0010, 0x24, CODE),
        ("fetch", jumps, 0x1234_5678, 0x20, 0x1234_5678),
        ("fetch from the vectors", jumps, VECTORS + 0x400, 0x20, VECTORS + 0x400),
    ];
    for (name, code, x0, class, elr) in cases {
        program(code());
        let exit = run(v, x0)?;
        check!(exit.reason == reason::SYNC && exit.class() == class && v.elr() == elr, "{name}: {exit:x?}");
        check!(class == 0 || exit.far == x0, "{name}: FAR {:#x}", exit.far);
    }
    Ok(())
}

/// Data abort with a permission fault: ESR.DFSC is 0b0011xx.
fn is_permission_fault(exit: Exit, class: u64) -> bool {
    exit.reason == reason::SYNC && exit.class() == class && exit.esr & 0x3c == 0xc
}

fn is_call(exit: Exit) -> bool {
    exit.reason == reason::SYNC && exit.class() == 0x15
}

fn classic_rights_are_those_of_both_sides() -> Outcome {
    create::classic_space(SPACE, None)?;
    sys::map(frame::GUEST[0], SPACE, RAM, 0, 8, READ | EXEC)?;
    sys::map(frame::GUEST[0], SPACE, RAM + PAGE_8, 8, 1, READ | WRITE | EXEC)?;
    sys::map(frame::GUEST[0], SPACE, RAM + PAGE_9, 9, 1, READ)?;
    sys::shadow_map(SPACE, LOW, CODE, RAM, 1, READ | EXEC | WRITE)?;
    sys::shadow_map(SPACE, HIGH, VECTORS, 0, 1, 0)?;
    let v = vcpu(0)?;
    // Wanted, page, and whether the guest may load, store, fetch.
    let cases = [
        (READ, PAGE_8, [true, false, false]),
        (READ | WRITE, PAGE_8, [true, true, false]),
        (READ | EXEC, PAGE_8, [true, false, true]),
        (EXEC, PAGE_8, [false, false, true]),
        (READ | WRITE | EXEC, PAGE_9, [true, false, false]),
        (READ | WRITE | EXEC, PAGE_8, [true, true, true]),
    ];
    for (rights, page, [load, store, fetch]) in cases {
        sys::shadow_map(SPACE, LOW, DATA, RAM + page, 1, rights)?;
        program(loads());
        let exit = run(v, DATA)?;
        check!(if load { is_call(exit) } else { is_permission_fault(exit, 0x24) }, "rights {rights}, load: {exit:x?}");
        program(stores());
        let exit = run(v, DATA)?;
        check!(
            if store { is_call(exit) } else { is_permission_fault(exit, 0x24) },
            "rights {rights}, store: {exit:x?}"
        );
        program(jumps());
        guest::ram(0, page).set(0xd400_0021); // svc #1
        let exit = run(v, DATA)?;
        check!(
            if fetch { is_call(exit) } else { is_permission_fault(exit, 0x20) },
            "rights {rights}, fetch: {exit:x?}"
        );
    }
    // The program's page is read-only in the space.
    program(stores());
    check!(is_permission_fault(run(v, CODE + 0x100)?, 0x24), "store to a page that the space has read-only");
    let refused = status(sys::shadow_map(SPACE, LOW, DATA, RAM + PAGE_9, 1, EXEC));
    check_eq!(refused, Status::NoRights, "no right is left");
    Ok(())
}

fn classic_virtual_interrupt_comes_at_the_unmasking_instruction() -> Outcome {
    let v = one(masks())?;
    check!(is_call(v.step()?) && v.spsr() & 0x80 != 0, "masked: SPSR {:#x}", v.spsr());
    set_view(v, LOW, HIGH, view::VIRQ);

    let exit = v.step()?;

    check_eq!(exit.reason, reason::VIRQ, "reason");
    check_eq!((v.elr(), v.x(1), v.spsr() & 0x8f), (CODE + 20, 2, 0), "where");
    // It is unmasked: not one instruction runs.
    check_eq!((v.step()?.reason, v.elr(), v.x(1)), (reason::VIRQ, CODE + 20, 2), "again");
    set_view(v, LOW, HIGH, 0);
    check!(is_call(v.step()?) && v.x(1) == 3, "no interrupt: {}", v.x(1));
    // DAIF traps when the VMM says so.
    set_gates(v, 0);
    let exit = run(v, 0)?;
    check!(exit.class() == 0x18 && v.elr() == CODE, "UMA = 0: {exit:x?}");
    Ok(())
}

fn classic_wfi_is_the_vmms() -> Outcome {
    let v = one(waits())?;
    check!(v.step()?.class() == 0x01 && v.elr() == CODE, "nTWI = 0");
    // Others want the core: WFI traps to EL2.
    guest::space(SPACE + 1, 1)?;
    guest::load(1, spins());
    let rival = Vcpu::make(1, SPACE + 1, 0, 5, |_| RESUME_RUN)?;
    rival.set_x(0, RAM + PAGE_8);
    sys::vcpu_kick(rival.slot())?;
    set_gates(v, 1 << 16);
    let exit = run(v, 0)?;
    check!(exit.reason == reason::SYNC && exit.class() == 0x01 && v.elr() == CODE, "nTWI = 1: {exit:x?}");
    Ok(())
}

fn classic_guest_runs_without_stage_two() -> Outcome {
    let v = one(loads())?;
    sys::shadow_map(SPACE, LOW, DATA, RAM + PAGE_8, 1, READ)?;
    program(loads());
    check!(is_call(run(v, DATA)?) && v.x(1) as u32 == 8, "reads {:#x}", v.x(1));
    command(v, 1)?;
    check_eq!(word(12).get() & HCR_VM, 0, "HCR_EL2.VM of a classic guest");
    // What it has executed at EL1 is nowhere in its own space.
    let physical = read_counter(counter::IMAGE_BASE);
    for page in 0..512 {
        let there = status(sys::translate(SPACE, physical + page * PAGE_SIZE));
        check_eq!(there, Status::NotMapped, "the kernel's image in a guest's space");
    }
    // Nor are the guest's own pages where they are.
    let own = sys::frame_info(frame::GUEST[0])?.physical;
    check_eq!(status(sys::translate(SPACE, own)), Status::NotMapped, "the frame at its own address");
    guest::space(SPACE + 1, 1)?;
    let hardware = Vcpu::make(1, SPACE + 1, 0, 5, stepping)?;
    command(hardware, 1)?;
    check_eq!(word(12).get() & HCR_VM, HCR_VM, "HCR_EL2.VM of another guest");
    command(v, 1)?;
    check_eq!(word(12).get() & HCR_VM, 0, "HCR_EL2.VM of a classic guest after another");
    Ok(())
}

fn classic_wall_holds_what_is_mapped_in_it() -> Outcome {
    const WALL: u64 = SPACE + 8;
    let own = sys::frame_info(frame::GUEST[0])?.physical;
    for _ in 0..2 {
        create::space(WALL)?;
        create::classic_space(SPACE, Some(WALL))?;
        sys::map(frame::GUEST[0], SPACE, RAM, 0, GUEST_PAGES, READ | WRITE | EXEC)?;
        sys::shadow_map(SPACE, LOW, CODE, RAM, 1, READ | EXEC)?;
        sys::shadow_map(SPACE, LOW, DATA, RAM + PAGE_8, 1, READ | WRITE)?;
        sys::shadow_map(SPACE, HIGH, VECTORS, 0, 1, 0)?;
        program(loads());
        let v = vcpu(0)?;
        check_eq!(word(12).get() & HCR_VM, HCR_VM, "HCR_EL2.VM");
        // Aborts of stage 2: they come from EL0 at once, with the physical address.
        let exit = run(v, DATA)?;
        check!(exit.class() == 0x20 && exit.ipa == own && v.elr() == CODE, "fetch: {exit:x?}");
        sys::map(frame::GUEST[0], WALL, own, 0, 1, READ | EXEC)?;
        let exit = run(v, DATA)?;
        check!(exit.class() == 0x24 && exit.ipa == own + PAGE_8 && exit.far == DATA, "load: {exit:x?}");
        sys::map(frame::GUEST[0], WALL, own + PAGE_8, 8, 1, READ)?;
        check!(is_call(run(v, DATA)?) && v.x(1) as u32 == 8, "reads {:#x}", v.x(1));
        program(stores());
        let exit = run(v, DATA)?;
        check!(exit.class() == 0x24 && exit.ipa == own + PAGE_8, "store: {exit:x?}");

        sys::unmap(frame::GUEST[0], WALL, own + PAGE_8)?;

        program(loads());
        check!(run(v, DATA)?.class() == 0x24, "gone from the wall");
        sys::shadow_clear(SPACE, LOW)?;
        check!(run(v, DATA)?.ipa == 0, "gone from the shadow");
        check_eq!(status(sys::destroy(WALL)), Status::BadState, "destruction of a wall in use");
        for slot in [v.slot(), v.sched(), SPACE, WALL] {
            sys::destroy(slot)?;
        }
    }
    Ok(())
}

fn classic_walls_are_plain_spaces_of_the_same_owner() -> Outcome {
    create::classic_space(SPACE, None)?;
    for (wall, expected) in [(SPACE, Status::BadArg), (SELF, Status::BadKind), (SPACE + 1, Status::BadCap)] {
        check_eq!(status(create::classic_space(SPACE + 2, Some(wall))), expected, "wall");
    }
    for how in [2, 4, 5, 1 << 32 | 1, u64::MAX] {
        let made = crate::env::raw(sc::CREATE, [Kind::Space as u64, SPACE + 2, how, SPACE, 0, 0])[0];
        check_eq!(made, Status::BadArg as u64, "flags of a space");
    }
    Ok(())
}

fn classic_entry_is_replaced_and_removed() -> Outcome {
    let v = one(loads())?;
    program(loads());
    for (page, seen) in [(PAGE_8, 8), (PAGE_9, 9), (PAGE_8, 8)] {
        sys::shadow_map(SPACE, LOW, DATA, RAM + page, 1, READ)?;
        check!(is_call(run(v, DATA)?), "mapped");
        check_eq!(v.x(1) as u32, seen, "what is there");
    }
    sys::shadow_map(SPACE, LOW + 1, DATA, RAM + PAGE_9, 1, READ)?;
    sys::shadow_map(SPACE, LOW + 1, CODE, RAM, 1, EXEC)?;
    set_view(v, LOW + 1, HIGH, 0);
    check!(is_call(run(v, DATA)?) && v.x(1) as u32 == 9, "the other root");
    set_view(v, LOW, HIGH, 0);
    check!(is_call(run(v, DATA)?) && v.x(1) as u32 == 8, "the first root");

    sys::shadow_unmap(SPACE, LOW, DATA - 5 * PAGE_SIZE, 6)?;

    check!(run(v, DATA)?.class() == 0x24, "removed");
    set_view(v, LOW + 1, HIGH, 0);
    check!(is_call(run(v, DATA)?), "removed from the first root only");
    Ok(())
}

fn classic_entries_go_with_what_they_name() -> Outcome {
    create::classic_space(SPACE, None)?;
    sys::map(frame::GUEST[0], SPACE, RAM, 0, 8, READ | EXEC)?;
    let v = vcpu(0)?;
    for round in 0..3 {
        sys::map(frame::SMALL, SPACE, RAM + PAGE_8, 3, 2, READ | WRITE)?;
        sys::shadow_map(SPACE, LOW, CODE, RAM, 1, READ | EXEC)?;
        sys::shadow_map(SPACE, HIGH, VECTORS, 0, 1, 0)?;
        for root in [LOW, HIGH, 0, SHADOW_ROOTS - 1] {
            sys::shadow_map(SPACE, root, DATA - PAGE_SIZE, RAM + PAGE_8, 2, READ | WRITE)?;
        }
        program(stores());
        check!(is_call(run(v, DATA)?), "mapped");
        match round {
            0 => sys::unmap(frame::SMALL, SPACE, RAM + PAGE_8)?,
            _ => sys::revoke(frame::SMALL)?,
        }
        sys::shadow_map(SPACE, HIGH, VECTORS, 0, 1, 0)?;
        check!(run(v, DATA)?.class() == 0x20, "all roots are empty");
        for root in [LOW, 0, SHADOW_ROOTS - 1] {
            sys::shadow_map(SPACE, root, CODE, RAM, 1, READ | EXEC)?;
            set_view(v, root, HIGH, 0);
            check!(run(v, DATA)?.class() == 0x24, "an entry of root {root} is left");
        }
        set_view(v, LOW, HIGH, 0);
        let again = status(sys::shadow_map(SPACE, LOW, DATA, RAM + PAGE_8, 1, READ));
        check_eq!(again, Status::NotMapped, "nothing is there");
    }
    Ok(())
}

fn classic_blocks_are_split() -> Outcome {
    const BIG: u64 = 2 << 30;
    const MIB2: u64 = 2 << 20;
    let v = one(loads())?;
    program(loads());
    let physical = sys::frame_info(frame::BIG)?.physical;
    let skip = (MIB2 - physical % MIB2) % MIB2 / PAGE_SIZE;
    sys::map(frame::BIG, SPACE, BIG, skip, 1024, READ | WRITE)?;
    sys::shadow_map(SPACE, LOW, 0, BIG, 1024, READ)?;
    check!(is_call(run(v, MIB2 + 8)?), "mapped");

    sys::shadow_unmap(SPACE, LOW, MIB2, 1)?;

    check!(run(v, MIB2 + 8)?.class() == 0x24, "removed");
    for va in [0, MIB2 - 8, MIB2 + PAGE_SIZE, 2 * MIB2 - 8] {
        check!(is_call(run(v, va)?), "{va:#x} is gone");
    }
    // Pages in place of a block.
    sys::shadow_map(SPACE, LOW, 0, RAM + PAGE_8, 2, READ)?;
    check!(is_call(run(v, 0)?) && v.x(1) as u32 == 8, "reads {:#x}", v.x(1));
    check!(is_call(run(v, 2 * PAGE_SIZE)?), "the rest of the block");
    // And a block in place of pages.
    sys::shadow_map(SPACE, LOW, 0, BIG, 512, READ)?;
    check!(is_call(run(v, 0)?) && v.x(1) as u32 != 8, "still the pages");
    Ok(())
}

fn classic_roots_are_emptied_and_freed() -> Outcome {
    let v = one(loads())?;
    program(loads());
    sys::shadow_map(SPACE, LOW, DATA, RAM + PAGE_8, 1, READ)?;
    let before = read_counter(counter::POOL_FREE);
    let places = [0, PAGE_SIZE, 1 << 21, 1 << 30, 1 << 39, 5 << 39, (1 << 47) + (7 << 30), (1 << 48) - PAGE_SIZE];
    for va in places {
        sys::shadow_map(SPACE, 20, va, RAM + PAGE_8, 1, READ)?;
    }
    check!(read_counter(counter::POOL_FREE) < before - 10, "tables come from the pool");

    sys::shadow_clear(SPACE, 20)?;
    sys::shadow_clear(SPACE, 20)?;

    check_eq!(read_counter(counter::POOL_FREE), before - 1, "only the root stays");
    check!(is_call(run(v, DATA)?), "other roots stay");
    sys::shadow_clear(SPACE, LOW)?;
    check!(run(v, DATA)?.class() == 0x20, "emptied");
    sys::shadow_map(SPACE, LOW, CODE, RAM, 1, READ | EXEC)?;
    check!(run(v, DATA)?.class() == 0x24, "used again");
    Ok(())
}

fn classic_calls_refuse_bad_arguments() -> Outcome {
    one(calls())?;
    guest::space(SPACE + 1, 1)?;
    let top = 1 << 48;
    let cases = [
        (SPACE + 1, LOW, 0, RAM, 1, READ, Status::BadArg, "a space of another kind"),
        (SELF, LOW, 0, RAM, 1, READ, Status::BadKind, "a domain"),
        (SPACE, SHADOW_ROOTS, 0, RAM, 1, READ, Status::BadArg, "root"),
        (SPACE, LOW, 1, RAM, 1, READ, Status::BadArg, "address not aligned"),
        (SPACE, LOW, 0, RAM + 8, 1, READ, Status::BadArg, "IPA not aligned"),
        (SPACE, LOW, 0, RAM, 0, READ, Status::BadArg, "no pages"),
        (SPACE, LOW, 0, RAM, 1, WRITE, Status::BadArg, "WRITE without READ"),
        (SPACE, LOW, 0, RAM, 1, 8, Status::BadArg, "rights that are none"),
        (SPACE, LOW, 0, RAM, 2, 0, Status::BadArg, "two pages of vectors"),
        (SPACE, LOW, 0, RAM - PAGE_SIZE, 1, READ, Status::NotMapped, "before the guest's memory"),
        (SPACE, LOW, 0, 1 << 50, 1, READ, Status::NotMapped, "beyond all IPAs"),
        (SPACE, LOW, top - PAGE_SIZE, RAM, 2, READ, Status::BadArg, "beyond the half"),
        (SPACE, LOW, 0, RAM, GUEST_PAGES + 1, READ, Status::NotMapped, "beyond the guest's memory"),
    ];
    for (space, root, va, ipa, pages, rights, expected, name) in cases {
        check_eq!(status(sys::shadow_map(space, root, va, ipa, pages, rights)), expected, name);
    }
    check_eq!(status(sys::shadow_unmap(SPACE, LOW, 0, 1 << 36)), Status::Ok, "all of an emptied root");
    check_eq!(status(sys::shadow_unmap(SPACE, LOW, 0, (1 << 36) + 1)), Status::BadArg, "more than there is");
    check_eq!(status(sys::shadow_unmap(SPACE, 63, 0, 1)), Status::Ok, "a root that was never used");
    check_eq!(status(sys::shadow_clear(SPACE, 63)), Status::Ok, "a root that was never used");
    create::sched_context(FREE + 5, MACHINE, 0, 5, 0)?;
    let aarch32 = status(create::vcpu(FREE + 6, SPACE, FREE + 5, frame::VCPU[1], VCPU_AARCH32));
    check_eq!(aarch32, Status::BadArg, "a classic AArch32 vCPU");
    Ok(())
}

fn classic_every_mode_in_spsr_runs_at_el0() -> Outcome {
    let v = one(levels())?;
    let mut rng = Rng::new(41);
    for round in 0..6 {
        for mode in 0..32u64 {
            v.set_elr(CODE);
            v.set_spsr([0, u64::MAX, 0x3c0, 1 << 20, 1 << 21, rng.next()][round] & !0x1f | mode);
            let exit = v.step()?;
            check!(exit.class() == 0 && v.elr() == CODE && v.spsr() & 0x1f == 0, "mode {mode:#x}: {exit:x?}");
        }
    }
    Ok(())
}

fn classic_page_is_scribbled_over() -> Outcome {
    let v = one(levels())?;
    let mut rng = Rng::new(42);
    for round in 0..400u64 {
        (0..offset_of!(VcpuPage, state) / 8)
            .for_each(|n| v.word(8 * n).set(if rng.below(9) == 0 { u64::MAX } else { rng.next() }));
        v.set_elr(CODE);
        if round % 16 == 7 {
            (0..r::COUNT).for_each(|n| v.sys(n).set(rng.next()));
            v.sys(r::VBAR_EL1).set(VECTORS);
            command(v, 2)?;
            v.set_elr(CODE);
        }
        let sane = rng.below(3) == 0;
        if sane {
            set_view(v, LOW, HIGH, 0);
        }
        // Views without the vectors loop at EL1, until they are kicked out.
        let low = field(v, offset_of!(VcpuPage, classic.view)).get();
        let exit = if low >> 8 & 63 == HIGH { v.step()? } else { kicked_out(v)? };
        check!(exit.reason <= reason::VIRQ, "{exit:x?}");
        check!(!is_call(exit), "it ran at EL1: {exit:x?}");
        check!(!sane || exit.class() == 0 && v.elr() == CODE, "{exit:x?}");
    }
    Ok(())
}

/// Lets the guest run for a while, then kicks it.
fn kicked_out(v: Vcpu) -> Outcome<Exit> {
    sys::vcpu_kick(v.slot())?;
    sleep_ms(1);
    v.handler(parking);
    sys::vcpu_kick(v.slot())?;
    let exit = v.wait()?;
    v.handler(stepping);
    Ok(exit)
}

fn classic_wrong_vectors_leave_the_vcpu_to_its_vmm() -> Outcome {
    let v = one(calls())?;
    sys::shadow_map(SPACE, HIGH, 0x7000, RAM, 1, READ | WRITE | EXEC)?;
    for vbar in [0, VECTORS + PAGE_SIZE, 0xffff_0000_0000_7000, CODE & !0xfff] {
        command(v, 1)?;
        v.sys(r::VBAR_EL1).set(vbar);
        command(v, 2)?;
        v.set_elr(CODE);
        // It may be kicked out before it has run.
        let mut exit = kicked_out(v)?;
        for _ in 0..500 {
            exit = if exit.reason == reason::KICK { kicked_out(v)? } else { exit };
        }
        // EL1 cannot fetch: instruction abort from EL1 itself.
        check!(exit.reason == reason::SYNC && exit.class() == 0x21, "VBAR {vbar:#x}: {exit:x?}");
        check_eq!(v.spsr() & 0x1f, 0, "mode");
        v.handler(parking);
        check_eq!(v.step()?.reason, reason::KICK, "the kick comes after");
        v.handler(stepping);
    }
    command(v, 1)?;
    v.sys(r::VBAR_EL1).set(VECTORS);
    command(v, 2)?;
    check!(is_call(run(v, 0)?), "right vectors");
    // Any half of the page will do.
    command(v, 1)?;
    v.sys(r::VBAR_EL1).set(VECTORS + 0x800);
    command(v, 2)?;
    check!(is_call(run(v, 0)?), "the other half");
    Ok(())
}

/// Lets the other run first.
fn yielding(v: Vcpu) -> u64 {
    if v.exit().reason == reason::SYNC && v.x(1) >= 200 {
        return parking(v);
    }
    sys::yield_now();
    RESUME_RUN
}

fn classic_and_hardware_guests_share_a_core() -> Outcome {
    let v = one(floats())?;
    guest::space(SPACE + 1, 1)?;
    guest::load(1, counts());
    let w = Vcpu::make(1, SPACE + 1, 0, 5, stepping)?;
    let mut rng = Rng::new(43);
    let mut expected = [[0; 4]; 2];
    for (v, values) in [v, w].into_iter().zip(&mut expected) {
        command(v, 1)?;
        *values = core::array::from_fn(|_| rng.next());
        v.sys(r::CPACR_EL1).set(3 << 20);
        v.sys(r::TPIDR_EL0).set(values[0]);
        v.vector(0).set(0);
        v.vector(2).set(values[1]);
        command(v, 2)?;
        field(v, offset_of!(abi::vcpu::RegFrame, sp)).set(values[2]);
        v.set_x(5, values[3]);
        v.handler(yielding);
    }
    w.set_elr(RAM);
    w.set_spsr(guest::EL1H);
    for v in [v, w] {
        sys::vcpu_kick(v.slot())?;
    }
    for v in [v, w] {
        v.wait()?;
    }
    for (v, values) in [v, w].into_iter().zip(expected) {
        command(v, 1)?;
        check_eq!((v.x(1), v.x(5), v.sys(r::TPIDR_EL0).get()), (200, values[3], values[0]), "x1, x5, TPIDR_EL0");
        check_eq!(v.vector(0).get(), values[1].wrapping_mul(200), "v0");
        let sp = field(v, offset_of!(abi::vcpu::RegFrame, sp)).get();
        check_eq!((sp, v.sys(r::SP_EL0).get()), (values[2], values[2]), "SP_EL0");
    }
    Ok(())
}

fn classic_state_is_confined() -> Outcome {
    let v = one(calls())?;
    command(v, 1)?;
    let tcr = v.sys(r::TCR_EL1).get();
    (0..r::COUNT).for_each(|n| v.sys(n).set(u64::MAX));
    command(v, 2)?;
    command(v, 1)?;
    let get = |n| v.sys(n).get();
    check_eq!(get(r::TCR_EL1), tcr | 3 << 37, "TCR_EL1");
    check_eq!((get(r::CNTV_CTL_EL0) & 1, get(r::AMAIR_EL1)), (0, 0), "timer, AMAIR");
    v.set_elr(CODE);
    v.sys(r::VBAR_EL1).set(VECTORS);
    command(v, 2)?;
    check!(is_call(run(v, 0)?), "it runs");
    Ok(())
}
