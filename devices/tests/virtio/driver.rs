//! A driver's side of a split queue (2.7), and the start of a device (3.1.1).

use crate::ram::{BASE, Ram};
use devices::Width;
use devices::virtio::regs::{F_INDIRECT_DESC, F_VERSION_1, offset, status};

/// Descriptors of each queue.
pub const SIZE: u16 = 8;
/// VIRTQ_DESC_F_NEXT.
pub const NEXT: u16 = 1;
/// VIRTQ_DESC_F_WRITE.
pub const WRITE: u16 = 2;
/// VIRTQ_DESC_F_INDIRECT.
pub const INDIRECT: u16 = 4;

/// Where the rings of queue `n` are: table, available ring, used ring.
pub const fn areas(n: u64) -> [u64; 3] {
    let base = BASE + n * 0x200;
    [base, base + 0x80, base + 0x100]
}

/// Registers that set up queue `n` with `SIZE` descriptors.
pub fn queue_registers(n: u64) -> Vec<(u64, u64)> {
    let [table, avail, used] = areas(n);
    vec![
        (offset::QUEUE_SEL, n),
        (offset::QUEUE_SIZE, u64::from(SIZE)),
        (offset::QUEUE_DESC_LOW, table & 0xffff_ffff),
        (offset::QUEUE_DESC_HIGH, table >> 32),
        (offset::QUEUE_DRIVER_LOW, avail & 0xffff_ffff),
        (offset::QUEUE_DRIVER_HIGH, avail >> 32),
        (offset::QUEUE_DEVICE_LOW, used & 0xffff_ffff),
        (offset::QUEUE_DEVICE_HIGH, used >> 32),
        (offset::QUEUE_READY, 1),
    ]
}

/// Registers that take a device from reset to DRIVER_OK with these queues and features.
pub fn start_registers(queues: &[u64], features: u64) -> Vec<(u64, u64)> {
    let features = features | F_VERSION_1 | F_INDIRECT_DESC;
    let agreed = u64::from(status::ACKNOWLEDGE | status::DRIVER);
    let mut writes = vec![
        (offset::STATUS, 0),
        (offset::STATUS, agreed),
        (offset::DRIVER_FEATURES_SEL, 0),
        (offset::DRIVER_FEATURES, features & 0xffff_ffff),
        (offset::DRIVER_FEATURES_SEL, 1),
        (offset::DRIVER_FEATURES, features >> 32),
        (offset::STATUS, agreed | u64::from(status::FEATURES_OK)),
    ];
    writes.extend(queues.iter().flat_map(|n| queue_registers(*n)));
    writes.push((offset::STATUS, agreed | u64::from(status::FEATURES_OK | status::DRIVER_OK)));
    writes
}

/// All registers are accessed so.
pub const W: Width = Width::B4;

/// The driver's side of queue `n`.
pub struct Queue {
    n: u64,
    offered: u16,
    taken: u16,
}

impl Queue {
    pub fn new(n: u64) -> Self {
        Self { n, offered: 0, taken: 0 }
    }

    /// Writes descriptor `index`.
    pub fn describe(&self, ram: &Ram, index: u16, buffer: (u64, u32), flags: u16, next: u16) {
        let word =
            u128::from(buffer.0) | u128::from(buffer.1) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        ram.put(areas(self.n)[0] + 16 * u64::from(index), &word.to_le_bytes());
    }

    /// Makes the chain at `head` available.
    pub fn offer(&mut self, ram: &Ram, head: u16) {
        let avail = areas(self.n)[1];
        ram.put(avail + 4 + 2 * u64::from(self.offered % SIZE), &head.to_le_bytes());
        self.offered = self.offered.wrapping_add(1);
        ram.put(avail + 2, &self.offered.to_le_bytes());
    }

    /// Offers one buffer as descriptor `index`.
    pub fn offer_buffer(&mut self, ram: &Ram, index: u16, buffer: (u64, u32), flags: u16) {
        self.describe(ram, index, buffer, flags, 0);
        self.offer(ram, index);
    }

    /// The next used element: head, bytes written.
    pub fn take(&mut self, ram: &Ram) -> Option<(u32, u32)> {
        let used = areas(self.n)[2];
        if u16::from_le_bytes(ram.get(used + 2)) == self.taken {
            return None;
        }
        let element = u64::from_le_bytes(ram.get(used + 4 + 8 * u64::from(self.taken % SIZE)));
        self.taken = self.taken.wrapping_add(1);
        Some((element as u32, (element >> 32) as u32))
    }
}
