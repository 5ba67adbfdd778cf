//! The PL011 (DDI 0183), by interrupt: what does not fit into the transmit FIFO waits for its interrupt.

/// Registers of a PL011, by their offset.
pub trait Registers {
    /// Reads one.
    fn read(&mut self, offset: u64) -> u32;
    /// Writes one.
    fn write(&mut self, offset: u64, value: u32);
}

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IFLS: u64 = 0x34;
const IMSC: u64 = 0x38;
const ICR: u64 = 0x44;

const FR_BUSY: u32 = 1 << 3;
const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
/// 8 bits, FIFOs on.
const LCR_H_8N1_FIFO: u32 = 0x70;
/// UART, transmitter and receiver on.
const CR_ON: u32 = 0x301;
/// Transmit interrupt at an eighth, receive interrupt at an eighth: both as often as is useful.
const IFLS_EIGHTH: u32 = 0;
/// Receive and receive timeout interrupts.
const RX: u32 = 0x50;
/// Transmit interrupt.
const TX: u32 = 0x20;

/// Where bytes to send come from.
pub trait Source {
    /// Bytes that can go out at once; none: ask [`Self::next`].
    fn chunk(&self) -> &[u8];
    /// So many of [`Self::chunk`] are out.
    fn sent(&mut self, count: usize);
    /// The next byte, which is then out; `None`: there is no more.
    fn next(&mut self) -> Option<u8>;
}

/// The UART.
pub struct Uart<R> {
    registers: R,
    enabled: u32,
}

impl<R: Registers> Uart<R> {
    /// Turns it on. Speed stays as the firmware left it.
    pub fn new(mut registers: R) -> Self {
        registers.write(IMSC, 0);
        registers.write(LCR_H, LCR_H_8N1_FIFO);
        registers.write(IFLS, IFLS_EIGHTH);
        registers.write(CR, CR_ON);
        Self { registers, enabled: 0 }
    }

    /// The next byte that came.
    pub fn receive(&mut self) -> Option<u8> {
        (self.registers.read(FR) & FR_RXFE == 0).then(|| self.registers.read(DR) as u8)
    }

    /// Sends bytes of `next` as long as they fit. Gives whether there are more (its interrupt tells of room).
    pub fn send(&mut self, mut next: impl FnMut() -> Option<u8>) -> bool {
        loop {
            if self.registers.read(FR) & FR_TXFF != 0 {
                return true;
            }
            let Some(byte) = next() else { return false };
            self.registers.write(DR, u32::from(byte));
        }
    }

    /// The same of a source.
    pub fn send_from(&mut self, source: &mut impl Source) -> bool {
        loop {
            let chunk = source.chunk();
            let mut count = 0;
            while let Some(byte) = chunk.get(count)
                && self.registers.read(FR) & FR_TXFF == 0
            {
                self.registers.write(DR, u32::from(*byte));
                count += 1;
            }
            source.sent(count);
            if self.registers.read(FR) & FR_TXFF != 0 {
                return true;
            }
            let Some(byte) = source.next() else { return false };
            self.registers.write(DR, u32::from(byte));
        }
    }

    /// Whether all bytes were sent.
    pub fn is_idle(&mut self) -> bool {
        self.registers.read(FR) & FR_BUSY == 0
    }

    /// Clears its interrupts, before a look at the FIFOs: what comes later raises them again.
    pub fn clear(&mut self) {
        self.registers.write(ICR, RX);
    }

    /// Which interrupts are wanted: of input, of room for output.
    pub fn enable(&mut self, input: bool, room: bool) {
        let enabled = if input { RX } else { 0 } | if room { TX } else { 0 };
        if enabled != self.enabled {
            self.enabled = enabled;
            self.registers.write(IMSC, enabled);
        }
    }

    /// The registers.
    pub fn registers(&mut self) -> &mut R {
        &mut self.registers
    }
}
