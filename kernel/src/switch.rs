//! Changes of context on a core: thread, guest, handler.
//!
//! Three groups of registers: what differs between a guest and its own VMM's handler (HCR, VTTBR, SCTLR_EL1, SP_EL0,
//! ICH_HCR) changes at each exit and resume; what differs between domains (CNTVOFF, CPTR) at each change of entity; the
//! rest of a vCPU (EL1 registers, list registers, timer) stays loaded until another vCPU needs the core.

use crate::arch::el1::{self, FPEXC_EN};
use crate::arch::sysreg::*;
use crate::arch::{fp, isb, tlbi_local_vmid};
use crate::config::{self, CPTR_BASE, CPTR_TFP, HCR_DOMAIN, HCR_VI, SCTLR_CLASSIC, SCTLR_DOMAIN};
use crate::core_local::{Core, Mode};
use crate::frame::{FrameRef, PageRef};
use crate::ipc::frame as thread_frame;
use crate::object::{Entity, Obj, Thread, Vcpu, Which};
use crate::{gic, notify};
use abi::vcpu::{BELL_LR, MAX_LRS, reason, sys};
use core::sync::atomic::Ordering;
use kcore::spsr::{
    CLASSIC_GATES, CLASSIC_SPSR, domain_spsr, guest_dirty, guest_ich_hcr, guest_lr, guest_spsr, guest_spsr32,
};

const ICH_HCR_EN: u64 = 1;
/// EL0PCTEN, EL0VCTEN: EL0 reads the counters, and nothing else of the timers.
const CNTKCTL_COUNTERS: u64 = 3;
/// SPSR_EL2.M: not EL0.
const SPSR_EL1: u64 = 0xc;
/// Offset of the vector of IRQs from a lower level.
const VECTOR_IRQ: u64 = 0x480;
/// ICH_LR<n>_EL2 (IHI 0069H 12.4.6).
pub const LR_PENDING: u64 = 1 << 62;
/// See [`LR_PENDING`].
pub const LR_HW: u64 = 1 << 61;

impl Vcpu {
    /// The page shared with the VMM.
    pub fn shared(&self) -> PageRef {
        PageRef(self.page.get())
    }
}

fn handler_frame(v: Obj<Vcpu>) -> FrameRef {
    FrameRef(v.handler.as_ptr() as u64)
}

/// Number of list registers.
pub fn lr_count() -> usize {
    (ich_vtr_el2::read() & 0x1f) as usize + 1
}

/// Saves what the registers hold of the current context, so that another can be entered.
#[inline]
pub fn leave(core: &Core) {
    if core.mode.get() == Mode::Guest {
        let Some(v) = core.loaded.get() else { return };
        settle(v);
        return leave_guest(v);
    }
    match core.current.get().map(Entity::which) {
        None => {}
        Some(Which::Thread(t)) => save_el0(thread_frame(t)),
        Some(Which::Vcpu(v)) => {
            if core.fresh.replace(0) == 0 {
                save_el0(handler_frame(v));
            } else {
                // Not entered yet: the frame holds the argument; the rest is what enter_handler would clear.
                let frame = handler_frame(v);
                (1..31).for_each(|n| frame.set_x(n, 0));
                save_el0(frame);
            }
        }
    }
}

fn save_el0(frame: FrameRef) {
    frame.set_return(elr_el2::read(), spsr_el2::read());
    frame.set_sp(sp_el0::read());
}

#[inline(always)]
fn leave_guest(v: Obj<Vcpu>) {
    let page = v.shared();
    page.frame().set_return(elr_el2::read(), spsr_el2::read());
    page.frame().set_sp(sp_el0::read());
    v.sctlr.set(sctlr_el1::read());
    ich_hcr_el2::write(0);
}

/// A classic guest is interrupted, maybe at EL1, before the HVC that ends its exception. Then its registers are made
/// those of EL0 again. A virtual interrupt will be taken anew; anything else is what it exits with next.
#[inline(always)]
pub fn settle(v: Obj<Vcpu>) {
    if v.classic.get() && spsr_el2::read() & SPSR_EL1 != 0 {
        settle_el1(v);
    }
}

