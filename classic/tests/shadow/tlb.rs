//! Mode `tlb`: filled at faults, dropped at the guest's TLBI.

use crate::support::*;
use classic::shadow::{Mode, Outcome, VECTORS};
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{Access, El, Fault, Reason, Regime};

const VA: u64 = 0x5555_0000_3000;
const KERNEL: u64 = 0xffff_8000_1234_5000;

fn guest() -> Guest {
    Guest::new(Mode::Tlb)
}

fn tlbi(guest: &mut Guest, scope: Scope) {
    guest.mmu.tlbi(&Tlbi { scope, broadcast: true }, &mut guest.world);
}

fn one(va: u64, asid: Option<u16>) -> Scope {
    Scope::Addresses { va, bytes: 4096, asid, last: true }
}

#[test]
fn test_fault_mapped_page_is_filled_with_its_rights() {
    let mut guest = guest();
    let page = guest.page();
    guest.map(VA, page, READ_WRITE | USER | NO_EXEC);

    assert_eq!(guest.access(El::User, VA + 8, Access::Write), Ok(page + 8));

    assert_eq!(guest.lookup(El::User, VA, Access::Execute), None);
    assert_eq!(guest.lookup(El::Kernel, VA, Access::Read), None, "the kernel has a view of its own");
    assert_eq!(guest.access(El::Kernel, VA, Access::Read), Ok(page));
}

#[test]
fn test_fault_kernel_page_is_not_the_users() {
    let mut guest = guest();
    let page = guest.page();
    guest.map(KERNEL, page, READ_WRITE & !NOT_GLOBAL);

    assert_eq!(guest.access(El::Kernel, KERNEL, Access::Execute), Ok(page));

    let fault = Fault { reason: Reason::Permission, level: 3 };
    assert_eq!(guest.access(El::User, KERNEL, Access::Read), Err(Outcome::Guest(fault)));
    assert!(guest.vectors_are_there());
}

#[test]
fn test_fault_unmapped_page_is_the_guests() {
    let mut guest = guest();

    let outcome = guest.fault(El::User, VA, Access::Read);

    assert_eq!(outcome, Outcome::Guest(Fault { reason: Reason::Translation, level: 0 }));
    assert!(guest.world.entries.is_empty());
}

#[test]
fn test_fault_page_outside_of_memory_is_a_device() {
    let mut guest = guest();
    guest.map(VA, 0x900_0000, READ_WRITE);

    assert_eq!(guest.fault(El::Kernel, VA + 0x18, Access::Write), Outcome::Device(0x900_0018));
}

#[test]
fn test_stale_until_tlbi() {
    let mut guest = guest();
    let (old, new) = (guest.page(), guest.page());
    guest.map(VA, old, READ_WRITE | USER);
    guest.access(El::User, VA, Access::Write).unwrap();

    guest.map(VA, new, READ_WRITE | USER);
    assert_eq!(guest.access(El::User, VA, Access::Write), Ok(old));
    tlbi(&mut guest, one(VA, Some(2)));
    assert_eq!(guest.access(El::User, VA, Access::Write), Ok(old), "of another ASID");
    tlbi(&mut guest, one(VA, Some(1)));

    assert_eq!(guest.access(El::User, VA, Access::Write), Ok(new));
}

#[test]
fn test_tlbi_address_in_a_block_drops_all_of_it() {
    let mut guest = guest();
    let slot = guest.slot(VA, 1);
    guest.world.write(slot, RAM | READ_WRITE & !2 | USER);
    let inside = VA & !0x3fff_ffff;
    let far = inside + (3 << 21);
    guest.access(El::User, inside, Access::Read).unwrap();
    guest.access(El::User, far, Access::Read).unwrap();

    guest.world.write(slot, 0);
    tlbi(&mut guest, one(inside + (1 << 29), Some(1)));

    assert!(guest.lookup(El::User, inside, Access::Read).is_none());
    assert!(guest.lookup(El::User, far, Access::Read).is_none());
}

