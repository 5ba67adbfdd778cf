//! Syscalls: `SVC #0` at EL0 with the number in x8, arguments in x0–x5; status in x0, results in x1–x5.
//!
//! x6–x7 and x9–x30 are kept, but for [`VCPU_RESUME`], which does not return.

/// Ends a vCPU handler. x0: [`RESUME_RUN`] or [`RESUME_PARK`]. Does not return: the handler is entered anew at the
/// next exit. Only in a vCPU's handler, else [`Status::BadState`].
pub const VCPU_RESUME: u64 = 0;
/// Call an endpoint. x0: endpoint (WRITE), x1–x4: words. Returns x1–x4: the reply's words.
pub const CALL: u64 = 1;
/// Wait for a call. x0: endpoint (READ). Returns x1–x4: words, x5: badge of the caller's capability.
pub const RECV: u64 = 2;
/// Reply to the last caller with x1–x4, then as [`RECV`].
pub const REPLY_RECV: u64 = 3;
/// Signal a notification. x0: notification (WRITE); x1: bits, used if the capability has badge 0; a badge b sets
/// bit (b − 1) % 62 instead. Bits 62 and 63 are the kernel's and are masked.
pub const SIGNAL: u64 = 4;
/// Wait for a notification. x0: notification (READ), x1: deadline in CNTPCT ticks, 0 to poll, `u64::MAX` for ever.
/// Returns x1: the bits, which are cleared. [`Status::Timeout`] if none came. One waiter at a time.
pub const WAIT: u64 = 5;
/// Give the rest of the time slice away.
pub const YIELD: u64 = 6;
/// Make a vCPU exit with [`crate::vcpu::reason::KICK`]. x0: vCPU (WRITE).
pub const VCPU_KICK: u64 = 7;
/// Arm the kernel timer of a vCPU. x0: vCPU (WRITE) of which the caller is the handler, x1: deadline in CNTPCT ticks,
/// `u64::MAX` to disarm. When it passes, the vCPU exits with [`crate::vcpu::reason::TIMER`].
pub const VCPU_TIMER: u64 = 8;

