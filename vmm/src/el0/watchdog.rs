//! The guest's watchdog. Its time is kept by vCPU 0's kernel timer; when nobody serves it the VMM ends, and root does what
//! the VM's restart policy says.

use super::vcpu::{ALARM, Cpu};
use super::{call, host, irq, sysreg};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use devices::Width;
use devices::vgic::Posted;
use devices::watchdog::{Frame, Watchdog};
use rt::lock::SpinLock;
use sysdesc::exit;
use vmm::machine::{SPI_BASE, WATCHDOG_SPI};

/// The watchdog of the VM.
pub struct Dog {
    model: SpinLock<Watchdog>,
    /// When to look at it, in counter ticks; `u64::MAX`: never.
    due: AtomicU64,
}

impl Dog {
    /// One that is off.
    pub const fn new() -> Self {
        Self { model: SpinLock::new(Watchdog::new()), due: AtomicU64::new(u64::MAX) }
    }

    /// When to look at it, in counter ticks; `u64::MAX`: never.
    pub fn due(&self) -> u64 {
        self.due.load(Relaxed)
    }
}

/// The guest reads a register.
pub fn read(cpu: Cpu, frame: Frame, offset: u64, width: Width) -> u64 {
    access(cpu, |dog, now| dog.read(frame, offset, width, now))
}

/// The guest writes a register.
pub fn write(cpu: Cpu, frame: Frame, offset: u64, width: Width, value: u64) {
    access(cpu, |dog, now| dog.write(frame, offset, width, value, now));
    if cpu.index() == 0 {
        sysreg::update_timer(cpu);
    } else if let Some(first) = cpu.vm().vcpus.first() {
        irq::post(&first.mailbox, 0, Posted::own(ALARM));
    }
}

/// Lets pass what has passed.
pub fn poll(cpu: Cpu) {
    access(cpu, Watchdog::poll);
}

fn access<T>(cpu: Cpu, work: impl FnOnce(&mut Watchdog, u64) -> T) -> T {
    let dog = &cpu.vm().watchdog;
    let mut model = dog.model.lock();
    let before = model.signal();
    let result = work(&mut model, host::counter());
    dog.due.store(model.deadline().unwrap_or(u64::MAX), Relaxed);
    let (changed, expired) = (model.signal() != before, model.expired());
    drop(model);
    if expired {
        call::end(exit::WATCHDOG);
    }
    if changed {
        irq::set_spi(cpu, SPI_BASE + WATCHDOG_SPI, || dog.model.lock().signal());
    }
    result
}
