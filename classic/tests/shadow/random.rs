//! Random guests: tables of all granules that loop, lead to devices and out of memory, edits by stores of two vCPUs, TLBIs
//! and context switches. After each step everything that the shadow would let the guest do is compared with what the
//! architecture allows at that time.
//!
//! What it allows is found backwards: an entry is right if the tables give it now, or gave it at an earlier time and no
//! TLBI since then was for it. In mode `traced` only now counts, in `lazy` that is so after each synchronisation point.

use crate::oracle::{self, Entry};
use crate::support::{PAGE, RAM, page};
use classic::shadow::{GuestMemory, MapError, Mode, Outcome, ShadowMmu, Spaces, Statistics, VECTORS};
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{Access, El, Fault, Reason, Regime, Rights};
use std::cell::Cell;
use std::ops::Range;

const RAM_BYTES: u64 = 64 << 20;
/// Tables are in the first part of RAM; the rest reads as zero.
const BACKED: u64 = 512 << 10;
/// Where the upper half maps RAM as it is, in some cases.
const LINEAR: u64 = 0xffff_8000_0000_0000;
const VCPUS: usize = 2;
const STEPS: usize = 40;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 32) % limit
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// Pages that the kernel has entered as one.
#[derive(Clone, Copy, Debug)]
struct Run {
    root: u8,
    va: u64,
    pages: u64,
    ipa: u64,
    rights: Rights,
}

/// The machine: RAM that is mostly zero, roots as lists of runs.
struct World {
    ram: Vec<u64>,
    runs: Vec<Run>,
    vectors: Vec<(u8, u64)>,
    /// Roots that other vCPUs run on: their vectors page must not go, not for a moment.
    running: Vec<u8>,
    /// Runs that there is memory for.
    pool: usize,
    /// Another vCPU writes its tables all the time: what is read is another descriptor now and then.
    unstable: Cell<Option<u64>>,
}

impl World {
    fn cut(&mut self, root: u8, va: u64, pages: u64) {
        let mut left = Vec::with_capacity(self.runs.len() + 1);
        for run in &self.runs {
            let (end, cut_end) = (run.va + run.pages, va + pages);
            if run.root != root || end <= va || cut_end <= run.va {
                left.push(*run);
                continue;
            }
            if run.va < va {
                left.push(Run { pages: va - run.va, ..*run });
            }
            if cut_end < end {
                let gone = cut_end - run.va;
                left.push(Run { va: cut_end, pages: end - cut_end, ipa: run.ipa + gone, ..*run });
            }
        }
        self.runs = left;
    }

    fn lookup(&self, root: u8, va: u64) -> Option<(u64, Rights)> {
        let run = self.runs.iter().find(|run| run.root == root && (run.va..run.va + run.pages).contains(&page(va)))?;
        Some(((run.ipa + page(va) - run.va) << 12 | va & 0xfff, run.rights))
    }
}

impl Spaces for World {
    fn map(&mut self, root: u8, va: u64, ipa: u64, pages: u64, rights: Rights) -> Result<(), MapError> {
        assert!(root > 1 && rights != Rights::NONE && (1..=512).contains(&pages), "map {root} {va:#x} {pages}");
        let covered = page(va)..page(va) + pages;
        assert!(!self.vectors.iter().any(|(at, page)| *at == root && covered.contains(page)));
        self.cut(root, page(va), pages);
        if ipa < RAM || ipa + pages * PAGE > RAM + RAM_BYTES {
            return Err(MapError::NotMapped);
        }
        if self.runs.len() >= self.pool {
            return Err(MapError::NoMemory);
        }
        self.runs.push(Run { root, va: page(va), pages, ipa: page(ipa), rights });
        Ok(())
    }

    fn vectors(&mut self, root: u8, va: u64) -> Result<(), MapError> {
        self.vectors.push((root, page(va)));
        Ok(())
    }

    fn unmap(&mut self, root: u8, va: u64, pages: u64) {
        self.cut(root, page(va), pages);
        self.vectors.retain(|(at, page_of)| *at != root || !(page(va)..page(va) + pages).contains(page_of));
        assert!(!self.running.contains(&root) || self.vectors.iter().any(|(at, _)| *at == root), "vectors gone");
    }

