//! Saved state.

use super::{Console, DEVICE_ID, F_MULTIPORT, MAX_PORTS, NAME_LEN, Port, QUEUES};
use crate::LoadError;
use crate::virtio::{Transport, TransportState};

/// Version of [`ConsoleState`].
pub const STATE_VERSION: u32 = 1;

/// State of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PortState {
    /// 1: the guest has it open.
    pub open: u16,
    /// Messages that the guest is to get: bit n for event n.
    pub owed: u16,
    /// Zero.
    pub reserved: u32,
    /// Bytes of the first chain of its transmitq that have been passed on.
    pub sent: u64,
}

/// State of a [`Console`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ConsoleState {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// Ports.
    pub count: u32,
    /// Their names, zero-padded.
    pub names: [[u8; NAME_LEN]; MAX_PORTS],
    /// Their states.
    pub ports: [PortState; MAX_PORTS],
    /// The transport.
    pub transport: TransportState<QUEUES>,
}

impl Console {
    /// Its state.
    pub fn save(&self) -> ConsoleState {
        ConsoleState {
            version: STATE_VERSION,
            count: self.count as u32,
            names: self.names,
            ports: self.ports.map(|port| PortState {
                open: u16::from(port.open),
                owed: port.owed,
                reserved: 0,
                sent: port.sent,
            }),
            transport: self.transport.save(),
        }
    }

    /// From a saved state.
    pub fn load(state: &ConsoleState) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        let names = state.names.get(..state.count as usize).ok_or(LoadError::Field("count"))?;
        let mut console = Self::new(names);
        console.names = state.names;
        console.transport = Transport::load(DEVICE_ID, F_MULTIPORT, &state.transport)?;
        for (port, state) in console.ports.iter_mut().zip(&state.ports) {
            if state.open > 1 {
                return Err(LoadError::Field("open"));
            }
            *port = Port { open: state.open == 1, owed: state.owed & Port::OWED, sent: state.sent };
        }
        Ok(console)
    }
}
