//! Hostile guest: everything that a guest may try against its hypervisor and its neighbours, at random by a seed.
//!
//! | module | what |
//! |---|---|
//! | `access` | loads, stores, atomics, cache maintenance of all kinds, to devices, holes, far addresses, broken tables (`map`) |
//! | `calls` | HVC and SMC with all function identifiers; doorbells |
//! | `registers` | MRS, MSR and SYS of any encoding |
//! | `storms` | timer interrupts, SGIs, WFI, pending and active bits, as fast as they go |
//! | `virtio` | queues of garbage |
//!
//! It attacks others only: what would merely end this program (its translation, its vectors, SYSTEM_OFF) is left out.
//! Words of the command line: `seed=N`, `count=N` attacks, `step=N` of the sweep over function identifiers. The last line
//! is `HOSTILE end …`.
#![no_std]
#![no_main]

mod access;
mod calls;
mod map;
mod random;
mod registers;
mod storms;
mod virtio;

use guest_base::{args, gic, guard, psci, uart, write_sysreg};

use calls::Calls;
use random::Random;

/// How often each kind of attack came back, and ended in an exception.
#[derive(Default)]
struct Kind {
    passed: u64,
    refused: u64,
}

impl Kind {
    fn count(&mut self, passed: bool) {
        if passed { self.passed += 1 } else { self.refused += 1 }
    }
}

/// Entry from the boot code.
#[allow(unsafe_code, reason = "The boot code calls this symbol.")]
#[unsafe(no_mangle)]
extern "C" fn guest_main(dtb: u64) -> ! {
    const FPEN: u64 = 0b11 << 20;
    uart::init();
    let line = args::command_line(dtb);
    let (seed, count) = (args::number(line, "seed", 1), args::number(line, "count", 100_000));
    let calls = Calls::new(args::number(line, "step", 1_000_003));
    guard::install();
    map::enable();
    gic::init_distributor();
    write_sysreg!("cpacr_el1", FPEN);
    uart::line(format_args!("HOSTILE begin seed={seed} count={count}"));
    let kinds = attack(Random::new(seed), calls, count);
    // Whatever was written to the UART meanwhile.
    uart::init();
    uart::bytes(b"\n");
    for (name, kind) in ["access", "call", "register", "storm", "virtio"].iter().zip(&kinds) {
        uart::line(format_args!("HOSTILE {name}: {} came back, {} ended in an exception", kind.passed, kind.refused));
    }
    let done: u64 = kinds.iter().map(|kind| kind.passed + kind.refused).sum();
    uart::line(format_args!("HOSTILE end seed={seed} attacks={done}"));
    psci::system_off()
}

fn attack(random: Random, mut calls: Calls, count: u64) -> [Kind; 5] {
    let mut kinds: [Kind; 5] = core::array::from_fn(|_| Kind::default());
    let mut done = 0;
    while done < count {
        done += 1;
        match random.below(4096) {
            0..2400 => kinds[0].count(access::attack(&random)),
            2400..3000 => kinds[1].count(calls.attack(&random)),
            3000..3100 => kinds[1].count(calls::ring(&random)),
            3100..4000 => kinds[2].count(registers::attack(&random)),
            4000..4004 => {
                storms::attack(&random);
                kinds[3].passed += storms::EVENTS;
                done += storms::EVENTS;
            }
            _ => kinds[4].count(virtio::attack(&random)),
        }
    }
    kinds
}
