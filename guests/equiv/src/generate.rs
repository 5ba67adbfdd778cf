//! Random A64 instructions that are safe anywhere: data processing, FP and SIMD, loads and stores relative to x28,
//! hints and barriers, and operations that may leave for the hypervisor (ID registers, MMIO relative to x27, TLBI,
//! PSCI). All exist on Armv8.0 with CRC32. Encodings: Arm ARM C4.1.
//!
//! Registers x0 to x26 and v0 to v31 are random; x27, x28 (bases), x29 (the program's), x30 and SP stay.

use crate::random::Random;

/// Base of the loads and stores, with 4 KiB behind it.
const SCRATCH: u32 = 28;
/// Base of the MMIO accesses: GICD.
const DEVICE: u32 = 27;

type Generator = fn(&mut Random, &mut Emit);

/// Generators, each as often as its weight.
const GENERATORS: &[(u32, Generator)] = &[
    (14, integer),
    (8, integer_multiply),
    (6, conditional),
    (8, load_store),
    (3, pairs),
    (12, fp_scalar),
    (12, simd),
    (2, fp_control),
    (2, branch),
    (2, hint),
    (2, exits),
];

/// Words of a sequence.
pub struct Emit<'a> {
    words: &'a mut [u32],
    used: usize,
}

impl Emit<'_> {
    fn word(&mut self, word: u32) {
        if let Some(slot) = self.words.get_mut(self.used) {
            *slot = word;
            self.used += 1;
        }
    }

    fn room(&self) -> usize {
        self.words.len() - self.used
    }
}

/// Fills `words` with a random sequence that ends with RET. Groups need at most eight words.
pub fn sequence(random: &mut Random, words: &mut [u32]) {
    const NOP: u32 = 0xd503_201f;
    words.fill(NOP);
    let Some((last, body)) = words.split_last_mut() else {
        return;
    };
    *last = crate::encoding::RET;
    let total = GENERATORS.iter().map(|(weight, _)| weight).sum();
    let mut emit = Emit { words: body, used: 0 };
    while emit.room() >= 8 {
        let mut choice = random.below(total);
        for (weight, generator) in GENERATORS {
            if choice < *weight {
                generator(random, &mut emit);
                break;
            }
            choice -= weight;
        }
    }
}

fn x(random: &mut Random) -> u32 {
    random.below(27)
}

/// Rd, Rn and Rm in their places.
fn dnm(random: &mut Random) -> u32 {
    x(random) | x(random) << 5 | x(random) << 16
}

fn v(random: &mut Random) -> u32 {
    random.below(32)
}

fn v_dnm(random: &mut Random) -> u32 {
    v(random) | v(random) << 5 | v(random) << 16
}

fn integer(random: &mut Random, emit: &mut Emit) {
    let sf = random.below(2);
    let (shift, amount) = (random.below(3), random.below(32 + 32 * sf));
    let dn = x(random) | x(random) << 5;
    let opc = random.below(4) << 29;
    let word = match random.below(9) {
        0 | 1 => 0x0b00_0000 | sf << 31 | opc | shift << 22 | amount << 10 | dnm(random), // ADD, SUB (shifted)
        2 => 0x0a00_0000 | sf << 31 | opc | shift << 22 | random.below(2) << 21 | amount << 10 | dnm(random),
        3 => 0x1100_0000 | sf << 31 | opc | random.below(2) << 22 | random.below(4096) << 10 | dn, // ADD, SUB (imm)
        4 => 0x9240_0000 | opc | random.below(64) << 16 | random.below(63) << 10 | dn,             // logical (imm)
        5 => {
            let move_wide = random.pick(&[0, 2, 3]) << 29; // MOVN, MOVZ, MOVK
            0x9280_0000 | move_wide | random.below(4) << 21 | random.below(0x1_0000) << 5 | x(random)
        }
        6 => 0x9340_0000 | random.below(3) << 29 | random.below(64) << 16 | random.below(64) << 10 | dn, // SBFM, …
        7 => 0x93c0_0000 | random.below(64) << 10 | dnm(random),                                         // EXTR
        _ => 0x1a00_0000 | sf << 31 | opc | dnm(random),                                                 // ADC, SBC
    };
    emit.word(word);
}

fn integer_multiply(random: &mut Random, emit: &mut Emit) {
    let sf = random.below(2) << 31;
    let word = match random.below(6) {
        0 => 0x1b00_0000 | sf | random.below(2) << 15 | x(random) << 10 | dnm(random), // MADD, MSUB
        1 => 0x9b20_0000 | random.below(2) << 23 | random.below(2) << 15 | x(random) << 10 | dnm(random), // SMADDL, …
        2 => 0x9b40_7c00 | random.below(2) << 23 | dnm(random),                        // SMULH, UMULH
        3 => 0x1ac0_0000 | sf | random.pick(&[2, 3, 8, 9, 10, 11]) << 10 | dnm(random), // UDIV, SDIV, LSLV, …
        4 => random.pick(&[0x1ac0_4000, 0x1ac0_4400, 0x1ac0_4800, 0x9ac0_4c00, 0x9ac0_5c00]) | dnm(random), // CRC32
        _ => {
            let one_source =
                random.pick(&[0xdac0_0000, 0xdac0_0400, 0xdac0_0800, 0xdac0_0c00, 0xdac0_1000, 0x5ac0_1400]);
            one_source | x(random) | x(random) << 5 // RBIT, REV16, REV32, REV, CLZ, CLS
        }
    };
    emit.word(word);
}

