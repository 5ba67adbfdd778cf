//! What is bounded stays so, and is right: runs, nodes, roots, table pages.

use crate::support::*;
use classic::shadow::{Mode, Outcome, ROOTS, Shadow};
use classic::walk::{Access, El, Regime};

const VA: u64 = 0x5555_0000_0000;
const ALL: [Mode; 3] = [Mode::Tlb, Mode::Traced, Mode::Lazy];

#[test]
fn test_shadow_takes_less_than_half_a_mebibyte() {
    assert!(size_of::<Shadow>() <= 512 << 10, "{}", size_of::<Shadow>());
}

/// Many pages that are not neighbours, each in turn, twice.
fn touch<const RUNS: usize, const NODES: usize>(guest: &mut Guest<RUNS, NODES>, pages: u64, apart: u64) {
    let page = guest.page();
    (0..pages).for_each(|n| assert_ne!(guest.map(VA + n * apart, page, READ_WRITE | USER), 0));
    for n in (0..pages).chain(0..pages) {
        assert_eq!(guest.access(El::User, VA + n * apart, Access::Read), Ok(page));
    }
}

#[test]
fn test_more_pages_than_runs_replaces() {
    for mode in ALL {
        let mut guest = Guest::<16, 64>::new(mode);

        touch(&mut guest, 40, 2 * PAGE);

        assert!(guest.world.entries.len() < 16, "{mode:?}");
        assert!(guest.mmu.statistics().replaced >= 40);
    }
}

#[test]
fn test_more_tables_than_nodes_replaces() {
    for mode in [Mode::Traced, Mode::Lazy] {
        let mut guest = Guest::<64, 8>::new(mode);

        touch(&mut guest, 20, 2 << 20);

        assert!(guest.mmu.statistics().replaced > 0, "{mode:?}");
        assert!(guest.vectors_are_there());
    }
}

#[test]
fn test_more_contexts_than_roots_replaces_the_oldest() {
    for mode in ALL {
        let mut guest = Guest::<512, 512>::new(mode);
        let page = guest.page();
        guest.map(VA, page, READ_WRITE | USER);
        let contexts = 2 * ROOTS as u64;

        for asid in (1..=contexts).chain(1..=contexts) {
            guest.switch(Regime { ttbr0: RAM | asid << 48, ..guest.regime });
            assert_eq!(guest.access(El::User, VA, Access::Write), Ok(page));
            assert_eq!(guest.access(El::Kernel, VA, Access::Write), Ok(page));
        }

        assert!(guest.mmu.statistics().replaced >= contexts, "{mode:?}");
    }
}

#[test]
fn test_no_memory_for_tables_drops_other_contexts_first() {
    for mode in ALL {
        let mut guest = Guest::<512, 512>::new(mode);
        guest.world.pool = 2;
        let page = guest.page();
        guest.map(VA, page, READ_WRITE | USER);

        for asid in 1..10 {
            guest.switch(Regime { ttbr0: RAM | asid << 48, ..guest.regime });
            assert_eq!(guest.access(El::User, VA, Access::Write), Ok(page), "{mode:?}");
        }

        assert!(guest.vectors_are_there());
    }
}

#[test]
fn test_no_memory_at_all_is_reported() {
    let mut guest: Guest = Guest::new(Mode::Tlb);
    guest.world.pool = 0;
    let page = guest.page();
    guest.map(VA, page, READ_WRITE | USER);

    assert_eq!(guest.fault(El::User, VA, Access::Read), Outcome::Full);
}

#[test]
fn test_roots_that_run_on_another_vcpu_are_not_taken() {
    let mut guest: Guest<512, 512> = Guest::new(Mode::Tlb);
    let page = guest.page();
    guest.map(VA, page, READ_WRITE | USER);
    let other = guest.regime;
    guest.access(El::User, VA, Access::Write).unwrap();
    let views = guest.mmu.view(1, &other);

    for asid in 2..=3 * ROOTS as u64 {
        guest.switch(Regime { ttbr0: RAM | asid << 48, ..other });
        guest.access(El::User, VA, Access::Write).unwrap();
    }

    assert_eq!(guest.mmu.views(1), views);
    assert_eq!(guest.world.lookup(views.user.low, VA).map(|entry| entry.0), Some(page));
}
