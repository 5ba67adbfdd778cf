//! Virtio console (5.3) with VIRTIO_CONSOLE_F_MULTIPORT: named ports, `/dev/virtio-ports/NAME` in Linux.
//!
//! ```text
//!   guest ──port's transmitq──▶ Console ──Channels::write──▶ channel        full: the chain waits
//!   guest ◀──port's receiveq─── Console ◀──Channels::read─── channel        only while the guest has the port open
//!   guest ◀──control queues──▶ Console: DEVICE_READY, PORT_ADD, PORT_READY, PORT_NAME, PORT_OPEN (5.3.6.2)
//! ```
//! Queues (5.3.2): 0 and 1 are port 0's receiveq and transmitq, 2 and 3 the control ones, then two for each further port.
//! Nothing is lost on the way: what has no room stays in the guest's buffer or in the channel.

mod protocol;
mod state;

pub use protocol::NAME_LEN;
pub use state::{ConsoleState, PortState, STATE_VERSION};

use super::chain::total;
use super::{Broken, Event, MAX_QUEUE_SIZE, Memory, Queue, Transport};
use crate::Width;
use protocol::{Control, F_MULTIPORT, event};

/// Most ports.
pub const MAX_PORTS: usize = 8;
/// Queues: two for each port, and the control ones.
pub const QUEUES: usize = 2 * (MAX_PORTS + 1);
/// Device ID of a console (5).
pub const DEVICE_ID: u32 = 3;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;
/// Bytes that are moved at once.
const PIECE: usize = 128;
/// Bytes that a port moves in one call at most: the caller holds a lock meanwhile.
const LIMIT: usize = 1024;

/// What is behind the ports: bytes to and from the other side.
pub trait Channels {
    /// Takes bytes for the guest, at most as many as `bytes` holds; gives how many. After 0, [`Console::poll`] is called
    /// once there are any.
    fn read(&mut self, port: usize, bytes: &mut [u8]) -> usize;
    /// Passes bytes of the guest on; gives how many had room. After fewer than all of them, [`Console::poll`] is called
    /// once there is room.
    fn write(&mut self, port: usize, bytes: &[u8]) -> usize;
}

/// Whether there is more to do than one call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Nothing can be done before the driver or a channel changes.
    Done,
    /// Call [`Console::poll`] again.
    More,
}

impl Progress {
    fn and(self, other: Self) -> Self {
        if self == Self::More { self } else { other }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Port {
    /// The guest has it open.
    open: bool,
    /// Messages that the guest is to get: bits by [`event`].
    owed: u16,
    /// Bytes of the first chain of its transmitq that went into the channel.
    sent: u64,
}

impl Port {
    /// The messages that the guest may be owed.
    const OWED: u16 = 1 << event::PORT_ADD | 1 << event::PORT_NAME | 1 << event::PORT_OPEN;
}

/// The device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    transport: Transport<QUEUES>,
    names: [[u8; NAME_LEN]; MAX_PORTS],
    count: usize,
    ports: [Port; MAX_PORTS],
}

/// Receiveq of a port; its transmitq is the next one.
const fn receiveq(port: usize) -> usize {
    if port == 0 { 0 } else { 2 * port + 2 }
}

/// The port of a queue that is no control queue.
const fn port_of(queue: usize) -> usize {
    if queue < 2 { 0 } else { (queue - 2) / 2 }
}

impl Console {
    /// At reset, with a port for each of `names` (zero-padded; at most [`MAX_PORTS`]).
    pub fn new(names: &[[u8; NAME_LEN]]) -> Self {
        let mut console = Self {
            transport: Transport::new(DEVICE_ID, F_MULTIPORT),
            names: [[0; NAME_LEN]; MAX_PORTS],
            count: names.len().min(MAX_PORTS),
            ports: [Port::default(); MAX_PORTS],
        };
        console.names.iter_mut().zip(names).for_each(|(place, name)| *place = *name);
        console
    }

    /// Level of the interrupt.
    pub fn irq(&self) -> bool {
        self.transport.irq()
    }

    /// The transport, for its counters.
    pub fn transport(&self) -> &Transport<QUEUES> {
        &self.transport
    }

    /// Whether the guest has port `port` open.
    pub fn is_open(&self, port: usize) -> bool {
        self.ports.get(port).is_some_and(|port| port.open)
    }

