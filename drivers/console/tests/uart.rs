//! The driver against the model of the same device.

use console_server::uart::{Registers, Uart};
use devices::Width;
use devices::pl011::{Effect, Pl011};

/// The model, and what it has transmitted.
struct Model {
    device: Pl011,
    sent: Vec<u8>,
}

impl Registers for Model {
    fn read(&mut self, offset: u64) -> u32 {
        self.device.read(offset, Width::B4) as u32
    }
    fn write(&mut self, offset: u64, value: u32) {
        if let Effect::Transmit(byte) = self.device.write(offset, Width::B4, value.into()) {
            self.sent.push(byte);
        }
    }
}

impl Model {
    /// The wire takes so many bytes.
    fn transmit(&mut self, count: u32) {
        self.device.tx_ready(count);
        while let Some(byte) = self.device.transmit() {
            self.sent.push(byte);
        }
        self.device.tx_stall();
    }
}

fn uart() -> Uart<Model> {
    Uart::new(Model { device: Pl011::new(), sent: Vec::new() })
}

#[test]
fn input_comes_by_interrupt_and_in_order() {
    let mut uart = uart();
    uart.enable(true, false);
    for byte in *b"abc" {
        assert!(uart.registers().device.receive(byte));
    }

    assert!(uart.registers().device.irq());
    uart.clear();
    let got: Vec<u8> = std::iter::from_fn(|| uart.receive()).collect();
    assert_eq!(got, b"abc");
    assert!(!uart.registers().device.irq());
}

#[test]
fn input_that_is_not_wanted_makes_no_interrupt() {
    let mut uart = uart();
    uart.enable(true, false);
    uart.enable(false, false);
    uart.registers().device.receive(b'a');

    assert!(!uart.registers().device.irq());
    uart.enable(true, false);
    assert!(uart.registers().device.irq());
}

#[test]
fn output_that_does_not_fit_waits_for_the_interrupt() {
    let mut uart = uart();
    uart.registers().device.tx_stall();
    let mut bytes = 0..100u8;
    let (mut rounds, mut spins) = (0, 0);

    while uart.send(|| bytes.next()) {
        uart.enable(true, true);
        while !uart.registers().device.irq() {
            uart.registers().transmit(1);
            spins += 1;
            assert!(spins < 1000, "the interrupt does not come");
        }
        rounds += 1;
    }
    uart.enable(true, false);
    uart.registers().transmit(100);

    assert!(uart.is_idle() && rounds > 2);
    assert_eq!(uart.registers().sent, (0..100).collect::<Vec<u8>>());
}
