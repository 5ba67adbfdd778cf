//! Registers by offset, width and access, including those that do not exist.

use devices::Width::{self, B1, B2, B4, B8};
use devices::vgic::{Dist, Redist};

const ONES: u64 = u64::MAX;

fn dist() -> Dist {
    Dist::new(4)
}

fn redist() -> Redist {
    Redist::new(1, 4, 4)
}

fn written(dist: &mut Dist, offset: u64, width: Width, value: u64) -> u64 {
    let _ = dist.write(offset, width, value);
    dist.read(offset, width)
}

#[test]
fn gicd_ctlr_has_ds_and_are_set_and_only_group_enables_writable() {
    let mut dist = dist();
    assert_eq!(dist.read(0, B4), 0x50);
    assert_eq!(written(&mut dist, 0, B4, ONES), 0x53);
    assert_eq!(written(&mut dist, 0, B4, 0), 0x50);
}

#[test]
fn gicd_typer_shows_288_intids_and_no_lpis() {
    let typer = dist().read(4, B4);

    assert_eq!(typer & 0x1f, 8, "ITLinesNumber");
    assert_eq!(typer >> 17 & 1, 0, "LPIS");
    assert_eq!(typer >> 10 & 1, 0, "SecurityExtn");
    assert_eq!(typer >> 19 & 0x1f, 15, "IDbits");
    assert_eq!(typer >> 24 & 3, 3, "A3V, No1N");
}

#[test]
fn identification_registers_are_those_of_a_gicv3() {
    for (offset, value) in [(0xffd0, 0x44), (0xffe0, 0x92), (0xffe4, 0xb4), (0xffe8, 0x3b), (0xffec, 0)] {
        assert_eq!(dist().read(offset, B4), value, "{offset:#x}");
    }
    for (offset, value) in [(0xfff0, 0x0d), (0xfff4, 0xf0), (0xfff8, 0x05), (0xfffc, 0xb1)] {
        assert_eq!(dist().read(offset, B4), value, "{offset:#x}");
    }
    assert_eq!(redist().read(0xffe0, B4), 0x93);
    assert_eq!(redist().read(0xffe8, B4) >> 4, 3, "ArchRev");
    assert_eq!((dist().read(8, B4), redist().read(4, B4)), (0x43b, 0x43b));
}

#[test]
fn set_and_clear_arrays_work_on_spis() {
    for (set, clear) in [(0x100, 0x180), (0x200, 0x280), (0x300, 0x380)] {
        let mut dist = dist();
        let _ = dist.write(set + 4, B4, 0xf0f0);
        let _ = dist.write(clear + 4, B4, 0x00f0);
        assert_eq!(dist.read(set + 4, B4), 0xf000, "{set:#x}");
        assert_eq!(dist.read(clear + 4, B4), 0xf000, "{clear:#x}");
        assert_eq!(dist.read(set + 8, B4), 0);
    }
}

#[test]
fn arrays_end_after_intid_287() {
    for base in [0x80, 0x100, 0x200, 0x300] {
        let mut dist = dist();
        assert_eq!(written(&mut dist, base + 0x20, B4, ONES), 0xffff_ffff, "{base:#x}: INTIDs 256–287");
        assert_eq!(written(&mut dist, base + 0x24, B4, ONES), 0, "{base:#x}: INTIDs 288–319");
    }
    let mut dist = dist();
    assert_eq!(written(&mut dist, 0x400 + 287, B1, ONES), 0xff);
    assert_eq!(written(&mut dist, 0x400 + 288, B1, ONES), 0);
    assert_eq!(written(&mut dist, 0x6000 + 8 * 287, B8, 1), 1);
    assert_eq!(written(&mut dist, 0x6000 + 8 * 288, B8, 1), 0);
}

#[test]
fn private_intids_are_raz_wi_in_the_distributor() {
    for (offset, width) in
        [(0x80, B4), (0x100, B4), (0x200, B4), (0x300, B4), (0x400, B4), (0x41f, B1), (0xc04, B4), (0x6000, B8)]
    {
        let mut dist = dist();
        assert_eq!(written(&mut dist, offset, width, ONES), 0, "{offset:#x}");
        assert_eq!(dist.ignored(), 0, "{offset:#x} exists");
    }
}

#[test]
fn ipriorityr_takes_bytes_and_words() {
    let mut dist = dist();
    let _ = dist.write(0x420, B4, 0x4030_2010);
    assert_eq!(dist.read(0x422, B1), 0x30);
    let _ = dist.write(0x423, B1, 0x1f8);

    assert_eq!(dist.read(0x420, B4), 0xf830_2010);
}

#[test]
fn icfgr_has_only_the_upper_bit_of_each_field() {
    assert_eq!(written(&mut dist(), 0xc08, B4, ONES), 0xaaaa_aaaa);
    assert_eq!(written(&mut dist(), 0xc0c, B4, 0x8000_0000), 0x8000_0000);
}

#[test]
fn irouter_takes_halves() {
    let mut dist = dist();
    let _ = dist.write(0x6100, B8, 0x1_0000_0002);
    let _ = dist.write(0x6100, B4, 3);

    assert_eq!(dist.read(0x6104, B4), 1);
    assert_eq!(dist.read(0x6100, B8), 0x1_0000_0003);
}