fn conditional(random: &mut Random, emit: &mut Emit) {
    let sf = random.below(2) << 31;
    let condition = random.below(16) << 12;
    let word = if random.below(2) == 0 {
        0x1a80_0000 | sf | random.below(2) << 30 | random.below(2) << 10 | condition | dnm(random) // CSEL, CSINC, …
    } else {
        let immediate = random.below(2) << 11;
        let operands = x(random) << 16 | x(random) << 5 | random.below(16);
        0x3a40_0000 | sf | random.below(2) << 30 | immediate | condition | operands // CCMN, CCMP
    };
    emit.word(word);
}

fn load_store(random: &mut Random, emit: &mut Emit) {
    let size = random.below(4);
    let base = SCRATCH << 5;
    let offset = random.below(4096 >> size) << 10;
    let word = match random.below(6) {
        0 => 0x3900_0000 | size << 30 | offset | base | x(random), // STR
        1 => 0x3940_0000 | size << 30 | offset | base | x(random), // LDR
        2 => 0x3980_0000 | (size % 3) << 30 | random.below(256) << 10 | base | x(random), // LDRSB, LDRSH, LDRSW
        3 => 0x3800_0000 | size << 30 | random.below(2) << 22 | random.below(256) << 12 | base | x(random), // STUR, …
        4 => 0x3d00_0000 | size << 30 | random.below(2) << 22 | offset | base | v(random), // LDR, STR B, H, S, D
        _ => 0x3d80_0000 | random.below(2) << 22 | random.below(256) << 10 | base | v(random), // LDR, STR Q
    };
    emit.word(word);
}

fn pairs(random: &mut Random, emit: &mut Emit) {
    let (first, offset) = (random.below(26), random.below(64) << 15);
    let pair = first | (first + 1) << 10 | SCRATCH << 5;
    let word = match random.below(4) {
        0 => 0xa900_0000 | random.below(2) << 22 | offset | pair, // STP, LDP X
        1 => 0xad00_0000 | random.below(2) << 22 | offset | pair, // STP, LDP Q
        2 => 0x6900_0000 | 1 << 22 | offset | pair,               // LDPSW
        _ => random.pick(&[0xc8df_fc00, 0xc89f_fc00]) | SCRATCH << 5 | x(random), // LDAR, STLR
    };
    emit.word(word);
}

fn fp_scalar(random: &mut Random, emit: &mut Emit) {
    let kind = random.below(2) << 22;
    let (vd, vn) = (v(random), v(random) << 5);
    let word = match random.below(8) {
        0 | 1 => 0x1e20_0800 | kind | random.below(9) << 12 | v_dnm(random), // FMUL, FDIV, FADD, FSUB, FMAX, …
        2 => 0x1e20_4000 | kind | random.pick(&[0, 1, 2, 3, 8, 9, 10, 11, 12, 14, 15]) << 15 | vn | vd, // FABS, …
        3 => random.pick(&[0x1e22_c000, 0x1e62_4000, 0x1e23_c000, 0x1e63_c000, 0x1ee2_4000]) | vn | vd, // FCVT
        4 => 0x1f00_0000 | kind | random.below(2) << 21 | random.below(2) << 15 | v(random) << 10 | v_dnm(random),
        5 => 0x1e20_2000 | kind | random.below(2) << 4 | v(random) << 16 | vn, // FCMP, FCMPE
        6 => 0x1e20_0c00 | kind | random.below(16) << 12 | v_dnm(random),      // FCSEL
        _ => fp_integer(random, kind),
    };
    emit.word(word);
}

fn fp_integer(random: &mut Random, kind: u32) -> u32 {
    let sf = random.below(2) << 31;
    match random.below(4) {
        0 => 0x1e20_0000 | sf | kind | random.below(4) << 19 | random.below(2) << 16 | v(random) << 5 | x(random), // FCVT*
        1 => 0x1e22_0000 | sf | kind | random.below(2) << 16 | x(random) << 5 | v(random), // SCVTF, UCVTF
        2 => 0x9e66_0000 | v(random) << 5 | x(random),                                     // FMOV Xd, Dn
        _ => 0x9e67_0000 | x(random) << 5 | v(random),                                     // FMOV Dd, Xn
    }
}

