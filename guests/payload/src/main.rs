//! A payload as others make them for QEMU's `virt` machine, of other people's crates: start-up code and linker script of
//! `aarch64-rt`, an ELF file that runs at its own address only, the UART by `arm-pl011-uart`, PSCI by SMC through `smccc`.
//!
//! It prints a line for each thing that it relies on, and switches the machine off.
#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "symbols of the start-up code, device memory")]

use aarch64_rt::{
    ExceptionHandlers, InitialPagetable, Stack, entry, exception_handlers, initial_pagetable, start_core,
};
use arm_pl011_uart::{PL011Registers, Uart, UniqueMmioPointer};
use core::fmt::Write;
use core::panic::PanicInfo;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use smccc::psci::{AffinityState, LowestAffinityLevel, affinity_info, cpu_off, system_off, version};
use smccc::{Hvc, Smc};

const UART: *mut PL011Registers = 0x0900_0000 as _;
/// Where QEMU's `virt` has the device tree for what is no Linux kernel: the start of RAM.
const DEVICE_TREE: *const u32 = 0x4000_0000 as _;
/// First word of a device tree, big-endian.
const MAGIC: u32 = 0xd00d_feed;
/// Where `virt.ld` links the start-up code.
const ENTRY: usize = 0x4008_0000;

/// Block descriptors: valid, accessed; device memory (MAIR 0), or normal memory, inner shareable (MAIR 1).
const DEVICE: usize = 0x0040_0000_0000_0401;
const NORMAL: usize = 0x0705;
const MAIR: u64 = 0xff04;

initial_pagetable!(
    {
        let mut map = [0; 512];
        map[0] = DEVICE;
        map[1] = NORMAL | 0x4000_0000;
        InitialPagetable(map)
    },
    MAIR
);

struct Exceptions;
impl ExceptionHandlers for Exceptions {}
exception_handlers!(Exceptions);

static SECOND_RAN: AtomicBool = AtomicBool::new(false);
static mut SECOND_STACK: Stack<4> = Stack::new();

entry!(main);
fn main(x0: u64, _x1: u64, _x2: u64, _x3: u64) -> ! {
    let Some(registers) = NonNull::new(UART) else { off() };
    // SAFETY: mapped by the table above; nothing else uses it.
    let mut uart = Uart::new(unsafe { UniqueMmioPointer::new(registers) });
    let mut report = |name: &str, ok: bool| {
        let _ = writeln!(uart, "PAYLOAD {name} {}", if ok { "ok" } else { "FAILED" });
    };
    report("runs_where_it_is_linked", here() == ENTRY);
    // SAFETY: the start of RAM, which the table maps and nothing of ours is in.
    let magic = u32::from_be(unsafe { DEVICE_TREE.read_volatile() });
    report("device_tree_is_at_the_start_of_ram", magic == MAGIC);
    report("device_tree_is_in_x0", x0 == DEVICE_TREE as u64);
    report("psci_by_smc", version::<Smc>().is_ok_and(|version| version.major == 1));
    report("psci_by_hvc", version::<Hvc>().ok() == version::<Smc>().ok());
    report("second_cpu_starts_and_stops_by_smc", second_cpu());
    off()
}

/// Address of the first instruction, as the PC has it.
fn here() -> usize {
    let address;
    // SAFETY: forms an address relative to the PC.
    unsafe { core::arch::asm!("adrp {0}, entry", "add {0}, {0}, :lo12:entry", out(reg) address) };
    address
}

/// Starts CPU 1, which says so and stops.
fn second_cpu() -> bool {
    let rest = || {
        SECOND_RAN.store(true, Ordering::Release);
        let _ = cpu_off::<Smc>();
    };
    // SAFETY: the stack is CPU 1's alone, for good.
    let started = unsafe { start_core::<Smc, _, 4>(1, &raw mut SECOND_STACK, rest) };
    let is_off = || affinity_info::<Smc>(1, LowestAffinityLevel::All) == Ok(AffinityState::Off);
    while started.is_ok() && !(SECOND_RAN.load(Ordering::Acquire) && is_off()) {
        core::hint::spin_loop();
    }
    started.is_ok()
}

fn off() -> ! {
    let _ = system_off::<Smc>();
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    off()
}
