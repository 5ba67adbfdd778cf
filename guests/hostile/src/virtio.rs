//! virtio devices, driven as no driver would: queues anywhere, descriptors of anything, in any order.
#![allow(unsafe_code, reason = "Only addresses of functions are taken.")]

use guest_base::guard;

use crate::random::Random;

const BASE: u64 = 0x0a00_0000;
const STRIDE: u64 = 0x200;
const MAGIC: u32 = 0x7472_6976;
/// virtio 1.3 §4.2.2.
const STATUS: u64 = 0x70;
const QUEUE_SEL: u64 = 0x30;
const QUEUE_NUM: u64 = 0x38;
const QUEUE_READY: u64 = 0x44;
const QUEUE_NOTIFY: u64 = 0x50;
/// Descriptor table, driver area, device area: low words.
const QUEUE_AREAS: [u64; 3] = [0x80, 0x90, 0xa0];
const REGISTERS: [u64; 9] = [0x14, 0x20, 0x24, QUEUE_SEL, QUEUE_NUM, QUEUE_READY, 0x64, 0xc0, 0x104];

/// Memory that queues are put into, full of garbage.
#[repr(C, align(4096))]
struct Garbage([u64; 1024]);

#[unsafe(link_section = ".noinit")]
static mut GARBAGE: Garbage = Garbage([0; 1024]);

unsafe extern "C" fn load(address: u64) -> u64 {
    let value: u64;
    // SAFETY: called by `guard::call` only.
    unsafe { core::arch::asm!("ldr {:w}, [{}]", out(reg) value, in(reg) address, options(nostack)) };
    value
}

unsafe extern "C" fn store(address: u64, value: u64) {
    // SAFETY: called by `guard::call` only.
    unsafe { core::arch::asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
}

fn read(address: u64) -> Option<u32> {
    guard::call(load as *const () as u64, [address, 0, 0, 0]).ok().map(|[value, _]| value as u32)
}

fn write(address: u64, value: u64) -> bool {
    guard::call(store as *const () as u64, [address, value, 0, 0]).is_ok()
}

/// One device is set up somehow and notified. Whether there is one.
pub fn attack(random: &Random) -> bool {
    let device = BASE + STRIDE * random.below(8);
    if read(device) != Some(MAGIC) {
        return false;
    }
    fill(random);
    if random.below(2) == 0 {
        // Reset, acknowledge, driver, features: as far as a driver goes.
        let steps = [(STATUS, 0), (STATUS, 3), (0x24, 1), (0x20, 1), (STATUS, 11)];
        for (register, value) in steps {
            write(device + register, value);
        }
    }
    for _ in 0..random.below(8) {
        set_queue(device, random);
    }
    write(device + STATUS, random.pick(&[15, 15, 15, random.below(256)]));
    for _ in 0..random.below(8) {
        write(device + QUEUE_NOTIFY, random.pick(&[random.below(4), random.value()]));
        let register = random.pick(&REGISTERS);
        write(device + register, random.value());
    }
    true
}

fn set_queue(device: u64, random: &Random) {
    write(device + QUEUE_SEL, random.pick(&[random.below(4), random.value()]));
    write(device + QUEUE_NUM, random.pick(&[1, 2, 8, 64, random.value()]));
    for area in QUEUE_AREAS {
        let address = match random.below(4) {
            0 => random.value(),
            _ => &raw const GARBAGE as u64 + random.below(0x1000),
        };
        write(device + area, address);
        write(device + area + 4, address >> 32);
    }
    write(device + QUEUE_READY, random.pick(&[1, 1, 0, random.value()]));
}

/// Small numbers as often as large ones, own addresses among them.
fn fill(random: &Random) {
    let garbage = (&raw mut GARBAGE).cast::<u64>();
    for n in 0..64 {
        let value = match random.below(4) {
            0 => garbage as u64,
            1 => random.below(1 << 20),
            _ => random.value(),
        };
        // SAFETY: the place is in GARBAGE, to which nobody holds a reference.
        unsafe { garbage.add((random.below(1024 - 64) + n) as usize).write_volatile(value) };
    }
}