#[cold]
fn settle_el1(v: Obj<Vcpu>) {
    if elr_el2::read() & 0x780 != VECTOR_IRQ && v.deferred.get() == 0 {
        v.deferred.set(reason::SYNC as u8 + 1);
        v.shared().set_esr(esr_el1::read());
        v.shared().set_far(far_el1::read());
        v.shared().set_ipa(0);
    }
    elr_el2::write(elr_el1::read());
    spsr_el2::write(spsr_el1::read() & CLASSIC_SPSR);
}

#[inline(always)]
fn domain_regime(vttbr: u64) {
    sctlr_el1::write(SCTLR_DOMAIN);
    vttbr_el2::write(vttbr);
    hcr_el2::write(HCR_DOMAIN);
}

/// Makes `e` the current context of the core. The one before was left.
pub fn enter(core: &Core, e: Entity) {
    core.current.set(Some(e));
    match e.which() {
        Which::Thread(t) => enter_thread(core, t),
        Which::Vcpu(v) => {
            load_vcpu(core, v);
            cntvoff_el2::write(v.cntvoff.get());
            let owned = core.fp_owner.get() == Some(v);
            cptr_el2::write(if owned { CPTR_BASE } else { CPTR_BASE | CPTR_TFP });
            if v.in_handler.get() { reenter_handler(core, v) } else { resume(core, v) }
        }
    }
}

/// EL0 reaches the TPIDRs and, if the loaded guest has set CNTKCTL_EL1.EL0VTEN, the virtual timer: they hold a guest's
/// only while its own VMM runs.
fn hide_guest(core: &Core, t: Obj<Thread>) {
    if core.loaded.get().is_some_and(|v| v.common.domain.get() != t.common.domain.get()) {
        unload_vcpu(core);
    }
    if core.loaded.get().is_none() {
        tpidr_el0::write(0);
        tpidrro_el0::write(0);
        cntkctl_el1::write(CNTKCTL_COUNTERS);
    }
}

fn enter_thread(core: &Core, t: Obj<Thread>) {
    hide_guest(core, t);
    let vttbr = t.common.domain.get().and_then(|d| d.space.get()).map_or(0, |s| s.vttbr.get());
    domain_regime(vttbr);
    cntvoff_el2::write(0);
    cptr_el2::write(CPTR_BASE | CPTR_TFP);
    enter_el0(core, thread_frame(t), Mode::Thread);
}

fn enter_el0(core: &Core, frame: FrameRef, mode: Mode) {
    elr_el2::write(frame.elr());
    spsr_el2::write(domain_spsr(frame.spsr()));
    sp_el0::write(frame.sp());
    core.frame.set(frame.0);
    core.mode.set(mode);
}

fn reenter_handler(core: &Core, v: Obj<Vcpu>) {
    domain_regime(v.domain_vttbr.get());
    enter_el0(core, handler_frame(v), Mode::Handler);
}

/// The guest has exited: its registers are left, its VMM's handler is entered anew. `core.current` is the vCPU.
#[inline(always)]
pub fn exit(core: &Core, v: Obj<Vcpu>, why: u64) {
    leave_guest(v);
    start_handler(core, v, why);
}

#[inline(always)]
fn start_handler(core: &Core, v: Obj<Vcpu>, why: u64) {
    let page = v.shared();
    page.set_reason(why);
    page.set_elrsr(ich_elrsr_el2::read());
    domain_regime(v.domain_vttbr.get());
    elr_el2::write(v.entry.get());
    spsr_el2::write(0); // EL0t, nothing masked
    sp_el0::write(v.stack.get());
    let frame = handler_frame(v);
    frame.set_x(0, v.argument.get());
    core.frame.set(frame.0);
    core.fresh.set(1);
    core.mode.set(Mode::Handler);
    v.in_handler.set(true);
}

/// Whether there is something that the VMM must see: a hint, as is all that is not taken yet.
pub fn has_news(v: Obj<Vcpu>) -> bool {
    v.rung.load(Ordering::Relaxed) || v.kicked.load(Ordering::Relaxed) || v.timer_passed.get() || v.deferred.get() != 0
}

