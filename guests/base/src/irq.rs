//! Exception vectors for guests that need no special ones: interrupts go to a function of the guest's, all else is told
//! and ends the machine.
//!
//! Interrupts stay masked while the function runs; it is called once for each acknowledged interrupt, between
//! acknowledge and end of interrupt. The vectors save what a Rust function may change: no FP, which guests do not use.
#![allow(unsafe_code, reason = "Vectors are assembly.")]

use core::arch::global_asm;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::{psci, read_sysreg, uart, write_sysreg};

/// First special INTID: nothing is pending any more (IHI 0069 2.2).
const SPECIAL: u64 = 1020;

static HANDLER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

unsafe extern "C" {
    static base_vectors: u8;
    fn base_probe(address: u64) -> u64;
}

/// Installs the vectors on this CPU, and the function that takes each interrupt by its INTID.
pub fn install(handler: fn(u32)) {
    HANDLER.store(handler as *mut (), Relaxed);
    install_secondary();
}

/// Installs the vectors on another CPU; its interrupts go to the same function.
pub fn install_secondary() {
    write_sysreg!("vbar_el1", &raw const base_vectors as u64);
}

/// Reads a word of memory or of a device, or `None` if there is nothing: the access ends in an abort.
///
/// The vectors must be installed. `address` is a multiple of 4.
pub fn probe(address: u64) -> Option<u32> {
    // SAFETY: a load; if it faults, the vector of this module takes it to the function's end.
    u32::try_from(unsafe { base_probe(address) }).ok()
}

#[unsafe(no_mangle)]
extern "C" fn base_irq() {
    let handler = HANDLER.load(Relaxed);
    // SAFETY: `install` stored a function of this type before it installed the vectors that come here.
    let handler: fn(u32) = unsafe { core::mem::transmute(handler) };
    loop {
        let intid = read_sysreg!("icc_iar1_el1");
        if intid >= SPECIAL {
            return;
        }
        handler(intid as u32);
        write_sysreg!("icc_eoir1_el1", intid);
    }
}

#[unsafe(no_mangle)]
extern "C" fn base_unexpected(vector: u64) -> ! {
    let (esr, elr, far) = (read_sysreg!("esr_el1"), read_sysreg!("elr_el1"), read_sysreg!("far_el1"));
    uart::line(format_args!("EXCEPTION vector={vector:#x} esr={esr:#x} elr={elr:#x} far={far:#x}"));
    psci::system_off()
}

// Not in .vectors, which the linker script keeps: guests with vectors of their own do not have these.
global_asm!(
    r#"
    .macro BASE_UNEXPECTED offset
    .balign 128
    mov     x0, #\offset
    b       base_unexpected
    .endm

    .pushsection .text.base_vectors, "ax"
    .balign 2048
base_vectors:
    BASE_UNEXPECTED 0x000
    BASE_UNEXPECTED 0x080
    BASE_UNEXPECTED 0x100
    BASE_UNEXPECTED 0x180

    // Synchronous, from EL1: a probe that found nothing, or the end.
    .balign 128
    stp     x0, x1, [sp, #-16]!
    mrs     x0, elr_el1
    adr     x1, base_probe_load
    cmp     x0, x1
    ldp     x0, x1, [sp], #16
    b.eq    base_probe_failed
    mov     x0, #0x200
    b       base_unexpected

    // IRQ, from EL1: all that a Rust function may change, and what a nested exception would.
    .balign 128
    sub     sp, sp, #192
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x30, [sp, #144]
    mrs     x0, elr_el1
    mrs     x1, spsr_el1
    stp     x0, x1, [sp, #160]
    bl      base_irq
    b       base_irq_return

    BASE_UNEXPECTED 0x300
    BASE_UNEXPECTED 0x380
    BASE_UNEXPECTED 0x400
    BASE_UNEXPECTED 0x480
    BASE_UNEXPECTED 0x500
    BASE_UNEXPECTED 0x580
    BASE_UNEXPECTED 0x600
    BASE_UNEXPECTED 0x680
    BASE_UNEXPECTED 0x700
    BASE_UNEXPECTED 0x780

base_irq_return:
    ldp     x0, x1, [sp, #160]
    msr     elr_el1, x0
    msr     spsr_el1, x1
    ldp     x0, x1, [sp]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x30, [sp, #144]
    add     sp, sp, #192
    eret

base_probe:
base_probe_load:
    ldr     w0, [x0]
    ret
base_probe_failed:                  // x30 is the probe's: return from it with all ones
    mov     x0, #-1
    msr     elr_el1, x30
    eret
    .popsection
"#
);
