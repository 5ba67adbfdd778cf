// First instructions: arm64 boot protocol (Documentation/arch/arm64/booting.rst): MMU off, x0 = device tree.
// All code here is PC-relative: it runs at the address where it was loaded until `br` to the linked address.

.section .head, "ax"
.global _head
_head:
    b       _start
    .word   0
    .quad   0                               // text_offset
    .quad   0x200000                        // image_size: the host tool adds the pack
    .quad   0xa                             // flags: little-endian, 4K pages, anywhere in memory
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"
    .word   0

.section .text.boot, "ax"
_start:
    msr     daifset, #0xf
    mrs     x1, CurrentEL
    cmp     x1, #(2 << 2)
    b.ne    not_el2
    mov     x19, x0
    adrp    x1, _head
    mov     x20, x1                         // where the image was loaded
    tst     x1, #0x1fffff
    b.ne    halt                            // the boot protocol promises 2 MiB alignment
    bl      build_boot_map
    mov     x21, xzr                        // core 0
    mov     x22, x19
    b       enter_high

// PSCI CPU_ON starts secondary cores here. x0 = core number.
.global _secondary
_secondary:
    msr     daifset, #0xf
    adrp    x20, _head
    mov     x21, x0
    mov     x22, xzr

// Turns the MMU on with the boot map and goes on at the linked address. x20 = load address, x21 = core, x22 = argument.
enter_high:
    // HCR_EL2: RW, E2H = 0, TGE = 0. A core without FEAT_E2H0 keeps E2H at 1: refused in Rust once it can speak.
    mov     x1, #(1 << 31)
    msr     hcr_el2, x1
    isb
    adrp    x2, boot_l0
    msr     ttbr0_el2, x2
    ldr     x1, =0x00000000000000ff         // MAIR: 0 normal write-back, 1 device nGnRE
    movk    x1, #0x04ff
    msr     mair_el2, x1
    // TCR_EL2: T0SZ 16 (48 bit), IRGN0/ORGN0 write-back, SH0 inner, TG0 4K, PS from ID_AA64MMFR0 (at most 48 bit), RES1 bits.
    ldr     x1, =0x80803510
    mrs     x3, id_aa64mmfr0_el1
    and     x3, x3, #0xf
    cmp     x3, #5
    mov     x4, #5
    csel    x3, x3, x4, lo
    orr     x1, x1, x3, lsl #16
    msr     tcr_el2, x1
    tlbi    alle2
    dsb     ish
    ic      iallu
    dsb     nsh
    isb
    ldr     x1, =0x30c5183d                 // SCTLR_EL2: RES1, M, C, SA, I; WXN only with the final map
    msr     sctlr_el2, x1
    isb
    ldr     x1, =__stacks
    ldr     x2, =STACK_STRIDE
    madd    x1, x21, x2, x1
    add     x1, x1, x2
    mov     sp, x1
    mov     x0, x21
    mov     x1, x22
    mov     x2, x20
    mov     x29, xzr
    mov     x30, xzr
    ldr     x3, =kmain
    br      x3

// Boot map: the GiB that holds the image at its own address (executable for the jump only), and the image at its
// linked address page by page: text RX, read-only data R, the rest RW. x20 = load address. Clobbers x0–x9.
build_boot_map:
    adrp    x0, boot_l0
    adrp    x1, boot_l1
    adrp    x2, kernel_l1
    adrp    x3, kernel_l2
    adrp    x4, kernel_l3
    orr     x5, x1, #3
    lsr     x6, x20, #39
    str     x5, [x0, x6, lsl #3]
    lsr     x6, x20, #30
    lsl     x7, x6, #30
    and     x6, x6, #0x1ff
    mov     x5, #0x701                      // block, AttrIndx 0, SH inner, AF
    orr     x5, x5, x7
    str     x5, [x1, x6, lsl #3]
    orr     x5, x2, #3
    str     x5, [x0, #(256 * 8)]
    orr     x5, x3, #3
    str     x5, [x2]
    orr     x5, x4, #3
    str     x5, [x3]
    adrp    x5, __text_end
    adrp    x6, __rodata_end
    mov     x7, x20
    add     x9, x20, #0x200000
1:  mov     x8, #0x783                      // page, AP[2] read-only, SH inner, AF
    cmp     x7, x5
    b.lo    2f
    orr     x8, x8, #(1 << 54)              // XN
    cmp     x7, x6
    b.lo    2f
    bic     x8, x8, #0x80                   // writable
2:  orr     x8, x8, x7
    str     x8, [x4], #8
    add     x7, x7, #4096
    cmp     x7, x9
    b.lo    1b
    // The stores went past the caches: drop lines that a walk could hit (boot protocol: image is clean to the PoC).
    dmb     sy
    adrp    x0, __tables_start
    adrp    x1, __tables_boot_end
    mrs     x2, ctr_el0
    ubfx    x2, x2, #16, #4
    mov     x3, #4
    lsl     x3, x3, x2
3:  dc      ivac, x0
    add     x0, x0, x3
    cmp     x0, x1
    b.lo    3b
    dsb     sy
    ret

not_el2:
halt:
    wfe
    b       halt

.section .tables, "aw", @nobits
.balign 4096
__tables_start:
boot_l0:    .skip 4096
boot_l1:    .skip 4096
.global kernel_l1
kernel_l1:  .skip 4096
kernel_l2:  .skip 4096
.global kernel_l3
kernel_l3:  .skip 4096
__tables_boot_end:
