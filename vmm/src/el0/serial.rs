//! The console: the PL011 model between the guest and the rings that the VM shares with the console server.
//!
//! ```text
//!   guest ──DR──▶ model ──byte──▶ ring ──▶ server             (in the handler that wrote)
//!   server ──ring, signal──▶ worker ──kick──▶ vCPU 0's handler ──▶ model ──SPI──▶ guest
//! ```
//! When the ring is full the model's transmitter stands still: its FIFO fills, UARTFR says so, and its interrupt comes
//! when the server has made room. A guest that polls UARTFR meanwhile is not run until then: whoever makes the room may
//! be less urgent than it.
#![allow(unsafe_code, reason = "memory shared with the console server")]

use super::irq;
use super::stats;
use super::vcpu::{Cpu, INPUT, PARK_ONCE};
use super::vm;
use abi::PAGE_SIZE;
use abi::syscall::RESUME_WAIT;
use core::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use devices::Width;
use devices::pl011::{Effect, Pl011};
use devices::vgic::Posted;
use ring::{Reader, Word, Writer};
use rt::lock::SpinLock;
use rt::sys;
use sysdesc::console::RING_PAGES;
use sysdesc::{VMM_CONSOLE, VmmInfo, exit, vmm_slot, worker};

/// Offset of UARTDR.
pub const DR: u64 = 0;
/// Offset of UARTFR.
pub const FR: u64 = 0x18;
/// UARTFR.BUSY: as the model has it, there are bytes in the FIFO, so the transmitter stands still.
const FR_BUSY: u32 = 1 << 3;
/// Polls of UARTFR after which a guest is taken to wait for the transmitter.
const POLLS: u32 = 16;
/// Any number of bytes has room ([`Pl011::tx_ready`]).
const UNLIMITED: u32 = u32::MAX;
/// Room in the ring that is left for what is in the model's FIFO when the guest powers off.
const RESERVE: u32 = 16;
/// PSTATE.I and CPSR.I.
const MASKED: u64 = 1 << 7;

/// The model and the rings behind it.
struct Port {
    model: Pl011,
    /// Output; without a console it goes nowhere.
    output: Option<Writer<'static>>,
    input: Option<Reader<'static>>,
    /// The transmitter stands still.
    stalled: bool,
}

/// The console of the VM.
pub struct Serial {
    port: SpinLock<Port>,
    /// UARTFR, which guests poll: kept up to date by whoever changes it under the port's lock, read without.
    flags: AtomicU32,
    /// Polls of it while the transmitter stands still.
    polls: AtomicU32,
    /// vCPUs that wait for room.
    waiting: AtomicU32,
}

static SERIAL: Serial = Serial {
    port: SpinLock::new(Port { model: Pl011::new(), output: None, input: None, stalled: false }),
    flags: AtomicU32::new(FR_AT_RESET),
    polls: AtomicU32::new(0),
    waiting: AtomicU32::new(0),
};

/// UARTFR at reset: both FIFOs are empty.
const FR_AT_RESET: u32 = 1 << 4 | 1 << 7;

/// The console.
#[inline]
pub fn get() -> &'static Serial {
    &SERIAL
}

impl Serial {
    /// Takes the rings that root has mapped, if there is a console. From then on the VMM's own lines go there, too.
    pub fn open(&self, info: &VmmInfo) {
        const WORDS: usize = (RING_PAGES * PAGE_SIZE / 4) as usize;
        if info.has_console == 0 {
            return;
        }
        // SAFETY: root maps the rings there before the VMM starts, for good; all who have them use them as atomic words.
        let words = unsafe { core::slice::from_raw_parts(VMM_CONSOLE as *const Word, WORDS) };
        if let Some((writer, reader)) = ring::Channel::known(words).and_then(|channel| channel.side(0)) {
            let mut port = self.port.lock();
            (port.output, port.input) = (Some(writer), Some(reader));
        }
        rt::log::set_sink(log);
    }

    /// UARTFR, for a guest that polls it.
    #[inline]
    pub fn poll(&self, cpu: Cpu) -> u64 {
        let flags = self.flags.load(Relaxed);
        if flags & FR_BUSY != 0 {
            self.wait(cpu);
        }
        u64::from(flags)
    }

    /// Has a vCPU that polls again and again not run until there is room, or an interrupt that it can take. Who looks just
    /// once may have something else to do.
    #[cold]
    fn wait(&self, cpu: Cpu) {
        if !self.polls.fetch_add(1, Relaxed).wrapping_add(1).is_multiple_of(POLLS) {
            return;
        }
        self.waiting.fetch_or(cpu.bit(), SeqCst);
        // Whoever makes room changes the flags first, then looks who waits.
        if self.flags.load(SeqCst) & FR_BUSY != 0 {
            cpu.set_action(if cpu.page().spsr() & MASKED == 0 { RESUME_WAIT } else { PARK_ONCE });
        }
    }

    /// The guest reads; gives the value, and whether the interrupt line changed.
    pub fn read(&self, offset: u64, width: Width) -> (u64, bool) {
        let mut port = self.port.lock();
        if offset != DR {
            return (port.model.read(offset, width), false);
        }
        let before = port.model.irq();
        let value = port.model.read(offset, width);
        let (changed, ring) = self.changed(&mut port, before);
        drop(port);
        tell(ring);
        (value, changed)
    }

    /// The guest writes a byte to UARTDR; gives whether the interrupt line changed. `None`: it is for [`Self::write`].
    #[inline]
    pub fn put(&self, byte: u8) -> Option<bool> {
        let mut port = self.port.lock();
        let changed = port.model.transmit_at_once()?;
        let ring = port.transmit(byte);
        drop(port);
        tell(ring);
        Some(changed)
    }

