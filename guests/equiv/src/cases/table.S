// Exceptions that a guest can cause: each case is a snippet that is entered at EL1 or EL0 and ends with the exception
// under test, or with END if there is none. The table in .cases tells exceptions.rs what to prepare; its layout is
// `Case` there. Snippets may use any register; x0 is 0 on entry.

    .arch_extension lse
    .arch_extension fp
    .arch_extension simd
    .arch_extension mops

// Bits of SCTLR_EL1 as the Arm ARM has them.
    .equ SCTLR_A, 1 << 1
    .equ SCTLR_SA, 1 << 3
    .equ SCTLR_SA0, 1 << 4
    .equ SCTLR_UMA, 1 << 9
    .equ SCTLR_DZE, 1 << 14
    .equ SCTLR_UCT, 1 << 15
    .equ SCTLR_NTWI, 1 << 16
    .equ SCTLR_NTWE, 1 << 18
    .equ SCTLR_UCI, 1 << 26
    .equ SCTLR_ENIA, 1 << 31
    .equ SCTLR_BT0, 1 << 35
    .equ SCTLR_BT1, 1 << 36
// SPSR_EL1.M of an AArch32 user program, interrupts masked; with T: T32.
    .equ USER_A32, 0x1d0
    .equ USER_T32, 0x1f0

.macro CASE el, name, spsr=0x3c0, set=0, clear=0, cpacr=0x300000, cntkctl=0, mdscr=0, prepare=no_preparation
    .pushsection .rodata.case_names, "a"
101:
    .ascii  "\name"
102:
    .popsection
    .pushsection .cases, "a"
    .balign 8
    .quad   \set, \clear, \cpacr, \cntkctl, \mdscr, \spsr
    .long   101b - .
    .long   102b - 101b
    .long   103f - .
    .long   \prepare - .
    .quad   \el
    .popsection
    .balign 8
103:
.endm

.macro END
    svc     #0xffff
.endm

// Addresses of pages of the map in exceptions.rs.
.macro PAGE register, n
    movz    \register, #1, lsl #32
    movk    \register, #(\n << 12)
.endm
    .equ P_EL1_RW, 0
    .equ P_EL1_RO, 1
    .equ P_EL0_RW, 2
    .equ P_EL0_RO, 3
    .equ P_NOT_ACCESSED, 4
    .equ P_HOLE, 5
    .equ P_DEVICE, 6
    .equ P_GUARDED, 7
    .equ P_INVALID, 8
    .equ P_TOO_FAR, 9
    .equ P_EL1_XN, 10
    .equ P_EL0_TEXT, 11
    .equ P_EL0_XN, 12

    .pushsection .text.cases, "ax"
    .balign 4096
    .global landing
landing:                            // the page that P_GUARDED and P_EL0_TEXT show
    nop
    END
    .balign 4096

    .global enter_el0
enter_el0:                          // (pc, spsr, sp)
    msr     elr_el1, x0
    msr     spsr_el1, x1
    msr     sp_el0, x2
    msr     nzcv, xzr
    mov     x0, #0
    eret

no_preparation:
    ret
prepare_breakpoint:                 // (entry of the snippet): its first instruction, at EL0
    msr     dbgbvr0_el1, x0
    mov     x1, #0x1e5
    msr     dbgbcr0_el1, x1
    isb
    ret
prepare_breakpoint_el1:
    msr     dbgbvr0_el1, x0
    mov     x1, #0x1e3
    msr     dbgbcr0_el1, x1
    isb
    ret
prepare_watchpoint:                 // eight bytes, load and store, at EL0
    PAGE    x0, P_EL0_RW
    msr     dbgwvr0_el1, x0
    mov     x1, #0x1ffd
    msr     dbgwcr0_el1, x1
    isb
    ret

