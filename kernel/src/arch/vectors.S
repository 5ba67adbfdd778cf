// Exception vectors of EL2.
//
// While a lower exception level runs, SP_EL2 is the address of the current context's RegFrame (abi::vcpu): entry stores
// x0–x30 there before it touches any, then takes this core's stack. Return loads them from the frame that the
// scheduler chose. ELR_EL2 and SPSR_EL2 stay in their registers unless contexts are switched.

.macro REST pair, one
    \pair   x2, x3, [sp, #16]
    \pair   x4, x5, [sp, #32]
    \pair   x6, x7, [sp, #48]
    \pair   x8, x9, [sp, #64]
    \pair   x10, x11, [sp, #80]
    \pair   x12, x13, [sp, #96]
    \pair   x14, x15, [sp, #112]
    \pair   x16, x17, [sp, #128]
    \pair   x18, x19, [sp, #144]
    \pair   x20, x21, [sp, #160]
    \pair   x22, x23, [sp, #176]
    \pair   x24, x25, [sp, #192]
    \pair   x26, x27, [sp, #208]
    \pair   x28, x29, [sp, #224]
    \one    x30, [sp, #240]
.endm

.macro SAVE_REST
    REST    stp, str
.endm

.macro LOAD_GPRS
    REST    ldp, ldr
    ldp     x0, x1, [sp, #0]
.endm

.macro LOWER handler
    .balign 128
    stp     x0, x1, [sp, #0]
    mrs     x0, tpidr_el2
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

// Sorts synchronous exceptions: the exits of a guest to its VMM, and the handler's return from there, go by the two
// paths below; they are `switch::exit` and `switch::resume` without what these need rarely. All else goes to Rust.
lower_sync_entry:
    ldrb    w1, [x0, #{CORE_MODE}]
    cbz     w1, guest_sync                  // Mode::Guest
    cbnz    x8, rust_sync                   // not VCPU_RESUME
    cmp     w1, #{MODE_HANDLER}
    b.ne    rust_sync
    mrs     x1, esr_el2
    lsr     x1, x1, #26
    cmp     x1, #{EC_SVC64}
    b.ne    rust_sync
    ldr     x1, [sp, #0]
    cbz     x1, resume_guest                // RESUME_RUN
rust_sync:
    SAVE_REST
rust_sync_saved:
    ldr     x1, [x0, #{CORE_STACK}]
    mov     sp, x1
    bl      {lower_sync}
    b       return_to_lower

lower_irq_entry:
    SAVE_REST
    ldr     x1, [x0, #{CORE_STACK}]
    mov     sp, x1
    bl      {lower_irq}
    b       return_to_lower

lower_serror_entry:
    SAVE_REST
    ldr     x1, [x0, #{CORE_STACK}]
    mov     sp, x1
    bl      {lower_serror}
    b       return_to_lower

// Exit of a guest to its VMM's handler. x0 = core; SP is the frame, which starts the shared page.
guest_sync:
    SAVE_REST
    mrs     x2, esr_el2
    lsr     x3, x2, #26
    cmp     x3, #{EC_DATA_ABORT}
    b.ne    1f
    and     w3, w2, #0x3c
    cmp     w3, #0xc                        // permission fault: HPFAR_EL2 may be invalid
    b.eq    rust_sync_saved
    mrs     x3, hpfar_el2
    mrs     x4, far_el2
    ubfx    x3, x3, #4, #40
    and     x5, x4, #0xfff
    orr     x3, x5, x3, lsl #12
    stp     x4, x3, [sp, #{EXIT_FAR}]
    b       2f
1:  cmp     x3, #{EC_SYSREG}
    b.eq    2f
    cmp     x3, #{EC_HVC64}
    b.ne    rust_sync_saved
    and     w3, w2, #0xffff
    cbnz    w3, guest_hvc
2:  stp     xzr, x2, [sp, #{EXIT_REASON}]   // reason::SYNC, ESR
    ldr     x1, [x0, #{CORE_CURRENT}]
    mrs     x2, elr_el2
    mrs     x3, spsr_el2
    mrs     x4, sp_el0
    str     x2, [sp, #{FRAME_ELR}]
    stp     x3, x4, [sp, #{FRAME_SPSR}]
    mrs     x2, S3_4_C12_C11_5              // ICH_ELRSR_EL2
    str     x2, [sp, #{IRQ_ELRSR}]
    msr     S3_4_C12_C11_0, xzr             // ICH_HCR_EL2
    mrs     x2, sctlr_el1
    str     x2, [x1, #{VCPU_SCTLR}]
enter_vmm:                                  // x1 = vCPU
    ldp     x2, x3, [x0, #{CORE_DOMAIN_REGIME}]
    msr     sctlr_el1, x2
    msr     hcr_el2, x3
    ldp     x2, x3, [x1, #{VCPU_ENTRY}]
    msr     elr_el2, x2
    msr     sp_el0, x3
    ldp     x4, x2, [x1, #{VCPU_ARGUMENT}]
    msr     vttbr_el2, x2
    msr     spsr_el2, xzr                   // EL0t, nothing masked
    mov     w2, #{MODE_HANDLER}
    strb    w2, [x0, #{CORE_MODE}]
    strb    w2, [x1, #{VCPU_IN_HANDLER}]
    add     x2, x1, #{VCPU_HANDLER}
    str     x2, [x0, #{CORE_FRAME}]
    mov     sp, x2
    mov     x0, x4
    mov     x1, xzr                         // what is left in registers is the guest's own: its VMM may see it
    mov     x2, xzr
    mov     x3, xzr
    mov     x4, xzr
    mov     x5, xzr
    eret
    dsb     nsh
    isb

// An HVC that is not plain: the kernel's own calls, such as nobody makes often, and EL1's of a classic guest, which is
// the exception that EL0 has taken.
guest_hvc:
    tbz     w3, #14, rust_sync_saved
    ldr     x1, [x0, #{CORE_CURRENT}]
    ldrb    w4, [x1, #{VCPU_CLASSIC}]
    cbz     w4, rust_sync_saved
    and     w3, w3, #0xf
    mrs     x2, esr_el1
    mrs     x4, far_el1
    stp     x3, x2, [sp, #{EXIT_REASON}]
    stp     x4, xzr, [sp, #{EXIT_FAR}]
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    mrs     x4, sp_el0
    str     x2, [sp, #{FRAME_ELR}]
    stp     x3, x4, [sp, #{FRAME_SPSR}]
    b       enter_vmm

// The handler is done: the guest goes on. x0 = core; the handler's registers are forgotten.
resume_guest:
    ldr     x1, [x0, #{CORE_CURRENT}]
    ldr     x2, [x1, #{VCPU_NEWS}]          // kick, timers, SError, AArch32, doorbell, classic
    cbnz    x2, resume_classic
    ldr     x2, [x1, #{VCPU_PAGE}]
    ldr     x3, [x2, #{IRQ_DIRTY}]
    cbnz    x3, resume_with_lr
resume_clean:
    ldp     x3, x4, [x2, #{FRAME_ELR}]
    and     x5, x4, #0x1f
    cmp     x5, #5                          // EL1h, or EL0t; the rest is for `guest_spsr`
    ccmp    x5, #0, #4, ne
    b.ne    resume_rust
    ldp     x6, x7, [x0, #{CORE_GUEST_REGIME}]
    and     x4, x4, x7
    msr     elr_el2, x3
    msr     spsr_el2, x4
    msr     hcr_el2, x6
    ldr     x3, [x2, #{IRQ_HCR}]
    and     x3, x3, #0xe
    orr     x3, x3, #1
    msr     S3_4_C12_C11_0, x3
    ldr     x3, [x1, #{VCPU_SCTLR}]
    ldr     x4, [x2, #{FRAME_SP}]
    msr     sctlr_el1, x3
    msr     sp_el0, x4
resume_tail:
    ldr     x3, [x1, #{VCPU_GUEST_VTTBR}]
    msr     vttbr_el2, x3
    strb    wzr, [x0, #{CORE_MODE}]
    strb    wzr, [x1, #{VCPU_IN_HANDLER}]
    str     x2, [x0, #{CORE_FRAME}]
    mov     sp, x2
    LOAD_GPRS
    eret
    dsb     nsh
    isb
resume_rust:
    str     xzr, [sp, #64]                  // x8: VCPU_RESUME, for Rust
    b       rust_sync_saved

// List register 1 alone is new, an ordinary SGI, PPI or SPI: `kcore::spsr::guest_lr`, for all others in Rust.
resume_with_lr:
    cmp     x3, #(1 << 1)
    b.ne    resume_rust
    ldr     x3, [x2, #{IRQ_LR1}]
    ldr     w4, [x2, #{IRQ_TIMER}]
    and     w4, w4, #0x3ff
    cmp     w3, w4                          // the timer's vINTID
    b.eq    resume_rust
    cmp     w3, #1020                       // special vINTIDs and above
    b.hs    resume_rust
    tst     x3, #(3 << 62)                  // neither pending nor active
    b.eq    resume_rust
    mov     x4, #0xffffffff                 // vINTID
    movk    x4, #0x0200, lsl #32            // EOI
    movk    x4, #0xd0ff, lsl #48            // state, group, priority; not HW
    and     x3, x3, x4
    msr     S3_4_C12_C12_1, x3              // ICH_LR1_EL2
    str     xzr, [x2, #{IRQ_DIRTY}]
    b       resume_clean

// `switch::load_view`, where nothing but being classic is in the word.
resume_classic:
    eor     x2, x2, #(1 << 48)
    cbnz    x2, resume_rust
    ldr     x2, [x1, #{VCPU_PAGE}]
    ldr     x5, [x1, #{VCPU_SPACE}]
    ldp     x3, x4, [x2, #{CLASSIC_VIEW}]   // each word is read once
    add     x5, x5, #{SPACE_ROOTS}
    and     x6, x3, #0x3f
    ubfx    x7, x3, #8, #6
    ldr     x8, [x5, x6, lsl #3]
    ldr     x9, [x5, x7, lsl #3]
    orr     x6, x6, x7, lsl #8              // the ASID of the pair
    orr     x8, x8, x6, lsl #48
    msr     ttbr0_el1, x8
    msr     ttbr1_el1, x9
    ldr     x6, ={CLASSIC_GATES}
    ldr     x7, ={SCTLR_CLASSIC}
    and     x4, x4, x6
    orr     x4, x4, x7
    msr     sctlr_el1, x4
    ldr     x6, [x0, #{CORE_GUEST_REGIME}]
    ubfx    x3, x3, #16, #1
    orr     x6, x6, x3, lsl #7              // HCR_EL2.VI
    msr     hcr_el2, x6
    ldr     x3, [x2, #{CLASSIC_TPIDRRO}]
    msr     tpidrro_el0, x3
    ldr     x3, [x2, #{FRAME_ELR}]
    ldp     x4, x5, [x2, #{FRAME_SPSR}]
    ldr     x6, ={CLASSIC_SPSR}
    msr     elr_el2, x3
    and     x4, x4, x6
    msr     spsr_el2, x4
    msr     sp_el0, x5
    b       resume_tail
    .ltorg

// Continues in the current frame (Core::frame).
.global return_to_lower
return_to_lower:
    mrs     x0, tpidr_el2
    ldr     x1, [x0, #{CORE_FRAME}]
    ldr     x2, [x0, #{CORE_FRESH}]
    mov     sp, x1
    cbnz    x2, enter_handler
    LOAD_GPRS
    eret
    dsb     nsh                             // no speculation past the return
    isb

// Enters a vCPU's handler anew: x0 = its argument. All else is cleared: it could be another domain's.
enter_handler:
    str     xzr, [x0, #{CORE_FRESH}]
    ldr     x0, [sp, #0]
    .irp    n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov     x\n, xzr
    .endr
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
    sub     x1, x1, #256
    str     x2, [x1, #16]
    mov     x2, sp
    str     x2, [x1, #248]                  // the interrupted sp
    ldr     x2, [x1, #16]
    mov     sp, x1
    SAVE_REST
    mrs     x2, tpidrro_el0
    mrs     x3, tpidr_el0
    stp     x2, x3, [sp, #0]
    mov     x1, sp
    bl      {kernel_fault}
1:  wfe
    b       1b

// The page that classic guests have at EL1: each exception of EL0 goes on to EL2 at once. The immediate is 0x4000 | reason.
.macro HVCS count, reason
    .rept   \count * 32
    hvc     #(0x4000 | \reason)
    .endr
.endm
.balign 4096
.global el1_vectors
el1_vectors:
    HVCS    9, 0
    HVCS    1, {REASON_VIRQ}
    HVCS    22, 0
