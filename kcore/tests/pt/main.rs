//! Tables of both stages against a plain list of ranges, and against TLBs that keep all that the architecture allows.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

mod machine;
mod model;

use kcore::pt::{Attr, Mapping, Progress, Stage, Stop, TableMemory, bbm_required, desc, free_tables, map, unmap, walk};
use machine::{Machine, ROOT};
use model::{Mapped, Model};
use proptest::prelude::*;

const RW: Attr = Attr { read: true, write: true, exec: false, device: false, vectors: false };
const RX: Attr = Attr { read: true, write: false, exec: true, device: false, vectors: false };
const MIB2: u64 = 2 << 20;
const GIB: u64 = 1 << 30;

fn map_all(mem: &mut Machine, ipa: u64, pa: u64, pages: u64, attr: Attr) -> Progress {
    map(mem, ROOT, ipa, pa, pages, attr, u32::MAX)
}

#[test]
fn test_map_aligned_range_takes_largest_blocks() {
    let mut mem = Machine::new(8);

    let done = map_all(&mut mem, GIB, 5 * GIB, (GIB + MIB2) / 4096 + 1, RW);

    assert_eq!(done.stop, Stop::Done);
    let at = |ipa| walk(&mem, ROOT, ipa).unwrap();
    assert_eq!(at(GIB + 0x1234), Mapping { pa: 5 * GIB + 0x1234, attr: RW, level: 1 });
    assert_eq!(at(2 * GIB), Mapping { pa: 6 * GIB, attr: RW, level: 2 });
    assert_eq!(at(2 * GIB + MIB2), Mapping { pa: 6 * GIB + MIB2, attr: RW, level: 3 });
    assert_eq!(walk(&mem, ROOT, 2 * GIB + MIB2 + 4096), None);
}

#[test]
fn test_map_unaligned_physical_address_takes_pages() {
    let mut mem = Machine::new(8);

    map_all(&mut mem, MIB2, MIB2 + 4096, 512, RW);

    assert_eq!(walk(&mem, ROOT, MIB2).unwrap().level, 3);
}

#[test]
fn test_map_bad_arguments_returns_bad_arg() {
    let mut mem = Machine::new(8);
    let cases = [(1, 0, 1), (0, 0x800, 1), (1 << 39, 0, 1), ((1 << 39) - 4096, 0, 2), (0, (1 << 48) - 4096, 2)];
    let huge = [(0, 0, u64::MAX), (u64::MAX << 12, 0, 1), (0, u64::MAX << 12, 1)];
    for (ipa, pa, pages) in cases.into_iter().chain(huge) {
        assert_eq!(map_all(&mut mem, ipa, pa, pages, RW), Progress { done_pages: 0, stop: Stop::BadArg });
    }
    assert_eq!(unmap(&mut mem, ROOT, 4096, 1 << 27, 9).stop, Stop::BadArg);
    assert_eq!(walk(&mem, ROOT, 1 << 39), None);
}

#[test]
fn test_map_without_pages_leaves_no_table() {
    let mut mem = Machine::new(1);

    let done = map_all(&mut mem, 0, 0, 1, RW);

    assert_eq!(done, Progress { done_pages: 0, stop: Stop::NoMemory });
    assert_eq!(mem.table_count(), 1);
}

#[test]
fn test_unmap_part_of_block_keeps_the_rest() {
    let mut mem = Machine::new(8);
    map_all(&mut mem, 0, 0, GIB / 4096, RX);

    let done = unmap(&mut mem, ROOT, MIB2 + 4096, 1, u32::MAX);

    assert_eq!(done, Progress { done_pages: 1, stop: Stop::Done });
    assert_eq!(walk(&mem, ROOT, MIB2 + 4096), None);
    assert_eq!(walk(&mem, ROOT, MIB2), Some(Mapping { pa: MIB2, attr: RX, level: 3 }));
    assert_eq!(walk(&mem, ROOT, 0), Some(Mapping { pa: 0, attr: RX, level: 2 }));
}

