//! All CPUs send each other interrupts; each is acknowledged by another, and all are counted. No CPU has more than one
//! under way to another, so that none may be merged with the next: the sums at the end must agree exactly.
//!
//! ```text
//!   sender s: letter[r][s] = n, SGI s ─────────▶ receiver r: checks that n is new, answer[r][s] = n, SGI 8 + r
//!             waits by WFI until SGI 8 + r told ◀──────────
//! ```
//! Between two, each CPU looks at translations that only it has ([`tables`]), and changes them; the first CPU changes one
//! that all have, and asks all what they read (SGI [`LOOK`]). Each CPU takes a timer interrupt each millisecond, too.
//!
//! The last line is `SOAK end …`; `lost`, `twice` and `stale` must be 0, `taken` and `answered` as `sent`.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::smp::MAX_CPUS;
use guest_base::sysreg::{counter, mask_irq, unmask_irq, wfi};
use guest_base::{args, gic, irq, mmu, psci, read_sysreg, smp, uart, write_sysreg};

use crate::tables;

/// First SGI of answers: 8 + the receiver.
const ANSWERS: u32 = 8;
/// SGI that asks what is at [`tables::COMMON`].
const LOOK: u32 = 15;
/// Most CPUs: SGIs 0–6 and 8–14 are theirs.
const CPUS: usize = MAX_CPUS - 1;
/// An answer that takes longer is lost, in seconds.
const PATIENCE: u64 = 60;
/// A broadcast each so many letters, a changed translation each so many.
const BROADCAST: u32 = 16;
const TURN: u32 = 64;

/// What a CPU has and counts.
struct Cpu {
    /// Numbers of the last letters, by sender.
    letter: [AtomicU32; CPUS],
    /// Numbers of the last letters that were taken, by sender.
    answer: [AtomicU32; CPUS],
    /// Numbers of the last answers that came by their interrupt, by receiver.
    heard: [AtomicU32; CPUS],
    /// Last value read at [`tables::COMMON`], plus one; 0: not looked yet.
    seen: AtomicU32,
    sent: AtomicU64,
    taken: AtomicU64,
    answered: AtomicU64,
    twice: AtomicU64,
    lost: AtomicU64,
    stale: AtomicU64,
    ticks: AtomicU64,
    done: AtomicBool,
}

impl Cpu {
    const fn new() -> Self {
        Self {
            letter: [const { AtomicU32::new(0) }; CPUS],
            answer: [const { AtomicU32::new(0) }; CPUS],
            heard: [const { AtomicU32::new(0) }; CPUS],
            seen: AtomicU32::new(0),
            sent: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            twice: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            ticks: AtomicU64::new(0),
            done: AtomicBool::new(false),
        }
    }
}

static ALL: [Cpu; CPUS] = [const { Cpu::new() }; CPUS];
static ONLINE: AtomicU32 = AtomicU32::new(1);
/// Letters that each CPU sends.
static LETTERS: AtomicU64 = AtomicU64::new(0);
/// Tick at which it ends in any case.
static END: AtomicU64 = AtomicU64::new(0);

/// Starts the other CPUs, soaks, sums up.
pub fn run(line: &'static str) -> ! {
    tables::init();
    mmu::enable(tables::of(0));
    let cpus = (args::number(line, "cpus", 4) as usize).clamp(2, CPUS);
    let frequency = read_sysreg!("cntfrq_el0");
    LETTERS.store(args::number(line, "ipis", u64::MAX / 2) / 2 / cpus as u64, Relaxed);
    END.store(counter() + frequency * args::number(line, "seconds", 5), Relaxed);
    irq::install(interrupt);
    gic::init_cpu(&[VIRTUAL_TIMER]);
    let started = (1..cpus).filter(|n| smp::start(*n, tables::of(*n), secondary)).count() + 1;
    while ONLINE.load(Acquire) < started as u32 {
        core::hint::spin_loop();
    }
    uart::line(format_args!("SOAK begin cpus={started}"));
    let begin = counter();
    for cpu in &ALL[1..started] {
        cpu.done.store(false, Release);
    }
    soak(0, started);
    sum_up(started, (counter() - begin) * 1000 / frequency)
}

fn secondary(me: usize) -> ! {
    irq::install_secondary();
    gic::init_cpu(&[VIRTUAL_TIMER]);
    ALL[me].done.store(true, Relaxed); // Until the first CPU says that all are there.
    ONLINE.fetch_add(1, AcqRel);
    while ALL[me].done.load(Acquire) {
        core::hint::spin_loop();
    }
    soak(me, ONLINE.load(Acquire) as usize);
    loop {
        wfi();
    }
}

/// Sends this CPU's letters, then serves the others until all are done.
fn soak(me: usize, cpus: usize) {
    let cpu = &ALL[me];
    set_timer();
    unmask_irq();
    let mut random = me as u32 + 1;
    let mut turns = 0;
    let mut number = 0;
    while u64::from(number) < LETTERS.load(Relaxed) && counter() < END.load(Relaxed) {
        number += 1;
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let other = (me + 1 + (random >> 8) as usize % (cpus - 1)) % cpus;
        let others: u16 = ((1 << cpus) - 1) & !(1 << me);
        send(me, number, if number.is_multiple_of(BROADCAST) { others } else { 1 << other });
        if tables::read(tables::OWN) != tables::expected(me, turns) {
            cpu.stale.fetch_add(1, Relaxed);
        }
        if number.is_multiple_of(TURN) {
            turns += 1;
            tables::turn(me, turns);
            if me == 0 {
                ask_all(turns, cpus);
            }
        }
    }
    cpu.done.store(true, Release);
    wait(|| ALL[..cpus].iter().all(|cpu| cpu.done.load(Acquire)), u64::MAX);
}

