//! The MMIO transport, version 2 (4.2): registers, feature negotiation, status, interrupt.
//!
//! ```text
//!   reset ──ACKNOWLEDGE, DRIVER──▶ features ──FEATURES_OK──▶ queues ──DRIVER_OK──▶ runs ──fail──▶ NEEDS_RESET
//!     ▲                                                                                              │
//!     └──────────────────────────────── Status = 0 ─────────────────────────────────────────────────┘
//! ```

use super::queue::{Queue, QueueState};
use super::regs::{
    F_INDIRECT_DESC, F_VERSION_1, INTERRUPT_CONFIG, INTERRUPT_USED, MAGIC, VENDOR, VERSION, offset, status,
};
use super::{Broken, MAX_QUEUE_SIZE};
use crate::{LoadError, Width};

/// Version of [`TransportState`].
pub const STATE_VERSION: u32 = 1;

/// What an access asks of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Event {
    /// Nothing.
    Nothing,
    /// There is something new in this queue, which is ready, of a device that runs.
    Notify(u16),
    /// The driver resets the device; the transport has forgotten all.
    Reset,
}

/// State of a [`Transport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TransportState<const QUEUES: usize> {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// Status.
    pub status: u32,
    /// DeviceFeaturesSel.
    pub device_features_sel: u32,
    /// DriverFeaturesSel.
    pub driver_features_sel: u32,
    /// Features that the driver takes.
    pub driver_features: u64,
    /// QueueSel.
    pub queue_sel: u32,
    /// InterruptStatus.
    pub interrupt_status: u32,
    /// Accesses that were ignored.
    pub ignored: u32,
    /// How often the driver broke a rule.
    pub broken: u32,
    /// Queues.
    pub queues: [QueueState; QUEUES],
}

/// The transport of a device with `QUEUES` queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport<const QUEUES: usize> {
    device_id: u32,
    features: u64,
    status: u32,
    device_features_sel: u32,
    driver_features_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    interrupt_status: u32,
    ignored: u32,
    broken: u32,
    queues: [Queue; QUEUES],
}

/// What is read of a transport without a device: device ID 0, which drivers pass over (4.2.2.1).
pub fn no_device(offset: u64, width: Width) -> u64 {
    Transport::<0>::new(0, 0).read(offset, width, &[])
}

/// Replaces the lower or the upper half.
fn set_half(value: &mut u64, high: bool, half: u32) {
    *value = if high { *value & 0xffff_ffff | u64::from(half) << 32 } else { *value >> 32 << 32 | u64::from(half) };
}

impl<const QUEUES: usize> Transport<QUEUES> {
    /// At reset. `features`: what the device of kind `device_id` (5) has beside what each device here has.
    pub const fn new(device_id: u32, features: u64) -> Self {
        Self {
            device_id,
            features: features | F_VERSION_1 | F_INDIRECT_DESC,
            status: 0,
            device_features_sel: 0,
            driver_features_sel: 0,
            driver_features: 0,
            queue_sel: 0,
            interrupt_status: 0,
            ignored: 0,
            broken: 0,
            queues: [const { Queue::new() }; QUEUES],
        }
    }

    /// Level of the interrupt.
    pub fn irq(&self) -> bool {
        self.interrupt_status != 0
    }

    /// Whether the driver takes these features.
    pub fn has(&self, features: u64) -> bool {
        self.driver_features & features == features
    }

    /// Whether the driver lets the device work.
    pub fn runs(&self) -> bool {
        self.status & (status::DRIVER_OK | status::DEVICE_NEEDS_RESET | status::FAILED) == status::DRIVER_OK
    }

    /// Accesses so far that were ignored (wraps).
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    /// How often the driver broke a rule so far (wraps).
    pub fn broken(&self) -> u32 {
        self.broken
    }

    /// Queue `index`, if the device runs and the queue is ready.
    pub fn queue(&mut self, index: usize) -> Option<&mut Queue> {
        let runs = self.runs();
        self.queues.get_mut(index).filter(|queue| runs && queue.is_ready())
    }