    fn clear(&mut self, root: u8) {
        assert!(!self.running.contains(&root) || !self.vectors.iter().any(|(at, _)| *at == root), "vectors gone");
        self.runs.retain(|run| run.root != root);
        self.vectors.retain(|(at, _)| *at != root);
    }
}

impl GuestMemory for World {
    fn read(&self, ipa: u64) -> Option<u64> {
        assert!(ipa.is_multiple_of(8));
        let offset = ipa.checked_sub(RAM).filter(|offset| *offset < RAM_BYTES)?;
        if let Some(state) = self.unstable.get() {
            let next = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            self.unstable.set(Some(next));
            if next >> 61 == 0 {
                return Some(RAM | (next >> 20 & 0x7_f000) | 0x443);
            }
        }
        Some(self.ram.get((offset / 8) as usize).copied().unwrap_or(0))
    }

    fn mapped(&self, ipa: u64) -> Option<Range<u64>> {
        let ram = RAM..RAM + RAM_BYTES;
        ram.contains(&ipa).then_some(ram)
    }
}

/// What happened, for the way back.
enum Event {
    Store { ipa: u64, old: u64 },
    Tlbi(Scope),
}

/// How often what was seen.
#[derive(Debug, Default)]
struct Seen {
    filled: u64,
    guest: [u64; 5],
    device: u64,
    table_write: u64,
    vectors: u64,
    full: u64,
    /// Entries that the tables do not give any more.
    stale: u64,
    /// Entries larger than a page.
    large: u64,
    drops: u64,
    resyncs: u64,
    replaced: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.filled += other.filled;
        self.guest.iter_mut().zip(other.guest).for_each(|(sum, n)| *sum += n);
        self.device += other.device;
        self.table_write += other.table_write;
        self.vectors += other.vectors;
        self.full += other.full;
        self.stale += other.stale;
        self.large += other.large;
        self.drops += other.drops;
        self.resyncs += other.resyncs;
        self.replaced += other.replaced;
    }
}

struct Case<const RUNS: usize, const NODES: usize> {
    seen: Seen,
    mode: Mode,
    random: Random,
    world: World,
    mmu: ShadowMmu<RUNS, NODES>,
    regimes: [Regime; 4],
    /// Of each vCPU.
    current: [usize; VCPUS],
    vas: Vec<u64>,
    linear: bool,
    log: Vec<Event>,
    /// Stores that no trap showed are in the log since the last TLBI of everything.
    hidden: bool,
    /// Nothing may be stale.
    exact: bool,
}

const ELS: [El; 2] = [El::User, El::Kernel];

impl<const RUNS: usize, const NODES: usize> Case<RUNS, NODES> {
    fn new(mode: Mode, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let world = World {
            ram: vec![0; BACKED as usize / 8],
            runs: Vec::new(),
            vectors: Vec::new(),
            running: Vec::new(),
            pool: if random.one_in(8) { 4 } else { usize::MAX },
            unstable: Cell::new(None),
        };
        let linear = !random.one_in(3);
        let regimes = regimes(&mut random, linear);
        let vas = vas(&mut random);
        let exact = mode == Mode::Traced;
        let (mmu, current) = (ShadowMmu::new(), [0; VCPUS]);
        let mut case = Self {
            seen: Seen::default(),
            mode,
            random,
            world,
            mmu,
            regimes,
            current,
            vas,
            linear,
            log: Vec::new(),
            hidden: false,
            exact,
        };
        case.mmu.start(mode, &mut case.world).unwrap();
        if linear {
            case.map_linear();
        }
        for n in 0..12 {
            let (regime, va) = (case.regimes[n % 3], case.vas[n % 6]);
            case.build(&regime, va);
        }
        for vcpu in 0..VCPUS {
            case.mmu.view(vcpu, &case.regimes[0]);
        }
        case
    }

    fn play(mut self) -> Seen {
        self.check();
        (0..STEPS).for_each(|_| self.step());
        let Statistics { drops, resyncs, replaced, .. } = self.mmu.statistics();
        Seen { drops, resyncs, replaced, ..self.seen }
    }

    fn put(&mut self, ipa: u64, value: u64) -> u64 {
        let slot = ipa.checked_sub(RAM).and_then(|offset| self.world.ram.get_mut((offset / 8) as usize));
        slot.map_or(0, |slot| std::mem::replace(slot, value))
    }

