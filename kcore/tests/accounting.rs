//! Pools, VMIDs, attachments, and the words without other cores.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use kcore::attach::{Attachment, AttachmentTable, HEADER, MAX};
use kcore::notify::NotifyWord;
use kcore::pool::Pool;
use kcore::vmid::VmidBitmap;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeSet;

/// The first words of pages, by page number.
fn words() -> [Cell<u64>; 64] {
    std::array::from_fn(|_| Cell::new(0))
}

#[test]
fn test_pool_take_all_returns_each_page_once_and_zeroed() {
    let (mut pool, words) = (Pool::default(), words());
    let word = |page: u64| &words[page as usize >> 12];
    (1..=5).for_each(|n| pool.add(word, n << 12));

    let taken: BTreeSet<u64> = std::iter::from_fn(|| pool.take(word)).collect();

    assert_eq!(taken, (1..=5).map(|n| n << 12).collect());
    assert!(taken.iter().all(|page| word(*page).get() == 0));
    assert_eq!((pool.free(), pool.total()), (0, 5));
}

#[test]
fn test_vmid_alloc_gives_255_different_and_none_is_zero() {
    let mut vmids = VmidBitmap::new();

    let given: BTreeSet<u16> = std::iter::from_fn(|| vmids.alloc()).collect();

    assert_eq!(given, (1..=255).collect());
}

#[test]
fn test_vmid_free_makes_it_available_and_zero_never() {
    let mut vmids = VmidBitmap::new();
    while vmids.alloc().is_some() {}

    [0, 77, 256, u16::MAX].into_iter().for_each(|vmid| vmids.free(vmid));

    assert_eq!((vmids.alloc(), vmids.alloc()), (Some(77), None));
}

const SPACE: u64 = 0x5000;

fn attachment(ipa: u64, first: u32, pages: u32) -> Attachment {
    Attachment { space: SPACE, ipa, first, pages, rights: 3, ..Attachment::default() }
}

#[test]
fn test_attachment_table_fits_behind_the_header() {
    assert!(HEADER + size_of::<AttachmentTable>() <= 4096);
    const { assert!(MAX >= 60) };
}

/// What MAP does: index, and whether the slot is new.
fn add(table: &mut AttachmentTable, new: Attachment) -> Option<(usize, bool)> {
    let place = table.place(&new)?;
    table.record(place, new);
    Some(place)
}

#[test]
fn test_attach_step_that_continues_is_one_attachment() {
    let mut table = AttachmentTable::default();

    let first = add(&mut table, attachment(0x10000, 0, 4)).unwrap();
    let second = add(&mut table, attachment(0x14000, 4, 2)).unwrap();

    assert_eq!((first, second), ((0, true), (0, false)));
    assert_eq!(table.get(0).unwrap().pages, 6);
    assert_eq!(table.find(SPACE, 0x10000), Some(0));
    assert_eq!(table.find(SPACE, 0x14000), None);
}

#[test]
fn test_attach_other_rights_or_gap_is_another_attachment() {
    let mut table = AttachmentTable::default();
    add(&mut table, attachment(0x10000, 0, 4)).unwrap();

    let gap = add(&mut table, attachment(0x14000, 5, 1)).unwrap();
    let rights = add(&mut table, Attachment { rights: 1, ..attachment(0x14000, 4, 1) }).unwrap();

    assert_eq!((gap, rights), ((1, true), (2, true)));
}

#[test]
fn test_attach_full_table_returns_full_but_still_extends() {
    let mut table = AttachmentTable::default();
    for n in 0..MAX as u32 {
        add(&mut table, attachment(u64::from(n) << 20, n * 10, 1)).unwrap();
    }
    let [continues, new] = [attachment(0x1000, 1, 1), attachment(0x5000, 7, 1)];

    assert_eq!((table.place(&continues), table.place(&new)), (Some((0, false)), None));
    assert_eq!(add(&mut table, new), None);
    assert_eq!(add(&mut table, continues), Some((0, false)));
    table.remove(3);
    assert_eq!(add(&mut table, new), Some((3, true)));
}

#[test]
fn test_attach_unfinished_unmap_is_not_extended() {
    let mut table = AttachmentTable::default();
    add(&mut table, attachment(0x10000, 0, 4)).unwrap();
    table.get_mut(0).unwrap().done = 1;

    assert_eq!(add(&mut table, attachment(0x14000, 4, 1)), Some((1, true)));
}

#[test]
fn test_attach_remove_frees_the_slot_and_free_slots_are_none() {
    let mut table = AttachmentTable::default();
    add(&mut table, attachment(0, 0, 9)).unwrap();

    assert_eq!(table.remove(0).unwrap().pages, 9);

    assert_eq!(table.iter().count(), 0);
    assert_eq!((table.remove(0), table.remove(usize::MAX)), (None, None));
}

#[test]
fn test_notify_bits_before_the_wait_are_taken_without_waiting() {
    let word = NotifyWord::default();
    assert!(!word.signal(5) && !word.signal(2));

    assert_eq!(word.begin_wait(), Err(7));
    assert_eq!(word.try_take(), None);
}

#[test]
fn test_notify_second_waiter_is_refused() {
    let word = NotifyWord::default();

    assert_eq!(word.begin_wait(), Ok(()));
    assert_eq!(word.begin_wait(), Err(0));
    assert_eq!(word.try_take(), None);
    assert!(word.signal(1));
}

#[test]
fn test_notify_no_bits_wakes_nobody() {
    let word = NotifyWord::default();
    word.begin_wait().unwrap();

    assert!(!word.signal(0) && !word.signal(1 << 63));
    assert!(word.cancel_wait() && !word.cancel_wait());
}

proptest! {
    #[test]
    fn test_pool_any_history_counts_exactly(ops in prop::collection::vec(0..3u8, 0..60)) {
        let (mut pool, words, mut taken, mut total) = (Pool::default(), words(), Vec::new(), 0u32);
        let word = |page: u64| &words[page as usize >> 12];
        for op in ops {
            match op {
                0 => { total += 1; pool.add(word, u64::from(total) << 12); }
                1 => taken.extend(pool.take(word)),
                _ => if let Some(page) = taken.pop() { pool.give(word, page) },
            }
            prop_assert_eq!((pool.free(), pool.total()), (total - taken.len() as u32, total));
        }
    }
}