#[test]
fn test_unmap_last_page_frees_tables() {
    let mut mem = Machine::new(8);
    map_all(&mut mem, 7 * GIB, 0, 3, RW);

    unmap(&mut mem, ROOT, 7 * GIB, 3, u32::MAX);

    assert_eq!(mem.table_count(), 1);
}

#[test]
#[should_panic(expected = "freed table")]
fn test_model_tlb_unflushed_table_is_found() {
    let mut mem = Machine::new(8);
    map_all(&mut mem, 0, 0, 1, RW);
    mem.flushes_are_lost = true;

    unmap(&mut mem, ROOT, 0, 1, u32::MAX);
}

#[test]
#[should_panic(expected = "old and new entry")]
fn test_model_tlb_unflushed_split_is_found() {
    let mut mem = Machine::new(8);
    map_all(&mut mem, 0, 0, 512, RW);
    // Two blocks: the table must stay.
    map_all(&mut mem, MIB2, 0, 512, RW);
    mem.flushes_are_lost = true;

    unmap(&mut mem, ROOT, 0, 512, u32::MAX);
    map_all(&mut mem, 0, 4096, 512, RW);
}

#[test]
fn test_bbm_required_follows_the_architecture() {
    for stage in [Stage::One, Stage::Two] {
        let leaf = |level, pa, attr| desc::leaf(stage, level, pa, attr);
        let [block, page] = [leaf(2, MIB2, RW), leaf(3, MIB2, RW)];
        assert!(!bbm_required(2, 0, block));
        assert!(!bbm_required(2, block, 0));
        assert!(!bbm_required(3, page, leaf(3, MIB2, RX)));
        assert!(!bbm_required(2, desc::table(MIB2, 1), desc::table(MIB2, 512)));
        assert!(bbm_required(2, block, desc::table(MIB2, 512)));
        assert!(bbm_required(2, block, leaf(2, 2 * MIB2, RW)));
        assert!(bbm_required(3, page, leaf(3, MIB2, Attr { device: true, ..RW })));
        assert!(bbm_required(2, desc::table(MIB2, 1), desc::table(2 * MIB2, 1)));
    }
}

/// Bits of a stage 1 leaf descriptor (Arm ARM D8.3.2).
mod stage1 {
    pub const ATTR_INDEX: u64 = 7 << 2;
    pub const AP_EL0: u64 = 1 << 6;
    pub const AP_READ_ONLY: u64 = 1 << 7;
    pub const NG: u64 = 1 << 11;
    pub const PXN: u64 = 1 << 53;
    pub const UXN: u64 = 1 << 54;
}

#[test]
fn test_stage_1_entries_give_el0_its_rights_and_el1_none_to_execute() {
    use stage1::{AP_EL0, AP_READ_ONLY, ATTR_INDEX, NG, PXN, UXN};
    let none = Attr::default();
    let cases = [
        (RW, AP_EL0 | UXN | PXN | NG),
        (RX, AP_EL0 | AP_READ_ONLY | PXN | NG),
        (Attr { read: true, ..none }, AP_EL0 | AP_READ_ONLY | UXN | PXN | NG),
        (Attr { exec: true, ..none }, AP_READ_ONLY | PXN | NG),
        (none, AP_READ_ONLY | UXN | PXN | NG),
        (Attr { vectors: true, ..none }, AP_READ_ONLY | UXN | NG),
    ];
    for (attr, expected) in cases {
        let desc = desc::leaf(Stage::One, 3, MIB2, attr);
        assert_eq!(desc & (AP_EL0 | AP_READ_ONLY | UXN | PXN | NG), expected, "{attr:?}");
        assert_eq!(desc & ATTR_INDEX, ATTR_INDEX);
        assert_eq!(Attr::of(Stage::One, desc), attr);
    }
    let device = desc::leaf(Stage::One, 3, MIB2, Attr { device: true, ..RW });
    assert_eq!(device & ATTR_INDEX, 1 << 2);
}

