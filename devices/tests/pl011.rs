//! The PL011 as a driver sees it (DDI 0183 chapter 3; reset values and trigger level as QEMU).
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

use devices::LoadError;
use devices::Width::{self, B1, B2, B4, B8};
use devices::pl011::{Effect, Pl011, Pl011State};
use proptest::prelude::*;

const DR: u64 = 0x00;
const RSR: u64 = 0x04;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IFLS: u64 = 0x34;
const IMSC: u64 = 0x38;
const RIS: u64 = 0x3c;
const MIS: u64 = 0x40;
const ICR: u64 = 0x44;

const RXFE: u64 = 1 << 4;
const TXFF: u64 = 1 << 5;
const RXFF: u64 = 1 << 6;
const TXFE: u64 = 1 << 7;
const FEN: u64 = 1 << 4;
const LBE: u64 = 1 << 7;
const INT_RX: u64 = 1 << 4;
const INT_TX: u64 = 1 << 5;
const INT_BE: u64 = 1 << 9;
const INT_OE: u64 = 1 << 10;

fn set(uart: &mut Pl011, offset: u64, value: u64) {
    let _ = uart.write(offset, B4, value);
}

fn with_fifos() -> Pl011 {
    let mut uart = Pl011::new();
    set(&mut uart, LCR_H, FEN);
    uart
}

#[test]
fn reset_values() {
    let values = [
        (DR, 0),
        (RSR, 0),
        (FR, TXFE | RXFE),
        (0x20, 0),
        (0x24, 0),
        (0x28, 0),
        (LCR_H, 0),
        (CR, 0x300),
        (IFLS, 0x12),
        (IMSC, 0),
        (RIS, 0),
        (MIS, 0),
        (0x48, 0),
    ];
    for (offset, value) in values {
        assert_eq!(Pl011::new().read(offset, B4), value, "{offset:#x}");
    }
}

