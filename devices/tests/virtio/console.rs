//! 5.3: the console, with its control messages and ports.

use crate::driver::{Queue, W, WRITE, start_registers};
use crate::ram::{BASE, Ram};
use devices::virtio::console::{Channels, Console, NAME_LEN, Progress, STATE_VERSION};
use devices::virtio::regs::{offset, status};
use devices::{LoadError, Width};
use std::collections::VecDeque;

/// Names of the ports of the tests.
pub const NAMES: [[u8; NAME_LEN]; 2] = [*b"rtos\0\0\0\0\0\0\0\0\0\0\0\0", *b"sixteen-letters!"];

/// VIRTIO_CONSOLE_F_MULTIPORT.
pub fn ports() -> u64 {
    1 << 1
}

/// The other side of port 0.
pub struct Far {
    pub to_guest: VecDeque<u8>,
    pub sent: Vec<u8>,
    room: usize,
}

impl Far {
    pub fn new(to_guest: &[u8], room: usize) -> Self {
        Self { to_guest: to_guest.iter().copied().collect(), sent: Vec::new(), room }
    }
}

impl Channels for Far {
    fn read(&mut self, port: usize, bytes: &mut [u8]) -> usize {
        if port != 0 {
            return 0;
        }
        let count = bytes.len().min(self.to_guest.len());
        bytes.iter_mut().zip(self.to_guest.drain(..count)).for_each(|(place, byte)| *place = byte);
        count
    }

    fn write(&mut self, _: usize, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.room - self.sent.len().min(self.room));
        self.sent.extend_from_slice(&bytes[..count]);
        count
    }
}

/// A guest with its driver.
struct Guest {
    ram: Ram,
    console: Console,
    far: Far,
    queues: [Queue; 4],
}

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;

/// Where the buffers of a queue are.
const fn buffer(queue: usize, index: u16) -> u64 {
    BASE + 0x1000 + queue as u64 * 0x1000 + index as u64 * 0x100
}

impl Guest {
    /// A started driver, whose control messages have buffers.
    fn new(to_guest: &[u8], room: usize) -> Self {
        let mut guest = Self {
            ram: Ram::new(),
            console: Console::new(&NAMES),
            far: Far::new(to_guest, room),
            queues: [0, 1, 2, 3].map(Queue::new),
        };
        for (at, value) in start_registers(&[0, 1, 2, 3], ports()) {
            let _ = guest.console.write(at, W, value, &guest.ram, &mut guest.far);
        }
        (0..8).for_each(|n| guest.offer(CONTROL_IN, n, 64, WRITE));
        guest
    }

    fn offer(&mut self, queue: usize, index: u16, length: u32, flags: u16) {
        self.queues[queue].offer_buffer(&self.ram, index, (buffer(queue, index), length), flags);
    }

    fn notify(&mut self, queue: usize) -> Progress {
        self.console.write(offset::QUEUE_NOTIFY, W, queue as u64, &self.ram, &mut self.far)
    }

    fn control(&mut self, id: u32, event: u16, value: u16) {
        let message = u64::from(id) | u64::from(event) << 32 | u64::from(value) << 48;
        self.ram.put(buffer(CONTROL_OUT, 0), &message.to_le_bytes());
        self.offer(CONTROL_OUT, 0, 8, 0);
        let _ = self.notify(CONTROL_OUT);
        assert_eq!(self.queues[CONTROL_OUT].take(&self.ram), Some((0, 0)));
    }

    /// Control messages that came: id, event, value, name.
    fn told(&mut self) -> Vec<(u32, u16, u16, String)> {
        let mut told = Vec::new();
        while let Some((head, length)) = self.queues[CONTROL_IN].take(&self.ram) {
            let bytes: [u8; 24] = self.ram.get(buffer(CONTROL_IN, head as u16));
            let word = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            let name = String::from_utf8_lossy(&bytes[8..length as usize]).into_owned();
            told.push((word as u32, (word >> 32) as u16, (word >> 48) as u16, name));
        }
        told
    }

    /// Bytes that came into the buffers of port 0, which were `length` long.
    fn received(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Some((head, length)) = self.queues[RECEIVE].take(&self.ram) {
            bytes.extend_from_slice(&self.ram.get::<0x100>(buffer(RECEIVE, head as u16))[..length as usize]);
        }
        bytes
    }

    fn status(&mut self) -> u32 {
        self.console.read(offset::STATUS, W) as u32
    }
}

#[test]
fn config_tells_the_number_of_ports() {
    let mut console = Console::new(&NAMES);

    assert_eq!(console.read(offset::CONFIG + 4, Width::B4), 2);
    assert_eq!(console.read(offset::DEVICE_ID, W), 3);
    assert_eq!(console.read(offset::DEVICE_FEATURES, W) & ports(), ports());
}

#[test]
fn device_ready_adds_the_ports() {
    let mut guest = Guest::new(b"", 0);

    guest.control(u32::MAX, 0, 1);

    assert_eq!(guest.told(), [(0, 1, 1, String::new()), (1, 1, 1, String::new())]);
    assert!(guest.console.irq());
}

#[test]
fn port_ready_names_and_opens_the_port() {
    let mut guest = Guest::new(b"", 0);

    guest.control(1, 3, 1);

    assert_eq!(guest.told(), [(1, 7, 1, "sixteen-letters!".into()), (1, 6, 1, String::new())]);
}

#[test]
fn messages_wait_for_buffers() {
    let mut guest = Guest::new(b"", 0);
    for _ in 0..4 {
        guest.control(u32::MAX, 0, 1);
    }
    assert_eq!(guest.told().len(), 8);
    guest.control(0, 3, 1);
    assert_eq!(guest.told(), []);

    guest.offer(CONTROL_IN, 0, 64, WRITE);
    let _ = guest.notify(CONTROL_IN);

    assert_eq!(guest.told(), [(0, 7, 1, "rtos".into())]);
}