/// Make an object. x0: kind, x1: destination slot (empty), x2–x5: arguments by kind:
/// - `Domain`: none. Empty pool, empty table.
/// - `Space`: x2: 0, or [`SPACE_CLASSIC`], with or without [`SPACE_STAGE2`].
/// - `Thread`: x2: domain (WRITE), x3: scheduling context, x4: entry, x5: stack pointer. Starts stopped.
/// - `Vcpu`: x2: space, x3: scheduling context, x4: frame (READ+WRITE), x5: VMPIDR affinity | [`VCPU_AARCH32`] | page in
///   the frame << 40, which becomes its [`crate::vcpu::VcpuPage`]; a page behind it in the frame becomes its
///   [`crate::vcpu::AccountPage`]. Starts parked. The handler runs in the calling domain.
/// - `SchedContext`: x2: machine, x3: core | priority << 8, 0..=31 (31 highest), x4: time slice in CNTPCT ticks (0:
///   10 ms), x5: budget | period << 32 in CNTPCT ticks (0: no limit). With a budget its owner runs at most so long in
///   each period while others want the core, and is given what they leave.
/// - `Endpoint`: x2: scheduling context, whose core it serves.
/// - `Notification`: none.
/// - `Irq`: x2: machine, x3: INTID, x4: notification (WRITE), x5: bit 0..=61. x5 bit 8 set: edge-triggered.
/// - `Frame`: x2: machine, x3: physical address, x4: pages. Device memory outside of RAM and of the kernel's devices.
pub const CREATE: u64 = 16;
/// Copy a capability. x0: destination domain (WRITE), x1: destination slot (empty), x2: source slot (GRANT unless the
/// destination is the caller), x3: rights, a subset of the source's, x4: badge (source's must be 0, or the same).
pub const COPY: u64 = 17;
/// Empty a slot. x0: slot. The object lives on.
pub const DELETE: u64 = 18;
/// Destroy an object with all capabilities to it. x0: slot (rights ALL). [`Status::Again`] until done: call again;
/// [`Status::BadCap`] then means that another caller's help has ended it.
/// Of a domain: with all of its objects, domains among them, and its donated memory goes back to the donors' ranges.
/// Not of the caller's own domain, nor of one that owns frames ([`Status::BadState`]).
pub const DESTROY: u64 = 19;
/// Split a frame range. x0: frame (owner, rights ALL, no attachments), x1: pages that stay, x2: empty slot for the rest.
pub const FRAME_SPLIT: u64 = 20;
/// Attach frames. x0: frame, x1: domain or space (WRITE), x2: address (page aligned), x3: first page in the frame,
/// x4: pages, x5: rights. Returns x1: pages done in this step, with [`Status::Again`] if there are more.
pub const MAP: u64 = 21;
/// Detach frames. x0: frame, x1: domain or space, x2: address given to [`MAP`]. [`Status::Again`] until done.
pub const UNMAP: u64 = 22;
/// Remove all attachments of a frame. x0: frame (owner). [`Status::Again`] until done.
pub const REVOKE: u64 = 23;
/// Donate a frame range to a domain's pool. x0: frame (owner, rights ALL, no attachments), x1: domain (WRITE).
/// [`Status::Again`] until done (pages are scrubbed).
pub const DONATE: u64 = 24;
/// Control a thread. x0: thread (WRITE), x1: [`THREAD_START`] or [`THREAD_STOP`], x2: argument given in x0 at start.
pub const THREAD: u64 = 25;
/// Configure a vCPU's handler. x0: vCPU (WRITE), x1: entry, x2: stack pointer, x3: argument, x4: doorbell slots
/// (first | count << 32), x5: CNTVOFF_EL2. Only while parked.
pub const VCPU_HANDLER: u64 = 26;
/// Exchange the state of a vCPU through its page. x0: vCPU (READ or WRITE), x1: [`STATE_SAVE`] (kernel → page) or
/// [`STATE_LOAD`] (page → kernel). Only by its handler.
pub const VCPU_STATE: u64 = 27;
/// Acknowledge an interrupt: deactivates it, so that it can fire again. x0: irq (WRITE).
pub const IRQ_ACK: u64 = 28;
/// Set the notification that is told when the domain stops. x0: domain (WRITE), x1: notification (WRITE), x2: bit.
pub const WATCH: u64 = 29;
/// Ask about a domain. x0: domain (READ). Returns x1: [`stop`] reason, x2: ESR, x3: ELR, x4: FAR,
/// x5: pages in its pool << 32 | pages of it that are free.
pub const DOMAIN_INFO: u64 = 30;
/// End the calling domain: all of its threads and vCPUs stop. x0: code, in [`DOMAIN_INFO`] as ESR with [`stop::EXIT`].
pub const EXIT: u64 = 31;
/// Write to the kernel's log. x0: machine, x1: bytes 0..=32, x2–x5: the bytes, little-endian.
pub const LOG: u64 = 32;
/// Power. x0: machine (WRITE), x1: [`POWER_OFF`] or [`POWER_RESET`].
pub const POWER: u64 = 33;
/// Ask about a frame. x0: frame. Returns x1: physical address, x2: pages, x3: [`frame`] state, x4: attachments.
pub const FRAME_INFO: u64 = 34;
/// What is in a slot. x0: slot. Returns x1: kind, x2: rights, x3: badge.
pub const CAP_INFO: u64 = 35;
/// Translate. x0: domain or space (READ), x1: address. Returns x1: physical page | rights, or [`Status::NotMapped`].
pub const TRANSLATE: u64 = 36;
/// A reading of the kernel's accounting. x0: machine, x1: [`counter`]. Returns x1.
pub const COUNTER: u64 = 37;
/// Read an ID register of this core (op0=3, op1=0, CRn=0): without FEAT_IDST an MRS at EL0 is undefined. x0: CRm << 3 |
/// op2, CRm 0..=7 (of CRm 0: MIDR_EL1, MPIDR_EL1, REVIDR_EL1). Returns x1, 0 for a register that the core does not have.
pub const ID_REGISTER: u64 = 38;

