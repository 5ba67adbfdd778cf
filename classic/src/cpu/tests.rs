use super::*;
use crate::reg;

/// The registers of a vCPU in plain memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Regs {
    x: [u64; 31],
    pc: u64,
    pstate: u64,
    sp: u64,
}

impl Frame for Regs {
    fn x(&self, n: u8) -> u64 {
        self.x.get(usize::from(n)).copied().unwrap_or(0)
    }
    fn set_x(&mut self, n: u8, value: u64) {
        if let Some(place) = self.x.get_mut(usize::from(n)) {
            *place = value;
        }
    }
    fn pc(&self) -> u64 {
        self.pc
    }
    fn set_pc(&mut self, value: u64) {
        self.pc = value;
    }
    fn pstate(&self) -> u64 {
        self.pstate
    }
    fn set_pstate(&mut self, value: u64) {
        self.pstate = value;
    }
    fn sp(&self) -> u64 {
        self.sp
    }
    fn set_sp(&mut self, value: u64) {
        self.sp = value;
    }
}

const PC: u64 = 0x1000;
const VBAR: u64 = 0x8000;
const ERET: u32 = 0xd69f_03e0;

fn mrs(register: u32, rt: u32) -> u32 {
    0xd520_0000 | register << 5 | rt
}

fn msr(register: u32, rt: u32) -> u32 {
    0xd500_0000 | register << 5 | rt
}

fn features() -> Features {
    Features { ssbs: true, dit: true, tlbi: crate::tlbi::Features { outer: true, range: true, xs: true } }
}

/// At EL1h with vectors at [`VBAR`], about to execute at [`PC`].
fn kernel() -> (Cpu, Regs) {
    let mut cpu = Cpu::new(Identity::new(0x410f_d083, 0x8000_0001), features());
    cpu.put(Slot::VBAR_EL1, VBAR);
    cpu.put(Slot::SP_EL0, 0x5e10);
    cpu.take_changed();
    (cpu, Regs { pc: PC, pstate: Cpu::RESET_PSTATE, sp: 0x5e11, ..Regs::default() })
}

/// At EL0, by ERET from [`kernel`].
fn user() -> (Cpu, Regs) {
    let (mut cpu, mut regs) = kernel();
    cpu.put(Slot::ELR_EL1, PC);
    cpu.execute(ERET, &mut regs);
    cpu.take_changed();
    (cpu, regs)
}

#[test]
fn mrs_of_a_kept_register_gives_what_was_written() {
    let (mut cpu, mut regs) = kernel();
    regs.x[3] = 0x1234_5678_9abc_def0;

    assert_eq!(cpu.execute(msr(reg::TPIDR_EL1, 3), &mut regs), Effect::Next);
    assert_eq!(cpu.execute(mrs(reg::TPIDR_EL1, 4), &mut regs), Effect::Next);

    assert_eq!(regs.x[4], 0x1234_5678_9abc_def0);
    assert_eq!(regs.pc, PC + 8);
}

#[test]
fn sp_el0_is_the_banked_one_in_el1h() {
    let (mut cpu, mut regs) = kernel();

    cpu.execute(mrs(reg::SP_EL0, 0), &mut regs);

    assert_eq!((regs.x[0], regs.sp), (0x5e10, 0x5e11));
}

#[test]
fn eret_to_el0_switches_the_stack_pointer_and_the_view() {
    let (mut cpu, mut regs) = kernel();
    cpu.put(Slot::ELR_EL1, 0x4_0000);
    cpu.put(Slot::SPSR_EL1, 0x6000_0000);

    assert_eq!(cpu.execute(ERET, &mut regs), Effect::Jump);

    assert_eq!((regs.pc, regs.pstate, regs.sp), (0x4_0000, 0x6000_0000, 0x5e10));
    assert!(!cpu.privileged());
    assert!(cpu.take_changed().any(Changed::LEVEL));
}

#[test]
fn svc_of_a_user_enters_the_vector_of_the_lower_level() {
    const SVC: u64 = 0x15 << 26 | 1 << 25;
    let (mut cpu, mut regs) = user();
    regs.pstate = 0x8000_0000;

    assert_eq!(cpu.trap(SVC, 0, &mut regs), Trap::Done(Effect::Jump));

    assert_eq!((regs.pc, regs.pstate, regs.sp), (VBAR + 0x400, 0x8000_03c0, 0x5e11));
    assert_eq!((cpu.get(Slot::ESR_EL1), cpu.get(Slot::SPSR_EL1)), (SVC, 0x8000_0000));
    assert_eq!(cpu.get(Slot::ELR_EL1), PC);
}