fn simd(random: &mut Random, emit: &mut Emit) {
    const Q: u32 = 1 << 30;
    let q = random.below(2) << 30;
    let (size, any) = (random.below(3) << 22, random.below(4) << 22);
    let u = random.below(2) << 29;
    let word = match random.below(12) {
        0 => 0x0e20_0400 | Q | u | any | random.pick(&[0x01, 0x05, 0x06, 0x07, 0x08, 0x10, 0x11]) << 11 | v_dnm(random),
        1 => {
            0x0e20_0400 | q | u | size | random.pick(&[0x00, 0x02, 0x04, 0x0c, 0x0d, 0x0e, 0x0f]) << 11 | v_dnm(random)
        }
        2 => 0x0e20_9c00 | q | size | v_dnm(random),              // MUL
        3 => 0x0e20_1c00 | q | u | any | v_dnm(random),           // AND, BIC, ORR, ORN, EOR, BSL, BIT, BIF
        4 => 0x4e20_d400 | random.below(4) << 22 | v_dnm(random), // FADD, FSUB
        5 => 0x6e20_dc00 | random.below(2) << 22 | v_dnm(random), // FMUL
        6 => 0x4e20_cc00 | random.below(4) << 22 | v_dnm(random), // FMLA, FMLS
        7 => random.pick(&[0x0e20_0000, 0x0e20_8000, 0x0e20_c000]) | q | u | size | v_dnm(random), // SADDL, SMLAL, …
        8 => 0x0e00_0800 | Q | any | random.pick(&[1, 2, 3, 5, 6, 7]) << 12 | v_dnm(random), // UZP, TRN, ZIP
        9 => random.pick(&[0x6e00_0000, 0x4e00_0000, 0x4e00_2000]) | v_dnm(random), // EXT, TBL of one and two
        10 => {
            random.pick(&[0x4e20_5800, 0x6e20_5800, 0x4e20_0800, 0x4ee0_b800, 0x6ee0_b800]) | v(random) << 5 | v(random)
        }
        _ => simd_move(random),
    };
    emit.word(word);
}

fn simd_move(random: &mut Random) -> u32 {
    match random.below(4) {
        0 => 0x4e00_0c00 | random.pick(&[1, 2, 4, 8]) << 16 | x(random) << 5 | v(random), // DUP from Xn
        1 => 0x4f00_5400 | (8 + random.below(56)) << 16 | v(random) << 5 | v(random),     // SHL
        2 => 0x4f00_e400 | random.below(8) << 16 | random.below(32) << 5 | v(random),     // MOVI bytes
        _ => 0x4e08_3c00 | random.below(2) << 20 | v(random) << 5 | x(random),            // UMOV Xd, Vn.D[i]
    }
}

/// MSR and MRS of NZCV, FPCR and FPSR.
fn fp_control(random: &mut Random, emit: &mut Emit) {
    let register = random.pick(&[0xd51b_4200, 0xd53b_4200, 0xd51b_4400, 0xd53b_4400, 0xd51b_4420, 0xd53b_4420]);
    emit.word(register | x(random));
}

/// A forward branch over one instruction that is alone and changes no control flow.
fn branch(random: &mut Random, emit: &mut Emit) {
    let word = match random.below(3) {
        0 => 0x5400_0040 | random.below(14), // B.cond
        1 => 0x3400_0040 | random.below(2) << 31 | random.below(2) << 24 | x(random), // CBZ, CBNZ
        _ => 0x3600_0040 | random.below(2) << 24 | random.below(32) << 19 | x(random), // TBZ, TBNZ
    };
    emit.word(word);
    integer(random, emit);
}

/// NOP, YIELD, SEV, SEVL, DGH, CSDB, BTI; barriers; SEVL and WFE.
fn hint(random: &mut Random, emit: &mut Emit) {
    match random.below(3) {
        0 => emit.word(0xd503_201f | random.pick(&[0, 1, 4, 5, 6, 20, 32, 34, 36, 38]) << 5),
        1 => emit.word(random.pick(&[0xd503_3f9f, 0xd503_3bbf, 0xd503_3fdf])), // DSB SY, DMB ISH, ISB
        _ => {
            emit.word(0xd503_20bf);
            emit.word(0xd503_205f);
        }
    }
}

/// What a hypervisor may have to see; the result goes to XZR where it may differ.
fn exits(random: &mut Random, emit: &mut Emit) {
    match random.below(7) {
        0 => emit.word(0xd538_041f),                              // MRS XZR, ID_AA64PFR0_EL1
        1 => emit.word(0xd53b_e05f),                              // MRS XZR, CNTVCT_EL0
        2 => emit.word(0xb940_0000 | 1 << 10 | DEVICE << 5 | 31), // LDR WZR, GICD_TYPER
        3 => emit.word(0xb901_041f | DEVICE << 5),                // STR WZR, GICD_ISENABLER1
        4 => emit.word(0xd50b_7e20 | SCRATCH),                    // DC CIVAC
        5 => [0xd508_871f, 0xd503_3b9f, 0xd503_3fdf].into_iter().for_each(|word| emit.word(word)), // TLBI VMALLE1
        _ => psci_version(emit),
    }
}

/// PSCI_VERSION by HVC; x1 to x3 may change (SMCCC), so they get known values.
fn psci_version(emit: &mut Emit) {
    for word in [0x52b0_8000, 0xd400_0002, 0xd280_0001, 0xd280_0002, 0xd280_0003] {
        emit.word(word);
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
