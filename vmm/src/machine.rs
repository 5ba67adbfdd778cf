//! The guest's machine: the memory map and interrupts of QEMU's `virt` board.

/// Second flash bank, where U-Boot looks for its environment. Ours is blank and takes nothing.
pub const FLASH_BASE: u64 = 0x0400_0000;
/// Bytes of a flash bank.
pub const FLASH_SIZE: u64 = 0x0400_0000;
/// GICv3 distributor.
pub const GICD_BASE: u64 = 0x0800_0000;
/// Bytes of the distributor's frame.
pub const GICD_SIZE: u64 = 0x1_0000;
/// First redistributor; they follow each other.
pub const GICR_BASE: u64 = 0x080a_0000;
/// Bytes of a redistributor: RD_base and SGI_base frames.
pub const GICR_STRIDE: u64 = 0x2_0000;
/// PL011.
pub const UART_BASE: u64 = 0x0900_0000;
/// PL031.
pub const RTC_BASE: u64 = 0x0901_0000;
/// Bytes of a small device's frame.
pub const DEVICE_SIZE: u64 = 0x1000;
/// First structure that tells a vCPU of stolen time; a page each, where QEMU has them.
pub const STOLEN_BASE: u64 = 0x090a_0000;
/// Refresh frame of the watchdog.
pub const WATCHDOG_REFRESH: u64 = 0x0b00_0000;
/// Control frame of the watchdog.
pub const WATCHDOG_CONTROL: u64 = 0x0b01_0000;
/// First virtio transport; they follow each other.
pub const VIRTIO_BASE: u64 = 0x0a00_0000;
/// Bytes of a virtio transport.
pub const VIRTIO_STRIDE: u64 = 0x200;
/// Virtio transports; those without a device say so.
pub const VIRTIO_COUNT: u64 = 32;
/// Start of RAM.
pub const RAM_BASE: u64 = 0x4000_0000;

/// First INTID of the SPIs.
pub const SPI_BASE: u32 = 32;
/// SPI of the PL011.
pub const UART_SPI: u32 = 1;
/// SPI of the PL031.
pub const RTC_SPI: u32 = 2;
/// SPI of the watchdog's first signal.
pub const WATCHDOG_SPI: u32 = 8;
/// SPI of the first virtio transport: the console with its ports.
pub const PORTS_SPI: u32 = 16;
/// SPI of the first incoming doorbell.
pub const BELL_SPI: u32 = 48;
/// INTID of the EL1 virtual timer.
pub const VTIMER_INTID: u32 = 27;
/// INTID of the EL1 physical timer.
pub const PTIMER_INTID: u32 = 30;

/// MPIDR_EL1 affinity of vCPU `index` (0..8): Aff0, as QEMU gives to the first 16 CPUs with GICv3.
#[must_use]
pub const fn affinity(index: u64) -> u64 {
    index
}
