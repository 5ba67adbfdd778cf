//! VCPU_STATE: all kernel-held state of a vCPU through its page; two vCPUs of a core keep theirs apart.

use crate::env::{FREE, status};
use crate::guest::{self, RAM, Vcpu, parking};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::shared::word;
use crate::{check, check_eq, programs, tests};
use abi::syscall::{RESUME_RUN, Status};
use abi::vcpu::{STATE_VERSION, reason, sys as r};
use rt::sys;

tests! {
    1 state_round_trips_random_values;
    1 loaded_state_is_saved_as_it_was;
    1 state_of_another_version_is_refused;
    1 two_vcpus_of_a_core_keep_their_state;
    1 two_vcpus_of_a_space_keep_their_state;
    1 list_registers_are_loaded_without_hardware_bits;
}

programs! {
    /// Counts in x0 and in v0, by v1, between calls.
    counts "1: add v0.2d, v0.2d, v1.2d" "add x0, x0, #1" "hvc #0" "b 1b";
}

/// What [`commanded`] is to do, and its status.
const COMMAND: usize = 10;
const RESULT: usize = 11;

/// Saves (1) or loads (2) the state, then parks.
fn commanded(v: Vcpu) -> u64 {
    let result = match word(COMMAND).get() {
        1 => sys::vcpu_save(v.slot()),
        _ => sys::vcpu_load(v.slot()),
    };
    word(RESULT).set(status(result) as u64);
    parking(v)
}

fn command(v: Vcpu, what: u64) -> Outcome {
    word(COMMAND).set(what);
    v.handler(commanded);
    v.step()?;
    check_eq!(word(RESULT).get(), 0, "status of VCPU_STATE");
    Ok(())
}

fn save(v: Vcpu) -> Outcome {
    command(v, 1)
}

fn load(v: Vcpu) -> Outcome {
    v.version().set(u64::from(STATE_VERSION) | v.version().get() & !0xffff_ffff);
    command(v, 2)
}

/// Registers that keep at least these bits on every core.
const KEPT: [(usize, u64); 17] = [
    (r::TTBR0_EL1, !0xfff),
    (r::TTBR1_EL1, !0xfff),
    (r::MAIR_EL1, !0),
    (r::VBAR_EL1, 0x0000_ffff_ffff_f800),
    (r::ESR_EL1, 0xffff_ffff),
    (r::FAR_EL1, !0),
    (r::ELR_EL1, !0),
    (r::SPSR_EL1, 0xf000_03c0),
    (r::SP_EL0, !0),
    (r::SP_EL1, !0),
    (r::TPIDR_EL0, !0),
    (r::TPIDRRO_EL0, !0),
    (r::TPIDR_EL1, !0),
    (r::CONTEXTIDR_EL1, 0xffff_ffff),
    (r::CNTKCTL_EL1, 3),
    (r::CNTV_CVAL_EL0, !0),
    (r::CPACR_EL1, 3 << 20),
];

fn vcpu(n: usize, space: u64) -> Outcome<Vcpu> {
    Vcpu::make(n, space, 0, 5, parking)
}

fn state_round_trips_random_values() -> Outcome {
    guest::space(FREE, 0)?;
    let v = vcpu(0, FREE)?;
    let mut rng = Rng::new(2);
    for _ in 0..20 {
        let sys: [u64; r::COUNT] = core::array::from_fn(|_| rng.next());
        let vectors: [u64; 64] = core::array::from_fn(|_| rng.next());
        (0..r::COUNT).for_each(|n| v.sys(n).set(sys[n]));
        (0..64).for_each(|n| v.vector(n).set(vectors[n]));

        load(v)?;
        (0..r::COUNT).for_each(|n| v.sys(n).set(0));
        (0..64).for_each(|n| v.vector(n).set(0));
        save(v)?;

        for (n, mask) in KEPT {
            let (got, expected) = (v.sys(n).get() & mask, sys[n] & mask);
            check!(got == expected, "sys[{n}]: {got:#x}, expected {expected:#x}");
        }
        check_eq!(v.sys(r::MDSCR_EL1).get(), 0, "MDSCR_EL1");
        for (n, value) in vectors.into_iter().enumerate() {
            check!(v.vector(n).get() == value, "half {n} of the vectors");
        }
    }
    Ok(())
}

fn loaded_state_is_saved_as_it_was() -> Outcome {
    guest::space(FREE, 0)?;
    let v = vcpu(0, FREE)?;
    let mut rng = Rng::new(3);
    for _ in 0..20 {
        (0..r::COUNT).for_each(|n| v.sys(n).set(rng.next()));
        load(v)?;
        save(v)?;
        let first: [u64; r::COUNT] = core::array::from_fn(|n| v.sys(n).get());

        load(v)?;
        save(v)?;

        for (n, value) in first.into_iter().enumerate() {
            // CNTV_CTL_EL0.ISTATUS is the time's.
            let mask = if n == r::CNTV_CTL_EL0 { 3 } else { !0 };
            let got = v.sys(n).get();
            check!(got & mask == value & mask, "sys[{n}]: {got:#x}, was {value:#x}");
        }
    }
    Ok(())
}

