//! Every system register encoding with op0 = 2 or 3: its value, and the bits that can be written.
//!
//! Runs with translation off and interrupts and debug exceptions masked. The write test saves the register, writes
//! ones, reads, writes zeros, reads and restores, in registers only, so that even SCTLR_EL1, TCR_EL1 or VBAR_EL1 can
//! take any value in between. Undefined encodings are left out of the dump, except in the ID space (op0 = 3, op1 = 0,
//! CRn = 0), where the architecture asks for RAZ.

use equiv_guest::encoding::{ISB, RET, SysReg};
use equiv_guest::names;
use guest_base::{entry, write_sysreg};

use crate::report::Report;
use guest_base::code;
use guest_base::guard;

/// FP, SVE and SME are not trapped while registers are read (CPACR_EL1.{FPEN, ZEN, SMEN}).
const CPACR_OPEN: u64 = 0b11 << 20 | 0b11 << 16 | 0b11 << 24;

/// Dumps all of them.
pub fn run(report: &mut Report) {
    write_sysreg!("cpacr_el1", CPACR_OPEN);
    for op0 in [2, 3] {
        for op1 in 0..8 {
            for crn in 0..16 {
                for crm in 0..16 {
                    row(report, op0, op1, crn, crm);
                }
            }
        }
    }
    write_sysreg!("cpacr_el1", entry::state().cpacr);
}

/// The eight registers that differ in op2: stubs of two instructions each for MRS, then for MSR.
fn row(report: &mut Report, op0: u32, op1: u32, crn: u32, crm: u32) {
    let register = |op2| SysReg::new(op0, op1, crn, crm, op2);
    let mut words = [RET; 32];
    for (op2, stubs) in (0..).zip(words.chunks_exact_mut(4)) {
        if let [read, _, write, _] = stubs {
            *read = register(op2).mrs(0);
            *write = register(op2).msr(0);
        }
    }
    let stubs = code::install(&words);
    let mut readable = [false; 8];
    for (op2, readable) in (0..).zip(&mut readable) {
        let stub = stubs + u64::from(op2) * 16;
        *readable = read(report, register(op2), stub);
        if !*readable && !names::is_dangerous(register(op2)) {
            write_only(report, register(op2), stub + 8);
        }
    }
    for (op2, readable) in (0..).zip(readable) {
        if readable && !names::is_dangerous(register(op2)) {
            writable_bits(report, register(op2));
        }
    }
}

/// Reports the value; false if the register cannot be read.
fn read(report: &mut Report, register: SysReg, stub: u64) -> bool {
    let id_space = (register.op0, register.op1, register.crn) == (3, 0, 0);
    match guard::call(stub, [0; 4]) {
        Ok(_) if names::is_volatile(register) => report.line(format_args!("reg.{register}=volatile")),
        Ok([value, _]) => report.line(format_args!("reg.{register}={value:#018x}")),
        Err(taken) => {
            if !taken.is_undefined() || id_space {
                report.line(format_args!("reg.{register}=UNDEF esr={:#010x}", taken.esr));
            }
            return false;
        }
    }
    true
}

/// A register that cannot be read may be there to be written: zero has no effect on any of them.
fn write_only(report: &mut Report, register: SysReg, stub: u64) {
    match guard::call(stub, [0; 4]) {
        Ok(_) => report.line(format_args!("wreg.{register}=ok")),
        Err(taken) if taken.is_undefined() => (),
        Err(taken) => report.line(format_args!("wreg.{register}=UNDEF esr={:#010x}", taken.esr)),
    }
}

/// Reports what reads back after all ones and after all zeros.
fn writable_bits(report: &mut Report, register: SysReg) {
    const MOV_X0_X2: u32 = 0xaa02_03e0;
    const MOV_X1_X3: u32 = 0xaa03_03e1;
    let (read, write) = (|t| register.mrs(t), |t| register.msr(t));
    let stub = code::install(&[
        read(9),
        write(0),
        ISB,
        read(2),
        write(1),
        ISB,
        read(3),
        write(9),
        ISB,
        MOV_X0_X2,
        MOV_X1_X3,
        RET,
    ]);
    let keep = names::keep(register);
    match guard::call(stub, [!keep, 0, 0, 0]) {
        Ok([ones, zeros]) => report.line(format_args!("reg.{register}.rw={ones:#x}/{zeros:#x}")),
        Err(taken) if taken.is_undefined() => report.line(format_args!("reg.{register}.rw=read-only")),
        Err(taken) => report.line(format_args!("reg.{register}.rw=UNDEF esr={:#010x}", taken.esr)),
    }
}
