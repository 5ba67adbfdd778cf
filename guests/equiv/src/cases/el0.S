// Debug exceptions, and cases at EL0.

// ---- Debug ----
    CASE 0, el0.software_step, spsr=0x2003c0, mdscr=1
    nop
    nop
    END
    CASE 0, el0.breakpoint, mdscr=0x8000, prepare=prepare_breakpoint
    nop
    END
    CASE 0, el0.watchpoint_read, mdscr=0x8000, prepare=prepare_watchpoint
    PAGE    x1, P_EL0_RW
    ldr     w0, [x1, #4]
    END
    CASE 0, el0.watchpoint_write, mdscr=0x8000, prepare=prepare_watchpoint
    PAGE    x1, P_EL0_RW
    strb    w0, [x1, #1]
    END
    CASE 1, el1.breakpoint, mdscr=0xa000, prepare=prepare_breakpoint_el1
    nop
    END

// ---- EL0 ----
    CASE 0, el0.svc
    svc     #0x456
    CASE 0, el0.hvc
    hvc     #0
    END
    CASE 0, el0.smc
    smc     #0
    END
    CASE 0, el0.brk
    brk     #0x77
    CASE 0, el0.udf
    udf     #0x55
    CASE 0, el0.eret
    eret
    CASE 0, el0.mrs_id
    mrs     x0, id_aa64pfr0_el1
    END
    CASE 0, el0.mrs_midr
    mrs     x0, midr_el1
    END
    CASE 0, el0.mrs_sctlr
    mrs     x0, sctlr_el1
    END
    CASE 0, el0.msr_vbar
    msr     vbar_el1, x0
    END
    CASE 0, el0.msr_spsel
    msr     spsel, #1
    END
    CASE 0, el0.current_el
    mrs     x0, currentel
    END
    CASE 0, el0.msr_daif, clear=SCTLR_UMA
    msr     daifset, #2
    END
    CASE 0, el0.mrs_daif, clear=SCTLR_UMA
    mrs     x9, daif
    END
    CASE 0, el0.msr_daif_open, set=SCTLR_UMA
    msr     daifset, #2
    END
    CASE 0, el0.ctr, clear=SCTLR_UCT
    mrs     x11, ctr_el0
    END
    CASE 0, el0.ctr_open, set=SCTLR_UCT
    mrs     x11, ctr_el0
    END
    CASE 0, el0.dczid
    mrs     x0, dczid_el0
    END
    CASE 0, el0.cntvct
    mrs     x0, cntvct_el0
    END
    CASE 0, el0.cntvct_open, cntkctl=2
    mrs     x0, cntvct_el0
    END
    CASE 0, el0.cntpct
    mrs     x0, cntpct_el0
    END
    CASE 0, el0.cntfrq
    mrs     x0, cntfrq_el0
    END
    CASE 0, el0.cntv_ctl
    mrs     x0, cntv_ctl_el0
    END
    CASE 0, el0.cntp_cval_open, cntkctl=0x200
    msr     cntp_cval_el0, x0
    END
    CASE 0, el0.pmccntr
    mrs     x0, pmccntr_el0
    END
    CASE 0, el0.pmuserenr
    mrs     x0, pmuserenr_el0
    END
    CASE 0, el0.mdccsr
    mrs     x0, mdccsr_el0
    END
    CASE 0, el0.wfi, clear=SCTLR_NTWI
    wfi
    END
    CASE 0, el0.wfe, clear=SCTLR_NTWE
    sevl
    wfe
    END
    CASE 0, el0.dc_cvau, clear=SCTLR_UCI
    PAGE    x1, P_EL0_RW
    dc      cvau, x1
    END
    CASE 0, el0.dc_cvau_open, set=SCTLR_UCI
    PAGE    x1, P_EL0_RW
    dc      cvau, x1
    END
    CASE 0, el0.dc_civac, clear=SCTLR_UCI
    PAGE    x1, P_EL0_RW
    dc      civac, x1
    END
    CASE 0, el0.ic_ivau, clear=SCTLR_UCI
    PAGE    x1, P_EL0_RW
    ic      ivau, x1
    END
    CASE 0, el0.dc_zva, clear=SCTLR_DZE
    PAGE    x1, P_EL0_RW
    dc      zva, x1
    END
    CASE 0, el0.dc_zva_open, set=SCTLR_DZE
    PAGE    x1, P_EL0_RW
    dc      zva, x1
    END
    CASE 0, el0.dc_ivac
    PAGE    x1, P_EL0_RW
    dc      ivac, x1
    END
    CASE 0, el0.dc_isw
    dc      isw, x0
    END
    CASE 0, el0.tlbi
    tlbi    vmalle1
    END
    CASE 0, el0.at
    at      s1e0r, x0
    END
    CASE 0, el0.icc_pmr
    mrs     x0, S3_0_C4_C6_0
    END
    CASE 0, el0.icc_sgi1r
    msr     S3_0_C12_C11_5, x0
    END
    CASE 0, el0.read_level3
    PAGE    x1, P_INVALID
    ldr     x0, [x1]
    END
    CASE 0, el0.write_level2
    movz    x1, #1, lsl #32
    movk    x1, #0x20, lsl #16
    str     w0, [x1]
    END
    CASE 0, el0.read_kernel
    PAGE    x1, P_EL1_RW
    ldr     x0, [x1]
    END
    CASE 0, el0.read_device_window
    movz    x1, #0x0900, lsl #16
    ldr     w0, [x1]
    END
    CASE 0, el0.write_read_only
    PAGE    x1, P_EL0_RO
    str     x0, [x1]
    END
    CASE 0, el0.external_read
    PAGE    x1, P_HOLE
    ldr     x0, [x1]
    END
    CASE 0, el0.unaligned_checked, set=SCTLR_A
    PAGE    x1, P_EL0_RW
    ldr     w0, [x1, #2]!
    ldr     w0, [x1, #1]!
    END
    CASE 0, el0.fetch_xn
    PAGE    x1, P_EL0_XN
    br      x1
    CASE 0, el0.fetch_kernel
    PAGE    x1, P_EL1_RW
    br      x1
    CASE 0, el0.fetch_external
    PAGE    x1, P_HOLE
    br      x1
    CASE 0, el0.fetch_level1
    movz    x1, #0x19, lsl #32
    br      x1
    CASE 0, el0.pc_alignment
    PAGE    x1, P_EL0_TEXT
    add     x1, x1, #1
    br      x1
    CASE 0, el0.sp_alignment, set=SCTLR_SA0
    mov     x1, sp
    add     sp, x1, #4
    ldr     x0, [sp]
    END
    CASE 0, el0.illegal_state, spsr=0x1003c0
    nop
    END

// ---- AArch32 at EL0, where the core has it; else an illegal exception return ----
    CASE 0, a32.svc, spsr=USER_A32
    .inst   0xef000042                  // SVC #0x42
    CASE 0, a32.udf, spsr=USER_A32
    .inst   0xe7f000f0                  // UDF #0
    CASE 0, a32.mrc_midr, spsr=USER_A32
    .inst   0xee100f10                  // MRC p15, 0, R0, c0, c0, 0
    .inst   0xef000001
    CASE 0, a32.read_level1, spsr=USER_A32
    .inst   0xe3a01101                  // MOV R1, #0x40000000
    .inst   0xe5912000                  // LDR R2, [R1]
    CASE 0, a32.vadd_trapped, spsr=USER_A32, cpacr=0
    .inst   0xee300b01                  // VADD.F64 D0, D0, D1
    .inst   0xef000001
    CASE 0, a32.wfi, spsr=USER_A32, clear=SCTLR_NTWI
    .inst   0xe320f003                  // WFI
    .inst   0xef000001
    CASE 0, t32.svc, spsr=USER_T32
    .inst   0x0000df24                  // SVC #0x24
