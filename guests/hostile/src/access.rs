//! Accesses of every kind to an address: by width, sign, pair, exclusivity, order, with write-back, SIMD, atomics, cache
//! maintenance, tags.
#![allow(unsafe_code, reason = "Only addresses of the stubs are taken.")]

use core::arch::global_asm;

use guest_base::guard;

use crate::map;
use crate::random::Random;

unsafe extern "C" {
    static access_stubs: u8;
    static access_stubs_end: u8;
}

/// One access. Whether it came back without an exception.
pub fn attack(random: &Random) -> bool {
    let (start, end) = (&raw const access_stubs as u64, &raw const access_stubs_end as u64);
    let stub = start + 8 * random.below((end - start) / 8);
    guard::call(stub, [map::address(random), random.value(), random.value(), random.value()]).is_ok()
}

// Each stub is one instruction and RET: x0 is the address, x1 to x3 are values.
global_asm!(
    r#"
    .arch_extension lse
    .arch_extension rcpc
    .arch_extension memtag
    .arch_extension fp
    .arch_extension simd
    .macro STUBS instruction, more:vararg
    \instruction
    ret
    .ifnb \more
    STUBS \more
    .endif
    .endm

    .pushsection .text.access_stubs, "ax"
    .balign 8
access_stubs:
    .irp load, ldrb, ldrh, ldr, ldrsb, ldrsh, ldtr, ldtrb, ldapr, ldar, ldarb, ldarh, ldxr, ldaxr, ldaxrb
    \load   w1, [x0]
    ret
    .endr
    .irp load, ldr, ldrsb, ldrsh, ldrsw, ldtr, ldar, ldxr, ldaxr, ldapr
    \load   x1, [x0]
    ret
    .endr
    .irp store, strb, strh, str, sttr, sttrb, stlr, stlrb, stlrh
    \store  w1, [x0]
    ret
    .endr
    // Stores to registers are what finds most: once more.
    .rept 4
    str     w1, [x0]
    ret
    strb    w1, [x0]
    ret
    str     x1, [x0]
    ret
    .endr
    .irp store, str, sttr, stlr
    \store  x1, [x0]
    ret
    .endr
    ldr     w1, [x0], #4
    ret
    ldr     x1, [x0, #8]!
    ret
    str     w1, [x0], #-4
    ret
    strb    w1, [x0, #1]!
    ret
    ldr     wzr, [x0]
    ret
    str     xzr, [x0]
    ret
    ldp     w1, w2, [x0]
    ret
    ldp     x1, x2, [x0]
    ret
    ldpsw   x1, x2, [x0], #8
    ret
    ldnp    x1, x2, [x0]
    ret
    stp     w1, w2, [x0]
    ret
    stp     x1, x2, [x0, #16]!
    ret
    stnp    x1, x2, [x0]
    ret
    stp     xzr, xzr, [x0], #16
    ret
    ldxp    x1, x2, [x0]
    ret
    ldaxp   w1, w2, [x0]
    ret
    stxr    w3, w1, [x0]
    ret
    stlxr   w3, x1, [x0]
    ret
    stxp    w3, x1, x2, [x0]
    ret
    cas     w1, w2, [x0]
    ret
    casal   x1, x2, [x0]
    ret
    caspal  x2, x3, x4, x5, [x0]
    ret
    swp     w1, w2, [x0]
    ret
    ldadd   x1, x2, [x0]
    ret
    ldset   w1, w2, [x0]
    ret
    ldsmaxal x1, x2, [x0]
    ret
    stclr   x1, [x0]
    ret
    .irp width, b, h, s, d, q
    ldr     \width\()0, [x0]
    ret
    str     \width\()0, [x0]
    ret
    ldr     \width\()0, [x0], #16
    ret
    .endr
    ldp     q0, q1, [x0]
    ret
    stp     d0, d1, [x0]
    ret
    ld1     {{v0.16b, v1.16b, v2.16b, v3.16b}}, [x0]
    ret
    ld4     {{v0.4s, v1.4s, v2.4s, v3.4s}}, [x0]
    ret
    st1     {{v0.b}}[3], [x0]
    ret
    ld1r    {{v0.2d}}, [x0]
    ret
    dc      zva, x0
    ret
    dc      ivac, x0
    ret
    dc      cvac, x0
    ret
    dc      civac, x0
    ret
    dc      cvau, x0
    ret
    ic      ivau, x0
    ret
    prfm    pldl1keep, [x0]
    ret
    prfm    pstl1strm, [x0]
    ret
    at      s1e1r, x0
    ret
    at      s1e0w, x0
    ret
    stg     x0, [x0]
    ret
    ldg     x1, [x0]
    ret
    st2g    x0, [x0]
    ret
    br      x0
    ret
access_stubs_end:
    .popsection
"#
);
