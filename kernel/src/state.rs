//! VCPU_STATE: all kernel-held state of a vCPU through its page, both ways, in the one layout of `abi::vcpu`.

use crate::arch::el1;
use crate::arch::fp::{self, Regs};
use crate::arch::sysreg::{cntv_ctl_el0, vttbr_el2, write_lr};
use crate::core_local::Core;
use crate::object::{Obj, Vcpu};
use crate::switch::{LR_HW, LR_PENDING, flush_guest, load_special, lr_count, save_loaded};
use crate::{gic, shadow};
use abi::syscall::Status;
use abi::vcpu::{MAX_LRS, STATE_VERSION, VcpuState, sys};
use kcore::spsr::guest_lr;

const LR_ACTIVE_PENDING: u64 = 3 << 62;
const LR_PINTID: u64 = 0x1fff << 32;

/// Kernel → page. The vCPU is loaded: its handler calls.
pub fn save(core: &Core, v: Obj<Vcpu>) -> Result<(), Status> {
    save_loaded(core, v);
    if core.fp_owner.get() == Some(v) {
        fp::save(&v.fp);
    }
    let regs = v.fp.get();
    let mut words = v.sys.get();
    words[sys::SCTLR_EL1] = v.sctlr.get();
    let page = v.shared();
    words[sys::SP_EL0] = page.frame().sp();
    page.set_state(VcpuState {
        version: STATE_VERSION,
        fpcr: regs.fpcr as u32,
        fpsr: regs.fpsr as u32,
        reserved: 0,
        sys: words,
        v: regs.v,
    });
    let (used, lrs) = (v.lrs_used.get(), v.lrs.get());
    (0..MAX_LRS).for_each(|n| page.set_lr(n, if used & 1 << n != 0 { lrs[n] } else { 0 }));
    Ok(())
}

/// Page → kernel.
pub fn load(core: &Core, v: Obj<Vcpu>) -> Result<(), Status> {
    let page = v.shared();
    let state = page.state();
    if state.version != STATE_VERSION {
        return Err(Status::BadArg);
    }
    let mut words = state.sys;
    words[sys::CNTV_CTL_EL0] &= 3;
    // Not loaded: debug exceptions of EL0 would reach the VMMs that run beside this guest (TGE routes them to EL2).
    words[sys::MDSCR_EL1] = 0;
    v.sctlr.set(words[sys::SCTLR_EL1]);
    page.frame().set_sp(words[sys::SP_EL0]);
    v.sys.set(words);
    shadow::confine(v);
    v.fp.set(Regs { v: state.v, fpcr: u64::from(state.fpcr), fpsr: u64::from(state.fpsr) });
    if core.fp_owner.get() == Some(v) {
        fp::load(&v.fp);
    }
    cntv_ctl_el0::write(0);
    el1::load(v.sys.as_array_of_cells(), core.hcr_alone.get());
    if v.hcr_off.get() != 0 {
        load_special(core, v);
    }
    // Other tables and ASIDs than before.
    flush_guest(v);
    vttbr_el2::write(v.domain_vttbr.get());
    let active = words[sys::TIMER_ACTIVE] != 0;
    gic::set_ppi_active(gic::PPI_VTIMER, active);
    load_lrs(v, active);
    Ok(())
}

fn load_lrs(v: Obj<Vcpu>, active: bool) {
    let page = v.shared();
    let timer = page.timer() as u32 & 0x3ff;
    // The timer's own: HW=1, where active and pending at once is not allowed (IHI 0069H 12.4.6).
    let mut first = guest_lr(page.lr(0), u32::MAX) & !LR_PINTID;
    if first & LR_ACTIVE_PENDING == LR_ACTIVE_PENDING {
        first &= !LR_PENDING;
    }
    write_lr(0, if first == 0 { 0 } else { first | LR_HW | u64::from(gic::PPI_VTIMER) << 32 });
    v.timer_held.set(first == 0 && active);
    (1..lr_count()).for_each(|n| write_lr(n, guest_lr(page.lr(n), timer)));
    page.set_dirty(0);
}