#[test]
fn test_stage_1_maps_across_the_entries_of_the_root() {
    let mut mem = Machine::<0>::new(16);
    let edge = 1 << 39;

    let done = map(&mut mem, ROOT, edge - GIB, 5 * GIB, 2 * GIB / 4096, RW, u32::MAX);

    assert_eq!(done.stop, Stop::Done);
    assert_eq!(walk(&mem, ROOT, edge - 1), Some(Mapping { pa: 6 * GIB - 1, attr: RW, level: 1 }));
    assert_eq!(walk(&mem, ROOT, edge + 5), Some(Mapping { pa: 6 * GIB + 5, attr: RW, level: 1 }));
    assert_eq!(map(&mut mem, ROOT, (1 << 48) - 4096, 0, 2, RW, 9).stop, Stop::BadArg);
    assert_eq!(unmap(&mut mem, ROOT, 0, 1 << 36, u32::MAX), Progress { done_pages: 1 << 36, stop: Stop::Done });
    assert_eq!(mem.table_count(), 1);
}

#[derive(Clone, Debug)]
enum Op {
    Map {
        ipa: u64,
        pa: u64,
        pages: u64,
        attr: Attr,
    },
    Unmap {
        ipa: u64,
        pages: u64,
    },
    /// Unmap what an earlier Map asked for.
    UnmapOld(prop::sample::Index),
}

fn attrs() -> impl Strategy<Value = Attr> {
    any::<[bool; 4]>().prop_map(|[read, write, exec, device]| Attr {
        read,
        write,
        exec: exec && !device,
        device,
        vectors: false,
    })
}

/// Page numbers around few places, so that ranges meet.
fn place() -> impl Strategy<Value = u64> {
    let base = prop_oneof![Just(0), Just(262_144), Just((1 << 27) - 262_144)];
    let offset = prop_oneof![Just(0), Just(512), Just(1024), 0..1100u64];
    (base, offset).prop_map(|(base, offset)| base + offset)
}

fn length() -> impl Strategy<Value = u64> {
    prop_oneof![1..6u64, 510..516u64, 1020..1540u64, Just(262_144), Just(262_144 + 513)]
}

fn ops() -> impl Strategy<Value = Op> {
    let map = (place(), place(), length(), attrs()).prop_map(|(ipa, pa, pages, attr)| Op::Map { ipa, pa, pages, attr });
    let same = (place(), length(), attrs()).prop_map(|(ipa, pages, attr)| Op::Map { ipa, pa: ipa, pages, attr });
    let unmap = (place(), length()).prop_map(|(ipa, pages)| Op::Unmap { ipa, pages });
    prop_oneof![map, same, unmap, any::<prop::sample::Index>().prop_map(Op::UnmapOld)]
}

struct Run<const ROOT_LEVEL: u32> {
    mem: Machine<ROOT_LEVEL>,
    model: Model,
    budget: u32,
}

impl<const ROOT_LEVEL: u32> Run<ROOT_LEVEL> {
    /// Each step is bounded: few accesses for a step of the budget, and 600 for a split.
    fn check_bound(&mut self) {
        let used = self.mem.accesses.replace(0);
        assert!(used <= self.budget * 24 + self.budget.min(4) * 1200, "{used} accesses for {}", self.budget);
    }

    fn map(&mut self, new: Mapped) {
        let Mapped { ipa, pa, pages, attr } = new;
        let mut done = 0;
        let stop = loop {
            let left = pages - done;
            let p = map(&mut self.mem, ROOT, (ipa + done) << 12, (pa + done) << 12, left, attr, self.budget);
            self.check_bound();
            done += p.done_pages;
            if p.stop != Stop::Budget {
                break p.stop;
            }
            assert!(p.done_pages > 0, "no progress");
        };
        match self.model.first_taken(ipa, pages) {
            _ if stop == Stop::NoMemory => {}
            Some(taken) => assert_eq!((stop, ipa + done), (Stop::Taken, taken)),
            None => assert_eq!((stop, done), (Stop::Done, pages)),
        }
        self.model.add(Mapped { pages: done, ..new });
    }