fn state_of_another_version_is_refused() -> Outcome {
    guest::space(FREE, 0)?;
    let v = vcpu(0, FREE)?;
    for version in [0, 1, u64::from(STATE_VERSION) + 1, u64::MAX] {
        v.version().set(version);
        word(COMMAND).set(2);
        v.handler(commanded);
        v.step()?;
        check_eq!(word(RESULT).get(), Status::BadArg as u64, "status");
    }
    Ok(())
}

/// Runs the guest [`ROUNDS`] times, with a yield after each exit, then parks.
fn yielding(v: Vcpu) -> u64 {
    if v.exit().reason == reason::SYNC && v.x(0) >= ROUNDS {
        return parking(v);
    }
    sys::yield_now();
    RESUME_RUN
}

const ROUNDS: u64 = 200;

fn two_vcpus(spaces: [u64; 2]) -> Outcome {
    const VECTORS: usize = 64;
    let vcpus = [vcpu(0, spaces[0])?, vcpu(1, spaces[1])?];
    let mut rng = Rng::new(4);
    let mut expected = [([0; KEPT.len()], [0; VECTORS], [0; 31]); 2];
    for (v, (sys, vectors, registers)) in vcpus.into_iter().zip(&mut expected) {
        save(v)?;
        for ((n, mask), value) in KEPT.into_iter().zip(sys) {
            *value = rng.next() & mask;
            v.sys(n).set(*value);
        }
        v.sys(r::CPACR_EL1).set(3 << 20);
        v.sys(r::SCTLR_EL1).set(0x30d0_0800);
        for (n, value) in vectors.iter_mut().enumerate() {
            *value = rng.next();
            v.vector(n).set(*value);
        }
        load(v)?;
        *registers = core::array::from_fn(|n| if n == 0 { 0 } else { rng.next() });
        (0..31).for_each(|n| v.set_x(n, registers[n]));
        v.set_elr(RAM);
        v.set_spsr(guest::EL1H);
    }

    vcpus.into_iter().for_each(|v| v.handler(yielding));
    for v in vcpus {
        sys::vcpu_kick(v.slot())?;
    }
    vcpus.into_iter().try_for_each(|v| v.wait().map(drop))?;

    for (v, (sys, mut vectors, mut registers)) in vcpus.into_iter().zip(expected) {
        registers[0] = ROUNDS;
        check_eq!(v.registers(), registers, "registers");
        save(v)?;
        for ((n, mask), value) in KEPT.into_iter().zip(sys) {
            let got = v.sys(n).get() & mask;
            check!(n == r::CPACR_EL1 || got == value, "sys[{n}]: {got:#x}, expected {value:#x}");
        }
        for half in 0..2 {
            vectors[half] = vectors[half].wrapping_add(vectors[2 + half].wrapping_mul(ROUNDS));
        }
        for (n, value) in vectors.into_iter().enumerate() {
            check!(v.vector(n).get() == value, "half {n} of the vectors");
        }
    }
    Ok(())
}

fn two_vcpus_of_a_core_keep_their_state() -> Outcome {
    for n in 0..2 {
        guest::space(FREE + n, n as usize)?;
        guest::load(n as usize, counts());
    }
    two_vcpus([FREE, FREE + 1])
}

fn two_vcpus_of_a_space_keep_their_state() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, counts());
    two_vcpus([FREE, FREE])
}

fn list_registers_are_loaded_without_hardware_bits() -> Outcome {
    guest::space(FREE, 0)?;
    let v = vcpu(0, FREE)?;
    let count = v.word(core::mem::offset_of!(abi::vcpu::VcpuPage, irq.lr_count)).get();
    check!((1..=16).contains(&count), "{count} list registers");
    save(v)?;
    // Pending, HW = 1, pINTID 26: the kernel's own timer.
    (0..16).for_each(|n| v.lr(n).set(3 << 62 | 1 << 61 | 26 << 32 | (100 + n as u64)));

    load(v)?;
    (0..16).for_each(|n| v.lr(n).set(0));
    save(v)?;

    for n in 1..count as usize {
        let lr = v.lr(n).get();
        check!(lr >> 61 & 1 == 0 && lr & 0xffff_ffff == 100 + n as u64, "list register {n}: {lr:#x}");
    }
    // The first is the virtual timer's, whatever the page says.
    let lr = v.lr(0).get();
    check!(lr == 0 || lr >> 32 & 0x3ff == 27 && lr >> 61 & 1 == 1, "list register 0: {lr:#x}");
    Ok(())
}
