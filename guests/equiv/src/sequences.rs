//! Runs random instruction sequences and hashes the register file and the scratch memory after each.
#![allow(unsafe_code)] // The register file is loaded and stored by assembly.

use core::arch::global_asm;

use equiv_guest::generate;
use equiv_guest::random::{Random, hash};
use guest_base::machine::GICD;
use guest_base::write_sysreg;

use crate::report::Report;
use guest_base::code;
use guest_base::guard;

/// Sequences.
const N: u64 = 200;
/// Instructions of a sequence, the last of which returns.
const LENGTH: usize = 128;

/// The register file that a sequence starts with and leaves.
#[repr(C, align(16))]
struct Registers {
    /// x0 to x26.
    x: [u64; 27],
    nzcv: u64,
    fpcr: u64,
    fpsr: u64,
    /// Not hashed: x27, x28.
    bases: [u64; 2],
    v: [u64; 64],
    /// Address of the sequence.
    code: u64,
}

#[repr(C, align(4096))]
struct Scratch([u64; 1024]);

static mut REGISTERS: Registers =
    Registers { x: [0; 27], nzcv: 0, fpcr: 0, fpsr: 0, bases: [0; 2], v: [0; 64], code: 0 };
static mut SCRATCH: Scratch = Scratch([0; 1024]);

unsafe extern "C" {
    static run_registers: u8;
}

/// Runs `N` sequences, seeds 1 to N.
pub fn run(report: &mut Report) {
    const FPEN: u64 = 0b11 << 20;
    write_sysreg!("cpacr_el1", FPEN);
    for seed in 1..=N {
        run_one(report, seed);
    }
}

fn run_one(report: &mut Report, seed: u64) {
    let mut random = Random::new(seed);
    let mut words = [0; LENGTH];
    generate::sequence(&mut random, &mut words);
    let code = code::install(&words);
    let (registers, scratch) = (&raw mut REGISTERS, &raw mut SCRATCH);
    // SAFETY: single CPU, called in turns: nobody else holds a reference to these two.
    let (registers, scratch) = unsafe { (&mut *registers, &mut *scratch) };
    fill(&mut random, registers, scratch, code);
    let done = guard::call(&raw const run_registers as u64, [&raw mut *registers as u64, 0, 0, 0]);
    if let Err(taken) = done {
        let offset = taken.elr.wrapping_sub(code);
        return report.line(format_args!("seq.{seed:03}=exception esr={:#010x} at={offset:#x}", taken.esr));
    }
    report.line(format_args!(
        "seq.{seed:03}=x:{:016x} v:{:016x} m:{:016x} nzcv:{:x} fpcr:{:x} fpsr:{:x}",
        hash(registers.x),
        hash(registers.v),
        hash(scratch.0),
        registers.nzcv >> 28,
        registers.fpcr,
        registers.fpsr
    ));
}

fn fill(random: &mut Random, registers: &mut Registers, scratch: &mut Scratch, code: u64) {
    registers.x.fill_with(|| random.word());
    registers.v.fill_with(|| fp_value(random));
    scratch.0.fill_with(|| fp_value(random));
    registers.nzcv = random.word() & 0xf000_0000;
    registers.fpcr = 0;
    registers.fpsr = 0;
    registers.bases = [GICD, &raw const *scratch as u64];
    registers.code = code;
}

/// Half of all values are random bits, the others such as floating point treats in its own way.
fn fp_value(random: &mut Random) -> u64 {
    const SPECIAL: [u64; 8] = [
        0x3ff0_0000_0000_0000, // 1.0
        0xbf80_0000_3f80_0000, // -1.0, 1.0 (single)
        0x7ff0_0000_0000_0000, // infinity
        0x7ff0_0000_0000_0001, // signalling NaN
        0x0000_0000_0000_0001, // denormal
        0x7f80_0001_0000_0001, // signalling NaN, denormal (single)
        0x8000_0000_0000_0000, // -0.0
        0x4340_0000_4b00_0000,
    ];
    let bits = random.word();
    if bits & 1 == 0 { bits } else { SPECIAL.get((bits >> 8 & 7) as usize).copied().unwrap_or(bits) }
}

// run_registers(state): x29 addresses the state while the sequence runs, x30 returns from it.
global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd
    .macro EACH_PAIR op
    \op     x0, x1, [x29]
    \op     x2, x3, [x29, #16]
    \op     x4, x5, [x29, #32]
    \op     x6, x7, [x29, #48]
    \op     x8, x9, [x29, #64]
    \op     x10, x11, [x29, #80]
    \op     x12, x13, [x29, #96]
    \op     x14, x15, [x29, #112]
    \op     x16, x17, [x29, #128]
    \op     x18, x19, [x29, #144]
    \op     x20, x21, [x29, #160]
    \op     x22, x23, [x29, #176]
    \op     x24, x25, [x29, #192]
    .endm
    .macro EACH_VECTOR op
    \op     q0, q1, [x30]
    \op     q2, q3, [x30, #32]
    \op     q4, q5, [x30, #64]
    \op     q6, q7, [x30, #96]
    \op     q8, q9, [x30, #128]
    \op     q10, q11, [x30, #160]
    \op     q12, q13, [x30, #192]
    \op     q14, q15, [x30, #224]
    \op     q16, q17, [x30, #256]
    \op     q18, q19, [x30, #288]
    \op     q20, q21, [x30, #320]
    \op     q22, q23, [x30, #352]
    \op     q24, q25, [x30, #384]
    \op     q26, q27, [x30, #416]
    \op     q28, q29, [x30, #448]
    \op     q30, q31, [x30, #480]
    .endm

    .pushsection .text.run_registers, "ax"
run_registers:
    stp     x19, x20, [sp, #-96]!
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    mov     x29, x0
    add     x30, x29, #256
    EACH_VECTOR ldp
    ldp     x0, x1, [x29, #216]
    msr     nzcv, x0
    msr     fpcr, x1
    ldr     x0, [x29, #232]
    msr     fpsr, x0
    EACH_PAIR ldp
    ldr     x26, [x29, #208]
    ldp     x27, x28, [x29, #240]
    ldr     x30, [x29, #768]
    blr     x30
    EACH_PAIR stp
    str     x26, [x29, #208]
    mrs     x0, nzcv
    mrs     x1, fpcr
    stp     x0, x1, [x29, #216]
    mrs     x0, fpsr
    str     x0, [x29, #232]
    msr     fpcr, xzr
    add     x30, x29, #256
    EACH_VECTOR stp
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     x19, x20, [sp], #96
    ret
    .popsection
"#
);