/// Something that the VMM must see before the guest goes on.
#[inline(always)]
pub fn pending_reason(v: Obj<Vcpu>) -> Option<u64> {
    if v.deferred.get() != 0 {
        return Some(u64::from(v.deferred.take()) - 1);
    }
    let kicked = v.kicked.load(Ordering::Relaxed) && v.kicked.swap(false, Ordering::Acquire);
    if kicked || v.rung.load(Ordering::Relaxed) {
        v.rung.swap(false, Ordering::Acquire);
        let (page, bells) = (v.shared(), notify::bells(v));
        if kicked || !inject_bell(page, bells) {
            page.set_bells(page.bells() | bells);
            return Some(reason::KICK);
        }
    }
    (v.timer_passed.get() && v.timer_passed.replace(false)).then_some(reason::TIMER)
}

/// Enters the guest, or its handler when there is something to tell. Loaded already; not left in guest state.
#[inline(always)]
pub fn resume(core: &Core, v: Obj<Vcpu>) {
    let page = v.shared();
    let dirty = page.dirty();
    if dirty != 0 {
        install_lrs(page, dirty);
    }
    if let Some(why) = pending_reason(v) {
        return start_handler(core, v, why);
    }
    if v.timer_held.get() {
        inject_timer(v);
    }
    let frame = page.frame();
    let spsr = frame.spsr();
    if v.classic.get() {
        load_view(core, v, page);
        spsr_el2::write(spsr & CLASSIC_SPSR);
    } else {
        ich_hcr_el2::write(ICH_HCR_EN | guest_ich_hcr(page.hcr()));
        sctlr_el1::write(v.sctlr.get());
        hcr_el2::write(core.guest_hcr.get());
        spsr_el2::write(if v.aarch32.get() {
            guest_spsr32(spsr)
        } else {
            guest_spsr(spsr, config::AARCH32.load(Ordering::Relaxed))
        });
    }
    vttbr_el2::write(v.guest_vttbr.get());
    elr_el2::write(frame.elr());
    sp_el0::write(frame.sp());
    core.frame.set(frame.0);
    core.mode.set(Mode::Guest);
    v.in_handler.set(false);
}

/// Translation, gates and virtual interrupt of a classic guest.
fn load_view(core: &Core, v: Obj<Vcpu>, page: PageRef) {
    let Some(space) = v.space.get() else { return };
    let view = page.view();
    let (low, high) = (view & 63, view >> 8 & 63);
    let root = |n: u64| space.roots.as_array_of_cells()[n as usize].get();
    // One ASID for both halves: that of the pair.
    ttbr0_el1::write(root(low) | (low | high << 8) << 48);
    ttbr1_el1::write(root(high));
    sctlr_el1::write(SCTLR_CLASSIC | page.gates() & CLASSIC_GATES);
    tpidrro_el0::write(page.tpidrro());
    hcr_el2::write(core.guest_hcr.get() | ((view >> 16 & 1) * HCR_VI));
}

fn install_lrs(page: PageRef, dirty: u64) {
    page.set_dirty(0);
    let timer = page.timer() as u32 & 0x3ff;
    let mut left = guest_dirty(dirty, lr_count());
    while left != 0 {
        let n = left.trailing_zeros() as usize;
        write_lr(n, guest_lr(page.lr(n), timer));
        left &= left - 1;
    }
}

/// The bound notification's `bits` have come: makes the interrupt pending that the VMM has named for them. What its list
/// register may hold is that interrupt only, in any state. `false`: the VMM must see them.
#[inline(always)]
fn inject_bell(page: PageRef, bits: u64) -> bool {
    let word = page.bell();
    let lr = guest_lr(word, page.timer() as u32 & 0x3ff);
    if lr == 0 || bits != 1 << (word >> 32 & 63) {
        return bits == 0;
    }
    let old = read_lr(BELL_LR);
    write_lr(BELL_LR, if old >> 62 == 0 { lr } else { old | LR_PENDING });
    true
}

