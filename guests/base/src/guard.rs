//! Calls that may end in an exception: whatever happens, control comes back with what was reported.
//!
//! ```text
//!  call ── save callee-saved registers, SP ── blr f ──▶ returns: Ok([x0, x1])
//!                                               │
//!                                               └ any exception, from EL1 or EL0 ─▶ vector: store ESR, FAR, ELR,
//!                                                 SPSR; restore registers, SP, PSTATE: Err(Taken)
//! ```
#![allow(unsafe_code)] // Vectors are assembly.

use core::arch::global_asm;

use crate::{psci, uart, write_sysreg};

/// An exception that was taken, as the architecture reported it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Offset of the vector.
    pub vector: u64,
    /// ESR_EL1.
    pub esr: u64,
    /// FAR_EL1.
    pub far: u64,
    /// ELR_EL1.
    pub elr: u64,
    /// SPSR_EL1.
    pub spsr: u64,
}

impl Taken {
    /// An undefined instruction, without syndrome (ESR_EL1.EC = 0, IL = 1).
    pub fn is_undefined(&self) -> bool {
        self.esr == 0x0200_0000
    }
}

#[repr(C)]
struct Guard {
    callee_saved: [u64; 12],
    sp: u64,
    active: u64,
    results: [u64; 2],
    taken: Taken,
}

#[unsafe(no_mangle)]
static mut GUARD: Guard = Guard {
    callee_saved: [0; 12],
    sp: 0,
    active: 0,
    results: [0; 2],
    taken: Taken { vector: 0, esr: 0, far: 0, elr: 0, spsr: 0 },
};

unsafe extern "C" {
    static guard_vectors: u8;
    fn guard_call(function: u64, x0: u64, x1: u64, x2: u64, x3: u64) -> u64;
}

/// Installs the vectors.
pub fn install() {
    write_sysreg!("vbar_el1", &raw const guard_vectors as u64);
}

/// Calls code at an address with up to four arguments; returns its x0 and x1.
///
/// The code must keep to the procedure call standard when it returns, and may leave by any exception.
pub fn call(function: u64, arguments: [u64; 4]) -> Result<[u64; 2], Taken> {
    let [x0, x1, x2, x3] = arguments;
    // SAFETY: single CPU, interrupts masked, calls do not nest: GUARD is only used by this call and its vectors.
    unsafe {
        if guard_call(function, x0, x1, x2, x3) == 0 {
            Ok((&raw const GUARD.results).read_volatile())
        } else {
            Err((&raw const GUARD.taken).read_volatile())
        }
    }
}

/// An exception outside of `call`: a fault of this program.
#[unsafe(no_mangle)]
extern "C" fn guard_unexpected() -> ! {
    // SAFETY: the vector stored these values, nothing else runs.
    let taken = unsafe { (&raw const GUARD.taken).read_volatile() };
    let Taken { vector, esr, far, elr, spsr } = taken;
    uart::line(format_args!(
        "EXCEPTION outside of a guarded call: vector={vector:#x} esr={esr:#x} far={far:#x} elr={elr:#x} spsr={spsr:#x}"
    ));
    psci::system_off()
}

global_asm!(
    r#"
    .pushsection .text.guard_vectors, "ax"
    .balign 2048
guard_vectors:
    // Nothing that was running goes on, so x0 and x9 are free.
    .irp offset, 0x000, 0x080, 0x100, 0x180, 0x200, 0x280, 0x300, 0x380, 0x400, 0x480, 0x500, 0x580, 0x600, 0x680, 0x700, 0x780
    .balign 128
    mov     x0, #\offset
    b       guard_exception
    .endr

guard_exception:
    adrp    x9, GUARD
    add     x9, x9, :lo12:GUARD
    mrs     x10, esr_el1
    stp     x0, x10, [x9, #128]
    mrs     x10, far_el1
    mrs     x11, elr_el1
    stp     x10, x11, [x9, #144]
    mrs     x10, spsr_el1
    str     x10, [x9, #160]
    ldr     x10, [x9, #104]
    cbz     x10, 1f
    str     xzr, [x9, #104]
    ldp     x19, x20, [x9]
    ldp     x21, x22, [x9, #16]
    ldp     x23, x24, [x9, #32]
    ldp     x25, x26, [x9, #48]
    ldp     x27, x28, [x9, #64]
    ldp     x29, x30, [x9, #80]
    ldr     x10, [x9, #96]
    mov     sp, x10
    mov     x0, #1
    // ERET, not RET: it gives the PSTATE back that the program runs with (EL1h, DAIF masked, all else 0).
    msr     elr_el1, x30
    mov     x10, #0x3c5
    msr     spsr_el1, x10
    eret
1:  adrp    x9, BOOT_STACK_TOP
    add     sp, x9, :lo12:BOOT_STACK_TOP
    b       guard_unexpected

guard_call:
    adrp    x9, GUARD
    add     x9, x9, :lo12:GUARD
    stp     x19, x20, [x9]
    stp     x21, x22, [x9, #16]
    stp     x23, x24, [x9, #32]
    stp     x25, x26, [x9, #48]
    stp     x27, x28, [x9, #64]
    stp     x29, x30, [x9, #80]
    mov     x10, sp
    mov     x11, #1
    stp     x10, x11, [x9, #96]
    mov     x10, x0
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, x4
    msr     nzcv, xzr
    blr     x10
    adrp    x9, GUARD
    add     x9, x9, :lo12:GUARD
    stp     x0, x1, [x9, #112]
    str     xzr, [x9, #104]
    ldr     x30, [x9, #88]
    mov     x0, #0
    ret
    .popsection
"#
);
