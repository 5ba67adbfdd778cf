// Cases at EL1, and those of EL0 that belong to the same feature.

// ---- System and undefined instructions at EL1 ----
    CASE 1, el1.svc
    svc     #0x123
    CASE 1, el1.hvc_other_immediate
    movz    w0, #0x8400, lsl #16
    movk    w0, #0xdead
    hvc     #0x7f0
    END
    CASE 1, el1.brk
    brk     #0x77
    CASE 1, el1.hlt
    hlt     #1
    END
    CASE 1, el1.udf
    udf     #0x55
    CASE 1, el1.unallocated
    .inst   0x04000000 | 0x1f << 16 | 0xffff // reserved without SVE
    END
    CASE 1, el1.dcps1
    .inst   0xd4a00001
    END
    CASE 1, el1.msr_read_only
    msr     S3_0_C0_C0_0, xzr
    END
    CASE 1, el1.mrs_el2
    mrs     x0, S3_4_C1_C0_0
    END
    CASE 1, el1.mrs_el3
    mrs     x0, S3_6_C1_C0_0
    END
    CASE 1, el1.mrs_unallocated
    mrs     x0, S3_0_C15_C15_7
    END
    CASE 1, el1.tlbi_el2
    .inst   0xd50c871f
    END
    CASE 1, el1.at_s12
    .inst   0xd50c7880
    END
    CASE 1, el1.eret_illegal_reserved
    adr     x0, 1f
    msr     elr_el1, x0
    mov     x0, #0x3c2
    msr     spsr_el1, x0
    eret
1:  END
    CASE 1, el1.eret_illegal_el2
    adr     x0, 1f
    msr     elr_el1, x0
    mov     x0, #0x3c9
    msr     spsr_el1, x0
    eret
1:  END
    CASE 1, el1.illegal_state
    adr     x0, 1f
    msr     elr_el1, x0
    movz    x0, #0x3c5
    movk    x0, #0x10, lsl #16
    msr     spsr_el1, x0
    eret
1:  END
    CASE 1, el1.wfe_event
    sevl
    wfe
    END
    CASE 1, el1.dc_isw
    mov     x0, #0
    dc      isw, x0
    END
    CASE 1, el1.dc_cisw
    mov     x0, #0
    dc      cisw, x0
    END
    CASE 1, el1.tlbi_vmalle1is
    tlbi    vmalle1is
    dsb     ish
    END
    CASE 1, el1.esb
    hint    #16
    END
    CASE 1, el1.lse_atomic
    PAGE    x1, P_EL1_RW
    ldadd   x0, x2, [x1]
    END
    CASE 1, el1.rndr
    mrs     x0, S3_3_C2_C4_0
    END

// ---- FP, SVE, SME, PAC, BTI, MOPS ----
    CASE 1, el1.fp_trapped, cpacr=0
    fadd    d0, d0, d1
    END
    CASE 1, el1.simd_trapped, cpacr=0
    add     v0.4s, v0.4s, v1.4s
    END
    CASE 1, el1.fpcr_trapped, cpacr=0
    mrs     x0, fpcr
    END
    CASE 0, el0.fp_trapped, cpacr=0x100000
    fadd    d0, d0, d1
    END
    CASE 0, el0.fp_open
    fadd    d0, d0, d1
    END
    CASE 1, el1.sve_trapped
    .inst   0x04e0e3e0                  // CNTD X0
    END
    CASE 1, el1.sve_open, cpacr=0x330000
    .inst   0x04e0e3e0
    END
    CASE 1, el1.sme_trapped
    .inst   0xd503477f                  // SMSTART
    END
    CASE 1, el1.pac_failure, set=SCTLR_ENIA
    movz    x0, #0x1234, lsl #48
    .inst   0xdac133e0                  // AUTIZA X0
    END
    CASE 1, el1.bti, set=SCTLR_BT1
    PAGE    x1, P_GUARDED
    blr     x1
    END
    CASE 0, el0.bti, set=SCTLR_BT0
    PAGE    x1, P_EL0_TEXT
    blr     x1
    END
    CASE 1, el1.mops_wrong_option
    PAGE    x0, P_EL1_RW
    mov     x1, #64
    mov     x2, #0
    movz    x3, #0x2000, lsl #16        // C
    msr     nzcv, x3
    setm    [x0]!, x1!, x2
    END
    CASE 0, el0.mops
    PAGE    x0, P_EL0_RW
    mov     x1, #64
    mov     x2, #0
    setp    [x0]!, x1!, x2
    setm    [x0]!, x1!, x2
    sete    [x0]!, x1!, x2
    END

