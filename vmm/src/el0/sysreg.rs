//! Trapped system registers and instructions.

use super::vcpu::Cpu;
use super::{classic, host, irq, slow};
use devices::vgic::SgiRegister;
use rt::sys;
use vmm::inject::Exception;
use vmm::machine::PTIMER_INTID;
use vmm::ptimer::Register;
use vmm::syndrome::{Sysreg, encode};

/// ICC_SGI1R_EL1.
pub const ICC_SGI1R_EL1: u32 = encode(3, 0, 12, 11, 5);
const ICC_ASGI1R_EL1: u32 = encode(3, 0, 12, 11, 6);
const ICC_SGI0R_EL1: u32 = encode(3, 0, 12, 11, 7);
const CNTP_TVAL_EL0: u32 = encode(3, 3, 14, 2, 0);
const CNTP_CTL_EL0: u32 = encode(3, 3, 14, 2, 1);
const CNTP_CVAL_EL0: u32 = encode(3, 3, 14, 2, 2);
/// First and last of the ID space: op0=3, op1=0, CRn=0, CRm=1..=7.
const ID_FIRST: u32 = encode(3, 0, 0, 1, 0);
const ID_LAST: u32 = encode(3, 0, 0, 7, 7);
const ACTLR_EL1: u32 = encode(3, 0, 1, 0, 1);
/// First and last of the debug space, op0=2 with op1=0 (self-hosted debug) and op1=3 (DCC).
const DEBUG_FIRST: u32 = encode(2, 0, 0, 0, 0);
const DEBUG_LAST: u32 = encode(2, 3, 15, 15, 7);
const OSLSR_EL1: u32 = encode(2, 0, 1, 1, 4);
const OSLAR_EL1: u32 = encode(2, 0, 1, 0, 4);
const MDRAR_EL1: u32 = encode(2, 0, 1, 0, 0);
const MDCCSR_EL0: u32 = encode(2, 3, 0, 1, 0);
/// Index of ID_AA64DFR0_EL1 in the VM's ID registers: CRm << 3 | op2.
const ID_AA64DFR0: usize = 5 << 3;
/// The debug registers that are there beside breakpoints and watchpoints; all else with op0=2 is undefined, as trace
/// and the external debugger's registers are hidden.
const DEBUG_REGISTERS_RAZ: [u32; 11] = [
    encode(2, 0, 0, 0, 2), // OSDTRRX_EL1
    encode(2, 0, 0, 2, 0), // MDCCINT_EL1
    encode(2, 0, 0, 2, 2), // MDSCR_EL1
    encode(2, 0, 0, 3, 2), // OSDTRTX_EL1
    encode(2, 0, 0, 6, 2), // OSECCR_EL1
    MDRAR_EL1,
    encode(2, 0, 1, 3, 4), // OSDLR_EL1
    encode(2, 0, 7, 8, 6), // DBGCLAIMSET_EL1
    encode(2, 0, 7, 9, 6), // DBGCLAIMCLR_EL1
    MDCCSR_EL0,
    encode(2, 3, 0, 5, 0), // DBGDTRRX_EL0, DBGDTRTX_EL0
];
const DEBUG_READ_ONLY: [u32; 2] = [MDRAR_EL1, MDCCSR_EL0];
/// OSLM: the OS lock is implemented; unlocked.
const OSLSR_UNLOCKED: u64 = 8;
const DC_ISW: u32 = encode(1, 0, 7, 6, 2);
const DC_CSW: u32 = encode(1, 0, 7, 10, 2);
const DC_CISW: u32 = encode(1, 0, 7, 14, 2);

/// MSR, MRS or a system instruction of the guest.
#[inline]
pub fn trapped(cpu: Cpu, esr: u64) {
    let trap = Sysreg(esr);
    let done = if trap.read() {
        let value = read(cpu, trap.name());
        if let Some(value) = value {
            cpu.page().set_x(trap.register(), value);
        }
        value.is_some()
    } else {
        write(cpu, trap.name(), cpu.page().x(trap.register()))
    };
    if done {
        cpu.page().skip();
    } else {
        slow::inject(cpu, Exception::Undefined);
    }
}

