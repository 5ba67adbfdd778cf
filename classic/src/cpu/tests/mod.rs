use super::*;
use crate::{reg, sysreg};

mod entry;
mod instructions;
mod registers;
mod returns;
mod state;
mod user;

const PC: u64 = 0x1000;
const VBAR: u64 = 0x8000;
const SP_EL0: u64 = 0x5e10;
const SP_EL1: u64 = 0x5e11;
const ERET: u32 = 0xd69f_03e0;

fn mrs(register: SysReg, rt: u32) -> u32 {
    0xd520_0000 | register << 5 | rt
}

fn msr(register: SysReg, rt: u32) -> u32 {
    0xd500_0000 | register << 5 | rt
}

fn features() -> Features {
    Features { ssbs: true, dit: true, tlbi: crate::tlbi::Features { outer: true, range: true, xs: true } }
}

/// At EL1h with vectors at [`VBAR`], about to execute at [`PC`].
fn kernel() -> (Cpu, Plain) {
    let mut cpu = Cpu::new(Identity::new(0x410f_d083, 0x8000_0001), features());
    cpu.put(Slot::VBAR_EL1, VBAR);
    cpu.put(Slot::SP_EL0, SP_EL0);
    cpu.take_changed();
    (cpu, Plain { pc: PC, pstate: Cpu::RESET_PSTATE, sp: SP_EL1, ..Plain::default() })
}

/// At EL1t.
fn kernel_with_sp_el0() -> (Cpu, Plain) {
    let (mut cpu, mut frame) = kernel();
    cpu.set_mode(mode::EL1T, &mut frame);
    (cpu, frame)
}

/// At EL0, nothing masked.
fn user() -> (Cpu, Plain) {
    let (mut cpu, mut frame) = kernel();
    cpu.set_mode(mode::EL0T, &mut frame);
    frame.pstate = 0;
    cpu.take_changed();
    (cpu, frame)
}

/// Reads a register at EL1 by MRS X0.
fn read(cpu: &mut Cpu, frame: &mut Plain, register: SysReg) -> u64 {
    assert_eq!(cpu.execute(mrs(register, 0), frame), Effect::Next);
    frame.x[0]
}

/// Writes a register at EL1 by MSR X0.
fn write(cpu: &mut Cpu, frame: &mut Plain, register: SysReg, value: u64) {
    frame.x[0] = value;
    assert_eq!(cpu.execute(msr(register, 0), frame), Effect::Next);
}

/// Whether the guest took an undefined instruction at [`PC`].
fn took_undefined(cpu: &Cpu, frame: &Plain, vector: u64) -> bool {
    cpu.get(Slot::ESR_EL1) == 1 << 25 && cpu.get(Slot::ELR_EL1) == PC && frame.pc == VBAR + vector
}
