//! What only this architecture has: boot code, vectors, system registers, barriers.
#![allow(unsafe_code, reason = "assembly")]

pub mod cache;
pub mod el1;
pub mod fp;
pub mod sysreg;

use crate::config::SCTLR_CLASSIC;
use crate::core_local::{Core, Mode};
use crate::object::{Space, Thread, Vcpu};
use crate::trap::ec;
use abi::vcpu::{RegFrame, VcpuPage, reason};
use core::mem::offset_of;
use kcore::spsr::{CLASSIC_GATES, CLASSIC_SPSR};

/// Bytes of a core's kernel stack with its guard page, the lowest.
pub const STACK_STRIDE: usize = 5 * 4096;

// What the paths in vectors.S take for granted: pairs that one LDP or LDR loads.
const _: () = {
    assert!(offset_of!(Core, guest_spsr) == offset_of!(Core, guest_hcr) + 8);
    assert!(offset_of!(Vcpu, stack) == offset_of!(Vcpu, entry) + 8);
    assert!(offset_of!(Vcpu, domain_vttbr) == offset_of!(Vcpu, argument) + 8);
    assert!(offset_of!(Vcpu, kicked).is_multiple_of(8) && offset_of!(Vcpu, classic) == offset_of!(Vcpu, kicked) + 6);
    assert!(offset_of!(Vcpu, vmm_deadline) == offset_of!(Vcpu, kicked) + 8);
    // SP_EL2 is a frame's address: SCTLR_EL2.SA wants 16 bytes.
    assert!(offset_of!(Thread, frame).is_multiple_of(16) && offset_of!(Vcpu, handler).is_multiple_of(16));
    assert!(offset_of!(VcpuPage, frame) == 0 && Mode::Guest as u8 == 0);
    assert!(offset_of!(VcpuPage, exit.ipa) == offset_of!(VcpuPage, exit.far) + 8);
    assert!(offset_of!(RegFrame, sp) == offset_of!(RegFrame, spsr) + 8);
    assert!(offset_of!(VcpuPage, classic.sctlr) == offset_of!(VcpuPage, classic.view) + 8);
};

core::arch::global_asm!(
    ".equ STACK_STRIDE, {stride}",
    ".section .stacks, \"aw\", @nobits",
    ".balign 4096",
    ".global __stacks",
    "__stacks: .skip {cores} * {stride}",
    stride = const STACK_STRIDE,
    cores = const abi::MAX_CORES,
);
core::arch::global_asm!(include_str!("boot.S"));
core::arch::global_asm!(
    include_str!("vectors.S"),
    CORE_STACK = const offset_of!(Core, stack),
    CORE_FRAME = const offset_of!(Core, frame),
    CORE_FRESH = const offset_of!(Core, fresh),
    CORE_EMERGENCY = const offset_of!(Core, emergency),
    CORE_MODE = const offset_of!(Core, mode),
    CORE_CURRENT = const offset_of!(Core, current),
    CORE_DOMAIN_REGIME = const offset_of!(Core, domain_regime),
    CORE_GUEST_REGIME = const offset_of!(Core, guest_hcr),
    MODE_HANDLER = const Mode::Handler as u8,
    VCPU_SCTLR = const offset_of!(Vcpu, sctlr),
    VCPU_CLASSIC = const offset_of!(Vcpu, classic),
    VCPU_SPACE = const offset_of!(Vcpu, space),
    SPACE_ROOTS = const offset_of!(Space, roots),
    VCPU_ENTRY = const offset_of!(Vcpu, entry),
    VCPU_ARGUMENT = const offset_of!(Vcpu, argument),
    VCPU_IN_HANDLER = const offset_of!(Vcpu, in_handler),
    VCPU_HANDLER = const offset_of!(Vcpu, handler),
    VCPU_NEWS = const offset_of!(Vcpu, kicked),
    VCPU_PAGE = const offset_of!(Vcpu, page),
    VCPU_GUEST_VTTBR = const offset_of!(Vcpu, guest_vttbr),
    FRAME_ELR = const offset_of!(RegFrame, elr),
    FRAME_SPSR = const offset_of!(RegFrame, spsr),
    FRAME_SP = const offset_of!(RegFrame, sp),
    EXIT_REASON = const offset_of!(VcpuPage, exit.reason),
    EXIT_FAR = const offset_of!(VcpuPage, exit.far),
    IRQ_ELRSR = const offset_of!(VcpuPage, irq.elrsr),
    IRQ_DIRTY = const offset_of!(VcpuPage, irq.dirty),
    IRQ_LR1 = const offset_of!(VcpuPage, irq.lr) + 8,
    IRQ_TIMER = const offset_of!(VcpuPage, irq.timer),
    IRQ_HCR = const offset_of!(VcpuPage, irq.hcr),
    CLASSIC_VIEW = const offset_of!(VcpuPage, classic.view),
    CLASSIC_TPIDRRO = const offset_of!(VcpuPage, classic.tpidrro),
    CLASSIC_SPSR = const CLASSIC_SPSR,
    CLASSIC_GATES = const CLASSIC_GATES,
    SCTLR_CLASSIC = const SCTLR_CLASSIC,
    REASON_VIRQ = const reason::VIRQ,
    EC_SVC64 = const ec::SVC64,
    EC_HVC64 = const ec::HVC64,
    EC_SYSREG = const ec::SYSREG,
    EC_DATA_ABORT = const ec::DATA_ABORT,
    lower_sync = sym crate::trap::lower_sync,
    lower_irq = sym crate::trap::lower_irq,
    lower_serror = sym crate::trap::lower_serror,
    kernel_fault = sym crate::crash::kernel_fault,
);

