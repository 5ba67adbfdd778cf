//! Data aborts: the guest's accesses to devices.

use super::vcpu::Cpu;
use super::{host, irq, ports, serial, slow, watchdog};
use devices::Width;
use devices::vgic::{Posted, Redist};
use devices::virtio;
use devices::watchdog::Frame;
use rt::lock::Guard;
use vmm::inject::Exception;
use vmm::machine as m;
use vmm::syndrome::DataAbort;

/// The devices but the UART, which is found first; with the offset in it.
#[derive(Clone, Copy)]
enum Place {
    Rtc(u64),
    Virtio(u64),
    Watchdog(Frame, u64),
    Dist(u64),
    Redist(usize, u64),
    Flash,
}

/// What is at an IPA.
#[inline]
fn place(cpu: Cpu, ipa: u64) -> Option<Place> {
    const RTC_LAST: u64 = m::RTC_BASE + m::DEVICE_SIZE - 1;
    const REFRESH_LAST: u64 = m::WATCHDOG_REFRESH + m::DEVICE_SIZE - 1;
    const CONTROL_LAST: u64 = m::WATCHDOG_CONTROL + m::DEVICE_SIZE - 1;
    const VIRTIO_LAST: u64 = m::VIRTIO_BASE + m::VIRTIO_COUNT * m::VIRTIO_STRIDE - 1;
    const GICD_LAST: u64 = m::GICD_BASE + m::GICD_SIZE - 1;
    const FLASH_LAST: u64 = m::FLASH_BASE + m::FLASH_SIZE - 1;
    match ipa {
        m::GICD_BASE..=GICD_LAST => Some(Place::Dist(ipa - m::GICD_BASE)),
        m::RTC_BASE..=RTC_LAST => Some(Place::Rtc(ipa - m::RTC_BASE)),
        m::VIRTIO_BASE..=VIRTIO_LAST => Some(Place::Virtio(ipa - m::VIRTIO_BASE)),
        m::WATCHDOG_REFRESH..=REFRESH_LAST => Some(Place::Watchdog(Frame::Refresh, ipa - m::WATCHDOG_REFRESH)),
        m::WATCHDOG_CONTROL..=CONTROL_LAST => Some(Place::Watchdog(Frame::Control, ipa - m::WATCHDOG_CONTROL)),
        m::FLASH_BASE..=FLASH_LAST => Some(Place::Flash),
        _ => {
            let offset = ipa.checked_sub(m::GICR_BASE)?;
            let index = (offset / m::GICR_STRIDE) as usize;
            (index < cpu.vm().count).then_some(Place::Redist(index, offset % m::GICR_STRIDE))
        }
    }
}

/// Offset in the UART's frame.
#[inline]
fn uart_offset(ipa: u64) -> Option<u64> {
    let offset = ipa.wrapping_sub(m::UART_BASE);
    (offset < m::DEVICE_SIZE).then_some(offset)
}

/// An access of the guest to what is not RAM. A poll of the UART's flags, and a character written to it, of which a console
/// makes most, are answered at once.
#[inline]
pub fn data_abort(cpu: Cpu, esr: u64) {
    const FLAGS: u64 = m::UART_BASE + serial::FR;
    const DATA: u64 = m::UART_BASE + serial::DR;
    let abort = DataAbort(esr);
    let page = cpu.page();
    if page.ipa() == FLAGS && abort.is_plain_load() {
        page.set_x(abort.register(), serial::get().poll(cpu));
        page.skip();
    } else if page.ipa() == DATA && abort.is_plain_store() {
        uart_put(cpu, page.x(abort.register()) as u8);
        page.skip();
    } else {
        access(cpu, abort);
    }
}

/// A character is written.
#[inline(never)]
fn uart_put(cpu: Cpu, byte: u8) {
    match serial::get().put(byte) {
        Some(false) => {}
        Some(true) => uart_line(cpu),
        None => uart_write(cpu, serial::DR, Width::B4, u64::from(byte)),
    }
}

#[inline(never)]
fn access(cpu: Cpu, abort: DataAbort) {
    if !abort.valid() {
        return slow::access(cpu, abort);
    }
    let page = cpu.page();
    let width = Width::from_sas(u64::from(abort.size_log2()));
    let ipa = page.ipa();
    if abort.write() {
        if !write(cpu, ipa, width, page.x(abort.register()) & width.mask()) {
            return nothing_there(cpu, abort);
        }
    } else {
        let Some(value) = read(cpu, ipa, width) else { return nothing_there(cpu, abort) };
        page.set_x(abort.register(), extend(value, width, abort.sign_extend(), abort.wide()));
    }
    page.skip();
}