    /// The guest writes; gives whether the interrupt line changed.
    pub fn write(&self, offset: u64, width: Width, value: u64) -> bool {
        let mut port = self.port.lock();
        let before = port.model.irq();
        if let Effect::Transmit(byte) = port.model.write(offset, width, value) {
            // The byte is gone: the flags are as they were.
            let ring = port.transmit(byte);
            let changed = port.model.irq() != before;
            drop(port);
            tell(ring);
            return changed;
        }
        let (changed, ring) = self.changed(&mut port, before);
        drop(port);
        tell(ring);
        changed
    }

    /// After what may have made room for input, or changed the flags: gives whether the interrupt line is another than
    /// `before`, and whether the server has to be told.
    fn changed(&self, port: &mut Port, before: bool) -> (bool, bool) {
        let ring = port.refill();
        self.flags.store(port.model.read(FR, Width::B4) as u32, SeqCst);
        (port.model.irq() != before, ring)
    }

    /// The line of the interrupt.
    pub fn line(&self) -> bool {
        self.port.lock().model.irq()
    }

    /// There is input, or room for output. Gives whether the interrupt line changed.
    pub fn receive(&self, cpu: Cpu) -> bool {
        let mut port = self.port.lock();
        let before = port.model.irq();
        let resumed = port.resume();
        let (changed, ring) = self.changed(&mut port, before);
        drop(port);
        tell(ring | resumed);
        if self.flags.load(SeqCst) & FR_BUSY == 0 {
            kick(self.waiting.swap(0, SeqCst) & !cpu.bit());
        }
        changed
    }

    /// The VM ends: what is in the FIFO goes to the ring, which has room for that.
    pub fn finish(&self) {
        let mut port = self.port.lock();
        port.model.tx_ready(UNLIMITED);
        port.spill();
        let ring = port.output.as_ref().is_some_and(Writer::must_ring);
        drop(port);
        tell(ring);
    }

    /// Answers root and the console server, for ever: the worker's loop.
    pub fn serve(&self) -> ! {
        // The guest is loaded: from now on root is answered.
        stats::heartbeat();
        loop {
            let Ok(bits) = sys::wait(vmm_slot::WORKER, u64::MAX) else {
                // Root takes the VMM apart, or has forgotten the notification.
                sys::exit(exit::ERROR)
            };
            #[cfg(feature = "fault-test")]
            super::fault::worker();
            if bits & worker::HEARTBEAT != 0 {
                stats::heartbeat();
            }
            if bits & worker::CONSOLE != 0 {
                kick(1 | self.waiting.load(SeqCst));
            }
        }
    }
}

/// Has vCPUs look at the console.
fn kick(mask: u32) {
    let mut left = mask;
    while left != 0 {
        let target = left.trailing_zeros() as usize;
        if let Some(vcpu) = vm::get().vcpus.get(target).filter(|_| target < vm::get().count) {
            irq::post(&vcpu.mailbox, target, Posted::own(INPUT));
        }
        left &= left - 1;
    }
}

/// Tells the console server that there is something new, if it is `wanted`.
#[inline]
fn tell(wanted: bool) {
    if wanted {
        // There is a server as long as there is a console.
        let _ = sys::signal(vmm_slot::CONSOLE, 0);
    }
}

impl Port {
    /// Sends a byte, for which there is room. Gives whether the server has to be told.
    #[inline]
    fn transmit(&mut self, byte: u8) -> bool {
        let Some(output) = &mut self.output else { return false };
        output.push(byte);
        let full = !output.has_room(RESERVE + 1);
        let ring = output.must_ring();
        if full { self.stall() } else { ring }
    }

    /// The ring is full: the transmitter stands still. The server is told in any case, so that it makes room soon.
    #[cold]
    fn stall(&mut self) -> bool {
        self.stalled = self.output.as_mut().is_some_and(|output| output.sleep_until_room(RESERVE + 1));
        if self.stalled {
            self.model.tx_stall();
        }
        true
    }

    /// Lets the transmitter go on if there is room. Gives whether the server has to be told.
    fn resume(&mut self) -> bool {
        if !self.stalled || self.output.as_mut().is_none_or(|output| output.sleep_until_room(2 * RESERVE)) {
            return false;
        }
        self.stalled = false;
        self.model.tx_ready(UNLIMITED);
        self.spill();
        self.output.as_ref().is_some_and(Writer::must_ring)
    }

    /// Sends what is in the FIFO, for which there is room.
    fn spill(&mut self) {
        while let Some(byte) = self.model.transmit() {
            let _ = self.output.as_mut().is_some_and(|output| output.push(byte));
        }
    }

    /// Moves input into the model, as far as it has room. Gives whether the server has to be told of room in the ring.
    fn refill(&mut self) -> bool {
        let Some(input) = &mut self.input else { return false };
        let mut moved = false;
        while self.model.can_receive() {
            match input.pop() {
                Some(byte) => moved |= self.model.receive(byte),
                // The server tells when there is more.
                None if input.sleep() => break,
                None => {}
            }
        }
        moved && input.must_ring()
    }
}

/// Takes a line of the VMM's own (`rt::log`). The lock is not waited for: a panic may be its owner's.
fn log(line: &[u8]) -> bool {
    let Some(mut port) = SERIAL.port.try_lock() else { return false };
    let Some(output) = &mut port.output else { return false };
    const PREFIX: &[u8] = b"\r\nsosia: ";
    if !output.has_room(RESERVE.saturating_add((PREFIX.len() + line.len()) as u32)) {
        return false;
    }
    output.write(PREFIX);
    output.write(line);
    let ring = output.must_ring();
    drop(port);
    tell(ring);
    true
}
