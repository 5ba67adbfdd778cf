//! Entries from lower exception levels: one short dispatch each.

use crate::arch::sysreg::*;
use crate::core_local::{Core, Mode, here};
use crate::frame::FrameRef;
use crate::object::{Entity, Obj, RunState, Vcpu, Which};
use crate::{caps, domain, irq, notify, sched, switch, syscall};
use abi::cap::rights;
use abi::syscall::{Status, stop};
use abi::vcpu::reason;

/// Exception classes (Arm ARM D24.2.40, ESR_EL2.EC).
#[allow(missing_docs, reason = "the Arm ARM's names")]
pub mod ec {
    pub const WFX: u64 = 0x01;
    pub const FP: u64 = 0x07;
    pub const HVC32: u64 = 0x12;
    pub const SVC64: u64 = 0x15;
    pub const HVC64: u64 = 0x16;
    pub const SYSREG: u64 = 0x18;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const DATA_ABORT: u64 = 0x24;
}

/// SPSR_EL2: from AArch32; its IT bits.
const SPSR_AARCH32: u64 = 1 << 4;
const SPSR_IT: u64 = 0x0600_fc00;

/// Immediates of the HVCs that the kernel answers itself: ring the doorbell x0; give the rest of the time slice away.
const DOORBELL: u64 = 1;
const YIELD: u64 = 2;

/// A synchronous exception from EL0 or EL1.
pub extern "C" fn lower_sync() {
    let core = here();
    #[cfg(feature = "measure")]
    masked_begin(core);
    match core.mode.get() {
        Mode::Guest => guest_sync(core),
        _ => domain_sync(core),
    }
    if core.resched.get() {
        sched::reschedule(core);
    }
    #[cfg(feature = "measure")]
    masked_end(core);
}

/// An interrupt from EL0 or EL1.
pub extern "C" fn lower_irq() {
    let core = here();
    #[cfg(feature = "measure")]
    masked_begin(core);
    irq::take(core);
    if core.resched.get() {
        sched::reschedule(core);
    }
    #[cfg(feature = "measure")]
    masked_end(core);
}

/// An SError from EL0 or EL1 ends the domain that ran, or is told to the guest's VMM.
pub extern "C" fn lower_serror() {
    let core = here();
    #[cfg(feature = "measure")]
    masked_begin(core);
    match (core.mode.get(), core.current.get().map(Entity::which)) {
        (Mode::Guest, Some(Which::Vcpu(v))) => {
            v.shared().set_esr(esr_el2::read());
            v.deferred.set(reason::SERROR as u8 + 1);
            core.resched.set(true);
        }
        _ => domain::stop_current(core, stop::SERROR),
    }
    sched::reschedule(core);
    #[cfg(feature = "measure")]
    masked_end(core);
}

#[inline(always)]
fn guest_sync(core: &'static Core) {
    // A guest that runs is loaded.
    let Some(v) = core.loaded.get() else { return };
    let esr = esr_el2::read();
    match esr >> 26 {
        ec::HVC64 | ec::HVC32 if esr & 0xffff == DOORBELL => doorbell(v),
        ec::HVC64 | ec::HVC32 if esr & 0xffff == YIELD => sched::rotate(core),
        ec::FP => switch::take_fp(core, v),
        ec::WFX => wait_for_interrupt(core, v, esr),
        class => {
            let page = v.shared();
            page.set_esr(esr);
            if class == ec::DATA_ABORT || class == ec::INSTRUCTION_ABORT {
                match faulting_ipa(esr) {
                    Some(ipa) => page.set_ipa(ipa),
                    None => return, // the translation changed meanwhile: the guest tries again
                }
                page.set_far(far_el2::read());
            }
            switch::exit(core, v, reason::SYNC);
        }
    }
}

/// IPA of a stage 2 abort. HPFAR_EL2 is not valid for permission faults that are not on a walk (Arm ARM D24.2.62): then
/// the address is translated anew.
#[inline(always)]
fn faulting_ipa(esr: u64) -> Option<u64> {
    const S1PTW: u64 = 1 << 7;
    const PERMISSION: u64 = 0b0011 << 2;
    let far = far_el2::read();
    if esr & 0x3c == PERMISSION && esr & S1PTW == 0 {
        let old = par_el1::read();
        crate::arch::at_s1e1r(far);
        let par = par_el1::read();
        par_el1::write(old);
        return (par & 1 == 0).then_some((par & 0x000f_ffff_ffff_f000) | (far & 0xfff));
    }
    Some(((hpfar_el2::read() & 0xfff_ffff_fff0) << 8) | (far & 0xfff))
}