// ---- Data aborts at EL1 ----
    CASE 1, el1.read_level0
    movz    x1, #0x80, lsl #32
    ldr     x0, [x1]
    END
    CASE 1, el1.read_upper_half
    movn    x1, #0xfff
    ldr     x0, [x1]
    END
    CASE 1, el1.read_level1
    movz    x1, #0x19, lsl #32
    ldr     x0, [x1]
    END
    CASE 1, el1.read_level2
    movz    x1, #1, lsl #32
    movk    x1, #0x20, lsl #16
    ldr     x0, [x1]
    END
    CASE 1, el1.read_level3
    PAGE    x1, P_INVALID
    ldr     x0, [x1, #8]
    END
    CASE 1, el1.write_level3
    PAGE    x1, P_INVALID
    strb    w0, [x1, #3]
    END
    CASE 1, el1.read_pair_level3
    PAGE    x1, P_INVALID
    ldp     x2, x3, [x1]
    END
    CASE 1, el1.read_post_index_level3
    PAGE    x1, P_INVALID
    ldr     x0, [x1], #8
    END
    CASE 1, el1.read_simd_level3
    PAGE    x1, P_INVALID
    ldr     q0, [x1]
    END
    CASE 1, el1.read_signed_level3
    PAGE    x1, P_INVALID
    ldrsh   w7, [x1, #2]
    END
    CASE 1, el1.exclusive_level3
    PAGE    x1, P_INVALID
    ldxr    x0, [x1]
    END
    CASE 1, el1.acquire_level3
    PAGE    x1, P_INVALID
    ldar    x0, [x1]
    END
    CASE 1, el1.unprivileged_read
    PAGE    x1, P_EL1_RW
    ldtr    x0, [x1]
    END
    CASE 1, el1.write_read_only
    PAGE    x1, P_EL1_RO
    str     x0, [x1]
    END
    CASE 1, el1.not_accessed
    PAGE    x1, P_NOT_ACCESSED
    ldr     x0, [x1]
    END
    CASE 1, el1.address_size
    PAGE    x1, P_TOO_FAR
    ldr     x0, [x1]
    END
    CASE 1, el1.pan
    .inst   0xd500419f                  // MSR PAN, #1
    PAGE    x1, P_EL0_RW
    ldr     x0, [x1]
    END
    CASE 1, el1.unaligned_checked, set=SCTLR_A
    PAGE    x1, P_EL1_RW
    ldr     x0, [x1, #1]!
    END
    CASE 1, el1.unaligned_device
    PAGE    x1, P_DEVICE
    ldr     x0, [x1, #1]!
    END
    CASE 1, el1.unaligned_exclusive
    PAGE    x1, P_EL1_RW
    add     x1, x1, #4
    ldxr    x0, [x1]
    END
    CASE 1, el1.unaligned_acquire
    PAGE    x1, P_EL1_RW
    add     x1, x1, #12
    ldar    x0, [x1]
    END
    CASE 1, el1.external_read
    PAGE    x1, P_HOLE
    ldr     w0, [x1, #4]
    END
    CASE 1, el1.external_write
    PAGE    x1, P_HOLE
    strh    w0, [x1, #2]
    END
    CASE 1, el1.external_pair
    PAGE    x1, P_HOLE
    ldp     x2, x3, [x1]
    END
    CASE 1, el1.external_walk
    movz    x1, #1, lsl #32
    movk    x1, #0x40, lsl #16
    ldr     x0, [x1]
    END
    CASE 1, el1.dc_zva_level3
    PAGE    x1, P_INVALID
    dc      zva, x1
    END
    CASE 1, el1.dc_ivac_level3
    PAGE    x1, P_INVALID
    dc      ivac, x1
    END
    CASE 1, el1.dc_ivac_read_only
    PAGE    x1, P_EL1_RO
    dc      ivac, x1
    END
    CASE 1, el1.dc_cvac_level3
    PAGE    x1, P_INVALID
    dc      cvac, x1
    END
    CASE 1, el1.ic_ivau_level3
    PAGE    x1, P_INVALID
    ic      ivau, x1
    END
    CASE 1, el1.prefetch_level3
    PAGE    x1, P_INVALID
    prfm    pldl1keep, [x1]
    END

// ---- Instruction aborts and alignment at EL1 ----
    CASE 1, el1.fetch_level3
    PAGE    x1, P_INVALID
    br      x1
    CASE 1, el1.fetch_xn
    PAGE    x1, P_EL1_XN
    br      x1
    CASE 1, el1.fetch_el0_writable
    PAGE    x1, P_EL0_RW
    br      x1
    CASE 1, el1.fetch_level1
    movz    x1, #0x19, lsl #32
    br      x1
    CASE 1, el1.pc_alignment
    PAGE    x1, P_EL1_RW
    add     x1, x1, #2
    br      x1
    CASE 1, el1.sp_alignment, set=SCTLR_SA
    mov     x1, sp
    add     sp, x1, #8
    ldr     x0, [sp]
    END
    CASE 1, el1.sp_alignment_off, clear=SCTLR_SA
    mov     x1, sp
    sub     sp, x1, #24
    ldr     x0, [sp]
    END

