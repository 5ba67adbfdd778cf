//! Capabilities: kinds of objects and rights.
//!
//! A domain names a kernel object by the index of a slot in its own capability table. Slots are empty, or hold an
//! object, rights and a badge.

/// Slots in a domain's capability table (one page of 8-byte words).
pub const CAP_SLOTS: u64 = 512;

/// Kind of a kernel object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Empty slot.
    Null = 0,
    /// Protection domain: capability table, Space, pool, threads.
    Domain = 1,
    /// Guest translation (stage 2 and its VMID).
    Space = 2,
    /// EL0 context of a domain.
    Thread = 3,
    /// Guest context with its handler.
    Vcpu = 4,
    /// Core, priority, time slice.
    SchedContext = 5,
    /// Synchronous call and reply on one core.
    Endpoint = 6,
    /// Asynchronous bits.
    Notification = 7,
    /// Physical interrupt.
    Irq = 8,
    /// Range of physical memory.
    Frame = 9,
    /// Authority over the machine: interrupts, devices, scheduling contexts, power, log. Root only, never minted.
    Machine = 10,
}

impl Kind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub const fn from_u64(n: u64) -> Option<Self> {
        use Kind::*;
        const ALL: [Kind; 11] =
            [Null, Domain, Space, Thread, Vcpu, SchedContext, Endpoint, Notification, Irq, Frame, Machine];
        if n < ALL.len() as u64 { Some(ALL[n as usize]) } else { None }
    }
}

/// Rights of a capability, a set of bits.
pub mod rights {
    /// Frame: map readable. Endpoint: receive. Notification: wait. Vcpu: read state.
    pub const READ: u64 = 1;
    /// Frame: map writable. Endpoint: call. Notification: signal. Vcpu: kick, write state. Others: operate.
    pub const WRITE: u64 = 2;
    /// Frame: map executable.
    pub const EXEC: u64 = 4;
    /// The capability may be copied into another domain's table.
    pub const GRANT: u64 = 8;
    /// All of them.
    pub const ALL: u64 = 15;
}

/// Largest badge.
pub const MAX_BADGE: u64 = (1 << 20) - 1;