    /// There are used buffers that the driver wants to hear of.
    pub fn interrupt(&mut self) {
        self.interrupt_status |= INTERRUPT_USED;
    }

    /// The driver broke a rule: nothing goes on before it resets the device (2.1.2).
    pub fn fail(&mut self) {
        self.broken = self.broken.wrapping_add(1);
        if self.status & status::DRIVER_OK != 0 {
            self.interrupt_status |= INTERRUPT_CONFIG;
        }
        self.status |= status::DEVICE_NEEDS_RESET;
    }

    /// Reads `width` at `offset`; `config` is the device's configuration space.
    pub fn read(&mut self, offset: u64, width: Width, config: &[u8]) -> u64 {
        if let Some(at) = offset.checked_sub(offset::CONFIG) {
            return self.read_config(at, width, config);
        }
        if width != Width::B4 || offset & 3 != 0 {
            return self.ignore();
        }
        let queue = self.queues.get(self.queue_sel as usize);
        u64::from(match offset {
            offset::MAGIC_VALUE => MAGIC,
            offset::VERSION => VERSION,
            offset::DEVICE_ID => self.device_id,
            offset::VENDOR_ID => VENDOR,
            offset::DEVICE_FEATURES => match self.device_features_sel {
                0 => self.features as u32,
                1 => (self.features >> 32) as u32,
                _ => 0,
            },
            offset::QUEUE_SIZE_MAX => queue.map_or(0, |_| u32::from(MAX_QUEUE_SIZE)),
            offset::QUEUE_READY => queue.map_or(0, |queue| u32::from(queue.is_ready())),
            offset::INTERRUPT_STATUS => self.interrupt_status,
            offset::STATUS => self.status,
            // No shared memory regions: length and base of −1.
            offset::SHM_LEN_LOW..=offset::SHM_BASE_HIGH => u32::MAX,
            offset::CONFIG_GENERATION => 0,
            _ => return self.ignore(),
        })
    }

    fn read_config(&mut self, at: u64, width: Width, config: &[u8]) -> u64 {
        let bytes = config.get(at as usize..).and_then(|rest| rest.get(..width.bytes() as usize));
        match bytes {
            Some(bytes) if at & (width.bytes() - 1) == 0 => {
                bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
            }
            _ => self.ignore(),
        }
    }

    /// Writes `value` at `offset`. Configuration spaces here are read-only.
    pub fn write(&mut self, offset: u64, width: Width, value: u64) -> Event {
        if width != Width::B4 || offset & 3 != 0 {
            self.ignore();
            return Event::Nothing;
        }
        let value = value as u32;
        match offset {
            offset::DEVICE_FEATURES_SEL => self.device_features_sel = value,
            offset::DRIVER_FEATURES_SEL => self.driver_features_sel = value,
            offset::DRIVER_FEATURES => self.set_features(value),
            offset::QUEUE_SEL => self.queue_sel = value,
            offset::QUEUE_SIZE..=offset::QUEUE_READY | offset::QUEUE_DESC_LOW..=offset::QUEUE_DEVICE_HIGH => {
                self.write_queue(offset, value);
            }
            offset::QUEUE_NOTIFY => return self.notified(value),
            offset::INTERRUPT_ACK => self.interrupt_status &= !value,
            offset::STATUS => return self.set_status(value),
            offset::SHM_SEL => {}
            _ => {
                self.ignore();
            }
        }
        Event::Nothing
    }

    fn notified(&mut self, queue: u32) -> Event {
        match self.queue(queue as usize) {
            Some(_) => Event::Notify(queue as u16),
            None => Event::Nothing,
        }
    }

    /// Features are agreed on before FEATURES_OK (3.1.1).
    fn set_features(&mut self, half: u32) {
        if self.status & status::FEATURES_OK == 0 && self.driver_features_sel < 2 {
            set_half(&mut self.driver_features, self.driver_features_sel == 1, half);
        }
    }

