//! GICv3 distributor and redistributors (IHI0069), with interrupts delivered through list registers.
//!
//! One security state (GICD_CTLR.DS=1), affinity routing always on (ARE=1), no LPIs, no message-based SPIs, no 1-of-N
//! routing. vCPU n has affinity 0.0.0.n. Where the specification leaves freedom the values are those of QEMU's model.
//!
//! # Who owns what
//!
//! ```text
//!   Redist (one per vCPU)   SGIs, PPIs, list registers of that vCPU   its handler; a short lock where others may look
//!   Dist   (one per VM)     SPIs, GICD_CTLR                           behind a short lock
//!   Mailbox (one per vCPU)  SGIs sent to it, "look at the SPIs"       atomics: anyone posts, the owner takes
//! ```
//!
//! Lock order: `Redist`, then `Dist`. A vCPU may access another one's redistributor frame (IHI0069 12.10): the VMM locks
//! that `Redist`, does the access, posts [`Posted::DIST`] to its owner's mailbox and kicks it when `write` says so.
//!
//! # Life of an exit
//!
//! An exit that has nothing to do with interrupts (a UART register) calls nothing here. Otherwise:
//!
//! 1. [`Redist::sync`] with ICH_ELRSR_EL2: list registers that became empty are done.
//! 2. The work: register access, [`Sgi::decode`], [`Redist::accept`] of what the mailbox held, [`Dist::set_level`]…
//! 3. [`Redist::flush_private`] when only SGIs or PPIs changed (needs no lock), else, or when it returns `None`,
//!    [`Redist::flush`]. Install the registers in `dirty` from [`Redist::lr`].
//! 4. If it says `resync`: read the list registers exactly, [`Redist::sync_full`], flush again.
//!
//! A reset of the vCPU empties the list registers: [`Redist::sync_full`] before it, and once more after it with what is
//! there then, so that what was in them comes again.
//!
//! One SGI alone goes by [`Redist::quick_sgi`] in place of all that, where it can.
//!
//! Accesses for which [`Redist::dist_needs_full`] or [`Redist::own_needs_full`] is true want `sync_full` in place of
//! step 1: pending and active bits are in the list registers. For an SPI that is in *another* vCPU's list register reads
//! show what was put there, writes take effect when that vCPU next exits (it is in the mask of vCPUs to kick).
//!
//! # List registers
//!
//! The model knows what it put into each list register, not what has become of it. Only an empty one is certain. What
//! needs the truth (an edge or SGI that comes again, a level that fell, a higher priority with no room) asks for
//! `resync`; then all list registers are folded into the model and filled afresh. Level-sensitive interrupts carry the
//! EOI bit: at deactivation the guest exits and the line is looked at again. More deliverable than list registers: those
//! of highest priority are in, all with the EOI bit, and each deactivation brings the vCPU back for the rest. No bit of
//! ICH_HCR_EL2 but En is needed.
//!
//! List register 0 and vINTID 27 (virtual timer) belong to the kernel: see [`Redist::timer_word`]. Where the kernel delivers
//! no timer ([`Redist::without_kernel_timer`]) both are as any other. One SPI, a doorbell, can be left to the kernel in
//! list register [`BELL_LR`]: see [`Redist::set_bell`].

mod bank;
mod bell;
mod dist;
mod dist_mmio;
mod flush;
mod lr;
mod mailbox;
mod quick;
mod redist;
mod redist_mmio;
mod regs;
mod sgi;
mod state;

pub use bell::BELL_LR;
pub use dist::Dist;
pub use flush::LrUpdate;
pub use lr::Lr;
pub use mailbox::{Mailbox, Posted};
pub use redist::Redist;
pub use sgi::{Sgi, SgiRegister};
pub use state::{DIST_STATE_VERSION, DistState, REDIST_STATE_VERSION, RedistState};

/// Number of SPIs: INTIDs 32..288.
pub const SPIS: usize = 256;
/// First SPI.
pub const SPI_BASE: u32 = 32;
/// One past the last INTID.
pub const INTIDS: u32 = SPI_BASE + SPIS as u32;
/// Size of the distributor's frame.
pub const GICD_SIZE: u64 = 0x1_0000;
/// Size of one redistributor: RD_base and SGI_base frames.
pub const GICR_SIZE: u64 = 0x2_0000;
/// Most list registers (ICH_VTR_EL2.ListRegs).
pub const MAX_LRS: usize = 16;
/// INTID of the EL1 virtual timer, which the kernel can deliver by itself.
pub const VTIMER_INTID: u32 = 27;
/// INTID of the EL1 physical timer.
pub const PTIMER_INTID: u32 = 30;

/// A set of vCPUs: bit n is vCPU n.
pub type CpuMask = u32;
