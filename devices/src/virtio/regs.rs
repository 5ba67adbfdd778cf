//! Registers of the MMIO transport (4.2.2), status and feature bits, and flags of rings.

/// "virt".
pub const MAGIC: u32 = u32::from_le_bytes(*b"virt");
/// Version of the transport: not legacy.
pub const VERSION: u32 = 2;
/// "SOSI".
pub const VENDOR: u32 = u32::from_le_bytes(*b"SOSI");

/// Offsets of registers.
#[allow(missing_docs, reason = "each is the register of that name")]
pub mod offset {
    pub const MAGIC_VALUE: u64 = 0x000;
    pub const VERSION: u64 = 0x004;
    pub const DEVICE_ID: u64 = 0x008;
    pub const VENDOR_ID: u64 = 0x00c;
    pub const DEVICE_FEATURES: u64 = 0x010;
    pub const DEVICE_FEATURES_SEL: u64 = 0x014;
    pub const DRIVER_FEATURES: u64 = 0x020;
    pub const DRIVER_FEATURES_SEL: u64 = 0x024;
    pub const QUEUE_SEL: u64 = 0x030;
    pub const QUEUE_SIZE_MAX: u64 = 0x034;
    pub const QUEUE_SIZE: u64 = 0x038;
    pub const QUEUE_READY: u64 = 0x044;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACK: u64 = 0x064;
    pub const STATUS: u64 = 0x070;
    pub const QUEUE_DESC_LOW: u64 = 0x080;
    pub const QUEUE_DESC_HIGH: u64 = 0x084;
    pub const QUEUE_DRIVER_LOW: u64 = 0x090;
    pub const QUEUE_DRIVER_HIGH: u64 = 0x094;
    pub const QUEUE_DEVICE_LOW: u64 = 0x0a0;
    pub const QUEUE_DEVICE_HIGH: u64 = 0x0a4;
    pub const SHM_SEL: u64 = 0x0ac;
    pub const SHM_LEN_LOW: u64 = 0x0b0;
    pub const SHM_BASE_HIGH: u64 = 0x0bc;
    pub const CONFIG_GENERATION: u64 = 0x0fc;
    pub const CONFIG: u64 = 0x100;
    /// End of a transport's registers.
    pub const END: u64 = 0x200;
}

/// Device status (2.1).
#[allow(missing_docs, reason = "each is the bit of that name")]
pub mod status {
    pub const ACKNOWLEDGE: u32 = 1;
    pub const DRIVER: u32 = 2;
    pub const DRIVER_OK: u32 = 4;
    pub const FEATURES_OK: u32 = 8;
    pub const DEVICE_NEEDS_RESET: u32 = 64;
    pub const FAILED: u32 = 128;
}

/// InterruptStatus: a used buffer.
pub const INTERRUPT_USED: u32 = 1;
/// InterruptStatus: the configuration (the status, here) changed.
pub const INTERRUPT_CONFIG: u32 = 2;

/// VIRTIO_F_INDIRECT_DESC (6).
pub const F_INDIRECT_DESC: u64 = 1 << 28;
/// VIRTIO_F_VERSION_1 (6).
pub const F_VERSION_1: u64 = 1 << 32;

/// VIRTQ_DESC_F_NEXT (2.7.5).
pub const DESC_NEXT: u16 = 1;
/// VIRTQ_DESC_F_WRITE: the device writes the buffer.
pub const DESC_WRITE: u16 = 2;
/// VIRTQ_DESC_F_INDIRECT: the buffer is a table of descriptors.
pub const DESC_INDIRECT: u16 = 4;
/// Bytes of a descriptor.
pub const DESC_SIZE: u32 = 16;
/// VIRTQ_AVAIL_F_NO_INTERRUPT (2.7.6).
pub const AVAIL_NO_INTERRUPT: u16 = 1;