/// A scheduling context's account. x0: scheduling context (READ). Returns x1: ticks that it ran, x2: ticks that it was
/// ready and did not run, x3: bit 0: a vCPU's handler runs or is preempted on it, x4: times that it was chosen, x5:
/// times that its budget ran out.
pub const SCHED_INFO: u64 = 39;
/// Bind a notification to a vCPU for good: its signals kick the vCPU, which finds the bits in
/// [`crate::vcpu::IrqBlock::bells`], but for what is left to the kernel in [`crate::vcpu::IrqBlock::bell`]. x0: vCPU
/// (WRITE), x1: notification (READ) that nobody waits for.
pub const VCPU_BIND: u64 = 40;

/// Enter pages into a shadow root of a classic space: stage 1, 48-bit addresses, EL0 rights only. x0: space (WRITE), x1:
/// root (0..[`SHADOW_ROOTS`]) | pages << 16, x2: virtual address (page aligned, bits 63:48 are ignored: which half a root
/// translates is decided by [`crate::vcpu::view`]), x3: IPA, x4: rights.
///
/// Each page is looked up in the space's own map ([`MAP`] with the space as target): what is entered is the physical
/// page that the IPA has there, with the rights that both sides give; [`Status::NotMapped`] where it has none,
/// [`Status::NoRights`] where no right is left. Rights: READ, with or without WRITE, and EXEC; EXEC alone is
/// execute-only. 0: the kernel's page of EL1 vectors, which EL1 executes and EL0 cannot reach (pages = 1, x3 ignored).
/// What was entered there before is replaced and flushed.
///
/// Returns x1: pages done in this step, with [`Status::Again`] if there are more. [`Status::NoMemory`]: no page for a
/// table; clear roots that are not needed.
pub const SHADOW_MAP: u64 = 41;
/// Remove pages from a shadow root, flushed when it returns. x0: space (WRITE), x1: root | pages << 16, x2: virtual
/// address. Returns x1: pages done in this step, with [`Status::Again`] if there are more: go on behind them. Pages 0:
/// all of the root, its tables are freed; with [`Status::Again`]: the same call again.
///
/// Roots also lose all of their entries when anything is detached from the space ([`UNMAP`], [`REVOKE`]).
pub const SHADOW_UNMAP: u64 = 42;

/// Shadow roots of a classic space.
pub const SHADOW_ROOTS: u64 = 64;

/// [`CREATE`] of a space: its vCPUs are classic: they run at EL0 only, translated by its shadow roots alone
/// (HCR_EL2.VM = 0), and take all exceptions by way of the kernel's EL1 vectors, which the VMM enters into each root of
/// the half where VBAR_EL1 says ([`SHADOW_MAP`] with rights 0). What is mapped in the space is what shadow entries can
/// name. [`Status::BadArg`] where ASIDs have 8 bits.
pub const SPACE_CLASSIC: u64 = 1;
/// Beside [`SPACE_CLASSIC`]: x3 is a plain space (WRITE) of the same owner, the *wall*. vCPUs run with HCR_EL2.VM = 1 and
/// this space as stage 2, of which the input is what shadow entries hold: physical addresses. The VMM maps each frame there
/// that the guest may reach, at its own address ([`FRAME_INFO`]), and nothing else; the kernel adds the shadow tables
/// (read-only) and the EL1 vectors. What is not there is an abort of stage 2, `ipa` being the physical address. The wall
/// can be destroyed after the space only.
pub const SPACE_STAGE2: u64 = 2;

/// [`CREATE`] of a vCPU: EL1 of the guest is AArch32 (HCR_EL2.RW = 0); [`Status::BadArg`] where the core has none.
pub const VCPU_AARCH32: u64 = 1 << 31;