#[cold]
fn nothing_there(cpu: Cpu, abort: DataAbort) {
    slow::inject(cpu, Exception::DataAbort { far: cpu.page().far(), write: abort.write() });
}

/// A loaded value as it comes into its register.
#[inline]
pub fn extend(value: u64, width: Width, signed: bool, wide: bool) -> u64 {
    if !signed {
        return value & width.mask();
    }
    let shift = 64 - 8 * width.bytes();
    let value = (value << shift).cast_signed() >> shift;
    if wide { value.cast_unsigned() } else { value.cast_unsigned() & 0xffff_ffff }
}

/// Reads a device; `None`: there is none.
#[inline]
pub fn read(cpu: Cpu, ipa: u64, width: Width) -> Option<u64> {
    match uart_offset(ipa) {
        Some(offset) => Some(uart_read(cpu, offset, width)),
        None => read_other(cpu, ipa, width),
    }
}

#[inline(never)]
fn read_other(cpu: Cpu, ipa: u64, width: Width) -> Option<u64> {
    Some(match place(cpu, ipa)? {
        Place::Dist(offset) => dist_read(cpu, offset, width),
        Place::Rtc(offset) => cpu.vm().rtc.lock().read(offset, width, seconds(cpu)),
        Place::Virtio(offset) => virtio_read(cpu, offset, width),
        Place::Watchdog(frame, offset) => watchdog::read(cpu, frame, offset, width),
        Place::Redist(index, offset) => redist_read(cpu, index, offset, width),
        Place::Flash => width.mask(),
    })
}

/// Writes a device; `false`: there is none.
#[inline]
pub fn write(cpu: Cpu, ipa: u64, width: Width, value: u64) -> bool {
    match uart_offset(ipa) {
        Some(offset) => {
            uart_write(cpu, offset, width, value);
            true
        }
        None => write_other(cpu, ipa, width, value),
    }
}

#[inline(never)]
fn write_other(cpu: Cpu, ipa: u64, width: Width, value: u64) -> bool {
    match place(cpu, ipa) {
        Some(Place::Dist(offset)) => dist_write(cpu, offset, width, value),
        Some(Place::Rtc(offset)) => rtc_write(cpu, offset, width, value),
        Some(Place::Virtio(offset)) => virtio_write(cpu, offset, width, value),
        Some(Place::Watchdog(frame, offset)) => watchdog::write(cpu, frame, offset, width, value),
        Some(Place::Redist(index, offset)) => redist_write(cpu, index, offset, width, value),
        Some(Place::Flash) => {}
        None => return false,
    }
    true
}

fn uart_read(cpu: Cpu, offset: u64, width: Width) -> u64 {
    let (value, changed) = serial::get().read(offset, width);
    if changed {
        uart_line(cpu);
    }
    value
}

#[inline]
fn uart_write(cpu: Cpu, offset: u64, width: Width, value: u64) {
    if serial::get().write(offset, width, value) {
        uart_line(cpu);
    }
}

/// The UART's line may have changed.
#[cold]
fn uart_line(cpu: Cpu) {
    irq::set_spi(cpu, m::SPI_BASE + m::UART_SPI, || serial::get().line());
}

/// Console input has come.
pub fn console_input(cpu: Cpu) {
    if serial::get().receive(cpu) {
        uart_line(cpu);
    }
}

/// Whether a register of the distributor or of an SGI frame shows or changes what may be in list registers: ISPENDR to
/// ICACTIVER (IHI0069 12.8). Asked before the lock is taken to ask the model.
const fn shows_state(offset: u64) -> bool {
    matches!(offset & 0xffff, 0x200..0x400)
}

fn dist_read(cpu: Cpu, offset: u64, width: Width) -> u64 {
    if shows_state(offset) && cpu.own.redist.lock().dist_needs_full(offset) {
        return irq::refresh_exact(cpu, |_, dist| (dist.read(offset, width), 0));
    }
    cpu.vm().dist.lock().read(offset, width)
}