    fn set_status(&mut self, value: u32) -> Event {
        if value == 0 {
            let (ignored, broken) = (self.ignored, self.broken);
            *self = Self { ignored, broken, ..Self::new(self.device_id, self.features) };
            return Event::Reset;
        }
        let mut new = value & 0xff | self.status & status::DEVICE_NEEDS_RESET;
        let agreed = self.driver_features & !self.features == 0 && self.has(F_VERSION_1);
        if !agreed {
            // FEATURES_OK does not stay (2.2.2), and nothing works without it.
            new &= !(status::FEATURES_OK | status::DRIVER_OK);
        }
        self.status = new;
        Event::Nothing
    }

    fn write_queue(&mut self, offset: u64, value: u32) {
        let Some(queue) = self.queues.get_mut(self.queue_sel as usize) else {
            self.ignore();
            return;
        };
        if offset != offset::QUEUE_READY {
            if set_up(queue, offset, value).is_none() {
                self.ignore();
            }
        } else if set_ready(queue, value).is_err() {
            self.fail();
        }
    }

    fn ignore(&mut self) -> u64 {
        self.ignored = self.ignored.wrapping_add(1);
        0
    }

    /// Its state.
    pub fn save(&self) -> TransportState<QUEUES> {
        TransportState {
            version: STATE_VERSION,
            status: self.status,
            device_features_sel: self.device_features_sel,
            driver_features_sel: self.driver_features_sel,
            driver_features: self.driver_features,
            queue_sel: self.queue_sel,
            interrupt_status: self.interrupt_status,
            ignored: self.ignored,
            broken: self.broken,
            queues: self.queues.map(|queue| queue.save()),
        }
    }

    /// From a saved state of a device of the same kind.
    pub fn load(device_id: u32, features: u64, state: &TransportState<QUEUES>) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        let mut transport = Self::new(device_id, features);
        let agreed = state.driver_features & !transport.features == 0 && state.driver_features & F_VERSION_1 != 0;
        if state.status > 0xff || state.status & (status::FEATURES_OK | status::DRIVER_OK) != 0 && !agreed {
            return Err(LoadError::Field("status"));
        }
        if state.interrupt_status & !(INTERRUPT_USED | INTERRUPT_CONFIG) != 0 {
            return Err(LoadError::Field("interrupt_status"));
        }
        for (queue, state) in transport.queues.iter_mut().zip(&state.queues) {
            *queue = Queue::load(state)?;
        }
        transport.status = state.status;
        transport.device_features_sel = state.device_features_sel;
        transport.driver_features_sel = state.driver_features_sel;
        transport.driver_features = state.driver_features;
        transport.queue_sel = state.queue_sel;
        transport.interrupt_status = state.interrupt_status;
        transport.ignored = state.ignored;
        transport.broken = state.broken;
        Ok(transport)
    }
}

fn set_ready(queue: &mut Queue, value: u32) -> Result<(), Broken> {
    match value & 1 {
        0 => {
            queue.disable();
            Ok(())
        }
        _ if queue.is_ready() => Ok(()),
        _ => queue.enable(),
    }
}

/// A register of a queue that is not ready.
fn set_up(queue: &mut Queue, offset: u64, value: u32) -> Option<()> {
    let registers = queue.registers()?;
    let area = match offset {
        offset::QUEUE_SIZE => {
            registers.size = value.min(u32::from(u16::MAX)) as u16;
            return Some(());
        }
        offset::QUEUE_DESC_LOW | offset::QUEUE_DESC_HIGH => &mut registers.descriptors,
        offset::QUEUE_DRIVER_LOW | offset::QUEUE_DRIVER_HIGH => &mut registers.driver,
        offset::QUEUE_DEVICE_LOW | offset::QUEUE_DEVICE_HIGH => &mut registers.device,
        _ => return None,
    };
    set_half(area, offset & 4 != 0, value);
    Some(())
}
