//! Addresses and interrupt numbers of QEMU's `virt` machine (hw/arm/virt.c, `base_memmap`).

/// GICv3 distributor, 64 KiB.
pub const GICD: u64 = 0x0800_0000;
/// GICv3 redistributors, 128 KiB per CPU.
pub const GICR: u64 = 0x080A_0000;
/// Distance between the redistributors of two CPUs, in bytes.
pub const GICR_STRIDE: u64 = 0x2_0000;
/// PL011 UART, 4 KiB, SPI 1.
pub const UART: u64 = 0x0900_0000;
/// PL031 real-time clock, 4 KiB, SPI 2.
pub const RTC: u64 = 0x0901_0000;
/// Start of RAM.
pub const RAM: u64 = 0x4000_0000;
/// INTID of the virtual timer (PPI 11 of the device tree's numbering).
pub const VIRTUAL_TIMER: u32 = 27;
/// INTID of the non-secure physical timer.
pub const PHYSICAL_TIMER: u32 = 30;