#[test]
fn messages_about_ports_that_are_not_there_are_ignored() {
    let mut guest = Guest::new(b"", 0);

    for id in [2, 7, 8, u32::MAX] {
        guest.control(id, 3, 1);
        guest.control(id, 6, 1);
    }

    assert_eq!(guest.told(), []);
    assert_eq!(guest.status() & status::DEVICE_NEEDS_RESET, 0);
}

#[test]
fn transmitted_bytes_reach_the_channel() {
    let mut guest = Guest::new(b"", 1000);
    guest.ram.put(buffer(TRANSMIT, 2), b"hello");
    guest.offer(TRANSMIT, 2, 5, 0);

    let progress = guest.notify(TRANSMIT);

    assert_eq!(progress, Progress::Done);
    assert_eq!(guest.far.sent, b"hello");
    assert_eq!(guest.queues[TRANSMIT].take(&guest.ram), Some((2, 0)));
    assert!(guest.console.irq());
}

#[test]
fn bytes_without_room_stay_in_the_guest_until_there_is_some() {
    let mut guest = Guest::new(b"", 3);
    guest.ram.put(buffer(TRANSMIT, 2), b"hello");
    guest.offer(TRANSMIT, 2, 5, 0);

    let progress = guest.notify(TRANSMIT);
    let before = (progress, guest.far.sent.clone(), guest.queues[TRANSMIT].take(&guest.ram));
    guest.far.room = 100;
    let _ = guest.console.poll(&guest.ram, &mut guest.far);

    assert_eq!(before, (Progress::Done, b"hel".to_vec(), None));
    assert_eq!(guest.far.sent, b"hello");
    assert_eq!(guest.queues[TRANSMIT].take(&guest.ram), Some((2, 0)));
}

#[test]
fn bytes_come_only_while_the_port_is_open() {
    let mut guest = Guest::new(b"answer", 0);
    guest.offer(RECEIVE, 0, 0x100, WRITE);
    let _ = guest.notify(RECEIVE);
    assert_eq!(guest.received(), b"");

    guest.control(0, 6, 1);

    assert_eq!(guest.received(), b"answer");
    assert!(guest.console.is_open(0));
    guest.control(0, 6, 0);
    guest.far.to_guest.extend(b"more");
    guest.offer(RECEIVE, 1, 0x100, WRITE);
    let _ = guest.notify(RECEIVE);
    assert_eq!(guest.received(), b"");
}

#[test]
fn bytes_fill_buffer_after_buffer() {
    let text: Vec<u8> = (0..=255).cycle().take(600).collect();
    let mut guest = Guest::new(&text, 0);
    (0..4).for_each(|n| guest.offer(RECEIVE, n, 200, WRITE));

    guest.control(0, 6, 1);

    assert_eq!(guest.received(), text);
}

#[test]
fn one_call_moves_no_more_than_its_limit() {
    let text: Vec<u8> = (0..=255).cycle().take(2048).collect();
    let mut guest = Guest::new(&text, 0);
    (0..8).for_each(|n| guest.offer(RECEIVE, n, 0x100, WRITE));
    guest.control(0, 6, 1);
    let first = guest.received().len();

    let progress = guest.console.poll(&guest.ram, &mut guest.far);

    assert!(first < 2048);
    assert_eq!((first + guest.received().len(), progress), (2048, Progress::More));
}

#[test]
fn control_message_that_is_too_short_needs_reset() {
    let mut guest = Guest::new(b"", 0);
    guest.offer(CONTROL_OUT, 0, 7, 0);

    let _ = guest.notify(CONTROL_OUT);

    assert_ne!(guest.status() & status::DEVICE_NEEDS_RESET, 0);
    assert_eq!(guest.console.transport().broken(), 1);
}

#[test]
fn buffer_outside_of_ram_needs_reset() {
    let mut guest = Guest::new(b"", 10);
    guest.queues[TRANSMIT].offer_buffer(&guest.ram, 0, (0x900_0000, 4), 0);

    let _ = guest.notify(TRANSMIT);

    assert_ne!(guest.status() & status::DEVICE_NEEDS_RESET, 0);
    assert_eq!(guest.far.sent, b"");
}

#[test]
fn reset_forgets_that_ports_are_open() {
    let mut guest = Guest::new(b"", 0);
    guest.control(0, 6, 1);

    let _ = guest.console.write(offset::STATUS, W, 0, &guest.ram, &mut guest.far);

    assert!(!guest.console.is_open(0));
    assert_eq!(guest.status(), 0);
}

#[test]
fn load_of_save_in_the_middle_of_a_buffer_goes_on_there() {
    let mut guest = Guest::new(b"", 3);
    guest.ram.put(buffer(TRANSMIT, 2), b"hello");
    guest.offer(TRANSMIT, 2, 5, 0);
    let _ = guest.notify(TRANSMIT);

    guest.console = Console::load(&guest.console.save()).unwrap();
    guest.far.room = 100;
    let _ = guest.console.poll(&guest.ram, &mut guest.far);

    assert_eq!(guest.far.sent, b"hello");
}

#[test]
fn load_of_what_no_console_has_is_refused() {
    let good = Console::new(&NAMES).save();
    let (mut version, mut count, mut open) = (good, good, good);
    version.version = STATE_VERSION + 1;
    count.count = 9;
    open.ports[0].open = 2;

    assert_eq!(Console::load(&version), Err(LoadError::Version(STATE_VERSION + 1)));
    assert_eq!(Console::load(&count), Err(LoadError::Field("count")));
    assert_eq!(Console::load(&open), Err(LoadError::Field("open")));
}
