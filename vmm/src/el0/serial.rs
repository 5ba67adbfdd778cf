//! The console: the PL011 model, the physical PL011 behind it, and the queue of input between them.
//!
//! ```text
//!   guest ──DR──▶ model ──byte──▶ physical UART            (in the handler that wrote)
//!   physical UART ──interrupt──▶ worker ──queue, kick──▶ vCPU 0's handler ──▶ model ──SPI──▶ guest
//! ```
#![allow(unsafe_code, reason = "registers of the physical UART")]

use super::vcpu::INPUT;
use super::vm;
use super::{irq, stats};
use core::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{AcqRel, Relaxed, SeqCst},
};
use devices::Width;
use devices::pl011::{Effect, Pl011};
use devices::vgic::Posted;
use rt::lock::SpinLock;
use rt::sys;
use rt::volatile::Volatile;
use sysdesc::{VMM_UART, exit, vmm_slot, worker};
use vmm::queue::Queue;

/// Registers of a PL011 (DDI0183), as words.
#[repr(C)]
struct Registers {
    dr: Volatile<u32>,
    _rsr: [u32; 5],
    fr: Volatile<u32>,
    _ilpr: [u32; 4],
    lcr_h: Volatile<u32>,
    cr: Volatile<u32>,
    _ifls: u32,
    imsc: Volatile<u32>,
    _ris: [u32; 2],
    icr: Volatile<u32>,
}

/// Offset of UARTDR.
const DR: u64 = 0;
/// Offset of UARTFR.
pub const FR: u64 = 0x18;
/// Bit of the worker's notification: there is room in the queue again. (Bit 0 is the interrupt.)
const ROOM: u64 = worker::OWN;
const FR_RXFE: u32 = 1 << 4;
const FR_TXFF: u32 = 1 << 5;
/// 8 bits, FIFOs on.
const LCR_H_8N1_FIFO: u32 = 0x70;
/// UART, transmitter and receiver on.
const CR_ON: u32 = 0x301;
/// Receive and receive timeout interrupts.
const RX_INTERRUPTS: u32 = 0x50;

/// The physical UART.
fn registers() -> &'static Registers {
    // SAFETY: root maps the UART there when `VmmInfo::has_uart` says so, for good; `Serial` asks only then. All registers
    // used are single volatile words.
    unsafe { &*(VMM_UART as *const Registers) }
}

/// The console of the VM.
pub struct Serial {
    model: SpinLock<Pl011>,
    /// UARTFR, which guests poll: kept up to date by whoever changes it under the model's lock, read without.
    flags: AtomicU32,
    queue: Queue,
    /// The worker waits for room in the queue.
    stalled: AtomicBool,
    physical: bool,
}

impl Serial {
    /// A console, with the physical UART behind it if `physical`.
    pub fn new(physical: bool) -> Self {
        let mut model = Pl011::new();
        Self {
            flags: AtomicU32::new(model.read(FR, Width::B4) as u32),
            model: SpinLock::new(model),
            queue: Queue::new(),
            stalled: AtomicBool::new(false),
            physical,
        }
    }

    /// Turns the physical UART's receiver on.
    pub fn enable(&self) {
        if self.physical {
            registers().lcr_h.set(LCR_H_8N1_FIFO);
            registers().cr.set(CR_ON);
            registers().imsc.set(RX_INTERRUPTS);
        }
    }

    /// UARTFR.
    #[inline]
    pub fn flags(&self) -> u64 {
        u64::from(self.flags.load(Relaxed))
    }

    /// The guest reads; gives the value, and whether the interrupt line changed.
    pub fn read(&self, offset: u64, width: Width) -> (u64, bool) {
        let mut model = self.model.lock();
        if offset != DR {
            return (model.read(offset, width), false);
        }
        let before = model.irq();
        let value = model.read(offset, width);
        let changed = self.changed(&mut model, before);
        drop(model);
        self.wake_worker();
        (value, changed)
    }

    /// The guest writes; gives whether the interrupt line changed.
    pub fn write(&self, offset: u64, width: Width, value: u64) -> bool {
        let mut model = self.model.lock();
        let before = model.irq();
        if let Effect::Transmit(byte) = model.write(offset, width, value) {
            // The byte is gone: the flags are as they were.
            self.transmit(byte);
            return model.irq() != before;
        }
        let changed = self.changed(&mut model, before);
        drop(model);
        self.wake_worker();
        changed
    }

    /// After an access that may have made room for input, or changed the flags; gives whether the interrupt line is
    /// another than `before`.
    fn changed(&self, model: &mut Pl011, before: bool) -> bool {
        self.refill(model);
        self.flags.store(model.read(FR, Width::B4) as u32, Relaxed);
        model.irq() != before
    }

    /// The line of the interrupt.
    pub fn line(&self) -> bool {
        self.model.lock().irq()
    }

    /// Sends a byte. The physical transmitter is waited for, as software on the bare machine does; the model's lock keeps
    /// the bytes of several vCPUs in order.
    fn transmit(&self, byte: u8) {
        if self.physical {
            while registers().fr.get() & FR_TXFF != 0 {
                core::hint::spin_loop();
            }
            registers().dr.set(u32::from(byte));
        }
    }

    /// Moves queued input into the model; gives whether the interrupt line changed.
    pub fn receive(&self) -> bool {
        let mut model = self.model.lock();
        let before = model.irq();
        let changed = self.changed(&mut model, before);
        drop(model);
        self.wake_worker();
        changed
    }

    /// Moves queued input into the model, as far as it has room. The model's lock makes the caller the one who pops.
    fn refill(&self, model: &mut Pl011) {
        while model.can_receive()
            && let Some(byte) = self.queue.peek()
        {
            // It has room.
            let _ = model.receive(byte);
            self.queue.pop();
        }
    }

    /// Tells a worker that waits for room that there is some.
    fn wake_worker(&self) {
        if self.stalled.load(Relaxed) && self.stalled.swap(false, AcqRel) {
            // The worker's notification exists as long as the VMM.
            let _ = sys::signal(vmm_slot::WORKER, ROOM);
        }
    }

    /// Brings input from the physical UART to the guest, for ever: the worker's loop.
    pub fn serve(&self) -> ! {
        loop {
            if self.physical && self.drain() {
                let _ = sys::irq_ack(vmm_slot::UART_IRQ);
            }
            match sys::wait(vmm_slot::WORKER, u64::MAX) {
                Ok(bits) if bits & worker::HEARTBEAT != 0 => stats::heartbeat(),
                Ok(_) => {}
                // Root takes the VMM apart, or has forgotten the notification.
                Err(_) => sys::exit(exit::ERROR),
            }
        }
    }

    /// Moves bytes from the physical UART to the queue; `false`: the queue is full, and there are more.
    ///
    /// The interrupt is cleared first: a byte that comes later raises it again.
    fn drain(&self) -> bool {
        registers().icr.set(RX_INTERRUPTS);
        let mut moved = false;
        let mut emptied = true;
        while registers().fr.get() & FR_RXFE == 0 {
            if self.queue.is_full() && self.stall() {
                emptied = false;
                break;
            }
            self.queue.push(registers().dr.get() as u8);
            moved = true;
        }
        if moved && let Some(first) = vm::get().vcpus.first() {
            irq::post(&first.mailbox, 0, Posted::own(INPUT));
        }
        emptied
    }

    /// Asks to be told of room; whether there is still none.
    fn stall(&self) -> bool {
        self.stalled.store(true, SeqCst);
        self.queue.is_full()
    }
}