/// The virtual timer fired: puts it into list register 0 with the VMM's attributes, or holds it until the VMM enables it.
pub fn inject_timer(v: Obj<Vcpu>) {
    let word = v.shared().timer();
    // Special INTIDs are UNPREDICTABLE in a list register.
    let enabled = word & (1 << 31) != 0 && word & 0x3ff < u64::from(gic::SPECIAL);
    v.timer_held.set(!enabled);
    if enabled {
        let group = (word >> 30) & 1;
        let priority = (word >> 16) & 0xff;
        let vintid = word & 0x3ff;
        let pintid = u64::from(gic::PPI_VTIMER);
        write_lr(0, LR_PENDING | LR_HW | group << 60 | priority << 48 | pintid << 32 | vintid);
    }
}

/// Makes `v` the vCPU whose state is in the registers.
pub fn load_vcpu(core: &Core, v: Obj<Vcpu>) {
    if core.loaded.get() == Some(v) {
        return;
    }
    unload_vcpu(core);
    let words = v.sys.as_array_of_cells();
    el1::load(words, core.hcr_alone.get());
    if v.hcr_off.get() != 0 {
        load_special(core, v);
    }
    if v.lrs_used.get() != 0 {
        load_lrs(v, |n| v.lrs.as_array_of_cells()[n].get());
    }
    // Where EL1 can clear SRE, a guest must not do it for the next one.
    icc_sre_el1::write(7);
    vmpidr_el2::write(v.vmpidr.get());
    if words[sys::TIMER_ACTIVE].get() != 0 {
        gic::set_ppi_active(gic::PPI_VTIMER, true);
    }
    if let Some(space) = v.space.get() {
        let last = &space.last_vcpu[core.index.get() % abi::MAX_CORES];
        if last.replace(v.addr()) != v.addr() {
            flush_guest(v);
        }
    }
    core.loaded.set(Some(v));
}

/// Drops what this core has cached of the guest's translations. Leaves the guest's VTTBR_EL2.
pub fn flush_guest(v: Obj<Vcpu>) {
    vttbr_el2::write(v.guest_vttbr.get());
    isb();
    tlbi_local_vmid();
}

/// Saves the loaded vCPU's state to its object.
#[inline(always)]
pub fn unload_vcpu(core: &Core) {
    let Some(v) = core.loaded.replace(None) else { return };
    save_loaded(core, v);
    if v.lrs_used.get() != 0 {
        load_lrs(v, |_| 0);
    }
    // The timer belongs to whoever is loaded: silence it; the deadline goes to the core's timer queue (`sched`).
    cntv_ctl_el0::write(0);
    if v.sys.as_array_of_cells()[sys::TIMER_ACTIVE].get() != 0 {
        gic::set_ppi_active(gic::PPI_VTIMER, false);
    }
    if v.hcr_off.get() != 0 {
        end_special(core, v);
    }
    crate::sched::arm_vcpu(core, v);
}

/// Calls `f` with the number of each list register in a set.
#[inline(always)]
fn for_each_lr(mut set: u64, f: impl Fn(usize)) {
    while set != 0 {
        f(set.trailing_zeros() as usize % MAX_LRS);
        set &= set - 1;
    }
}

/// The rest of [`load_vcpu`] for an AArch32 or a classic guest. FPEXC is its own while it owns FP; else EN is set, so that FP traps to
/// EL2 before FPEXC makes it undefined (Arm ARM G1.13).
#[cold]
pub fn load_special(core: &Core, v: Obj<Vcpu>) {
    [&core.hcr_alone, &core.guest_hcr].iter().for_each(|hcr| hcr.set(hcr.get() & !v.hcr_off.get()));
    if v.aarch32.get() {
        el1::load_aarch32(v.sys.as_array_of_cells());
        set_fpexc(core, v, v.sys.as_array_of_cells()[sys::FPEXC32_EL2].get());
    }
}

fn set_fpexc(core: &Core, v: Obj<Vcpu>, value: u64) {
    if core.fp_owner.get() == Some(v) {
        cptr_el2::write(CPTR_BASE);
        isb();
        fpexc32_el2::write(value);
    }
}

/// The rest of [`save_loaded`] for an AArch32 guest.
#[cold]
fn save_aarch32(core: &Core, v: Obj<Vcpu>) {
    el1::save_aarch32(v.sys.as_array_of_cells());
    if core.fp_owner.get() == Some(v) {
        cptr_el2::write(CPTR_BASE);
        isb();
        v.sys.as_array_of_cells()[sys::FPEXC32_EL2].set(fpexc32_el2::read());
    }
}

