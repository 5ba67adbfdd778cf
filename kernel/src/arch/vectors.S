// Exception vectors of EL2.
//
// While a lower exception level runs, SP_EL2 is the address of the current context's RegFrame (abi::vcpu): entry stores
// x0–x30 there before it touches any, then takes this core's stack. Return loads them from the frame that the
// scheduler chose. ELR_EL2 and SPSR_EL2 stay in their registers unless contexts are switched.

.macro SAVE_GPRS
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mrs     x0, tpidr_el2
    ldr     x1, [x0, #{CORE_STACK}]
    mov     sp, x1
.endm

.macro LOWER handler
    .balign 128
    SAVE_GPRS
    b       \handler
.endm

.macro CURRENT kind
    .balign 128
    msr     tpidrro_el0, x0                 // the stack may be what failed; the guest's value is lost, as all is
    msr     tpidr_el0, x1
    mov     x0, #\kind
    b       kernel_fault
.endm

.section .text.vectors, "ax"
.balign 2048
.global vectors
vectors:
    CURRENT 0
    CURRENT 1
    CURRENT 2
    CURRENT 3
    CURRENT 4
    CURRENT 5
    CURRENT 6
    CURRENT 7
    LOWER   lower_sync_entry
    LOWER   lower_irq_entry
    LOWER   lower_irq_entry
    LOWER   lower_serror_entry
    LOWER   lower_sync_entry                // AArch32 guests
    LOWER   lower_irq_entry
    LOWER   lower_irq_entry
    LOWER   lower_serror_entry

lower_sync_entry:
    bl      {lower_sync}
    b       return_to_lower
lower_irq_entry:
    bl      {lower_irq}
    b       return_to_lower
lower_serror_entry:
    bl      {lower_serror}

// Continues in the current frame (Core::frame).
.global return_to_lower
return_to_lower:
    mrs     x0, tpidr_el2
    ldr     x1, [x0, #{CORE_FRAME}]
    ldr     x2, [x0, #{CORE_FRESH}]
    mov     sp, x1
    cbnz    x2, enter_handler
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp, #0]
    eret
    dsb     nsh                             // no speculation past the return
    isb

// Enters a vCPU's handler anew: x0 = its argument. All else is cleared: it could be another domain's.
enter_handler:
    str     xzr, [x0, #{CORE_FRESH}]
    ldr     x0, [sp, #0]
    mov     x1, xzr
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    mov     x6, xzr
    mov     x7, xzr
    mov     x8, xzr
    mov     x9, xzr
    mov     x10, xzr
    mov     x11, xzr
    mov     x12, xzr
    mov     x13, xzr
    mov     x14, xzr
    mov     x15, xzr
    mov     x16, xzr
    mov     x17, xzr
    mov     x18, xzr
    mov     x19, xzr
    mov     x20, xzr
    mov     x21, xzr
    mov     x22, xzr
    mov     x23, xzr
    mov     x24, xzr
    mov     x25, xzr
    mov     x26, xzr
    mov     x27, xzr
    mov     x28, xzr
    mov     x29, xzr
    mov     x30, xzr
    eret
    dsb     nsh
    isb

// An exception taken at EL2 itself: x0 = vector index; x0 and x1 as they were are in TPIDRRO_EL0 and TPIDR_EL0.
// The record is written from an emergency stack, so that an overflowed stack can report too.
kernel_fault:
    mrs     x1, tpidr_el2
    cbz     x1, 1f
    ldr     x1, [x1, #{CORE_EMERGENCY}]
    cbz     x1, 1f
    stp     x2, x3, [x1, #-240]
    sub     x1, x1, #256
    stp     x4, x5, [x1, #32]
    mov     x2, sp
    mov     sp, x1
    str     x2, [sp, #248]                  // the interrupted sp
    mrs     x2, tpidrro_el0
    mrs     x3, tpidr_el0
    stp     x2, x3, [sp, #0]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mov     x1, sp
    bl      {kernel_fault}
1:  wfe
    b       1b
