//! The page that a vCPU shares with its VMM.
//!
//! Both sides read and write it at any time, the VMM from any core. The kernel trusts nothing in it: what it loads is
//! read once and masked. Exit: the kernel fills [`RegFrame`], [`ExitBlock`] and the read-only part of [`IrqBlock`],
//! then enters the handler. Resume: it loads [`RegFrame`] (SPSR masked) and the list registers that are marked dirty.

/// General registers of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RegFrame {
    /// x0–x30.
    pub x: [u64; 31],
    /// ELR_EL2: where the guest goes on.
    pub elr: u64,
    /// SPSR_EL2. Loaded only with mode EL0t, EL1t or EL1h; any other mode becomes EL1h. Of an AArch32 vCPU: User, FIQ, IRQ,
    /// Supervisor, Abort, Undefined or System; any other becomes Supervisor. Of a classic vCPU: EL0t always.
    pub spsr: u64,
    /// SP_EL0.
    pub sp: u64,
}

/// Why the guest exited, written by the kernel. Of a classic vCPU ESR and FAR are those of the exception that EL0 took
/// to EL1 (ESR_EL1, FAR_EL1), as are ELR and SPSR in the frame, and `ipa` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ExitBlock {
    /// One of [`reason`].
    pub reason: u64,
    /// ESR_EL2 ([`reason::SYNC`]).
    pub esr: u64,
    /// FAR_EL2 (aborts).
    pub far: u64,
    /// Faulting IPA, whole address with its page offset (aborts from stage 2).
    pub ipa: u64,
}

/// Values of [`ExitBlock::reason`].
pub mod reason {
    /// A synchronous exception: see ESR.
    pub const SYNC: u64 = 0;
    /// Another thread kicked the vCPU.
    pub const KICK: u64 = 1;
    /// The kernel timer of the vCPU passed.
    pub const TIMER: u64 = 2;
    /// A maintenance interrupt of the virtual CPU interface: see `misr` and `eisr`.
    pub const MAINTENANCE: u64 = 3;
    /// An SError was taken while the guest ran.
    pub const SERROR: u64 = 4;
    /// A classic vCPU has unmasked the interrupt that [`super::view::VIRQ`] made pending.
    pub const VIRQ: u64 = 5;
}

/// Most list registers that GICv3 has.
pub const MAX_LRS: usize = 16;
/// The list register of [`IrqBlock::bell`].
pub const BELL_LR: usize = 2;

/// Virtual interrupt state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct IrqBlock {
    /// VMM → kernel: ICH_LR<n>_EL2 to install at resume where `dirty` has the bit. Index 0 is the kernel's (virtual
    /// timer) and ignored; HW and pINTID are cleared; a register that names the timer's vINTID is ignored.
    /// Kernel → VMM: by `VCPU_STATE`, all of them.
    pub lr: [u64; MAX_LRS],
    /// VMM → kernel: bit n: install `lr[n]`. The kernel clears it.
    pub dirty: u64,
    /// VMM → kernel: wanted ICH_HCR_EL2 bits; only UIE (1), LRENPIE (2) and NPIE (3) are used.
    pub hcr: u64,
    /// VMM → kernel: how to inject the virtual timer: bit 31 enabled, bit 30 group, bits 23:16 priority, 9:0 vINTID.
    pub timer: u64,
    /// Kernel → VMM at exit: ICH_ELRSR_EL2, bit n: list register n is empty.
    pub elrsr: u64,
    /// Kernel → VMM at exit with [`reason::MAINTENANCE`]: ICH_EISR_EL2.
    pub eisr: u64,
    /// Kernel → VMM at exit with [`reason::MAINTENANCE`]: ICH_MISR_EL2.
    pub misr: u64,
    /// Kernel → VMM: number of list registers implemented, set when the vCPU is made.
    pub lr_count: u64,
    /// Kernel → VMM: at an exit with [`reason::KICK`], bits of the vCPU's bound notification (`VCPU_BIND`) are set here.
    /// The handler clears what it has taken.
    pub bells: u64,
    /// VMM → kernel: the interrupt of one bit of that notification, 0: none. When it was signalled and no other bit with it,
    /// the kernel makes this interrupt pending in list register [`BELL_LR`], which the VMM leaves to it, in place of an
    /// exit. As an ICH_LR<n>_EL2 in state pending, with HW = 0; bits 37:32 are the number of the notification's bit.
    /// Cleared when the vCPU parks.
    pub bell: u64,
}

/// What a classic vCPU runs with, VMM → kernel at each resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ClassicBlock {
    /// [`view`].
    pub view: u64,
    /// SCTLR_EL1: A, SA0, UMA, DZE, UCT, nTWI, nTWE, UCI and MSCEn are used, all else is the kernel's (MMU and caches on,
    /// little-endian).
    pub sctlr: u64,
    /// TPIDRRO_EL0.
    pub tpidrro: u64,
    /// Keeps the block a multiple of 16 bytes.
    pub reserved: u64,
}