/// Value of a register, if there is such one to read.
#[inline]
pub fn read(cpu: Cpu, name: u32) -> Option<u64> {
    match name {
        ID_FIRST..=ID_LAST => cpu.vm().id.get((name - ID_FIRST) as usize + 8).copied(),
        CNTP_CTL_EL0 => Some(timer_read(cpu, Register::Ctl)),
        CNTP_CVAL_EL0 => Some(timer_read(cpu, Register::Cval)),
        CNTP_TVAL_EL0 => Some(timer_read(cpu, Register::Tval)),
        ACTLR_EL1 => Some(0),
        OSLSR_EL1 => Some(OSLSR_UNLOCKED),
        DEBUG_FIRST..=DEBUG_LAST => debug_read(cpu, name),
        _ => None,
    }
}

/// Whether there is such a register to write.
#[inline]
pub fn write(cpu: Cpu, name: u32, value: u64) -> bool {
    match name {
        ICC_ASGI1R_EL1 => irq::sgi(cpu, SgiRegister::Asgi1r, value),
        ICC_SGI0R_EL1 => irq::sgi(cpu, SgiRegister::Sgi0r, value),
        CNTP_CTL_EL0 => timer_write(cpu, Register::Ctl, value),
        CNTP_CVAL_EL0 => timer_write(cpu, Register::Cval, value),
        CNTP_TVAL_EL0 => timer_write(cpu, Register::Tval, value),
        // By set and way a guest can only mean its own boot or power-down: the caches are coherent for it, and it
        // cleans by address what others must see.
        DC_ISW | DC_CSW | DC_CISW | ACTLR_EL1 => {}
        DEBUG_FIRST..=DEBUG_LAST => return debug_write(cpu, name, value),
        _ => return false,
    }
    true
}

/// Index in [`super::vm::Vcpu::debug`] of DBGBVR, DBGBCR, DBGWVR or DBGWCR<n>_EL1: op1=0, CRn=0, CRm=n, op2=4..=7.
fn debug_index(name: u32) -> Option<usize> {
    let within = name.checked_sub(DEBUG_FIRST).filter(|within| *within < 1 << 7)?;
    (within & 4 != 0).then_some((within >> 3 << 2 | within & 3) as usize)
}

/// Debug registers: breakpoints and watchpoints hold what is written, all others read as zero. No debug exception
/// comes: MDSCR_EL1.MDE stays 0.
fn debug_read(cpu: Cpu, name: u32) -> Option<u64> {
    let id = cpu.vm().id.get(ID_AA64DFR0).copied().unwrap_or_default();
    match debug_index(name) {
        Some(index) => debug_exists(index, id).then(|| cpu.own.debug.lock().get(index).copied()).flatten(),
        None => DEBUG_REGISTERS_RAZ.contains(&name).then_some(0),
    }
}

/// Whether there are that many breakpoints or watchpoints, by ID_AA64DFR0_EL1.{BRPs, WRPs}.
fn debug_exists(index: usize, id: u64) -> bool {
    let last = if index & 2 == 0 { id >> 12 & 0xf } else { id >> 20 & 0xf };
    index >> 2 <= last as usize
}

fn debug_write(cpu: Cpu, name: u32, value: u64) -> bool {
    let id = cpu.vm().id.get(ID_AA64DFR0).copied().unwrap_or_default();
    let Some(index) = debug_index(name) else {
        return DEBUG_REGISTERS_RAZ.contains(&name) && !DEBUG_READ_ONLY.contains(&name) || name == OSLAR_EL1;
    };
    if let Some(place) = cpu.own.debug.lock().get_mut(index).filter(|_| debug_exists(index, id)) {
        // DBGWVR<n>_EL1 addresses words.
        *place = if index & 3 == 2 { value & !3 } else { value };
    }
    debug_exists(index, id)
}

fn timer_read(cpu: Cpu, register: Register) -> u64 {
    cpu.own.ptimer.lock().read(register, host::counter())
}

fn timer_write(cpu: Cpu, register: Register, value: u64) {
    cpu.own.ptimer.lock().write(register, value, host::counter());
    update_timer(cpu);
}

/// Sets the physical timer's line, and the kernel timer for its next change.
pub fn update_timer(cpu: Cpu) {
    let now = host::counter();
    if let Some(engine) = classic::engine() {
        return classic::update_timer(engine, cpu, now);
    }
    let timer = *cpu.own.ptimer.lock();
    // The handler's own vCPU: this does not fail.
    let _ = sys::vcpu_timer(cpu.slot(), timer.deadline(now).min(super::mmio::alarm(cpu)));
    irq::set_ppi(cpu, PTIMER_INTID, timer.level(now));
}
