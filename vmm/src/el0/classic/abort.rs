//! Aborts: a missing shadow entry, the guest's own fault, or a device.

use super::super::plan::Plan;
use super::super::stats::kind;
use super::code;
use super::interrupt::with_list_registers;
use super::memory::World;
use super::vcpus::{Classic, Engine};
use classic::cpu::{Exception, Frame};
use classic::shadow::Outcome;
use classic::tlbi::{Scope, Tlbi};
use classic::walk::{self, Access, El, Regime};
use devices::a64::{self, Kind};
use rt::sys;
use sysdesc::exit;
use vmm::syndrome::{DataAbort, class, ec};

/// What was done to which address.
pub struct Fault {
    esr: u64,
    va: u64,
    access: Access,
    el: El,
    regime: Regime,
}

impl Fault {
    fn of(classic: &Classic) -> Self {
        let page = classic.own.page;
        let (esr, va) = (page.esr(), page.far());
        let abort = DataAbort(esr);
        let access = match class(esr) {
            ec::INSTRUCTION_ABORT => Access::Execute,
            // Cache maintenance says that it writes, and needs the right to read.
            _ if abort.write() && !abort.cache_maintenance() => Access::Write,
            _ => Access::Read,
        };
        let state = classic.state.lock();
        Self { esr, va, access, el: state.el(), regime: state.regime() }
    }

    /// Whether the shadow tables refused it. Else it is alignment, or an error of the machine under the access: the guest's.
    fn of_tables(&self) -> bool {
        DataAbort(self.esr).stage2() || self.esr & 0x3f < 4
    }
}

/// A data or instruction abort.
#[inline(never)]
pub fn abort(classic: &'static Classic, engine: &'static Engine) {
    let fault = Fault::of(classic);
    if !fault.of_tables() {
        classic.count(kind::OTHER);
        return take(classic, Exception::abort(fault.esr, fault.va, fault.esr as u8 & 0x3f));
    }
    let Fault { va, access, el, .. } = fault;
    let index = classic.own.index;
    let mut world = World::new(&engine.map);
    let (outcome, views) = {
        let mut shadow = engine.shadow.lock();
        let outcome = shadow.fault(index, &fault.regime, el, va, access, &mut world);
        (outcome, shadow.views(index))
    };
    if !matches!(outcome, Outcome::Device(_)) {
        classic.count(kind::OTHER);
    }
    match outcome {
        // The base map allows no write there: it would fault for ever.
        Outcome::Filled if access == Access::Write && world.read_only() => refused(classic, engine, &fault),
        Outcome::Filled => classic.state.lock().views = views,
        Outcome::Guest(why) => take(classic, Exception::abort(fault.esr, va, why.fsc())),
        Outcome::Device(ipa) => device(classic, engine, &fault, ipa),
        Outcome::TableWrite(ipa) => super::table::write(classic, engine, &fault, ipa),
        Outcome::Vectors => conflict(classic, &fault),
        Outcome::Full => no_room(classic),
    }
}

fn take(classic: &Classic, exception: Exception) {
    classic.state.lock().cpu.take(exception, &mut classic.live());
}

/// A write to memory that is read-only for the guest: as any access to what is no RAM.
#[cold]
fn refused(classic: &'static Classic, engine: &'static Engine, fault: &Fault) {
    let read = |ipa| engine.map.ram.read_u64(ipa);
    if let Ok(leaf) = walk::translate(&fault.regime, fault.el, fault.va, fault.access, read) {
        device(classic, engine, fault, leaf.ipa);
    }
}

/// An access to what is not RAM.
fn device(classic: &'static Classic, engine: &'static Engine, fault: &Fault, ipa: u64) {
    classic.count(kind::MMIO);
    let page = classic.own.page;
    let mut live = classic.live();
    if fault.access == Access::Execute {
        return external(classic, fault);
    }
    if DataAbort(fault.esr).cache_maintenance() {
        // Devices have no cache lines.
        return live.skip();
    }
    let Some(word) = instruction(classic, engine, fault) else { return };
    let Ok(access) = a64::decode(word) else { return external(classic, fault) };
    let mut vectors = None;
    if access.kind == Kind::Simd {
        page.with_state(classic.cpu().slot(), |_, state| {
            vectors = Some(state.v);
            false
        });
    }
    let vector = |n: u8| vectors.as_ref().and_then(|v| v.get(usize::from(n))).copied().unwrap_or(0);
    let plan = Plan::new(access, &live, vector);
    // The fault may be that of the second register's access.
    let ipa = ipa.wrapping_sub(fault.va.wrapping_sub(plan.address));
    let done = with_list_registers(classic, || plan.perform(classic.cpu(), ipa, |sp| page.set_sp(sp)));
    if done { live.skip() } else { external(classic, fault) }
}

/// The word at PC. `None`: the guest's tables changed meanwhile; it takes its own fault.
pub fn instruction(classic: &Classic, engine: &Engine, fault: &Fault) -> Option<u32> {
    let pc = classic.live().pc();
    let ram = engine.map.ram;
    let word = code::fetch(&fault.regime, fault.el, pc, ram).and_then(|leaf| ram.read_u32(leaf.ipa));
    if word.is_none() {
        drop_page(engine, pc);
    }
    word
}

fn external(classic: &Classic, fault: &Fault) {
    classic.cpu().count(kind::REFUSED, 1);
    take(classic, Exception::external(fault.esr, fault.va));
}

/// What is kept of a page's translation goes, of all vCPUs.
pub fn drop_page(engine: &Engine, va: u64) {
    let tlbi = Tlbi { scope: Scope::Addresses { va, bytes: 4096, asid: None, last: false }, broadcast: true };
    engine.shadow.lock().tlbi(&tlbi, &mut World::new(&engine.map));
    code::next_era();
}

/// The guest uses the page of its address space where the vectors are.
#[cold]
fn conflict(classic: &Classic, fault: &Fault) {
    rt::log!("vmm: vcpu {}: the guest uses {:#x}, which is the hypervisor's", classic.own.index, fault.va);
    external(classic, fault);
}

#[cold]
fn no_room(classic: &Classic) {
    rt::log!("vmm: vcpu {}: no memory for shadow tables", classic.own.index);
    sys::exit(exit::CRASH)
}