/// [`ClassicBlock::view`]: bits 5:0: root that translates the low half of addresses (TTBR0_EL1), bits 13:8: root of the
/// high half (TTBR1_EL1). A root that was never mapped in is empty.
pub mod view {
    /// Shift of the low half's root.
    pub const LOW: u32 = 0;
    /// Shift of the high half's root.
    pub const HIGH: u32 = 8;
    /// A virtual interrupt is pending (HCR_EL2.VI): as soon as PSTATE.I is 0 the vCPU exits with
    /// [`reason::VIRQ`](super::reason::VIRQ), before the next instruction.
    pub const VIRQ: u64 = 1 << 16;
}

/// System registers of EL1 and EL0 in [`VcpuState::sys`], by index. `*32_EL2` and `SPSR_*` are an AArch32 vCPU's only.
///
/// Of a classic vCPU, `VCPU_STATE` loads TCR_EL1's TBI0 and TBI1, CNTKCTL_EL1,
/// VBAR_EL1 (where the VMM has mapped the vectors), CPACR_EL1, TPIDR_EL0, CONTEXTIDR_EL1, SP_EL0, the PAC keys and FP; it
/// has no timer and no list registers. TTBR0/1, SCTLR and TPIDRRO come from [`ClassicBlock`] at each resume.
#[allow(missing_docs, non_camel_case_types, reason = "each is the Arm ARM's register of that name")]
pub mod sys {
    /// Constants with the numbers from 0 on, and how many they are.
    macro_rules! numbered {
        ($($name:ident)*) => {
            enum Number { $($name,)* Count }
            $(pub const $name: usize = Number::$name as usize;)*
            /// Number of words.
            pub const COUNT: usize = Number::Count as usize;
        };
    }
    numbered! {
        SCTLR_EL1 CPACR_EL1 TTBR0_EL1 TTBR1_EL1 TCR_EL1 MAIR_EL1 AMAIR_EL1 VBAR_EL1 ESR_EL1 FAR_EL1 AFSR0_EL1
        AFSR1_EL1 ELR_EL1 SPSR_EL1 SP_EL0 SP_EL1 TPIDR_EL0 TPIDRRO_EL0 TPIDR_EL1 CONTEXTIDR_EL1 PAR_EL1
        CSSELR_EL1 CNTKCTL_EL1 CNTV_CTL_EL0 CNTV_CVAL_EL0 APIAKEYLO_EL1 APIAKEYHI_EL1 APIBKEYLO_EL1
        APIBKEYHI_EL1 APDAKEYLO_EL1 APDAKEYHI_EL1 APDBKEYLO_EL1 APDBKEYHI_EL1 APGAKEYLO_EL1 APGAKEYHI_EL1
        ICH_VMCR_EL2 ICH_AP0R0_EL2 ICH_AP1R0_EL2 DISR_EL1 DACR32_EL2 IFSR32_EL2 FPEXC32_EL2 TIMER_ACTIVE
        MDSCR_EL1 SPSR_ABT SPSR_UND SPSR_IRQ SPSR_FIQ
    }
}

/// Version of [`VcpuState`].
pub const STATE_VERSION: u32 = 2;

/// All kernel-held state of a vCPU but what is in [`RegFrame`]; exchanged by `VCPU_STATE`. List registers are exchanged
/// in [`IrqBlock::lr`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct VcpuState {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
    /// Zero.
    pub reserved: u32,
    /// By [`sys`].
    pub sys: [u64; sys::COUNT],
    /// V0–V31.
    pub v: [u128; 32],
}

/// The shared page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(4096))]
pub struct VcpuPage {
    /// General registers.
    pub frame: RegFrame,
    /// Exit reason.
    pub exit: ExitBlock,
    /// Virtual interrupts.
    pub irq: IrqBlock,
    /// Translation and gates of a classic vCPU.
    pub classic: ClassicBlock,
    /// Everything else, on demand.
    pub state: VcpuState,
}

/// The page behind a [`VcpuPage`], if its frame has one: written by the kernel when it enters the vCPU, never read. A VMM
/// may let its guest read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(4096))]
pub struct AccountPage {
    /// Stolen time structure, revision 0 (DEN0057A 3.2): 0.
    pub revision: u32,
    /// Attributes: 0.
    pub attributes: u32,
    /// Nanoseconds that the vCPU was ready to run and did not.
    pub stolen: u64,
}

const _: () = assert!(size_of::<VcpuPage>() == 4096 && size_of::<AccountPage>() == 4096);