/// [`VCPU_RESUME`]: run the guest.
pub const RESUME_RUN: u64 = 0;
/// [`VCPU_RESUME`]: do not run the guest until a kick (or the kernel timer).
pub const RESUME_PARK: u64 = 1;
/// [`VCPU_RESUME`]: run the guest when an interrupt is pending for it, its timer fires or it is kicked (CPU_SUSPEND).
pub const RESUME_WAIT: u64 = 2;

/// [`THREAD`]: start, or go on.
pub const THREAD_START: u64 = 0;
/// [`THREAD`]: stop.
pub const THREAD_STOP: u64 = 1;

/// [`VCPU_STATE`]: kernel → page.
pub const STATE_SAVE: u64 = 0;
/// [`VCPU_STATE`]: page → kernel.
pub const STATE_LOAD: u64 = 1;

/// [`POWER`]: off.
pub const POWER_OFF: u64 = 0;
/// [`POWER`]: reset the machine.
pub const POWER_RESET: u64 = 1;

/// Why a domain stopped.
pub mod stop {
    /// It runs.
    pub const RUNNING: u64 = 0;
    /// It called [`super::EXIT`].
    pub const EXIT: u64 = 1;
    /// A synchronous exception at EL0 that is not a syscall; ESR, ELR, FAR tell.
    pub const FAULT: u64 = 2;
    /// An SError while it or its guest ran.
    pub const SERROR: u64 = 3;
}

/// State of a frame range.
pub mod frame {
    /// Mappable.
    pub const MAPPABLE: u64 = 0;
    /// Being donated: pages are scrubbed.
    pub const DONATING: u64 = 1;
    /// Kernel memory of a domain.
    pub const DONATED: u64 = 2;
    /// Coming back: pages are scrubbed.
    pub const RETURNING: u64 = 3;
    /// Device memory: mappable, never donated.
    pub const DEVICE: u64 = 4;
}

/// Readings of the kernel's accounting.
pub mod counter {
    /// Live kernel objects.
    pub const OBJECTS: u64 = 0;
    /// VMIDs in use.
    pub const VMIDS: u64 = 1;
    /// Pages in all pools.
    pub const POOL_PAGES: u64 = 2;
    /// Pages in all pools that are free.
    pub const POOL_FREE: u64 = 3;
    /// Attachments.
    pub const ATTACHMENTS: u64 = 4;
    /// Cores that run.
    pub const CORES: u64 = 5;
    /// Longest stretch at EL2 with interrupts masked, in CNTPCT ticks.
    pub const MASKED_MAX: u64 = 6;
    /// Physical address of the lowest page of the kernel image.
    pub const IMAGE_BASE: u64 = 7;
    /// HCR_EL2 that the vCPU whose handler calls goes on with.
    pub const GUEST_HCR: u64 = 8;
    /// List registers of the virtual CPU interface.
    pub const LIST_REGISTERS: u64 = 9;
    /// Number of readings.
    pub const COUNT: u64 = 10;
}

/// Result of a syscall, in x0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// No such syscall.
    BadSyscall = 1,
    /// The slot is out of range or empty.
    BadCap = 2,
    /// The object is of another kind.
    BadKind = 3,
    /// The capability lacks a right.
    NoRights = 4,
    /// An argument is out of its range.
    BadArg = 5,
    /// The domain's pool has no free page.
    NoMemory = 6,
    /// The destination is taken: slot, address range, waiter, interrupt.
    Taken = 7,
    /// A fixed table is full: attachments of a frame, VMIDs.
    Full = 8,
    /// The object is being destroyed.
    Dead = 9,
    /// Not done yet: call again with what is left.
    Again = 10,
    /// The deadline passed.
    Timeout = 11,
    /// The object lives on another core.
    WrongCore = 12,
    /// Not now: the object's or the caller's state does not allow it.
    BadState = 13,
    /// The caller is not the owner.
    NotOwner = 14,
    /// Nothing is mapped there.
    NotMapped = 15,
}