    /// RAM in the upper half: the first 64 pages one by one or as a block, then blocks.
    fn map_linear(&mut self) {
        let tables = RAM + BACKED - 4 * PAGE;
        let pages = self.random.one_in(2);
        self.put(tables + 256 * 8, (tables + PAGE) | 3);
        self.put(tables + PAGE, (tables + 2 * PAGE) | 3);
        for n in 0..RAM_BYTES >> 21 {
            self.put(tables + 2 * PAGE + n * 8, (RAM + (n << 21)) | 0x401);
        }
        if pages {
            self.put(tables + 2 * PAGE, (tables + 3 * PAGE) | 3);
            for n in 0..BACKED / PAGE {
                self.put(tables + 3 * PAGE + n * 8, (RAM + n * PAGE) | 0x403);
            }
        }
    }

    fn table(&mut self) -> u64 {
        match self.random.below(12) {
            n @ 0..8 => RAM + n * PAGE,
            n @ 8..11 => RAM + (n - 7) * 0x1_0000,
            _ => RAM + 0x5_4000,
        }
    }

    /// A block or page: mostly of RAM, mostly allowed.
    fn leaf(&mut self) -> u64 {
        let denied = self.random.next() & self.random.next() & (0x0060 << 48 | 0x80);
        let flag = if self.random.one_in(12) { 0 } else { 1 << 10 };
        let attributes = denied | flag | self.random.next() & (0xf890 << 48 | 0x840) & !(0xf8 << 56) | 0x40;
        let address = match self.random.below(10) {
            0..2 => self.table(),
            2..6 => RAM + (self.random.below(RAM_BYTES / PAGE) << 12),
            6..8 => RAM + (self.random.below(RAM_BYTES >> 21) << 21),
            8 => 0x900_0000,
            _ => self.random.next() & 0xffff_ffff_f000,
        };
        address | attributes | self.random.of(&[3, 3, 3, 1])
    }

    fn descriptor(&mut self) -> u64 {
        match self.random.below(12) {
            0..4 => self.table() | self.random.of(&[0, 0, 0, 1 << 59, 1 << 60, 1 << 61, 1 << 62]) | 3,
            4..10 => self.leaf(),
            10 => 0,
            _ => self.random.next(),
        }
    }

    /// The address of the descriptor that the walk of a VA reads at so many tables down.
    fn slot_at(&self, regime: &Regime, va: u64, depth: u64) -> Option<u64> {
        let (left, at) = (Cell::new(depth), Cell::new(None));
        let _ = oracle::translate(regime, El::Kernel, va, |ipa| {
            let last = left.get() == 0;
            at.set(last.then_some(ipa));
            left.set(left.get().checked_sub(1)?);
            self.world.read(ipa)
        });
        at.get().filter(|ipa| (RAM..RAM + BACKED - 4 * PAGE).contains(ipa))
    }

    /// The descriptor of some VA at some level of its walk.
    fn slot(&mut self) -> u64 {
        let (regime, va) = (self.random.of(&self.regimes.clone()), self.va());
        let depth = self.random.of(&[0, 1, 2, 3, 3, 3, 2]);
        (0..=depth).rev().find_map(|depth| self.slot_at(&regime, va, depth)).unwrap_or(RAM)
    }

    /// Tables down to a page or a block.
    fn build(&mut self, regime: &Regime, va: u64) {
        let mut last = None;
        for depth in 0..4 {
            let Some(slot) = self.slot_at(regime, va, depth) else { break };
            last = Some(slot);
            if self.world.read(slot).is_some_and(|value| value & 3 == 3) && !self.random.one_in(8) {
                continue;
            }
            if depth > 0 && self.random.one_in(4) {
                break;
            }
            let table = self.table() | 3;
            self.put(slot, table);
        }
        let Some(slot) = last else { return };
        let leaf = self.leaf();
        self.put(slot, leaf);
        if self.random.one_in(3) {
            for n in 1..16 {
                self.put(slot + 8 * n, leaf + n * PAGE);
            }
        }
    }