// What the assembly and the linker script name, for its address.
unsafe extern "C" {
    /// Exception vectors of EL2.
    pub static vectors: u8;
    /// The page of EL1 vectors of classic guests.
    pub static el1_vectors: u8;
    /// Bottom of the kernel stacks.
    pub static __stacks: u8;
    /// Entry of secondary cores.
    pub static _secondary: u8;
    fn return_to_lower() -> !;
}

/// Leaves the kernel for the context in `Core::frame`, for good: the stack is forgotten.
pub fn leave_kernel() -> ! {
    // SAFETY: the scheduler has set `Core::frame` to a live frame and the EL2 registers to its context.
    unsafe { return_to_lower() }
}

/// Makes functions of instructions without operands.
macro_rules! instructions {
    ($($(#[$doc:meta])* $name:ident $($text:literal),+;)*) => { $(
        $(#[$doc])*
        pub fn $name() {
            // SAFETY: barriers and hints change no state, and dropping TLB entries is always allowed.
            unsafe { core::arch::asm!($($text),+, options(nostack, preserves_flags)) }
        }
    )* };
}
instructions! {
    /// DSB ISH: what this core wrote is seen by the cores and walkers before what follows.
    dsb_ish "dsb ish";
    /// DSB ISHST, SEV: other cores' WFE end and see what was stored.
    sev "dsb ishst", "sev";
    /// DSB SY, for devices.
    dsb_sy "dsb sy";
    /// ISB: what this core wrote to system registers acts on what follows.
    isb "isb";
    /// Waits for an interrupt (pending ones end it, masked or not).
    wfi "dsb sy", "wfi";
    /// Waits for an event.
    wfe "wfe";
    /// TLBI of all stage 1 and stage 2 entries of the VMID in VTTBR_EL2, on all cores.
    tlbi_vmid "dsb ishst", "tlbi vmalls12e1is", "dsb ish", "isb";
    /// TLBI of all stage 1 entries of the VMID in VTTBR_EL2, on all cores.
    tlbi_stage1 "dsb ishst", "tlbi vmalle1is", "dsb ish", "isb";
    /// TLBI and instruction cache of this core for the VMID in VTTBR_EL2: two vCPUs of a VM share it and their ASIDs.
    tlbi_local_vmid "dsb nshst", "tlbi vmalle1", "ic iallu", "dsb nsh", "isb";
    /// TLBI of all EL2 entries, on all cores.
    tlbi_el2 "dsb ishst", "tlbi alle2is", "dsb ish", "isb";
}

/// AT S1E1R: translates a guest's address by stage 1 of EL1 into PAR_EL1. Called from one place (`trap`).
pub fn at_s1e1r(address: u64) {
    // SAFETY: writes PAR_EL1 only, which the caller keeps.
    unsafe { core::arch::asm!("at s1e1r, {}", "isb", in(reg) address, options(nostack, preserves_flags)) }
}

/// TLBI of one IPA (all levels) and of what stage 1 derived from it, for the VMID in VTTBR_EL2 (Arm ARM D8.16.1.1).
pub fn tlbi_ipa(ipa: u64) {
    // SAFETY: dropping TLB entries is always allowed.
    unsafe {
        core::arch::asm!(
            "dsb ishst", "tlbi ipas2e1is, {0}", "dsb ish", "tlbi vmalle1is", "dsb ish", "isb",
            in(reg) ipa >> 12, options(nostack, preserves_flags)
        );
    }
}

/// TLBI of one 48-bit virtual address, as one of the low and of the high half, all ASIDs and levels, for the VMID in
/// VTTBR_EL2.
pub fn tlbi_va(va: u64) {
    let (low, high) = (va >> 12, va >> 12 | 0xff << 36);
    // SAFETY: dropping TLB entries is always allowed.
    unsafe {
        core::arch::asm!(
            "dsb ishst", "tlbi vaae1is, {0}", "tlbi vaae1is, {1}", "dsb ish", "isb",
            in(reg) low, in(reg) high, options(nostack, preserves_flags)
        );
    }
}

/// PSCI call to the firmware: `smc` or `hvc` as the device tree says.
pub fn firmware_call(smc: bool, function: u64, a: u64, b: u64, c: u64) -> i64 {
    let mut x0 = function;
    // SAFETY: SMCCC (DEN0028): x0–x17 are clobbered, memory is not touched by the PSCI functions that we call.
    unsafe {
        if smc {
            core::arch::asm!("smc #0", inout("x0") x0, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
                clobber_abi("C"));
        } else {
            core::arch::asm!("hvc #0", inout("x0") x0, inout("x1") a => _, inout("x2") b => _, inout("x3") c => _,
                clobber_abi("C"));
        }
    }
    x0.cast_signed()
}