/// Such a guest is loaded no more. Who runs next sets CPTR_EL2.
#[cold]
fn end_special(core: &Core, v: Obj<Vcpu>) {
    [&core.hcr_alone, &core.guest_hcr].iter().for_each(|hcr| hcr.set(hcr.get() | v.hcr_off.get()));
    if v.aarch32.get() {
        set_fpexc(core, v, FPEXC_EN);
    }
}

/// The current guest exits for a maintenance interrupt.
pub fn exit_maintenance(core: &Core, v: Obj<Vcpu>, why: u64) {
    v.shared().set_misr(ich_misr_el2::read());
    v.shared().set_eisr(ich_eisr_el2::read());
    exit(core, v, why);
}

/// Ends a handler that does not want the guest to run: its registers are forgotten, the guest is as it was left.
pub fn end_handler(core: &Core, v: Obj<Vcpu>) {
    v.in_handler.set(false);
    core.current.set(None);
    core.mode.set(Mode::Idle);
}

/// Installs what the VMM left in the page; whether an interrupt is pending for the loaded guest.
pub fn install_pending(v: Obj<Vcpu>) -> bool {
    let page = v.shared();
    install_lrs(page, page.dirty());
    if v.timer_held.get() {
        inject_timer(v);
    }
    interrupt_pending()
}

/// Whether a list register of the loaded guest is pending.
pub fn interrupt_pending() -> bool {
    (0..lr_count()).any(|n| read_lr(n) & LR_PENDING != 0)
}

/// Writes the list registers that `v` uses.
#[inline(never)]
fn load_lrs(v: Obj<Vcpu>, value: impl Fn(usize) -> u64) {
    for_each_lr(v.lrs_used.get(), |n| write_lr(n, value(n)));
}

#[inline(never)]
fn save_lrs(v: Obj<Vcpu>, used: u64) {
    for_each_lr(used, |n| v.lrs.as_array_of_cells()[n].set(read_lr(n)));
}

/// Copies the registers of the loaded vCPU to its object; they stay valid.
#[inline]
pub fn save_loaded(core: &Core, v: Obj<Vcpu>) {
    let words = v.sys.as_array_of_cells();
    el1::save(words, core.hcr_alone.get());
    let used = !ich_elrsr_el2::read() & ((1 << lr_count()) - 1);
    v.lrs_used.set(used);
    if used != 0 {
        save_lrs(v, used);
    }
    // The physical interrupt is active as long as the virtual one is in LR0 (HW = 1), or is held.
    words[sys::TIMER_ACTIVE].set(used & 1 | u64::from(v.timer_held.get()));
    if v.aarch32.get() {
        save_aarch32(core, v);
    }
}

/// FP/SIMD access trapped: gives the registers to the vCPU.
pub fn take_fp(core: &Core, v: Obj<Vcpu>) {
    cptr_el2::write(CPTR_BASE);
    isb();
    if let Some(old) = core.fp_owner.replace(Some(v)) {
        fp::save(&old.fp);
    }
    fp::load(&v.fp);
    if v.aarch32.get() {
        fpexc32_el2::write(v.sys.as_array_of_cells()[sys::FPEXC32_EL2].get());
    }
}

/// The loaded vCPU is destroyed: its state is forgotten. Also at start, when what the registers hold is unknown.
pub fn discard_loaded(core: &Core) {
    if let Some(v) = core.loaded.get().filter(|v| v.hcr_off.get() != 0) {
        end_special(core, v);
        cptr_el2::write(CPTR_BASE | CPTR_TFP);
    }
    cntv_ctl_el0::write(0);
    ich_hcr_el2::write(0);
    (0..lr_count()).for_each(|n| write_lr(n, 0));
    gic::set_ppi_active(gic::PPI_VTIMER, false);
    core.loaded.set(None);
}

/// The current entity is destroyed: nothing of it is saved.
pub fn abandon(core: &Core) {
    core.current.set(None);
    core.mode.set(Mode::Idle);
    core.fresh.set(0);
    core.resched.set(true);
}
