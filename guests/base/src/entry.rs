//! Image header, entry from the boot loader, and the state of the machine that was found there.
#![allow(unsafe_code)] // Entry is assembly; the state it saves is read by raw symbol.

use core::arch::global_asm;
use core::panic::PanicInfo;

use crate::{psci, uart};

/// Registers at the first instruction, before this program changed any of them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EntryState {
    /// x0 to x29; x30 is lost, it addresses this structure.
    pub x: [u64; 30],
    /// Stack pointer at entry (SP_EL1 if SPSel is 1).
    pub sp: u64,
    /// NZCV.
    pub nzcv: u64,
    /// DAIF.
    pub daif: u64,
    /// SPSel.
    pub spsel: u64,
    /// CurrentEL.
    pub current_el: u64,
    /// VBAR_EL1.
    pub vbar: u64,
    /// CPACR_EL1.
    pub cpacr: u64,
    /// SP_EL0.
    pub sp_el0: u64,
    /// ELR_EL1.
    pub elr: u64,
    /// SPSR_EL1.
    pub spsr: u64,
    /// ESR_EL1.
    pub esr: u64,
    /// FAR_EL1.
    pub far: u64,
    /// TPIDR_EL1.
    pub tpidr: u64,
}

unsafe extern "C" {
    static ENTRY_STATE: EntryState;
}

/// The registers at entry of the boot CPU.
pub fn state() -> EntryState {
    // SAFETY: written once by the entry code before any Rust code runs, never again.
    unsafe { ENTRY_STATE }
}

// Header: Documentation/arch/arm64/booting.rst. Flags: little endian, 4K pages, anywhere in memory.
// ENTRY_STATE and the stack are outside of .bss, which is cleared after the state was saved.
global_asm!(
    r#"
    .pushsection .head, "ax"
    .global _start
_start:
    b       entry
    .long   0
    .quad   0
    .quad   _image_size
    .quad   0xa
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0
entry:
    adrp    x30, ENTRY_STATE
    add     x30, x30, :lo12:ENTRY_STATE
    stp     x0, x1, [x30]
    stp     x2, x3, [x30, #16]
    stp     x4, x5, [x30, #32]
    stp     x6, x7, [x30, #48]
    stp     x8, x9, [x30, #64]
    stp     x10, x11, [x30, #80]
    stp     x12, x13, [x30, #96]
    stp     x14, x15, [x30, #112]
    stp     x16, x17, [x30, #128]
    stp     x18, x19, [x30, #144]
    stp     x20, x21, [x30, #160]
    stp     x22, x23, [x30, #176]
    stp     x24, x25, [x30, #192]
    stp     x26, x27, [x30, #208]
    stp     x28, x29, [x30, #224]
    mov     x1, sp
    mrs     x2, nzcv
    stp     x1, x2, [x30, #240]
    mrs     x1, daif
    mrs     x2, spsel
    stp     x1, x2, [x30, #256]
    mrs     x1, currentel
    mrs     x2, vbar_el1
    stp     x1, x2, [x30, #272]
    mrs     x1, cpacr_el1
    mrs     x2, sp_el0
    stp     x1, x2, [x30, #288]
    mrs     x1, elr_el1
    mrs     x2, spsr_el1
    stp     x1, x2, [x30, #304]
    mrs     x1, esr_el1
    mrs     x2, far_el1
    stp     x1, x2, [x30, #320]
    mrs     x1, tpidr_el1
    str     x1, [x30, #336]

    msr     spsel, #1
    adrp    x1, BOOT_STACK_TOP
    add     sp, x1, :lo12:BOOT_STACK_TOP
    // The image is linked at 0, so its address is the load bias. All relocations are R_AARCH64_RELATIVE
    // (offset, info, addend), because nothing outside of the image is named.
    adrp    x1, _start
    adrp    x2, _rela_start
    add     x2, x2, :lo12:_rela_start
    adrp    x3, _rela_end
    add     x3, x3, :lo12:_rela_end
1:  cmp     x2, x3
    b.hs    2f
    ldp     x4, x5, [x2], #16
    ldr     x6, [x2], #8
    add     x6, x6, x1
    str     x6, [x4, x1]
    b       1b
2:  adrp    x2, _bss_start
    add     x2, x2, :lo12:_bss_start
    adrp    x3, _bss_end
    add     x3, x3, :lo12:_bss_end
3:  cmp     x2, x3
    b.hs    4f
    stp     xzr, xzr, [x2], #16
    b       3b
4:  bl      guest_main
5:  wfi
    b       5b
    .popsection

    .pushsection .noinit, "aw", @nobits
    .balign 16
ENTRY_STATE:
    .skip   352
    .balign 16
    .skip   0x10000
BOOT_STACK_TOP:
    .popsection
"#
);

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    uart::line(format_args!("PANIC {info}"));
    psci::system_off()
}
