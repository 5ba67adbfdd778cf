//! Saved state.

use super::Pl011;
use super::fifo::{DEPTH, Fifo};
use super::regs::*;
use crate::LoadError;

/// Version of [`Pl011State`].
pub const STATE_VERSION: u32 = 1;

/// State of a [`Pl011`]. Registers by their names in DDI 0183.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[allow(missing_docs, reason = "each is the register of that name")]
pub struct Pl011State {
    pub version: u32,
    pub rsr: u32,
    pub ilpr: u32,
    pub ibrd: u32,
    pub fbrd: u32,
    pub lcr: u32,
    pub cr: u32,
    pub ifls: u32,
    pub imsc: u32,
    pub ris: u32,
    pub dmacr: u32,
    /// Bytes that the host side still takes; `u32::MAX` any number.
    pub credit: u32,
    pub ignored: u32,
    /// Entries in `rx`, the oldest first; what is behind them was read before.
    pub rx_len: u32,
    /// Entries in `tx`.
    pub tx_len: u32,
    pub rx: [u16; DEPTH],
    pub tx: [u16; DEPTH],
}

impl Pl011 {
    /// Its state.
    pub fn save(&self) -> Pl011State {
        Pl011State {
            version: STATE_VERSION,
            rsr: self.rsr,
            ilpr: self.ilpr,
            ibrd: self.ibrd,
            fbrd: self.fbrd,
            lcr: self.lcr,
            cr: self.cr,
            ifls: self.ifls,
            imsc: self.imsc,
            ris: self.ris,
            dmacr: self.dmacr,
            credit: self.credit,
            ignored: self.ignored,
            rx_len: self.rx.len() as u32,
            tx_len: self.tx.len() as u32,
            rx: self.rx.save(),
            tx: self.tx.save(),
        }
    }

    /// From a saved state. Refused: another version, bits that a register does not have, FIFOs longer than they are.
    pub fn load(state: &Pl011State) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        let masks = [
            (state.rsr, 0xf, "rsr"),
            (state.ilpr, 0xff, "ilpr"),
            (state.ibrd, 0xffff, "ibrd"),
            (state.fbrd, 0x3f, "fbrd"),
            (state.lcr, 0xff, "lcr"),
            (state.cr, CR_MASK, "cr"),
            (state.ifls, 0x3f, "ifls"),
            (state.imsc, INT_ALL, "imsc"),
            (state.ris, INT_ALL, "ris"),
            (state.dmacr, 7, "dmacr"),
        ];
        for (value, mask, field) in masks {
            if value & !mask != 0 {
                return Err(LoadError::Field(field));
            }
        }
        let entries = state.rx.iter().chain(&state.tx);
        if entries.into_iter().any(|e| e & !0xfff != 0) {
            return Err(LoadError::Field("fifo"));
        }
        let depth = if state.lcr & LCR_FEN != 0 { DEPTH } else { 1 };
        let fifo = |entries, len: u32, field| {
            Fifo::load(entries, len).filter(|f| f.len() <= depth).ok_or(LoadError::Field(field))
        };
        Ok(Self {
            rx: fifo(state.rx, state.rx_len, "rx_len")?,
            tx: fifo(state.tx, state.tx_len, "tx_len")?,
            credit: state.credit,
            rsr: state.rsr,
            ilpr: state.ilpr,
            ibrd: state.ibrd,
            fbrd: state.fbrd,
            lcr: state.lcr,
            cr: state.cr,
            ifls: state.ifls,
            imsc: state.imsc,
            ris: state.ris,
            dmacr: state.dmacr,
            ignored: state.ignored,
        })
    }
}
