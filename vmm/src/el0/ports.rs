//! The virtio console: its ports are channels in memory shared with other VMs, with a doorbell in each direction.
//!
//! ```text
//!   guest ──QueueNotify──▶ handler ──bytes──▶ channel, doorbell out      (in the handler of the vCPU that stores)
//!   doorbell in ──▶ vCPU 0's handler ──bytes──▶ guest's buffers, SPI
//! ```
//! The channel is made by its side 0; side 1 finds it when it is there.
#![allow(unsafe_code, reason = "shared memory as a slice of atomics")]

use super::irq;
use super::vcpu::{Cpu, PORTS};
use core::mem::take;
use devices::Width;
use devices::vgic::Posted;
use devices::virtio::console::{Channels, Console, MAX_PORTS, Progress};
use ring::{Channel, OpenError, Reader, Word, Writer};
use rt::lock::SpinLock;
use rt::sys;
use sysdesc::{MAX_SHARED, VMM_SHARED, VMM_SHARED_STRIDE, VmmInfo, VmmPort, vmm_slot};
use vmm::machine::{PORTS_SPI, SPI_BASE};

/// The console and what is behind its ports.
pub struct Ports(SpinLock<Inner>);

struct Inner {
    console: Console,
    ends: Ends,
}

/// The ends of the channels.
struct Ends {
    all: [Option<End>; MAX_PORTS],
    /// Ports whose channel was used: bit n for port n.
    used: u32,
}

struct End {
    words: &'static [Word],
    side: u64,
    /// Slot of the doorbell.
    bell: u64,
    open: Option<(Writer<'static>, Reader<'static>)>,
}

impl End {
    /// `None`: the description is wrong: no such region, or one that this VM cannot write.
    fn new(info: &VmmInfo, port: &VmmPort) -> Option<Self> {
        let regions = info.shared.get(..info.shared_count.min(MAX_SHARED as u64) as usize)?;
        let region = regions.get(port.shared as usize).filter(|region| region.writable != 0)?;
        let address = VMM_SHARED + port.shared * VMM_SHARED_STRIDE;
        let size = region.size.min(VMM_SHARED_STRIDE);
        // SAFETY: root maps the region there before the VMM starts, read-write and for good; others who have it may write
        // at any time, which atomics allow.
        let words = unsafe { core::slice::from_raw_parts(address as *const Word, size as usize / size_of::<Word>()) };
        if port.side == 0 && matches!(Channel::open(words), Err(OpenError::NoChannel)) {
            // Too small for a channel: it is never found, and the port stays silent.
            let _ = Channel::format(words);
        }
        Some(Self { words, side: port.side, bell: vmm_slot::BELLS_OUT + port.bell_out, open: None })
    }

    /// Writer and reader, once there is a channel.
    fn open(&mut self) -> Option<&mut (Writer<'static>, Reader<'static>)> {
        if self.open.is_none() {
            self.open = Channel::open(self.words).ok().and_then(|channel| channel.side(self.side));
        }
        self.open.as_mut()
    }

    /// Whether the other side sleeps and waits for what was done.
    fn must_ring(&mut self) -> bool {
        self.open.as_mut().is_some_and(|(writer, reader)| writer.must_ring() | reader.must_ring())
    }
}

impl Ends {
    fn get(&mut self, port: usize) -> Option<&mut (Writer<'static>, Reader<'static>)> {
        self.used |= 1 << (port & 31);
        self.all.get_mut(port)?.as_mut()?.open()
    }

    /// Slots of the doorbells to ring, 0 for none.
    fn bells(&mut self) -> [u64; MAX_PORTS] {
        let used = take(&mut self.used);
        let mut bells = [0; MAX_PORTS];
        for ((n, end), bell) in self.all.iter_mut().enumerate().zip(&mut bells) {
            if let Some(end) = end.as_mut().filter(|_| used >> n & 1 != 0)
                && end.must_ring()
            {
                *bell = end.bell;
            }
        }
        bells
    }
}

/// Each falls asleep before it gives up, so that the other side rings; what came meanwhile is taken at once.
impl Channels for Ends {
    fn read(&mut self, port: usize, bytes: &mut [u8]) -> usize {
        let Some((_, reader)) = self.get(port) else { return 0 };
        match reader.read(bytes) {
            0 if !reader.sleep() => reader.read(bytes),
            count => count,
        }
    }

    fn write(&mut self, port: usize, bytes: &[u8]) -> usize {
        let Some((writer, _)) = self.get(port) else { return 0 };
        let count = writer.write(bytes);
        if count == bytes.len() || writer.sleep() {
            return count;
        }
        count + writer.write(bytes.get(count..).unwrap_or_default())
    }
}

impl Ports {
    /// The console, with the ports that `info` names; `None`: a port is wrong.
    pub fn new(info: &VmmInfo) -> Option<Self> {
        let ports = info.ports.get(..info.port_count as usize)?;
        let mut all = [const { None }; MAX_PORTS];
        let mut names = [[0; 16]; MAX_PORTS];
        for ((place, name), port) in all.iter_mut().zip(&mut names).zip(ports) {
            *place = Some(End::new(info, port)?);
            *name = port.name;
        }
        let console = Console::new(names.get(..ports.len())?);
        Some(Self(SpinLock::new(Inner { console, ends: Ends { all, used: 0 } })))
    }
}

/// The guest reads a register.
pub fn read(ports: &Ports, offset: u64, width: Width) -> u64 {
    ports.0.lock().console.read(offset, width)
}

/// The guest writes a register.
pub fn write(cpu: Cpu, ports: &Ports, offset: u64, width: Width, value: u64) {
    work(cpu, ports, |inner| inner.console.write(offset, width, value, &cpu.vm().memory, &mut inner.ends));
}

/// Channels have changed, or there was more to do.
pub fn poll(cpu: Cpu) {
    if let Some(ports) = &cpu.vm().ports {
        work(cpu, ports, |inner| inner.console.poll(&cpu.vm().memory, &mut inner.ends));
    }
}

/// Lets the device work; rings, and sets its line, with the lock given back.
fn work(cpu: Cpu, ports: &Ports, work: impl FnOnce(&mut Inner) -> Progress) {
    let mut inner = ports.0.lock();
    let before = inner.console.irq();
    let progress = work(&mut inner);
    let changed = inner.console.irq() != before;
    let bells = inner.ends.bells();
    drop(inner);
    for bell in bells.into_iter().filter(|bell| *bell != 0) {
        // The other VM may be gone: it looks at the channel when it comes back.
        let _ = sys::signal(bell, 0);
    }
    if changed {
        irq::set_spi(cpu, SPI_BASE + PORTS_SPI, || ports.0.lock().console.irq());
    }
    if progress == Progress::More {
        irq::post(&cpu.own.mailbox, cpu.index(), Posted::own(PORTS));
    }
}