    /// One of the addresses of the case, mostly a few of them.
    fn va(&mut self) -> u64 {
        let hot = if self.random.one_in(4) { self.vas.len() } else { 6 };
        self.vas[self.random.below(hot as u64) as usize]
    }

    fn step(&mut self) {
        self.exact = self.mode == Mode::Traced && !self.hidden;
        match self.random.below(16) {
            0..7 => self.access(),
            7..11 => self.store(),
            11..13 => self.tlbi(),
            13 => self.switch(),
            14 if self.random.one_in(4) => self.hidden_store(),
            14 => self.access(),
            _ => self.odd(),
        }
        self.check();
    }

    fn vcpu(&mut self) -> usize {
        let vcpu = self.random.below(VCPUS as u64) as usize;
        let others = (0..VCPUS).filter(|other| *other != vcpu).map(|other| self.mmu.views(other));
        self.world.running = others.flat_map(|views| [views.kernel.high, views.user.high]).collect();
        vcpu
    }

    fn root(&self, vcpu: usize, el: El, va: u64) -> u8 {
        let view = self.mmu.views(vcpu).of(el);
        if va >> 55 & 1 == 0 { view.low } else { view.high }
    }

    fn access(&mut self) {
        let vcpu = self.vcpu();
        let (el, va) = (self.random.of(&ELS), self.va() + self.random.below(PAGE));
        let access = self.random.of(&[Access::Read, Access::Write, Access::Execute]);
        self.try_access(vcpu, el, va, access);
    }

    /// An access; whether the processor would do it now.
    fn try_access(&mut self, vcpu: usize, el: El, va: u64, access: Access) -> Option<u64> {
        let allowed = |case: &Self| {
            let (ipa, rights) = case.world.lookup(case.root(vcpu, el, va), va)?;
            rights.allow(access).then_some(ipa)
        };
        if let Some(ipa) = allowed(self) {
            return Some(ipa);
        }
        let regime = self.regimes[self.current[vcpu]];
        let expected = self.now(&regime, el, va).and_then(|entry| {
            let ipa = oracle::check(&regime, entry, access, granule(&regime, va))?;
            Ok(ipa)
        });
        let outcome = self.mmu.fault(vcpu, &regime, el, va, access, &mut self.world);
        self.count(&outcome);
        match (outcome, expected) {
            (Outcome::Filled, Ok(ipa)) => assert_eq!(allowed(self), Some(ipa), "filled, but it faults again"),
            (Outcome::Guest(fault), Err(expected)) => {
                assert_eq!(fault, expected);
                self.exact |= self.mode == Mode::Lazy && !self.hidden;
            }
            (Outcome::Device(ipa), Ok(expected)) => assert!(ipa == expected && self.world.mapped(ipa).is_none()),
            (Outcome::TableWrite(ipa), Ok(expected)) => {
                assert!(ipa == expected && access == Access::Write && self.mode == Mode::Traced);
            }
            (Outcome::Vectors, Ok(_)) => assert_eq!(page(va), page(VECTORS)),
            (Outcome::Full, Ok(_)) => assert_ne!(self.world.pool, usize::MAX),
            (outcome, expected) => panic!("{outcome:?} instead of {expected:?}"),
        }
        allowed(self)
    }

    fn count(&mut self, outcome: &Outcome) {
        let seen = &mut self.seen;
        *match outcome {
            Outcome::Filled => &mut seen.filled,
            Outcome::Guest(fault) => &mut seen.guest[usize::from(fault.fsc() >> 2).min(4)],
            Outcome::Device(_) => &mut seen.device,
            Outcome::TableWrite(_) => &mut seen.table_write,
            Outcome::Vectors => &mut seen.vectors,
            Outcome::Full => &mut seen.full,
        } += 1;
    }

    /// The guest stores to one of its tables, through the upper half, where RAM is mapped as it is.
    fn store(&mut self) {
        let (vcpu, ipa, value) = (self.vcpu(), self.slot(), self.descriptor());
        let regime = self.regimes[self.current[vcpu]];
        let va = LINEAR + (ipa - RAM);
        if !self.linear || regime.sctlr & 1 == 0 {
            return;
        }
        let direct = self.try_access(vcpu, El::Kernel, va, Access::Write);
        let old = self.put(ipa, value);
        self.log.push(Event::Store { ipa, old });
        match (self.mode, direct) {
            (_, Some(to)) => {
                assert_eq!(to, ipa);
                self.exact &= self.mode == Mode::Traced;
            }
            (Mode::Traced, None) => self.mmu.table_written(ipa, 8, &mut self.world),
            _ => assert_ne!(self.world.pool, usize::MAX),
        }
    }

