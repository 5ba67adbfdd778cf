//! What a VMM may load, over all bit patterns.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use kcore::spsr::{domain_spsr, guest_dirty, guest_ich_hcr, guest_lr, guest_spsr, guest_spsr32};
use proptest::prelude::*;

const EL0T: u64 = 0;
const EL1T: u64 = 4;
const EL1H: u64 = 5;
const USR: u64 = 16;
/// User, FIQ, IRQ, Supervisor, Abort, Undefined, System.
const AARCH32: [u64; 7] = [0x10, 0x11, 0x12, 0x13, 0x17, 0x1b, 0x1f];
const SS: u64 = 1 << 21;
const HW: u64 = 1 << 61;
const PENDING: u64 = 1 << 62;

#[test]
fn test_guest_spsr_each_mode_is_allowed_or_becomes_el1h() {
    for mode in 0..32 {
        let allowed = [EL0T, EL1T, EL1H].contains(&mode);
        assert_eq!(guest_spsr(mode, false), if allowed { mode } else { EL1H }, "{mode:#b}");
        assert_eq!(guest_spsr(mode, true), if allowed || mode == USR { mode } else { EL1H }, "{mode:#b}");
    }
}

#[test]
fn test_guest_spsr32_each_mode_is_allowed_or_becomes_supervisor() {
    for mode in 0..32 {
        let expected = if AARCH32.contains(&mode) { mode } else { 0x13 };
        assert_eq!(guest_spsr32(mode), expected, "{mode:#x}");
    }
}

#[test]
fn test_guest_lr_special_intids_are_invalid() {
    for vintid in 1020..1024 {
        assert_eq!(guest_lr(PENDING | vintid, 27), 0);
    }
    assert_eq!(guest_lr(PENDING | 1019, 27), PENDING | 1019);
    assert_eq!(guest_lr(PENDING | 8192, 27), PENDING | 8192);
}

#[test]
fn test_guest_dirty_never_names_lr0_or_missing_registers() {
    assert_eq!(guest_dirty(u64::MAX, 4), 0b1110);
    assert_eq!(guest_dirty(u64::MAX, 16), 0xfffe);
    assert_eq!(guest_dirty(u64::MAX, usize::MAX), 0xfffe);
    assert_eq!(guest_dirty(u64::MAX, 0), 0);
}

proptest! {
    #[test]
    fn test_guest_spsr_any_word_stays_below_el2(raw: u64, aarch32: bool) {
        let spsr = guest_spsr(raw, aarch32);

        let mode = spsr & 0x1f;
        prop_assert!([EL0T, EL1T, EL1H].contains(&mode) || (aarch32 && mode == USR));
        prop_assert_eq!(spsr >> 32, 0);
        // Nothing is set that was not asked for, but the forced mode.
        prop_assert_eq!(spsr & !0x1f & !raw, 0);
        // Flags, masks and the guest's own step stay.
        prop_assert_eq!((spsr ^ raw) & (0xf000_03c0 | SS), 0);
        // A second pass changes nothing.
        prop_assert_eq!(guest_spsr(spsr, aarch32), spsr);
    }

    #[test]
    fn test_guest_spsr32_any_word_stays_below_el2(raw: u64) {
        let spsr = guest_spsr32(raw);

        prop_assert!(AARCH32.contains(&(spsr & 0x1f)));
        prop_assert_eq!(spsr >> 32, 0);
        prop_assert_eq!((spsr ^ raw) & 0xffff_ffe0, 0);
        prop_assert_eq!(guest_spsr32(spsr), spsr);
    }

    #[test]
    fn test_domain_spsr_any_word_is_el0t_unmasked(raw: u64) {
        let spsr = domain_spsr(raw);
        prop_assert_eq!(spsr & (0x1f | 0x3c0 | SS | 1 << 20), EL0T);
        prop_assert_eq!(spsr >> 28, raw >> 28 & 0xf);
    }

    #[test]
    fn test_guest_lr_any_word_has_no_hardware_interrupt(raw: u64, timer in 0..1024u32) {
        let lr = guest_lr(raw, timer);

        prop_assert_eq!(lr & HW, 0);
        // pINTID but for the EOI bit.
        prop_assert_eq!(lr >> 32 & 0x1dff, 0);
        prop_assert_eq!(lr & !raw, 0);
        prop_assert!(lr == 0 || lr & 0xffff_ffff != u64::from(timer));
        prop_assert!(lr == 0 || lr >> 62 != 0);
    }

    #[test]
    fn test_guest_lr_timer_vintid_is_refused(state in 1..4u64, rest: u64, timer in 16..32u32) {
        let raw = state << 62 | rest & 0x3fff_ffff_0000_0000 | u64::from(timer);
        prop_assert_eq!(guest_lr(raw, timer), 0);
    }

    #[test]
    fn test_guest_ich_hcr_any_word_has_three_bits(raw: u64) {
        prop_assert_eq!(guest_ich_hcr(raw), raw & 0b1110);
    }
}
