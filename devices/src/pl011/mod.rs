//! PL011 UART (DDI 0183, r1p5), as QEMU models it: the receive interrupt comes with the first byte (and the receive
//! timeout is not modelled), UARTEN and the baud rate do not gate anything, modem inputs are low.
//!
//! The host side takes bytes at its own pace: [`Pl011::write`] of UARTDR returns the byte to transmit while there is
//! credit ([`Pl011::tx_ready`], unlimited at first); after [`Pl011::tx_stall`] bytes stay in the transmit FIFO, UARTFR
//! shows it fill, and the transmit interrupt comes when it has drained to its trigger level.

mod fifo;
mod regs;
mod state;

pub use state::{Pl011State, STATE_VERSION};

use crate::Width;
use fifo::Fifo;
use regs::*;

/// What a write does to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Effect {
    /// Nothing.
    None,
    /// Transmit this byte.
    Transmit(u8),
    /// The break condition starts or ends (UARTLCR_H.BRK).
    Break(bool),
}

/// The UART. [`Self::irq`] is the level of UARTINTR: look at it after each call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pl011 {
    rx: Fifo,
    tx: Fifo,
    credit: u32,
    rsr: u32,
    ilpr: u32,
    ibrd: u32,
    fbrd: u32,
    lcr: u32,
    cr: u32,
    ifls: u32,
    imsc: u32,
    ris: u32,
    dmacr: u32,
    ignored: u32,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pl011 {
    /// At reset.
    pub const fn new() -> Self {
        Self {
            rx: Fifo::new(),
            tx: Fifo::new(),
            credit: UNLIMITED,
            rsr: 0,
            ilpr: 0,
            ibrd: 0,
            fbrd: 0,
            lcr: 0,
            cr: CR_RESET,
            ifls: IFLS_RESET,
            imsc: 0,
            ris: 0,
            dmacr: 0,
            ignored: 0,
        }
    }

    /// Reads `width` (8 to 32 bits) at `offset`.
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        if width == Width::B8 {
            return self.ignore();
        }
        match offset {
            FR => self.flags() as u64,
            DR => self.read_data() as u64,
            RIS => self.ris as u64,
            MIS => (self.ris & self.imsc) as u64,
            IMSC => self.imsc as u64,
            _ => self.read_other(offset) & width.mask(),
        }
    }

    fn read_other(&mut self, offset: u64) -> u64 {
        let value = match offset {
            RSR => self.rsr,
            ILPR => self.ilpr,
            IBRD => self.ibrd,
            FBRD => self.fbrd,
            LCR_H => self.lcr,
            CR => self.cr,
            IFLS => self.ifls,
            ICR => 0,
            DMACR => self.dmacr,
            PERIPH_ID..=PERIPH_ID_LAST if offset & 3 == 0 => {
                IDS.get((offset - PERIPH_ID) as usize / 4).copied().unwrap_or(0) as u32
            }
            _ => return self.ignore(),
        };
        value as u64
    }

    /// Writes `value` of `width` (8 to 32 bits) at `offset`.
    pub fn write(&mut self, offset: u64, width: Width, value: u64) -> Effect {
        if width == Width::B8 {
            self.ignore();
            return Effect::None;
        }
        let value = (value & width.mask()) as u32;
        match offset {
            DR => return self.write_data(value as u8),
            RSR => self.rsr = 0,
            ILPR => self.ilpr = value & 0xff,
            IBRD => self.ibrd = value & 0xffff,
            FBRD => self.fbrd = value & 0x3f,
            LCR_H => return self.write_lcr(value & 0xff),
            CR => self.write_cr(value & CR_MASK),
            IFLS => self.ifls = value & 0x3f,
            IMSC => self.imsc = value & INT_ALL,
            ICR => self.ris &= !value,
            DMACR => self.dmacr = value & 7,
            FR | RIS | MIS | PERIPH_ID..=PERIPH_ID_LAST => {}
            _ => {
                self.ignore();
            }
        }
        Effect::None
    }

    /// Level of the combined interrupt, UARTINTR.
    pub fn irq(&self) -> bool {
        self.ris & self.imsc != 0
    }

    /// Whether a received byte would be accepted now.
    pub fn can_receive(&self) -> bool {
        !self.loopback() && self.rx.len() < self.depth()
    }

    /// A byte arrives from outside. `false`: no room (keep it, and come again when the guest has read). In loopback mode
    /// the input is disconnected: the byte is taken and lost.
    pub fn receive(&mut self, byte: u8) -> bool {
        if self.loopback() {
            return true;
        }
        self.rx.len() < self.depth() && self.push_rx(byte as u16)
    }

    /// A break condition arrives from outside.
    pub fn receive_break(&mut self) {
        if !self.loopback() {
            self.push_rx(DR_BE);
        }
    }

    /// The host side takes no more bytes until [`Self::tx_ready`].
    pub fn tx_stall(&mut self) {
        self.credit = 0;
    }

    /// The host side takes `n` more bytes (`u32::MAX`: any number). Fetch what waits with [`Self::transmit`].
    pub fn tx_ready(&mut self, n: u32) {
        self.credit = self.credit.saturating_add(n);
    }

    /// Next byte of the transmit FIFO, while there is credit.
    pub fn transmit(&mut self) -> Option<u8> {
        if self.credit == 0 {
            return None;
        }
        let byte = self.tx.pop()? as u8;
        self.spend();
        if self.tx.len() == self.tx_trigger() {
            self.ris |= INT_TX;
        }
        Some(byte)
    }

    /// The guest writes a byte to UARTDR that goes out at once, as if [`Self::write`] had given [`Effect::Transmit`]: gives
    /// whether [`Self::irq`] has changed. `None`: nothing was done, use that.
    #[inline]
    pub fn transmit_at_once(&mut self) -> Option<bool> {
        if self.credit != UNLIMITED || self.tx.len() != 0 || self.loopback() {
            return None;
        }
        let before = self.irq();
        self.ris |= INT_TX;
        Some(self.irq() != before)
    }

    /// Accesses so far that were ignored (wraps).
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    fn fifos_enabled(&self) -> bool {
        self.lcr & LCR_FEN != 0
    }

    fn depth(&self) -> usize {
        if self.fifos_enabled() { fifo::DEPTH } else { 1 }
    }

    fn loopback(&self) -> bool {
        self.cr & CR_LBE != 0
    }

    fn spend(&mut self) {
        if self.credit != UNLIMITED {
            self.credit -= 1;
        }
    }

    /// UARTIFLS.TXIFLSEL: the transmit interrupt comes when the FIFO has drained to this many bytes.
    fn tx_trigger(&self) -> usize {
        if !self.fifos_enabled() {
            return 0;
        }
        match self.ifls & 7 {
            0 => 2,
            1 => 4,
            2 => 8,
            3 => 12,
            _ => 14,
        }
    }

    fn flags(&self) -> u32 {
        let mut flags = self.modem_flags();
        if self.rx.len() == 0 {
            flags |= FR_RXFE;
        }
        if self.rx.len() >= self.depth() {
            flags |= FR_RXFF;
        }
        if self.tx.len() == 0 {
            flags |= FR_TXFE;
        } else {
            flags |= FR_BUSY;
        }
        if self.tx.len() >= self.depth() {
            flags |= FR_TXFF;
        }
        flags
    }

    /// In loopback mode the modem outputs are the inputs: RI←Out2, DCD←Out1, CTS←RTS, DSR←DTR.
    fn modem_flags(&self) -> u32 {
        if !self.loopback() {
            return 0;
        }
        let wires = [(CR_OUT2, FR_RI), (CR_OUT1, FR_DCD), (CR_RTS, FR_CTS), (CR_DTR, FR_DSR)];
        wires.iter().filter(|(out, _)| self.cr & out != 0).fold(0, |flags, (_, input)| flags | input)
    }

    fn read_data(&mut self) -> u32 {
        let Some(entry) = self.rx.pop() else { return self.rx.last() as u32 };
        if self.rx.len() == 0 {
            self.ris &= !INT_RX;
        }
        self.rsr = entry as u32 >> 8;
        entry as u32
    }

    /// `false`: the FIFO was full, the entry is lost and the overrun is noted.
    fn push_rx(&mut self, entry: u16) -> bool {
        if self.rx.len() >= self.depth() {
            self.ris |= INT_OE;
            self.rsr |= RSR_OE;
            return false;
        }
        self.rx.push(entry);
        self.ris |= INT_RX;
        if entry & DR_BE != 0 {
            self.ris |= INT_BE;
        }
        true
    }

    fn write_data(&mut self, byte: u8) -> Effect {
        if self.loopback() {
            self.push_rx(byte as u16);
        }
        if self.credit != 0 && self.tx.len() == 0 {
            self.spend();
            self.ris |= INT_TX;
            return Effect::Transmit(byte);
        }
        if self.tx.len() < self.depth() {
            self.tx.push(byte as u16);
        }
        if self.tx.len() > self.tx_trigger() {
            self.ris &= !INT_TX;
        }
        Effect::None
    }

    /// Turning the FIFOs on or off empties them.
    fn write_lcr(&mut self, value: u32) -> Effect {
        let changed = self.lcr ^ value;
        self.lcr = value;
        if changed & LCR_FEN != 0 {
            self.rx.clear();
            self.tx.clear();
        }
        if changed & LCR_BRK == 0 {
            return Effect::None;
        }
        let on = value & LCR_BRK != 0;
        if on && self.loopback() {
            self.push_rx(DR_BE);
        }
        Effect::Break(on)
    }

    fn write_cr(&mut self, value: u32) {
        self.cr = value;
        if self.loopback() {
            let flags = self.modem_flags();
            let wires = [(FR_RI, INT_RI), (FR_CTS, INT_CTS), (FR_DCD, INT_DCD), (FR_DSR, INT_DSR)];
            self.ris &= !INT_MODEM;
            self.ris |= wires.iter().filter(|(flag, _)| flags & flag != 0).fold(0, |ris, (_, int)| ris | int);
        }
    }

    fn ignore(&mut self) -> u64 {
        self.ignored = self.ignored.wrapping_add(1);
        0
    }
}