    /// Reads a register.
    pub fn read(&mut self, offset: u64, width: Width) -> u64 {
        self.transport.read(offset, width, &protocol::config(self.count as u32))
    }

    /// Writes a register, and does what that asks for. Look at [`Self::irq`] afterwards.
    pub fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        memory: &impl Memory,
        channels: &mut impl Channels,
    ) -> Progress {
        match self.transport.write(offset, width, value) {
            Event::Nothing => Progress::Done,
            Event::Reset => {
                self.ports = [Port::default(); MAX_PORTS];
                Progress::Done
            }
            Event::Notify(queue) => {
                let result = self.notified(usize::from(queue), memory, channels);
                self.checked(result)
            }
        }
    }

    /// Moves what can be moved, as channels have changed. Look at [`Self::irq`] afterwards.
    pub fn poll(&mut self, memory: &impl Memory, channels: &mut impl Channels) -> Progress {
        let result = self.listen(memory, channels);
        let mut progress = self.checked(result);
        for port in 0..self.count {
            let result = self.transmit(port, memory, channels);
            progress = progress.and(self.checked(result));
            let result = self.receive(port, memory, channels);
            progress = progress.and(self.checked(result));
        }
        progress
    }

    fn checked(&mut self, result: Result<Progress, Broken>) -> Progress {
        result.unwrap_or_else(|Broken| {
            self.transport.fail();
            Progress::Done
        })
    }

    fn notified(
        &mut self,
        queue: usize,
        memory: &impl Memory,
        channels: &mut impl Channels,
    ) -> Result<Progress, Broken> {
        match queue {
            CONTROL_IN => self.tell(memory).map(|()| Progress::Done),
            CONTROL_OUT => self.listen(memory, channels),
            _ if queue & 1 == 0 => self.receive(port_of(queue), memory, channels),
            _ => self.transmit(port_of(queue), memory, channels),
        }
    }

    /// Takes the guest's control messages.
    fn listen(&mut self, memory: &impl Memory, channels: &mut impl Channels) -> Result<Progress, Broken> {
        let indirect = self.indirect();
        let mut opened = [false; MAX_PORTS];
        let mut progress = Progress::More;
        for _ in 0..MAX_QUEUE_SIZE {
            let queue = self.transport.queue(CONTROL_OUT);
            let Some((queue, chain)) = queue.map_or(Ok(None), |queue| next(queue, memory, indirect))? else {
                progress = Progress::Done;
                break;
            };
            let mut bytes = [0; Control::SIZE];
            if chain.copy_out(memory, 0, &mut bytes)? < bytes.len() {
                return Err(Broken);
            }
            let wanted = queue.finish(memory, &chain, 0)?;
            self.told(wanted);
            self.control(Control::from_bytes(bytes), &mut opened);
        }
        self.tell(memory)?;
        for port in (0..self.count).filter(|port| opened.get(*port) == Some(&true)) {
            progress = progress.and(self.receive(port, memory, channels)?);
        }
        Ok(progress)
    }

    fn control(&mut self, message: Control, opened: &mut [bool; MAX_PORTS]) {
        if message.event == event::DEVICE_READY {
            let added = if message.value == 1 { 1 << event::PORT_ADD } else { 0 };
            self.ports.iter_mut().take(self.count).for_each(|port| port.owed = added);
            return;
        }
        let index = message.id as usize;
        let Some(port) = self.ports.get_mut(index).filter(|_| index < self.count) else { return };
        match message.event {
            event::PORT_READY if message.value == 1 => port.owed |= 1 << event::PORT_NAME | 1 << event::PORT_OPEN,
            event::PORT_OPEN => {
                port.open = message.value != 0;
                if let Some(opened) = opened.get_mut(index) {
                    *opened = port.open;
                }
            }
            _ => {}
        }
    }

    /// Gives the guest the control messages that it is owed, as far as it has buffers.
    fn tell(&mut self, memory: &impl Memory) -> Result<(), Broken> {
        let indirect = self.indirect();
        while let Some((port, event)) = self.owed()
            && let Some(queue) = self.transport.queue(CONTROL_IN)
            && let Some(chain) = queue.next(memory, indirect)?
        {
            let name = self.names.get(port).copied().unwrap_or_default();
            let (bytes, length) = Control { id: port as u32, event, value: 1 }.with_name(&name);
            let bytes = bytes.get(..length).unwrap_or_default();
            if chain.copy_in(memory, 0, bytes)? < length {
                return Err(Broken);
            }
            let wanted = queue.finish(memory, &chain, length as u32)?;
            self.told(wanted);
            if let Some(port) = self.ports.get_mut(port) {
                port.owed &= !(1 << event);
            }
        }
        Ok(())
    }