#[test]
fn test_asids_have_roots_of_their_own_and_tlbi_asid_is_for_one() {
    let mut guest = guest();
    let page = guest.page();
    guest.map(VA, page, READ_WRITE | USER);
    let first = guest.regime;
    guest.access(El::User, VA, Access::Read).unwrap();

    let second = Regime { ttbr0: RAM | 2 << 48, ..first };
    guest.switch(second);
    assert!(guest.lookup(El::User, VA, Access::Read).is_none());
    guest.access(El::User, VA, Access::Read).unwrap();
    tlbi(&mut guest, Scope::Asid(1));

    assert!(guest.lookup(El::User, VA, Access::Read).is_some());
    guest.switch(first);
    assert!(guest.lookup(El::User, VA, Access::Read).is_none());
}

#[test]
fn test_global_kernel_pages_are_shared_by_all_asids() {
    let mut guest = guest();
    let page = guest.page();
    guest.map(KERNEL, page, READ_WRITE & !NOT_GLOBAL);
    guest.access(El::Kernel, KERNEL, Access::Read).unwrap();

    guest.switch(Regime { ttbr0: RAM | 7 << 48, ..guest.regime });

    assert_eq!(guest.lookup(El::Kernel, KERNEL, Access::Read), Some(page));
}

#[test]
fn test_kernel_pages_that_are_not_global_are_kept_apart_by_asid() {
    let mut guest = guest();
    let (first, second) = (guest.page(), guest.page());
    guest.map(KERNEL, first, READ_WRITE);
    guest.access(El::Kernel, KERNEL, Access::Read).unwrap();

    guest.map(KERNEL, second, READ_WRITE);
    guest.switch(Regime { ttbr0: RAM | 7 << 48, ..guest.regime });

    assert_eq!(guest.access(El::Kernel, KERNEL, Access::Read), Ok(second));
    assert!(guest.vectors_are_there());
}

#[test]
fn test_fill_brings_contiguous_neighbours_along() {
    let mut guest = guest();
    let pages: Vec<u64> = (0..16).map(|_| guest.page()).collect();
    let base = VA & !0xffff;
    for (page, n) in pages.iter().zip(0..) {
        guest.map(base + n * PAGE, *page, READ_WRITE | USER);
    }

    guest.access(El::User, base + 5 * PAGE, Access::Read).unwrap();

    assert!((0..16).all(|n| guest.lookup(El::User, base + n * PAGE, Access::Write) == Some(pages[n as usize])));
    assert_eq!(guest.mmu.statistics().fills, 1);
}

#[test]
fn test_vectors_in_the_way_are_moved() {
    let mut guest = guest();
    let page = guest.page();
    guest.map(VECTORS, page, READ_WRITE & !NOT_GLOBAL);
    guest.map(VECTORS + PAGE, page, READ_WRITE & !NOT_GLOBAL);

    assert_eq!(guest.access(El::Kernel, VECTORS + PAGE, Access::Read), Ok(page));
    assert_eq!(guest.fault(El::Kernel, VECTORS, Access::Read), Outcome::Vectors);
    guest.mmu.move_vectors(VECTORS - (1 << 30), &mut guest.world).unwrap();

    assert_eq!(guest.mmu.vectors(), VECTORS - (1 << 30));
    assert_eq!(guest.access(El::Kernel, VECTORS, Access::Read), Ok(page));
}

#[test]
fn test_translation_off_is_the_identity() {
    let mut guest = guest();
    guest.switch(Regime { sctlr: 0, ..guest.regime });

    assert_eq!(guest.access(El::Kernel, RAM + 0x12_3458, Access::Execute), Ok(RAM + 0x12_3458));
    assert_eq!(guest.fault(El::Kernel, 0x900_0000, Access::Read), Outcome::Device(0x900_0000));
    let fault = Fault { reason: Reason::AddressSize, level: 0 };
    assert_eq!(guest.fault(El::Kernel, KERNEL, Access::Read), Outcome::Guest(fault));
}