#[test]
fn registers_of_other_configurations_are_raz_wi_without_being_ignored() {
    let offsets = [0x0c, 0x10, 0x820, 0xd04, 0xe08, 0xf10, 0xf20];
    for offset in offsets {
        let mut dist = dist();
        assert_eq!(written(&mut dist, offset, B4, ONES), 0, "{offset:#x}");
    }
    let mut dist = dist();
    let _ = dist.write(0xf00, B4, ONES);
    assert_eq!(dist.ignored(), 0, "GICD_SGIR");
}

#[test]
fn wrong_widths_and_alignments_are_ignored_and_counted() {
    let mut dist = dist();
    let accesses =
        [(0, B1), (4, B2), (4, B8), (0x104, B8), (0x104, B1), (0x105, B4), (0x420, B2), (0x6104, B8), (0x40, B4)];
    for (offset, width) in accesses {
        assert_eq!(written(&mut dist, offset, width, ONES), 0, "{offset:#x} {width:?}");
    }

    assert_eq!(dist.ignored(), 2 * accesses.len() as u32);
}

#[test]
fn pending_reads_the_line_of_level_sensitive_spis() {
    let mut dist = dist();
    let _ = dist.set_level(33, true);
    assert_eq!(dist.read(0x204, B4), 2);
    let _ = dist.write(0x284, B4, 2);
    assert_eq!(dist.read(0x204, B4), 2, "ICPENDR does not lower the line");
    let _ = dist.set_level(33, false);
    assert_eq!(dist.read(0x204, B4), 0);
}

#[test]
fn lines_that_do_not_exist_are_ignored() {
    let mut dist = dist();
    assert_eq!(dist.set_level(31, true), None);
    assert_eq!(dist.set_level(288, true), None);
    assert_eq!(dist.set_level(u32::MAX, true), None);
    assert_eq!(dist.pulse(1023), None);
}

#[test]
fn gicr_typer_gives_affinity_number_and_last() {
    assert_eq!(Redist::new(1, 4, 4).read(8, B8), 1 << 32 | 1 << 8);
    let mut last = Redist::new(3, 4, 4);
    assert_eq!(last.read(8, B8), 3 << 32 | 3 << 8 | 1 << 4);
    assert_eq!((last.read(8, B4), last.read(12, B4)), (3 << 8 | 1 << 4, 3));
}

#[test]
fn gicr_waker_children_follow_the_processor() {
    let mut redist = redist();
    assert_eq!(redist.read(0x14, B4), 6);
    let _ = redist.write(0x14, B4, 0);
    assert_eq!(redist.read(0x14, B4), 0);
    let _ = redist.write(0x14, B4, ONES);
    assert_eq!(redist.read(0x14, B4), 6);
}

#[test]
fn gicr_has_no_lpis() {
    let mut redist = redist();
    for (offset, width) in [(0x0, B4), (0x70, B8), (0x78, B8), (0x74, B4)] {
        let _ = redist.write(offset, width, ONES);
        assert_eq!(redist.read(offset, width), 0, "{offset:#x}");
    }
}

#[test]
fn gicr_sgi_frame_holds_private_interrupts() {
    let mut redist = redist();
    let _ = redist.write(0x1_0100, B4, 0xffff_0000);
    let _ = redist.write(0x1_0180, B4, 0x00ff_0000);
    assert_eq!(redist.read(0x1_0100, B4), 0xff00_0000);
    let _ = redist.write(0x1_0404, B4, 0x4030_2010);
    assert_eq!(redist.read(0x1_0407, B1), 0x40);
    let _ = redist.write(0x1_0080, B4, 0x1234_5678);
    assert_eq!(redist.read(0x1_0080, B4), 0x1234_5678);
}

#[test]
fn gicr_icfgr0_is_fixed_edge_triggered() {
    let mut redist = redist();
    let _ = redist.write(0x1_0c00, B4, 0);
    assert_eq!(redist.read(0x1_0c00, B4), 0xaaaa_aaaa);
    let _ = redist.write(0x1_0c04, B4, ONES);
    assert_eq!(redist.read(0x1_0c04, B4), 0xaaaa_aaaa);
}

#[test]
fn gicr_ignores_what_does_not_exist() {
    let mut redist = redist();
    for (offset, width) in
        [(0x40, B8), (0x1_0104, B4), (0x1_0100, B8), (0x1_0420, B4), (0x1_0400, B2), (0x1_ffe8, B4), (0x2_0000, B4)]
    {
        assert_eq!(redist.read(offset, width), 0, "{offset:#x}");
        assert!(!redist.write(offset, width, ONES), "{offset:#x}");
    }

    assert_eq!(redist.ignored(), 14);
}

#[test]
fn enabling_a_pending_spi_names_the_vcpu_to_kick() {
    let mut dist = dist();
    let _ = dist.write(0x6000 + 8 * 33, B8, 2);
    let _ = dist.set_level(33, true);

    assert_eq!(dist.write(0x104, B4, 0xff), 1 << 2);
    assert_eq!(dist.write(0x104, B4, 0xff), 0, "already enabled");
    assert_eq!(dist.write(0, B4, 3), 0xf, "group enables concern everyone");
}