    /// A store that is not the guest's own, by a device.
    fn hidden_store(&mut self) {
        let (ipa, value) = (self.slot(), self.descriptor());
        let old = self.put(ipa, value);
        self.log.push(Event::Store { ipa, old });
        (self.hidden, self.exact) = (true, false);
    }

    fn tlbi(&mut self) {
        self.vcpu();
        let va = self.va();
        let asid = self.random.of(&[1, 2, 3]);
        let bytes = self.random.of(&[PAGE, PAGE, 2 * PAGE, 1 << 16, 1 << 21, 1 << 32]);
        let by = self.random.of(&[None, Some(asid)]);
        let scope = match self.random.below(6) {
            0 => Scope::All,
            1 => Scope::Asid(asid),
            _ => Scope::Addresses { va, bytes, asid: by, last: self.random.one_in(2) },
        };
        self.mmu.tlbi(&Tlbi { scope, broadcast: true }, &mut self.world);
        self.log.push(Event::Tlbi(scope));
        self.hidden &= scope != Scope::All;
        self.exact = self.mode != Mode::Tlb && !self.hidden;
    }

    fn switch(&mut self) {
        let vcpu = self.vcpu();
        self.current[vcpu] = self.random.below(4) as usize;
        self.mmu.view(vcpu, &self.regimes[self.current[vcpu]]);
    }

    fn odd(&mut self) {
        let table = self.table();
        let vcpu = self.vcpu();
        match self.random.below(3) {
            0 => self.mmu.forget(table, &mut self.world),
            1 => self.mmu.table_written(table, 64, &mut self.world),
            _ => {
                self.mmu.release(vcpu);
                self.mmu.view(vcpu, &self.regimes[self.current[vcpu]]);
            }
        }
    }

    fn now(&self, regime: &Regime, el: El, va: u64) -> Result<Entry, Fault> {
        oracle::translate(regime, el, va, |ipa| self.world.read(ipa))
    }

    /// Everything that is in the roots of the vCPUs.
    fn check(&mut self) {
        for vcpu in 0..VCPUS {
            let (views, regime) = (self.mmu.views(vcpu), self.regimes[self.current[vcpu]]);
            for el in ELS {
                let view = views.of(el);
                assert!(self.world.vectors.contains(&(view.high, page(VECTORS))), "vectors gone");
                for run in self.world.runs.clone() {
                    let upper = run.root == view.high;
                    if upper || run.root == view.low {
                        self.seen.large += u64::from(run.pages > 1);
                        let sign = if upper { 0xffff << 48 } else { 0 };
                        for n in [0, run.pages / 2, run.pages - 1] {
                            self.check_page(&regime, el, (run.va + n) << 12 | sign, (run.ipa + n) << 12, run.rights);
                        }
                    }
                }
            }
        }
    }

    fn check_page(&mut self, regime: &Regime, el: El, va: u64, ipa: u64, rights: Rights) {
        let gives = |entry: Result<Entry, Fault>| {
            entry.ok().filter(|entry| entry.ipa == ipa && rights.without(entry.rights) == Rights::NONE)
        };
        if gives(self.now(regime, el, va)).is_some() {
            return;
        }
        let what = format!("{el:?} {va:#x} -> {ipa:#x} {rights:?}, now {:x?}", self.now(regime, el, va));
        assert!(!self.exact, "stale: {what}");
        self.seen.stale += 1;
        // Backwards in time, with the TLBIs passed on the way.
        let (mut undone, mut passed, mut found) = (Vec::new(), Vec::new(), false);
        for event in self.log.iter().rev() {
            match event {
                Event::Tlbi(scope) => passed.push(*scope),
                Event::Store { ipa: slot, old } => {
                    let index = ((slot - RAM) / 8) as usize;
                    undone.push((index, std::mem::replace(&mut self.world.ram[index], *old)));
                    let then = oracle::translate(regime, el, va, |ipa| self.world.read(ipa));
                    if let Some(entry) = gives(then) {
                        found = !passed.iter().any(|scope| drops(*scope, regime, va, &entry));
                        if found {
                            break;
                        }
                    }
                }
            }
        }
        undone.into_iter().rev().for_each(|(index, value)| self.world.ram[index] = value);
        assert!(found, "never, or dropped since: {what}");
    }
}