    /// The next message that the guest is to get.
    fn owed(&self) -> Option<(usize, u16)> {
        let order = [event::PORT_ADD, event::PORT_NAME, event::PORT_OPEN];
        let ports = self.ports.iter().enumerate();
        let mut owed = ports.flat_map(|(n, port)| order.map(|event| (n, event, port.owed >> event & 1 != 0)));
        owed.find(|(_, _, owed)| *owed).map(|(n, event, _)| (n, event))
    }

    /// Guest to channel.
    fn transmit(
        &mut self,
        port: usize,
        memory: &impl Memory,
        channels: &mut impl Channels,
    ) -> Result<Progress, Broken> {
        let indirect = self.indirect();
        let mut moved = 0;
        while moved < LIMIT {
            let Some((queue, state)) = self.of_port(port, 1) else { return Ok(Progress::Done) };
            let Some(chain) = queue.next(memory, indirect)? else { return Ok(Progress::Done) };
            let mut piece = [0; PIECE];
            let count = chain.copy_out(memory, state.sent, &mut piece)?;
            let taken = channels.write(port, piece.get(..count).unwrap_or_default()).min(count);
            state.sent += taken as u64;
            // A chain of a few bytes is work, too.
            moved += taken.max(PIECE);
            if state.sent >= total(chain.readable()) {
                state.sent = 0;
                let wanted = queue.finish(memory, &chain, 0)?;
                self.told(wanted);
            } else if taken < count {
                return Ok(Progress::Done);
            }
        }
        Ok(Progress::More)
    }

    /// Channel to guest.
    fn receive(&mut self, port: usize, memory: &impl Memory, channels: &mut impl Channels) -> Result<Progress, Broken> {
        let indirect = self.indirect();
        let mut moved = 0;
        while moved < LIMIT {
            let Some((queue, state)) = self.of_port(port, 0) else { return Ok(Progress::Done) };
            if !state.open {
                return Ok(Progress::Done);
            }
            let Some(chain) = queue.next(memory, indirect)? else { return Ok(Progress::Done) };
            let written = fill(&chain, memory, |bytes| channels.read(port, bytes))?;
            if written == 0 && total(chain.writable()) != 0 {
                return Ok(Progress::Done);
            }
            moved += written.max(PIECE);
            let wanted = queue.finish(memory, &chain, written as u32)?;
            self.told(wanted);
        }
        Ok(Progress::More)
    }

    /// Queue and state of a port; `which`: 0 its receiveq, 1 its transmitq.
    fn of_port(&mut self, port: usize, which: usize) -> Option<(&mut Queue, &mut Port)> {
        let state = self.ports.get_mut(port).filter(|_| port < self.count)?;
        Some((self.transport.queue(receiveq(port) + which)?, state))
    }

    fn indirect(&self) -> bool {
        self.transport.has(super::regs::F_INDIRECT_DESC)
    }

    fn told(&mut self, wanted: bool) {
        if wanted {
            self.transport.interrupt();
        }
    }
}

/// The next chain, with its queue.
fn next<'a>(
    queue: &'a mut Queue,
    memory: &impl Memory,
    indirect: bool,
) -> Result<Option<(&'a mut Queue, super::Chain)>, Broken> {
    let chain = queue.next(memory, indirect)?;
    Ok(chain.map(|chain| (queue, chain)))
}

/// Fills the buffers of `chain` from `read` until that gives nothing; gives how many bytes came.
fn fill(chain: &super::Chain, memory: &impl Memory, mut read: impl FnMut(&mut [u8]) -> usize) -> Result<usize, Broken> {
    let room = total(chain.writable()).min(LIMIT as u64) as usize;
    let mut written = 0;
    while written < room {
        let mut piece = [0; PIECE];
        let Some(part) = piece.get_mut(..PIECE.min(room - written)) else { break };
        let count = read(part).min(part.len());
        let part = part.get(..count).unwrap_or_default();
        if count == 0 || chain.copy_in(memory, written as u64, part)? < count {
            break;
        }
        written += count;
    }
    Ok(written)
}
