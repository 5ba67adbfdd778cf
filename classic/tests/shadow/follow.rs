//! Modes `traced` and `lazy`: the guest's tables are write-protected.

use crate::support::*;
use classic::shadow::{Mode, Outcome};
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{Access, El, Fault, Reason, Regime};

const VA: u64 = 0x5555_0000_3000;
/// RAM in the upper half, in blocks.
const LINEAR: u64 = 0xffff_8000_0000_0000;

/// With RAM in the upper half.
fn guest(mode: Mode) -> Guest {
    let mut guest = Guest::new(mode);
    for block in 0..4 {
        let slot = guest.slot(LINEAR + (block << 21), 2);
        guest.world.write(slot, (RAM + (block << 21)) | READ_WRITE & !NOT_GLOBAL & !2);
    }
    guest
}

fn linear(ipa: u64) -> u64 {
    LINEAR + (ipa - RAM)
}

/// A store of the guest's kernel through the upper half, as the VMM does it if it traps; whether it did.
fn store(guest: &mut Guest, ipa: u64, value: u64) -> bool {
    let trapped = match guest.access(El::Kernel, linear(ipa), Access::Write) {
        Ok(_) => false,
        Err(outcome) => {
            assert_eq!(outcome, Outcome::TableWrite(ipa));
            true
        }
    };
    guest.world.write(ipa, value);
    if trapped {
        guest.mmu.table_written(ipa, 8, &mut guest.world);
    }
    trapped
}

fn mapped(guest: &mut Guest) -> (u64, u64) {
    let page = guest.page();
    let slot = guest.map(VA, page, READ_WRITE | USER);
    guest.access(El::User, VA, Access::Write).unwrap();
    (slot, page)
}

#[test]
fn test_traced_store_to_a_table_is_in_the_shadow_at_once() {
    let mut guest = guest(Mode::Traced);
    let (slot, _) = mapped(&mut guest);
    let (other, next) = (guest.page(), guest.page());

    assert!(store(&mut guest, slot, other | READ_WRITE | USER));
    assert!(store(&mut guest, slot + 8, next | READ_WRITE | USER));

    assert_eq!(guest.lookup(El::User, VA, Access::Write), Some(other));
    assert_eq!(guest.lookup(El::User, VA + PAGE, Access::Write), Some(next));
}

#[test]
fn test_traced_store_that_unmaps_drops_at_once() {
    let mut guest = guest(Mode::Traced);
    let (slot, _) = mapped(&mut guest);

    assert!(store(&mut guest, slot, 0));

    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
}

#[test]
fn test_traced_store_to_an_upper_table_drops_all_below() {
    let mut guest = guest(Mode::Traced);
    mapped(&mut guest);
    let upper = guest.slot(VA, 1);

    assert!(store(&mut guest, upper, 0));

    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
}

#[test]
fn test_traced_store_to_other_pages_does_not_trap() {
    let mut guest = guest(Mode::Traced);
    let (_, page) = mapped(&mut guest);

    assert!(!store(&mut guest, page, 1));
    assert!(!store(&mut guest, page + 8, 2));
}

#[test]
fn test_traced_table_that_was_writable_before_is_protected_by_its_first_walk() {
    let mut guest = guest(Mode::Traced);
    let page = guest.page();
    let slot = guest.map(VA, page, READ_WRITE | USER);
    assert!(!store(&mut guest, slot, page | READ_WRITE | USER), "not known as a table yet");

    guest.access(El::User, VA, Access::Read).unwrap();

    assert_eq!(guest.lookup(El::Kernel, linear(slot), Access::Write), None);
    assert_eq!(guest.access(El::Kernel, linear(slot), Access::Read), Ok(slot));
    assert!(store(&mut guest, slot, 0));
}

#[test]
fn test_traced_tables_of_a_context_that_does_not_run_are_let_go() {
    let mut guest = guest(Mode::Traced);
    let (slot, _) = mapped(&mut guest);
    let empty = guest.page();
    guest.switch(Regime { ttbr0: empty | 9 << 48, ..guest.regime });

    assert!(store(&mut guest, slot, 0));
    assert!(!store(&mut guest, slot, 0), "the second store to a table of a process that is gone");

    guest.switch(Regime { ttbr0: RAM | 1 << 48, ..guest.regime });
    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
}

#[test]
fn test_traced_forgotten_table_can_be_written() {
    let mut guest = guest(Mode::Traced);
    let (slot, _) = mapped(&mut guest);

    guest.mmu.forget(slot, &mut guest.world);

    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
    assert!(!store(&mut guest, slot, 0));
}

