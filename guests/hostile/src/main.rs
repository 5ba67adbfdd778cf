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
//! Words of the command line: `seed=N`, `count=N` attacks, `step=N` of the sweep over function identifiers, `only=KIND`.
//! The last line is `HOSTILE end …`.
#![no_std]
#![no_main]

mod access;
mod calls;
mod map;
mod random;
mod registers;
mod storms;
mod virtio;

use guest_base::sysreg::counter;
use guest_base::{args, gic, guard, psci, uart, write_sysreg};

use calls::Calls;
use random::Random;
use registers::Registers;

/// How often each kind of attack came back, and ended in an exception; and ticks of the counter for all of them.
#[derive(Default)]
struct Kind {
    passed: u64,
    refused: u64,
    ticks: u64,
}

impl Kind {
    fn count(&mut self, passed: bool) {
        if passed { self.passed += 1 } else { self.refused += 1 }
    }
}

/// The kinds.
const NAMES: [&str; 5] = ["access", "call", "register", "storm", "virtio"];
/// How many of [`TOTAL`] random attacks are of each kind.
const WEIGHTS: [u64; 5] = [2400, 700, 900, 4, 92];
const TOTAL: u64 = 4096;

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
    let kinds = attack(Random::new(seed), calls, count, args::value(line, "only"));
    // Whatever was written to the UART meanwhile.
    uart::init();
    uart::bytes(b"\n");
    for (name, kind) in NAMES.iter().zip(&kinds) {
        let Kind { passed, refused, ticks } = kind;
        let each = ticks / (passed + refused).max(1);
        uart::line(format_args!("HOSTILE {name}: {passed} came back, {refused} did not; {each} ticks each"));
    }
    uart::line(format_args!("HOSTILE end seed={seed} count={count}"));
    psci::system_off()
}

fn attack(random: Random, mut calls: Calls, count: u64, only: Option<&str>) -> [Kind; 5] {
    let mut kinds: [Kind; 5] = core::array::from_fn(|_| Kind::default());
    let only = only.and_then(|only| NAMES.iter().position(|name| *name == only));
    let mut registers = Registers::new();
    let mut done = 0;
    while done < count {
        let kind = only.unwrap_or_else(|| pick(&random));
        let since = counter();
        let passed = match kind {
            0 => access::attack(&random),
            1 => calls.attack(&random),
            2 => registers.attack(&random),
            3 => {
                storms::attack(&random);
                done += storms::EVENTS;
                true
            }
            _ => virtio::attack(&random),
        };
        kinds[kind].count(passed);
        kinds[kind].ticks += counter() - since;
        done += 1;
    }
    kinds
}

/// A kind by weight.
fn pick(random: &Random) -> usize {
    let mut at = random.below(TOTAL);
    WEIGHTS.iter().position(|weight| at.checked_sub(*weight).map(|rest| at = rest).is_none()).unwrap_or(0)
}