/// Whether a TLBI drops an entry.
fn drops(scope: Scope, regime: &Regime, va: u64, entry: &Entry) -> bool {
    let own = regime.asid();
    match scope {
        Scope::All => true,
        Scope::Asid(asid) => !entry.global && asid == own,
        Scope::Addresses { va: first, bytes, asid, .. } => {
            let block = |va: u64| (va & 0xffff_ffff_ffff) >> entry.bits;
            let last = ((first & 0xffff_ffff_ffff) + (bytes - 1)).min(0xffff_ffff_ffff);
            let of = asid.is_none_or(|asid| entry.global || asid == own);
            of && first >> 55 & 1 == va >> 55 & 1 && (block(first)..=last >> entry.bits).contains(&block(va))
        }
    }
}

fn granule(regime: &Regime, va: u64) -> u32 {
    let (field, sizes) =
        if va >> 55 & 1 == 0 { (regime.tcr >> 14, [12, 16, 14, 12]) } else { (regime.tcr >> 30, [12, 14, 12, 16]) };
    sizes[(field & 3) as usize]
}

/// Four regimes that share tables: two ASIDs with other tables, the first with other attributes, translation off.
fn regimes(random: &mut Random, linear: bool) -> [Regime; 4] {
    let size = |random: &mut Random| random.of(&[16, 16, 16, 17, 22, 25, 25, 28, 33, 12]);
    let low = size(random) | random.below(4) << 14;
    let high = if linear { 16 << 16 | 2 << 30 } else { size(random) << 16 | random.below(4) << 30 };
    let rare = |random: &mut Random, bit: u32| u64::from(random.one_in(24)) << bit;
    let mut tcr = low | high | random.of(&[5 << 32, 5 << 32, 5 << 32, 2 << 32, 0, 2 << 32]) | 1 << 36;
    for bit in [7, 37, 41, 55, 56] {
        tcr |= rare(random, bit);
    }
    if !linear {
        tcr |= rare(random, 23) | rare(random, 38) | rare(random, 42);
    }
    let sctlr = 1 | u64::from(random.one_in(4)) << 19;
    let table = |random: &mut Random| match random.below(8) {
        n @ 0..4 => RAM + n * PAGE,
        n @ 4..7 => RAM + (n - 3) * 0x1_0000,
        _ => RAM + 0x240,
    };
    let ttbr1 = if linear { RAM + BACKED - 4 * PAGE } else { table(random) };
    let first = Regime { sctlr, tcr, ttbr0: table(random) | 1 << 48, ttbr1 };
    let second = Regime { ttbr0: table(random) | 2 << 48, ..first };
    let third = Regime { tcr: tcr ^ 1 << 41, ttbr0: first.ttbr0 ^ 3 << 48, ..first };
    [first, second, third, Regime { sctlr: 0, ..first }]
}

/// Addresses next to each other at each level, and some that are anywhere.
fn vas(random: &mut Random) -> Vec<u64> {
    let around = [0, 0x1000, 0x2000, 0xf000, 0x1_0000, 0x1f_f000, 0x20_0000, 0x1ff_0000, 0x4000_0000, 0x80_0000_0000];
    let low = around.into_iter();
    let high = around.into_iter().map(|va| va | 0xffff_ff80_0000_0000);
    let linear =
        [0, 0x1000, 0x8000, 0x1_0000, 0x5_0000, 0x20_0000, 0x3ff_f000].into_iter().map(|offset| LINEAR + offset);
    let odd = [VECTORS, VECTORS - PAGE, VECTORS + PAGE, RAM, RAM + 0x20_3000, 0xab00_0000_0000_1000, !0xfff];
    let any = random.next() & !0xfff;
    let all: Vec<u64> = low.chain(high).chain(linear).chain(odd).chain([any]).collect();
    // The first are used most.
    let hot: Vec<u64> = (0..6).map(|_| random.of(&all)).collect();
    hot.into_iter().chain(all).collect()
}