#[test]
fn identification_is_that_of_a_pl011() {
    let ids: Vec<u64> = (0xfe0..0x1000).step_by(4).map(|offset| Pl011::new().read(offset, B4)).collect();

    assert_eq!(ids, [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
}

#[test]
fn writable_bits() {
    let masks = [
        (0x20, 0xff),
        (0x24, 0xffff),
        (0x28, 0x3f),
        (LCR_H, 0xff),
        (CR, 0xffff),
        (IFLS, 0x3f),
        (IMSC, 0x7ff),
        (0x48, 7),
    ];
    for (offset, mask) in masks {
        let mut uart = Pl011::new();
        set(&mut uart, offset, u64::MAX);
        assert_eq!(uart.read(offset, B4), mask, "{offset:#x}");
    }
}

#[test]
fn read_only_registers_keep_their_values() {
    for offset in [FR, RIS, MIS, 0xfe0, 0xffc] {
        let mut uart = Pl011::new();
        let before = uart.read(offset, B4);
        set(&mut uart, offset, u64::MAX);
        assert_eq!((uart.read(offset, B4), uart.ignored()), (before, 0), "{offset:#x}");
    }
}

#[test]
fn widths_of_8_to_32_bits_are_taken() {
    for width in [B1, B2, B4] {
        assert_eq!(Pl011::new().write(DR, width, 0x41), Effect::Transmit(0x41));
        assert_eq!(Pl011::new().read(FR, width), TXFE | RXFE);
    }
}

#[test]
fn accesses_that_do_not_exist_are_ignored_and_counted() {
    let mut uart = Pl011::new();
    for (offset, width) in [(DR, B8), (0x08, B4), (0x1c, B4), (0x4c, B4), (0x19, B1), (0x1000, B4), (u64::MAX, B4)] {
        assert_eq!(uart.read(offset, width), 0, "{offset:#x}");
        assert_eq!(uart.write(offset, width, u64::MAX), Effect::None, "{offset:#x}");
    }

    assert_eq!(uart.ignored(), 14);
}

#[test]
fn received_byte_raises_the_interrupt_until_it_is_read() {
    let mut uart = with_fifos();
    set(&mut uart, IMSC, INT_RX);
    assert!(uart.receive(0x41) && uart.receive(0x42));
    assert!(uart.irq());

    assert_eq!(uart.read(DR, B4), 0x41);
    assert!(uart.irq());
    assert_eq!(uart.read(DR, B4), 0x42);
    assert!(!uart.irq());
    assert_eq!(uart.read(FR, B4) & RXFE, RXFE);
}

#[test]
fn masked_interrupt_shows_in_ris_alone() {
    let mut uart = Pl011::new();
    uart.receive(0x41);

    assert_eq!((uart.read(RIS, B4), uart.read(MIS, B4), uart.irq()), (INT_RX, 0, false));
}

#[test]
fn receive_fifo_holds_16_and_refuses_more() {
    let mut uart = with_fifos();
    assert!((0..16).all(|n| uart.receive(n)));
    assert_eq!(uart.read(FR, B4) & RXFF, RXFF);
    assert!(!uart.can_receive() && !uart.receive(16));

    assert!((0..16).all(|n| uart.read(DR, B4) == n));
}

#[test]
fn without_fifos_one_byte_is_held() {
    let mut uart = Pl011::new();
    assert!(uart.receive(1) && !uart.receive(2));
    assert_eq!(uart.read(FR, B4) & RXFF, RXFF);
}

#[test]
fn enabling_the_fifos_empties_them() {
    let mut uart = Pl011::new();
    uart.receive(1);
    set(&mut uart, LCR_H, FEN);

    assert_eq!(uart.read(FR, B4), TXFE | RXFE);
}

#[test]
fn transmitted_byte_raises_the_interrupt_until_icr() {
    let mut uart = Pl011::new();
    set(&mut uart, IMSC, INT_TX);
    assert_eq!(uart.write(DR, B4, 0x141), Effect::Transmit(0x41));
    assert!(uart.irq());
    set(&mut uart, ICR, INT_TX);

    assert!(!uart.irq());
}

#[test]
fn byte_that_goes_at_once_is_as_one_that_is_written() {
    for mask in [0, INT_TX] {
        let (mut one, mut other) = (with_fifos(), with_fifos());
        set(&mut one, IMSC, mask);
        set(&mut other, IMSC, mask);

        for changes in [mask != 0, false] {
            assert_eq!(one.write(DR, B4, 7), Effect::Transmit(7));
            assert_eq!(other.transmit_at_once(), Some(changes));
            assert_eq!(one, other);
        }
    }
}

#[test]
fn byte_that_has_to_wait_does_not_go_at_once() {
    let mut uart = with_fifos();
    uart.tx_stall();
    let before = uart.clone();

    assert_eq!(uart.transmit_at_once(), None);
    assert_eq!(uart, before);
    uart.tx_ready(u32::MAX);
    set(&mut uart, CR, 0x381);
    assert_eq!(uart.transmit_at_once(), None, "loopback");
}

#[test]
fn stalled_host_fills_the_transmit_fifo() {
    let mut uart = with_fifos();
    uart.tx_stall();
    assert!((0..16).all(|n| uart.write(DR, B4, n) == Effect::None));
    assert_eq!(uart.read(FR, B4) & (TXFF | TXFE), TXFF);
    assert_eq!(uart.write(DR, B4, 99), Effect::None, "lost");

    uart.tx_ready(17);
    let sent: Vec<u8> = std::iter::from_fn(|| uart.transmit()).collect();
    assert_eq!(sent, (0..16).collect::<Vec<u8>>());
    assert_eq!(uart.read(FR, B4) & (TXFF | TXFE), TXFE);
}

#[test]
fn transmit_interrupt_comes_as_the_fifo_drains_to_its_trigger() {
    let mut uart = with_fifos();
    set(&mut uart, IMSC, INT_TX);
    uart.tx_stall();
    (0..9).for_each(|n| set(&mut uart, DR, n));
    assert!(!uart.irq());
    uart.tx_ready(1);

    assert_eq!(uart.transmit(), Some(0));
    assert!(uart.irq(), "8 of 16 left: half");
    assert_eq!(uart.transmit(), None, "no credit");
}

#[test]
fn credit_counts_bytes() {
    let mut uart = Pl011::new();
    uart.tx_stall();
    uart.tx_ready(1);

    assert_eq!(uart.write(DR, B4, 1), Effect::Transmit(1));
    assert_eq!(uart.write(DR, B4, 2), Effect::None);
}

#[test]
fn loopback_returns_what_is_transmitted_and_disconnects_the_input() {
    let mut uart = with_fifos();
    set(&mut uart, CR, 0x300 | LBE);
    assert!(uart.receive(0x55), "taken and lost");
    assert_eq!(uart.write(DR, B4, 0x41), Effect::Transmit(0x41));

    assert_eq!(uart.read(DR, B4), 0x41);
    assert_eq!(uart.read(FR, B4) & RXFE, RXFE);
}

#[test]
fn loopback_connects_the_modem_lines() {
    let mut uart = Pl011::new();
    set(&mut uart, CR, LBE | 1 << 11 | 1 << 13);

    assert_eq!(uart.read(FR, B4) & 0x107, 1 << 8 | 1, "RI from Out2, CTS from RTS");
    assert_eq!(uart.read(RIS, B4) & 0xf, 0b0011);
}

#[test]
fn loopback_overrun_is_noted_and_cleared_by_ecr() {
    let mut uart = Pl011::new();
    set(&mut uart, CR, LBE);
    set(&mut uart, DR, 1);
    set(&mut uart, DR, 2);
    assert_eq!(uart.read(RIS, B4) & INT_OE, INT_OE);
    assert_eq!(uart.read(RSR, B4), 8);
    set(&mut uart, RSR, 0);

    assert_eq!(uart.read(RSR, B4), 0);
}

#[test]
fn break_is_an_entry_with_its_error_bit() {
    let mut uart = with_fifos();
    uart.receive_break();
    assert_eq!(uart.read(RIS, B4), INT_RX | INT_BE);

    assert_eq!(uart.read(DR, B4), 1 << 10);
    assert_eq!(uart.read(RSR, B4), 4);
}

#[test]
fn brk_bit_sends_a_break() {
    let mut uart = Pl011::new();
    assert_eq!(uart.write(LCR_H, B4, 1), Effect::Break(true));
    assert_eq!(uart.write(LCR_H, B4, 1), Effect::None);
    assert_eq!(uart.write(LCR_H, B4, 0), Effect::Break(false));
}

fn width() -> impl Strategy<Value = Width> {
    prop_oneof![1 => Just(B1), 1 => Just(B2), 4 => Just(B4), 1 => Just(B8)]
}

/// A driver's, or the outside's, step.
fn step(uart: &mut Pl011, (what, offset, width, value): (u8, u64, Width, u64)) -> u64 {
    match what {
        0..3 => uart.read(offset, width),
        3..6 => (uart.write(offset, width, value) != Effect::None) as u64,
        6 => uart.receive(value as u8) as u64,
        7 => uart.transmit().map_or(0, |byte| byte as u64 + 1),
        8 => {
            uart.tx_ready(value as u32 % 4);
            0
        }
        9 => {
            uart.tx_stall();
            0
        }
        _ => {
            uart.receive_break();
            0
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u64, Width, u64)>> {
    let offset = prop_oneof![8 => (0u64..0x13).prop_map(|n| n * 4), 1 => 0xfd0u64..0x1010, 1 => any::<u64>()];
    proptest::collection::vec((0u8..11, offset, width(), any::<u64>()), 0..100)
}

fn state() -> impl Strategy<Value = Pl011State> {
    let words = proptest::collection::vec(prop_oneof![0u32..32, any::<u32>()], 13);
    let fifos = any::<([u16; 16], [u16; 16], bool)>();
    (0u32..3, words, fifos).prop_map(|(version, w, (rx, tx, narrow))| {
        let mask = if narrow { 0xfff } else { 0xffff };
        let (rx, tx) = (rx.map(|e| e & mask), tx.map(|e| e & mask));
        let [rsr, ilpr, ibrd, fbrd, lcr, cr, ifls, imsc, ris, dmacr, credit, rx_len, tx_len] =
            w.try_into().expect("13 words");
        Pl011State {
            version,
            rsr,
            ilpr,
            ibrd,
            fbrd,
            lcr,
            cr,
            ifls,
            imsc,
            ris,
            dmacr,
            credit,
            ignored: 0,
            rx_len,
            tx_len,
            rx,
            tx,
        }
    })
}

proptest! {
    #[test]
    fn loaded_uart_is_the_saved_one_and_goes_on_alike(before in steps(), after in steps()) {
        let mut uart = Pl011::new();
        for s in before {
            step(&mut uart, s);
        }
        let mut twin = Pl011::load(&uart.save()).expect("its own state");
        prop_assert_eq!(twin.save(), uart.save());
        for s in after {
            prop_assert_eq!(step(&mut uart, s), step(&mut twin, s));
            prop_assert_eq!(uart.irq(), twin.irq());
        }
    }

    #[test]
    fn arbitrary_states_load_or_are_refused_and_never_panic(state in state(), after in steps()) {
        if let Ok(mut uart) = Pl011::load(&state) {
            prop_assert_eq!(uart.save(), state);
            for s in after {
            step(&mut uart, s);
        }
        }
    }
}

#[test]
fn impossible_states_are_refused() {
    let good = Pl011::new().save();

    assert_eq!(Pl011::load(&Pl011State { version: 9, ..good }), Err(LoadError::Version(9)));
    assert_eq!(Pl011::load(&Pl011State { rx_len: 2, ..good }), Err(LoadError::Field("rx_len")), "FIFOs are off");
    assert_eq!(Pl011::load(&Pl011State { imsc: 1 << 11, ..good }), Err(LoadError::Field("imsc")));
}