#[test]
fn test_lazy_only_the_first_store_traps_and_entries_are_stale_until_tlbi() {
    let mut guest = guest(Mode::Lazy);
    let (slot, page) = mapped(&mut guest);
    let new = guest.page();
    assert_eq!(guest.lookup(El::Kernel, linear(slot), Access::Write), None);

    assert!(!store(&mut guest, slot, new | READ_WRITE | USER));
    assert!(guest.lookup(El::Kernel, linear(slot), Access::Write).is_some());
    assert_eq!(guest.lookup(El::User, VA, Access::Read), Some(page), "stale, as in a TLB");
    let elsewhere = Scope::Addresses { va: 0x1000, bytes: PAGE, asid: Some(1), last: true };
    guest.mmu.tlbi(&Tlbi { scope: elsewhere, broadcast: true }, &mut guest.world);

    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
    assert_eq!(guest.lookup(El::Kernel, linear(slot), Access::Write), None, "protected again");
    assert_eq!(guest.mmu.statistics().resyncs, 1);
}

#[test]
fn test_lazy_page_fault_of_the_guest_synchronises() {
    let mut guest = guest(Mode::Lazy);
    let (slot, _) = mapped(&mut guest);
    store(&mut guest, slot, 0);

    let outcome = guest.access(El::User, VA + PAGE, Access::Read);

    assert_eq!(outcome, Err(Outcome::Guest(Fault { reason: Reason::Translation, level: 3 })));
    assert_eq!(guest.lookup(El::User, VA, Access::Read), None);
}

#[test]
fn test_lazy_entries_whose_descriptors_did_not_change_outlive_a_tlbi() {
    let mut guest = guest(Mode::Lazy);
    let (slot, page) = mapped(&mut guest);
    store(&mut guest, slot + 8, page | READ_WRITE | USER);

    guest.mmu.tlbi(&Tlbi { scope: Scope::Asid(1), broadcast: true }, &mut guest.world);

    assert_eq!(guest.lookup(El::User, VA, Access::Write), Some(page));
}

#[test]
fn test_tlbi_finds_what_a_device_has_written_to_a_table() {
    for mode in [Mode::Traced, Mode::Lazy] {
        let mut guest = guest(mode);
        let (slot, _) = mapped(&mut guest);
        let new = guest.page();

        guest.world.write(slot, new | READ_WRITE | USER);
        guest.mmu.tlbi(&Tlbi { scope: Scope::Asid(1), broadcast: true }, &mut guest.world);

        assert_eq!(guest.access(El::User, VA, Access::Write), Ok(new), "{mode:?}");
    }
}

#[test]
fn test_table_that_leads_to_itself_is_followed_at_each_level() {
    let mut guest = guest(Mode::Traced);
    let root = guest.regime.ttbr0 & 0xffff_ffff_f000;
    // Slot 1 of the first table is the table: the page at the end of the way is the table, too.
    guest.world.write(root + 8, root | READ_WRITE | USER);
    let va = 1 << 39 | 1 << 30 | 1 << 21 | 1 << 12;

    assert_eq!(guest.access(El::User, va, Access::Read), Ok(root));

    assert_eq!(guest.access(El::User, va, Access::Write), Err(Outcome::TableWrite(root)));
    assert!(store(&mut guest, root + 8, 0));
    assert_eq!(guest.lookup(El::User, va, Access::Read), None);
}

/// Traps of a loop that changes `pages` descriptors, does one TLBI for each, and touches the pages again: faults, stores.
fn traps(mode: Mode, pages: u64) -> (u64, u64) {
    let mut guest = guest(mode);
    let old: Vec<u64> = (0..2 * pages).map(|_| guest.page()).collect();
    // Every other page, so that no two are entered at once.
    let slots: Vec<u64> =
        (0..pages).map(|n| guest.map(VA + n * PAGE, old[2 * n as usize], READ_WRITE | USER)).collect();
    for n in 0..pages {
        guest.access(El::User, VA + n * PAGE, Access::Read).unwrap();
    }
    let (mut faults, mut stores) = (0, 0);
    for (slot, to) in slots.iter().zip(old.iter().skip(1).step_by(2)) {
        let before = guest.mmu.statistics().table_writes;
        store(&mut guest, *slot, to | READ_WRITE | USER);
        stores += guest.mmu.statistics().table_writes - before;
    }
    for n in 0..pages {
        let scope = Scope::Addresses { va: VA + n * PAGE, bytes: PAGE, asid: Some(1), last: true };
        guest.mmu.tlbi(&Tlbi { scope, broadcast: true }, &mut guest.world);
        faults += u64::from(guest.lookup(El::User, VA + n * PAGE, Access::Read).is_none());
        assert_eq!(guest.access(El::User, VA + n * PAGE, Access::Read), Ok(old[2 * n as usize + 1]));
    }
    (faults, stores)
}

#[test]
fn test_traps_of_the_modes_are_those_of_the_lecture_page() {
    assert_eq!(traps(Mode::Tlb, 8), (8, 0));
    assert_eq!(traps(Mode::Traced, 8), (0, 8));
    assert_eq!(traps(Mode::Lazy, 8), (8, 1));
}