/// Sends a letter to each CPU of a mask, and waits for the answers.
fn send(me: usize, number: u32, to: u16) {
    let targets = || (0..CPUS).filter(move |n| to >> n & 1 != 0);
    for target in targets() {
        ALL[target].letter[me].store(number, Release);
        ALL[me].sent.fetch_add(1, Relaxed);
    }
    barrier();
    gic::send_sgi(me as u32, to);
    let answered = || targets().all(|target| ALL[me].heard[target].load(Relaxed) == number);
    if !wait(answered, counter() + PATIENCE * read_sysreg!("cntfrq_el0")) {
        ALL[me].lost.fetch_add(1, Relaxed);
        uart::line(format_args!("SOAK lost: {number} of cpu {me} to {to:#b}"));
    }
}

/// The first CPU changes what all read, and asks them.
fn ask_all(turns: u32, cpus: usize) {
    let page = turns as usize % 2;
    ALL[..cpus].iter().for_each(|cpu| cpu.seen.store(0, Relaxed));
    tables::turn_common(page);
    barrier();
    gic::send_sgi(LOOK, ((1 << cpus) - 1) & !1);
    let seen = || ALL[1..cpus].iter().all(|cpu| cpu.seen.load(Acquire) != 0);
    wait(seen, counter() + PATIENCE * read_sysreg!("cntfrq_el0"));
    let own = tables::read(tables::COMMON) + 1;
    ALL[0].seen.store(own, Relaxed);
    let wrong = ALL[..cpus].iter().filter(|cpu| cpu.seen.load(Acquire) != page as u32 + 1).count();
    ALL[0].stale.fetch_add(wrong as u64, Relaxed);
}

/// Sleeps until a condition holds; `false`: the time is over. Interrupts are taken meanwhile, a timer's at the least.
fn wait(condition: impl Fn() -> bool, deadline: u64) -> bool {
    loop {
        mask_irq();
        let (holds, late) = (condition(), counter() > deadline);
        if !holds && !late {
            wfi();
        }
        unmask_irq();
        if holds || late {
            return holds;
        }
    }
}

fn interrupt(intid: u32) {
    let me = smp::number();
    let Some(cpu) = ALL.get(me) else { return };
    match intid {
        VIRTUAL_TIMER => {
            cpu.ticks.fetch_add(1, Relaxed);
            set_timer();
        }
        LOOK => cpu.seen.store(tables::read(tables::COMMON) + 1, Release),
        ANSWERS..LOOK => hear(me, cpu, (intid - ANSWERS) as usize),
        _ => take(me, cpu, intid as usize),
    }
}

/// Takes the letter of a sender, and answers it.
fn take(me: usize, cpu: &Cpu, sender: usize) {
    let (Some(letter), Some(answer)) = (cpu.letter.get(sender), cpu.answer.get(sender)) else { return };
    let number = letter.load(Acquire);
    if number == answer.load(Relaxed) {
        cpu.twice.fetch_add(1, Relaxed);
        return;
    }
    cpu.taken.fetch_add(1, Relaxed);
    answer.store(number, Release);
    barrier();
    gic::send_sgi(ANSWERS + me as u32, 1 << sender);
}

/// Notes the answer of a receiver.
fn hear(me: usize, cpu: &Cpu, receiver: usize) {
    let (Some(heard), Some(other)) = (cpu.heard.get(receiver), ALL.get(receiver)) else { return };
    heard.store(other.answer[me].load(Acquire), Relaxed);
    cpu.answered.fetch_add(1, Relaxed);
}

/// Memory is written before the interrupt that tells of it is sent.
#[allow(unsafe_code, reason = "A barrier.")]
fn barrier() {
    // SAFETY: a barrier.
    unsafe { core::arch::asm!("dsb ishst", options(nostack)) };
}

fn set_timer() {
    write_sysreg!("cntv_cval_el0", counter() + read_sysreg!("cntfrq_el0") / 1000);
    write_sysreg!("cntv_ctl_el0", 1);
}

fn sum_up(cpus: usize, milliseconds: u64) -> ! {
    let sum = |of: fn(&Cpu) -> &AtomicU64| ALL.iter().map(|cpu| of(cpu).load(Acquire)).sum::<u64>();
    let sent = sum(|cpu| &cpu.sent);
    mask_irq();
    uart::line(format_args!(
        "SOAK end cpus={cpus} sent={sent} taken={} answered={} lost={} twice={} stale={} ticks={} ms={milliseconds}",
        sum(|cpu| &cpu.taken),
        sum(|cpu| &cpu.answered),
        sum(|cpu| &cpu.lost),
        sum(|cpu| &cpu.twice),
        sum(|cpu| &cpu.stale),
        sum(|cpu| &cpu.ticks),
    ));
    psci::system_off()
}