fn dist_write(cpu: Cpu, offset: u64, width: Width, value: u64) {
    if shows_state(offset) && cpu.own.redist.lock().dist_needs_full(offset) {
        return irq::refresh_exact(cpu, |_, dist| ((), dist.write(offset, width, value)));
    }
    let touched = cpu.vm().dist.lock().write(offset, width, value);
    if touched & cpu.bit() != 0 {
        irq::maintain(cpu);
    }
    if touched & !cpu.bit() != 0 {
        irq::notify(cpu, touched);
    }
}

/// The redistributor of another vCPU, locked.
fn other(cpu: Cpu, index: usize) -> Option<Guard<'static, Redist>> {
    cpu.vm().vcpus.get(index).map(|vcpu| vcpu.redist.lock())
}

fn redist_read(cpu: Cpu, index: usize, offset: u64, width: Width) -> u64 {
    if index != cpu.index() {
        return other(cpu, index).map_or(0, |mut redist| redist.read(offset, width));
    }
    let mut redist = cpu.own.redist.lock();
    if redist.own_needs_full(offset) {
        drop(redist);
        return irq::refresh_exact(cpu, |redist, _| (redist.read(offset, width), 0));
    }
    redist.read(offset, width)
}

fn redist_write(cpu: Cpu, index: usize, offset: u64, width: Width, value: u64) {
    if index != cpu.index() {
        let flush = other(cpu, index).is_some_and(|mut redist| redist.write(offset, width, value));
        // The owner's page has to learn of the timer's attributes, too.
        if flush || offset >= m::GICR_STRIDE / 2 {
            irq::notify(cpu, 1 << index);
        }
        return;
    }
    let mut redist = cpu.own.redist.lock();
    if redist.own_needs_full(offset) {
        drop(redist);
        return irq::refresh_exact(cpu, |redist, _| {
            // The flush follows in any case.
            let _ = redist.write(offset, width, value);
            ((), 0)
        });
    }
    let flush = redist.write(offset, width, value);
    cpu.page().set_timer(u64::from(redist.timer_word()));
    drop(redist);
    if flush {
        irq::maintain(cpu);
    }
}

/// The console is in the first transport; the others have no device.
fn virtio_read(cpu: Cpu, offset: u64, width: Width) -> u64 {
    match &cpu.vm().ports {
        Some(ports) if offset < m::VIRTIO_STRIDE => ports::read(ports, offset, width),
        _ => virtio::no_device(offset % m::VIRTIO_STRIDE, width),
    }
}

fn virtio_write(cpu: Cpu, offset: u64, width: Width, value: u64) {
    if let Some(ports) = cpu.vm().ports.as_ref().filter(|_| offset < m::VIRTIO_STRIDE) {
        ports::write(cpu, ports, offset, width, value);
    }
}

/// Seconds since the counter's start: the clock's time.
fn seconds(cpu: Cpu) -> u64 {
    host::counter().checked_div(cpu.vm().cntfrq).unwrap_or(0)
}

fn rtc_write(cpu: Cpu, offset: u64, width: Width, value: u64) {
    cpu.vm().rtc.lock().write(offset, width, value, seconds(cpu));
    if cpu.index() == 0 {
        update_alarm(cpu);
    } else if let Some(first) = cpu.vm().vcpus.first() {
        // The alarm is on vCPU 0's timer.
        irq::post(&first.mailbox, 0, Posted::own(super::vcpu::ALARM));
    }
}

/// Sets the lines of clock and watchdog, and on vCPU 0 the kernel timer for their next change.
pub fn update_alarm(cpu: Cpu) {
    let now = seconds(cpu);
    cpu.vm().rtc.lock().poll(now);
    irq::set_spi(cpu, m::SPI_BASE + m::RTC_SPI, || cpu.vm().rtc.lock().irq());
    watchdog::poll(cpu);
    super::sysreg::update_timer(cpu);
}

/// When vCPU 0 has to look at the clock's alarm and the watchdog, in counter ticks; `u64::MAX`: never, and for all other vCPUs.
pub fn alarm(cpu: Cpu) -> u64 {
    if cpu.index() != 0 {
        return u64::MAX;
    }
    let due = cpu.vm().rtc.lock().alarm();
    let alarm = due.map_or(u64::MAX, |seconds| seconds.saturating_mul(cpu.vm().cntfrq));
    alarm.min(cpu.vm().watchdog.due())
}