    fn unmap(&mut self, ipa: u64, pages: u64) {
        let (mut done, mut idle) = (0, 0);
        while done < pages {
            let p = unmap(&mut self.mem, ROOT, (ipa + done) << 12, pages - done, self.budget);
            self.check_bound();
            done += p.done_pages;
            assert!(!self.mem.can_translate(ipa << 12, done << 12), "unmapped, yet cached");
            if p.stop == Stop::NoMemory {
                break;
            }
            // Two splits at most precede the first page that is done.
            idle = if p.done_pages == 0 { idle + 1 } else { 0 };
            assert!(idle <= 2, "no progress");
        }
        self.model.remove(ipa, done);
    }

    fn check(&self) {
        self.mem.check_counts();
        for page in self.model.borders() {
            let found = walk(&self.mem, ROOT, page << 12).map(|m| (m.pa >> 12, m.attr));
            assert_eq!(found, self.model.get(page), "page {page:#x}");
        }
    }
}

/// Applies operations, on pages around `middle`; compares with the model after each.
fn history<const ROOT_LEVEL: u32>(ops: Vec<Op>, budget: u32, pages: u32, middle: u64) -> Machine<ROOT_LEVEL> {
    let mut run = Run { mem: Machine::<ROOT_LEVEL>::new(pages), model: Model::default(), budget };
    let (mut old, top) = (Vec::new(), 1 << (run.mem.stage().bits() - 12));
    for op in ops {
        match op {
            Op::Map { ipa, pa, pages, attr } => {
                let ipa = ipa + middle;
                let pages = pages.min(top - ipa);
                old.push((ipa, pages));
                run.map(Mapped { ipa, pa, pages, attr });
            }
            Op::Unmap { ipa, pages } => run.unmap(ipa + middle, pages.min(top - ipa - middle)),
            Op::UnmapOld(index) if !old.is_empty() => {
                let (ipa, pages) = old[index.index(old.len())];
                run.unmap(ipa, pages);
            }
            Op::UnmapOld(_) => {}
        }
        run.check();
    }
    run.mem
}

fn budgets() -> impl Strategy<Value = u32> {
    prop_oneof![1..8u32, 60..70u32, Just(5000)]
}

fn pools() -> impl Strategy<Value = u32> {
    prop_oneof![Just(64u32), 0..8u32]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn test_tables_any_history_equals_model_and_no_tlb_is_wrong(
        ops in prop::collection::vec(ops(), 1..16),
        budget in budgets(),
        pages in pools(),
        end_budget in 1..700u32,
    ) {
        let mut mem = history::<1>(ops, budget, pages, 0);

        mem.retire();
        let (mut cursor, mut top) = (0, desc::table(ROOT, 512));
        while !free_tables(&mut mem, &mut top, &mut cursor, end_budget) {}
        prop_assert_eq!(mem.table_count(), 1);
        prop_assert_eq!(mem.pages_left, pages);
    }

    /// The root of stage 1 is emptied while cores use it: an entry is taken out and flushed, then what it led to is freed.
    #[test]
    fn test_stage_1_any_history_equals_model_and_no_tlb_is_wrong(
        ops in prop::collection::vec(ops(), 1..16),
        budget in budgets(),
        pages in pools(),
        end_budget in 1..700u32,
        middle in prop_oneof![Just(0u64), Just((1 << 27) - 600), Just((1 << 36) - (1 << 27))],
    ) {
        let mut mem = history::<0>(ops, budget, pages, middle);

        for index in 0..512 {
            let mut loose = mem.read(ROOT, index);
            if loose != 0 {
                mem.write(ROOT, index, 0);
                mem.flush_all();
                let mut cursor = (index as u64) << 39;
                while !free_tables(&mut mem, &mut loose, &mut cursor, end_budget) {}
                prop_assert_eq!(cursor, (index as u64 + 1) << 39);
                mem.free(loose & desc::ADDR);
            }
        }
        prop_assert_eq!(mem.table_count(), 1);
        prop_assert_eq!(mem.pages_left, pages);
    }
}
