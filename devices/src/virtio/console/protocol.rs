//! Configuration space and control messages (5.3.4, 5.3.6.2).

/// VIRTIO_CONSOLE_F_MULTIPORT.
pub const F_MULTIPORT: u64 = 1 << 1;
/// Bytes of a port's name.
pub const NAME_LEN: usize = 16;

/// Events of control messages.
pub mod event {
    /// Guest: the driver is ready (value 1) for ports.
    pub const DEVICE_READY: u16 = 0;
    /// Device: there is a port.
    pub const PORT_ADD: u16 = 1;
    /// Guest: a port is ready (value 1).
    pub const PORT_READY: u16 = 3;
    /// Both: the port is open on this side (value 1) or not.
    pub const PORT_OPEN: u16 = 6;
    /// Device: a port's name follows the message.
    pub const PORT_NAME: u16 = 7;
}

/// struct virtio_console_config: cols, rows, max_nr_ports, emerg_wr. Only the third has a meaning here.
pub fn config(ports: u32) -> [u8; 12] {
    (u128::from(ports) << 32).to_le_bytes().first_chunk().copied().unwrap_or_default()
}

/// struct virtio_console_control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Port.
    pub id: u32,
    /// [`event`].
    pub event: u16,
    /// By event.
    pub value: u16,
}

impl Control {
    /// Its bytes.
    pub const SIZE: usize = 8;

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let word = u64::from_le_bytes(bytes);
        Self { id: word as u32, event: (word >> 32) as u16, value: (word >> 48) as u16 }
    }

    /// To its bytes, with the name behind them where it belongs; the second value says how many they are.
    pub fn with_name(self, name: &[u8; NAME_LEN]) -> ([u8; Self::SIZE + NAME_LEN], usize) {
        let word = u64::from(self.id) | u64::from(self.event) << 32 | u64::from(self.value) << 48;
        let length = match self.event {
            event::PORT_NAME => name.iter().position(|byte| *byte == 0).unwrap_or(NAME_LEN),
            _ => 0,
        };
        let mut bytes = [0; Self::SIZE + NAME_LEN];
        let source = word.to_le_bytes().into_iter().chain(name.iter().copied().take(length));
        bytes.iter_mut().zip(source).for_each(|(place, byte)| *place = byte);
        (bytes, Self::SIZE + length)
    }
}