fn run(mode: Mode, seeds: Range<u64>) -> Seen {
    let mut all = Seen::default();
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| {
            if seed.is_multiple_of(4) {
                Case::<8, 8>::new(mode, seed).play()
            } else {
                Case::<64, 32>::new(mode, seed).play()
            }
        });
        all.add(&outcome.unwrap_or_else(|_| panic!("seed {seed}")));
    }
    all
}

/// Tables that change under each walk: what comes of it is the guest's affair, but nobody else's.
fn run_unstable(mode: Mode, seeds: Range<u64>) -> u64 {
    let mut filled = 0;
    for seed in seeds {
        let mut case = Case::<16, 12>::new(mode, seed);
        case.world.unstable.set(Some(seed));
        for _ in 0..STEPS {
            let vcpu = case.vcpu();
            let (el, va) = (case.random.of(&ELS), case.va());
            let access = case.random.of(&[Access::Read, Access::Write, Access::Execute]);
            let regime = case.regimes[case.current[vcpu]];
            match case.random.below(8) {
                0..4 => {
                    let outcome = case.mmu.fault(vcpu, &regime, el, va, access, &mut case.world);
                    filled += u64::from(outcome == Outcome::Filled);
                }
                4 => case.mmu.table_written(case.random.below(128) * PAGE + RAM, 8, &mut case.world),
                5 => case.switch(),
                _ => case.tlbi(),
            }
            for vcpu in 0..VCPUS {
                let views = case.mmu.views(vcpu);
                let roots = [views.kernel.high, views.user.high];
                assert!(roots.iter().all(|root| case.world.vectors.contains(&(*root, page(VECTORS)))), "seed {seed}");
            }
        }
    }
    filled
}

#[test]
fn test_tables_that_change_under_the_walk_harm_nobody() {
    for mode in [Mode::Tlb, Mode::Traced, Mode::Lazy] {
        assert!(run_unstable(mode, 0..300) > 100);
    }
}

/// Seeds of a usual run.
const FEW: u64 = 1500;
/// Seeds in all modes together of a long one.
const MANY: u64 = 1_000_000;

/// Nothing is shown by guests that do nothing.
fn assert_much_was_seen(seen: &Seen) {
    println!("{seen:?}");
    assert!(seen.guest.iter().all(|faults| *faults > 10), "{seen:?}");
    assert!(seen.filled > 1000 && seen.device > 10 && seen.vectors > 0 && seen.large > 100, "{seen:?}");
    assert!(seen.drops > 100 && seen.replaced > 10, "{seen:?}");
}

#[test]
fn test_random_guests_tlb() {
    let seen = run(Mode::Tlb, 0..FEW);

    assert_much_was_seen(&seen);
    assert!(seen.stale > 100, "a TLB is stale at times: {seen:?}");
}

#[test]
fn test_random_guests_traced() {
    let seen = run(Mode::Traced, 0..FEW);

    assert_much_was_seen(&seen);
    assert!(seen.table_write > 100, "{seen:?}");
}

#[test]
fn test_random_guests_lazy() {
    let seen = run(Mode::Lazy, 0..FEW);

    assert_much_was_seen(&seen);
    assert!(seen.stale > 100 && seen.resyncs > 100, "{seen:?}");
}

#[test]
#[ignore = "long"]
fn test_million_random_guests_tlb() {
    run(Mode::Tlb, FEW..FEW + MANY / 3);
}

#[test]
#[ignore = "long"]
fn test_million_random_guests_traced() {
    run(Mode::Traced, FEW..FEW + MANY / 3);
}

#[test]
#[ignore = "long"]
fn test_million_random_guests_lazy() {
    run(Mode::Lazy, FEW..FEW + MANY / 3 + 1);
}

#[test]
fn test_reason_codes_are_the_architectures() {
    let codes = [Reason::AddressSize, Reason::Translation, Reason::AccessFlag, Reason::Permission, Reason::External];

    let fsc = codes.map(|reason| Fault { reason, level: 2 }.fsc());

    assert_eq!(fsc, [0b00_0010, 0b00_0110, 0b00_1010, 0b00_1110, 0b01_0110]);
}
