//! Exception vectors: a complete interrupt entry, the shortest honest system call, and everything else.
#![allow(unsafe_code)] // Vectors are assembly.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use guest_base::machine::VIRTUAL_TIMER;
use guest_base::{psci, read_sysreg, uart, write_sysreg};

/// Set by the interrupt handler when it has run.
pub static HANDLED: AtomicU32 = AtomicU32::new(0);
/// Synchronous exceptions taken from EL1; each skips its instruction.
pub static SKIPPED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" {
    static vectors: u8;
    fn run_user(entry: u64, n: u64) -> UserTicks;
}

/// What the EL0 loop returns in x0 and x1.
#[repr(C)]
pub struct UserTicks {
    /// For all system calls together.
    pub total: u64,
    /// For the cheapest one.
    pub min: u64,
}

/// Installs the vectors on this CPU.
pub fn install() {
    write_sysreg!("vbar_el1", &raw const vectors as u64);
}

/// Runs the loop of `n` system calls at EL0, at the given address of its code.
pub fn user_syscalls(entry: u64, n: u64) -> UserTicks {
    // SAFETY: the assembly saves the callee-saved registers and comes back by `user_end`.
    unsafe { run_user(entry, n) }
}

/// Acknowledges one interrupt, stops the timer if it is the timer's, ends the interrupt.
#[unsafe(no_mangle)]
extern "C" fn bench_irq() {
    let intid = read_sysreg!("icc_iar1_el1") as u32;
    if intid >= 1020 {
        return; // Special INTID: nothing is pending any more (IHI 0069 2.2).
    }
    if intid == VIRTUAL_TIMER {
        write_sysreg!("cntv_ctl_el0", 0);
    }
    HANDLED.store(1, Relaxed);
    write_sysreg!("icc_eoir1_el1", u64::from(intid));
}

#[unsafe(no_mangle)]
extern "C" fn bench_unexpected(vector: u64) -> ! {
    let (esr, elr, far) = (read_sysreg!("esr_el1"), read_sysreg!("elr_el1"), read_sysreg!("far_el1"));
    uart::line(format_args!("BENCH unexpected vector={vector:#x} esr={esr:#x} elr={elr:#x} far={far:#x}"));
    psci::system_off()
}

global_asm!(
    r#"
    .macro UNEXPECTED offset
    .balign 128
    mov     x0, #\offset
    b       bench_unexpected
    .endm

    .pushsection .vectors, "ax"
    .balign 2048
vectors:
    UNEXPECTED 0x000
    UNEXPECTED 0x080
    UNEXPECTED 0x100
    UNEXPECTED 0x180

    // Synchronous, from EL1: an operation that this machine does not have. Count it and skip it.
    .balign 128
    stp     x0, x1, [sp, #-16]!
    mrs     x0, elr_el1
    add     x0, x0, #4
    msr     elr_el1, x0
    adrp    x0, {skipped}
    add     x0, x0, :lo12:{skipped}
    ldr     w1, [x0]
    add     w1, w1, #1
    str     w1, [x0]
    ldp     x0, x1, [sp], #16
    eret

    // IRQ, from EL1: all that a C function may change, and what a nested exception would.
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
    bl      bench_irq
    ldp     x0, x1, [sp, #160]
    b       irq_return

    UNEXPECTED 0x300
    UNEXPECTED 0x380

    // Synchronous, from EL0: the null system call. x17 holds the syndrome of `SVC #0`.
    .balign 128
    mrs     x16, esr_el1
    cmp     w16, w17
    b.ne    user_end
    eret

    UNEXPECTED 0x480
    UNEXPECTED 0x500
    UNEXPECTED 0x580
    UNEXPECTED 0x600
    UNEXPECTED 0x680
    UNEXPECTED 0x700
    UNEXPECTED 0x780

irq_return:
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

    // run_user(entry, n): EL0 with interrupts masked; its SVC that is not `SVC #0` leads to user_end.
run_user:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    msr     elr_el1, x0
    mov     x2, #0x3c0
    msr     spsr_el1, x2
    movz    x17, #0x5600, lsl #16
    eret
user_end:
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret

    // The same two loops as in measure.rs, at EL0. x1 = n; returns total in x0, minimum in x1.
    .global user_code
user_code:
    mov     x2, x1
    mov     x9, x1
    isb
    mrs     x3, cntvct_el0
1:  svc     #0
    subs    x9, x9, #1
    b.ne    1b
    isb
    mrs     x4, cntvct_el0
    sub     x0, x4, x3
    mov     x1, #-1
2:  isb
    mrs     x3, cntvct_el0
    svc     #0
    isb
    mrs     x4, cntvct_el0
    sub     x4, x4, x3
    cmp     x4, x1
    csel    x1, x4, x1, lo
    subs    x2, x2, #1
    b.ne    2b
    svc     #1
    .popsection
"#,
    skipped = sym SKIPPED,
);
