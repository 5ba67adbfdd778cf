//! The server's side: bytes in, bytes out, with what is behind it as a trait.

use crate::frame::{Deframer, FrameError, MAX_FRAME, decode, encode};
use crate::message::{Command, Counters, Hello, Refusal, Reply, Request, VcpuInfo, VmInfo};
use crate::{VERSION, frame};

/// What the server asks of its system.
pub trait System {
    /// The system. `version` and `garbage` are the server's to fill.
    fn hello(&self) -> Hello;
    /// A VM.
    fn vm(&self, vm: usize) -> Option<VmInfo>;
    /// A vCPU.
    fn vcpu(&self, vm: usize, index: usize) -> Option<VcpuInfo>;
    /// The kernel's counters.
    fn counters(&self) -> Counters;
    /// Does something with a VM.
    ///
    /// # Errors
    /// It cannot be done, or was not.
    fn command(&mut self, vm: usize, command: Command) -> Result<(), Refusal>;
}

/// A server between a stream of bytes in and one out. It holds one reply: while that is not sent, it takes no byte, so
/// that nothing that comes in makes it need more memory.
#[derive(Debug)]
pub struct Server {
    input: Deframer,
    reply: [u8; MAX_FRAME],
    sent: usize,
    length: usize,
    garbage: u64,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// With nothing received.
    #[must_use]
    pub const fn new() -> Self {
        Self { input: Deframer::new(), reply: [0; frame::MAX_FRAME], sent: 0, length: 0, garbage: 0 }
    }

    /// Whether a reply waits to be sent: until then [`Server::take`] is not to be called.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.sent < self.length
    }

    /// The next byte to send, if there is one.
    pub fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.reply.get(..self.length)?.get(self.sent)?;
        self.sent = self.sent.saturating_add(1);
        Some(byte)
    }

    /// Takes a byte; a whole request is done, and its reply waits to be sent.
    pub fn take(&mut self, byte: u8, system: &mut impl System) {
        let Some(frame) = self.input.push(byte) else { return };
        let (id, reply) = match decode::<Request>(frame) {
            Ok((id, request)) => (id, answer(request, self.garbage, system)),
            Err(FrameError::Unknown(id)) => (id, Reply::Refused(Refusal::Unknown)),
            Err(FrameError::Damaged) => {
                self.garbage = self.garbage.saturating_add(1);
                return;
            }
        };
        self.length = encode(id, &reply, &mut self.reply).unwrap_or(0);
        self.sent = 0;
    }
}

fn answer(request: Request, garbage: u64, system: &mut impl System) -> Reply {
    match request {
        Request::Hello { .. } => Reply::Hello(Hello { version: VERSION, garbage, ..system.hello() }),
        Request::Vm(vm) => system.vm(vm.into()).map_or(Reply::Refused(Refusal::NoSuch), Reply::Vm),
        Request::Vcpu { vm, index } => {
            system.vcpu(vm.into(), index.into()).map_or(Reply::Refused(Refusal::NoSuch), Reply::Vcpu)
        }
        Request::Counters => Reply::Counters(system.counters()),
        Request::Command { vm, command } => match system.command(vm.into(), command) {
            Ok(()) => Reply::Done,
            Err(refusal) => Reply::Refused(refusal),
        },
    }
}