/// HVC #1: signals the notification that the VMM has put behind a number.
#[inline(always)]
fn doorbell(v: Obj<Vcpu>) {
    let frame = v.shared().frame();
    let (first, count) = v.doorbells.get();
    let index = frame.x(0);
    let rung = if index < count { ring(v, first + index) } else { Err(Status::BadCap) };
    frame.set_x(0, rung.err().unwrap_or(Status::Ok) as u64);
}

#[inline(always)]
fn ring(v: Obj<Vcpu>, slot: u64) -> Result<(), Status> {
    let domain = v.common.domain.get().ok_or(Status::BadState)?;
    let (n, badge) = caps::get_badged(domain, slot, rights::WRITE)?;
    notify::signal(n, syscall::signal_bits(badge, 1));
    Ok(())
}

/// WFI while others want the core. (WFE is not trapped.) A conditional one of AArch32 is the VMM's: an implementation may
/// trap it although its condition fails, and IT has to be advanced. So is a classic guest's: the VMM knows what is pending.
fn wait_for_interrupt(core: &'static Core, v: Obj<Vcpu>, esr: u64) {
    // ESR_EL2.CV and COND: valid, and not "always".
    let (spsr, conditional) = (spsr_el2::read(), matches!((esr >> 20) & 0x1f, 0x10..=0x1d));
    if v.classic.get() || spsr & SPSR_AARCH32 != 0 && (spsr & SPSR_IT != 0 || conditional) {
        v.shared().set_esr(esr);
        return switch::exit(core, v, reason::SYNC);
    }
    // ESR_EL2.IL: 0 is a 16-bit T32 instruction.
    let length = if esr & (1 << 25) != 0 { 4 } else { 2 };
    elr_el2::write(elr_el2::read().wrapping_add(length));
    if switch::interrupt_pending() || switch::has_news(v) {
        return;
    }
    sched::block(core, Entity(Obj::at(v.addr())), RunState::Wfi);
}

#[inline(always)]
fn domain_sync(core: &'static Core) {
    let esr = esr_el2::read();
    match esr >> 26 {
        ec::SVC64 => syscall::dispatch(core),
        ec::SYSREG if emulate_read(core, esr) => {}
        _ => domain::stop_current(core, stop::FAULT),
    }
}

/// ISS of an MRS of CNTFRQ_EL0 into x0 (Arm ARM D24.2.40); CNTPCT_EL0 and CNTVCT_EL0 have the next values of Op2.
const MRS_CNTFRQ: u64 = 3 << 20 | 3 << 14 | 14 << 10 | 1;

/// MRS by a domain of a counter or its frequency, which trap when the guest's CNTKCTL_EL1 says so.
fn emulate_read(core: &Core, esr: u64) -> bool {
    let (op2, rt) = ((esr >> 17) & 7, (esr >> 5) & 31);
    let value = match op2 {
        _ if esr & 0x1ff_ffff & !(7 << 17 | 31 << 5) != MRS_CNTFRQ => return false,
        0 => cntfrq_el0::read(),
        1 => cntpct_el0::read(),
        2 => cntpct_el0::read().wrapping_sub(cntvoff_el2::read()),
        _ => return false,
    };
    if rt != 31 {
        FrameRef(core.frame.get()).set_x(rt as usize, value);
    }
    elr_el2::write(elr_el2::read().wrapping_add(4));
    true
}

/// An exception was taken: interrupts are masked from here.
#[cfg(feature = "measure")]
pub fn masked_begin(core: &Core) {
    core.masked_since.set(Core::now());
}

/// Interrupts are unmasked by the return, or by waiting.
#[cfg(feature = "measure")]
pub fn masked_end(core: &Core) {
    let took = Core::now().wrapping_sub(core.masked_since.get());
    crate::stats::of(abi::syscall::counter::MASKED_MAX).fetch_max(took, core::sync::atomic::Ordering::Relaxed);
}
