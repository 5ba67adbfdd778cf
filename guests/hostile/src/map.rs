//! Addresses to attack: a stage-1 map that reaches every kind of intermediate physical address.
//!
//! | GiB of the virtual address | leads to |
//! |---|---|
//! | 0 | devices, as device memory |
//! | 1 | RAM, and what is behind it |
//! | 2, 3 | devices as normal memory; RAM as device memory |
//! | 4–447 | itself: far addresses |
//! | 448–479 | one address bit from 2^38 to 2^47, or several |
//! | 480–511 | nowhere: the next table is a device, a hole, or far away |
#![allow(unsafe_code, reason = "The map is made at run time.")]

use guest_base::machine::{GICD, GICR, RAM, RTC, UART};
use guest_base::mmu::{self, ACCESSED, BLOCK, DEVICE, INNER_SHAREABLE, NORMAL, TABLE_OR_PAGE, Table};

use crate::random::Random;

const GIB: u64 = 1 << 30;
/// Where the guest's memory ends at the latest; addresses behind it are attacked.
const RAM_END: u64 = RAM + (64 << 20);
/// First GiB of far output addresses, and of broken tables.
const FAR: usize = 448;
const BROKEN: usize = 480;

/// Windows of devices: (address, bytes).
const WINDOWS: [(u64, u64); 10] = [
    (GICD, 0x1_0000),
    (GICD, 0x1000),
    (GICR, 0x4_0000),
    (GICR + 0x1_0000, 0x1000),
    (RTC, 0x1000),
    (0x0904_0000, 0x1000), // The machine's second UART, which is not the guest's.
    (0x090a_0000, 0x8000), // Accounts of stolen time: read-only.
    (0x0a00_0000, 0x4000), // virtio-mmio.
    (0x0b00_0000, 0x1000), // Refresh frame of the watchdog.
    (0x2000_0000, 0x1000), // Memory shared with others.
];
/// Control frame of the watchdog: switching that on is no attack on others.
const WATCHDOG: core::ops::Range<u64> = 0x0b01_0000 - 64..0x0b02_0000;

static mut MAP: Table = Table::empty();

/// Makes the map and switches translation on.
pub fn enable() {
    let map = &raw mut MAP;
    // SAFETY: one CPU runs, once; from `enable` on the table is only read.
    let map = unsafe { &mut *map };
    *map = Table::identity();
    let random = Random::new(0);
    let normal = NORMAL | INNER_SHAREABLE;
    for (n, entry) in (0u64..).zip(map.0.iter_mut()) {
        *entry = match n as usize {
            0 | 1 => continue,
            2 => BLOCK | normal | ACCESSED,
            3 => RAM | BLOCK | DEVICE | ACCESSED,
            4..FAR => (n * GIB) | BLOCK | random.pick(&[normal, DEVICE]) | ACCESSED,
            FAR..BROKEN => far(&random) | BLOCK | random.pick(&[normal, DEVICE]) | ACCESSED,
            _ => random.pick(&[GICD, UART, 0x2000_0000, RAM_END + 0x10_0000, far(&Random::new(n))]) | TABLE_OR_PAGE,
        };
    }
    mmu::enable(map);
}

/// An address beyond 2^38, a multiple of 1 GiB.
fn far(random: &Random) -> u64 {
    let bit = 1 << (38 + random.below(10));
    bit | random.pick(&[0, random.word()]) & ((1 << 48) - 1) & !(GIB - 1)
}

/// An address to attack. Never one in the guest's own memory.
pub fn address(random: &Random) -> u64 {
    loop {
        let address = candidate(random);
        let low = address % GIB;
        if !(WATCHDOG.contains(&low) && matches!(address / GIB, 0 | 2)) {
            return address;
        }
    }
}

fn candidate(random: &Random) -> u64 {
    match random.below(16) {
        0..8 => {
            let (base, size) = random.pick(&WINDOWS);
            let alias = random.pick(&[0, 0, 0, 2 * GIB]);
            alias + base + aligned(random, size)
        }
        8 => {
            let (base, size) = random.pick(&WINDOWS);
            base + size - random.below(16)
        }
        9 if random.below(64) == 0 => UART + aligned(random, 0x1000),
        9 => random.below(64) * 0x10_0000 + random.below(0x10_0000),
        10 => random.below(GIB),
        11 => RAM_END + random.below(RAM + GIB - RAM_END),
        12 => 3 * GIB + (RAM_END - RAM) + random.below(GIB / 2),
        13 => (4 + random.below(FAR as u64 - 4)) * GIB + random.below(GIB),
        14 => (FAR as u64 + random.below(32)) * GIB + random.below(GIB),
        _ => (BROKEN as u64 + random.below(32)) * GIB + random.below(GIB),
    }
}

/// An offset, mostly of a register.
fn aligned(random: &Random, size: u64) -> u64 {
    random.below(size) & !random.pick(&[0, 1, 3, 3, 3, 7, 15])
}
