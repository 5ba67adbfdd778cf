//! Interrupt state: from the model to the list registers and back (see `devices::vgic`, "Life of an exit").

use super::stats::kind;
use super::vcpu::Cpu;
use super::{bell, classic, vm};
use abi::vcpu::reason;
use devices::vgic::{CpuMask, Dist, LrUpdate, MAX_LRS, Mailbox, Posted, Redist, Sgi, SgiRegister};
use rt::lock::Guard;
use rt::sys;

/// SGIs in a [`Posted`], and those of group 1 among them.
const SGIS: u64 = 0xffff_ffff;
const GROUP1_SGIS: u64 = 0xffff;

/// What the hardware says of the list registers at this exit: empty ones, and those with an EOI. Registers that are not
/// installed yet say nothing.
fn emptied(cpu: Cpu) -> (u64, u64) {
    let installed = !cpu.page().dirty();
    let eisr = if cpu.page().reason() == reason::MAINTENANCE { cpu.page().eisr() } else { 0 };
    (cpu.page().elrsr() & installed, eisr & installed)
}

/// Takes back what the guest has finished, lets `work` change the model (it names other vCPUs that must look), and fills
/// the list registers anew.
pub fn refresh<T>(cpu: Cpu, work: impl FnOnce(&mut Redist, &mut Dist) -> (T, CpuMask)) -> T {
    let (elrsr, eisr) = emptied(cpu);
    fold_and_fill(cpu, |redist, dist| redist.sync(dist, elrsr, eisr), work)
}

/// The list registers as they are.
fn exact_lrs(cpu: Cpu) -> [u64; MAX_LRS] {
    match classic::engine() {
        None => cpu.page().exact_lrs(cpu.slot()),
        Some(engine) => classic::exact_lrs(engine, cpu),
    }
}

/// As [`refresh`], with exact list registers at the beginning: pending and active bits are read or written.
pub fn refresh_exact<T>(cpu: Cpu, work: impl FnOnce(&mut Redist, &mut Dist) -> (T, CpuMask)) -> T {
    let lrs = exact_lrs(cpu);
    let dirty = cpu.page().dirty();
    fold_and_fill(cpu, |redist, dist| redist.sync_full(dist, &lrs, dirty), work)
}

fn fold_and_fill<T>(
    cpu: Cpu,
    fold: impl FnOnce(&mut Redist, &mut Dist) -> CpuMask,
    work: impl FnOnce(&mut Redist, &mut Dist) -> (T, CpuMask),
) -> T {
    let mut redist = cpu.own.redist.lock();
    let mut dist = cpu.vm().dist.lock();
    let folded = fold(&mut redist, &mut dist);
    let (result, touched) = work(&mut redist, &mut dist);
    drop(dist);
    let flushed = flush(cpu, redist);
    notify(cpu, folded | touched | flushed);
    result
}

/// Hands list registers to the kernel.
#[inline]
fn install(cpu: Cpu, update: LrUpdate, redist: &Redist) {
    let interrupts = cpu.page().install(update, |n| redist.lr(n));
    cpu.count(kind::INJECTED, interrupts);
}

/// Fills the list registers; with an exact look first where the model asks for it. Gives other vCPUs that must look.
fn flush(cpu: Cpu, mut redist: Guard<Redist>) -> CpuMask {
    let mut others = 0;
    let mut update = redist.flush(&mut cpu.vm().dist.lock());
    if update.resync {
        drop(redist);
        let lrs = exact_lrs(cpu);
        redist = cpu.own.redist.lock();
        let mut dist = cpu.vm().dist.lock();
        others = redist.sync_full(&mut dist, &lrs, cpu.page().dirty());
        update = redist.flush(&mut dist);
    }
    install(cpu, update, &redist);
    cpu.page().set_timer(u64::from(redist.timer_word()));
    bell::tell(cpu, &redist);
    others
}

/// Around a reset of the vCPU: interrupts outlive it in the model (the redistributor is not reset by CPU_OFF), so what is
/// in list registers goes back before `reset` empties them, and comes again after it.
pub fn across_reset(cpu: Cpu, reset: impl FnOnce()) {
    let lrs = exact_lrs(cpu);
    let others = {
        let mut redist = cpu.own.redist.lock();
        redist.sync_full(&mut cpu.vm().dist.lock(), &lrs, cpu.page().dirty())
    };
    reset();
    let mut redist = cpu.own.redist.lock();
    // What the model would put there again is not there any more.
    redist.sync_full(&mut cpu.vm().dist.lock(), &[0; MAX_LRS], 0);
    let others = others | flush(cpu, redist);
    notify(cpu, others);
}

/// As [`refresh`] for private interrupts, without the distributor where that is enough.
#[inline]
fn refresh_private(cpu: Cpu, work: impl FnOnce(&mut Redist)) {
    let (elrsr, eisr) = emptied(cpu);
    let mut redist = cpu.own.redist.lock();
    redist.sync_private(elrsr, eisr);
    work(&mut redist);
    match redist.flush_private() {
        Some(update) => install(cpu, update, &redist),
        None => {
            // Two statements: the guard of the first must be gone before `flush` takes the lock.
            let others = redist.sync(&mut cpu.vm().dist.lock(), elrsr, eisr);
            let others = others | flush(cpu, redist);
            notify(cpu, others);
        }
    }
}

/// Has the vCPUs of `mask`, but for this one, look at the distributor.
pub fn notify(cpu: Cpu, mask: CpuMask) {
    send(cpu, mask, Posted::DIST);
}

fn send(cpu: Cpu, mask: CpuMask, posted: Posted) {
    let mut left = mask & !cpu.bit();
    while left != 0 {
        let target = left.trailing_zeros() as usize;
        if let Some(other) = cpu.vm().vcpus.get(target) {
            post(&other.mailbox, target, posted);
        }
        left &= left - 1;
    }
}

/// Posts to vCPU `target` and kicks it.
pub fn post(mailbox: &Mailbox, target: usize, posted: Posted) {
    mailbox.post(posted);
    // The vCPU exists as long as the VMM.
    let _ = sys::vcpu_kick(vm::vcpu_slot(target));
}

/// The guest writes an SGI register.
pub fn sgi(cpu: Cpu, register: SgiRegister, value: u64) {
    let sgi = Sgi::decode(register, value, cpu.index() as u8, cpu.vm().count as u8);
    if sgi.targets & cpu.bit() != 0 {
        accept(cpu, sgi.posted(), if sgi.group1 { Some(sgi.intid) } else { None });
    }
    if sgi.targets & !cpu.bit() != 0 {
        send(cpu, sgi.targets, sgi.posted());
    }
}

/// Takes in private interrupts; `one`: it is just this group 1 SGI.
#[inline]
fn accept(cpu: Cpu, posted: Posted, one: Option<u32>) {
    if let Some(intid) = one {
        let mut redist = cpu.own.redist.lock();
        let elrsr = cpu.page().elrsr() & !cpu.page().dirty();
        if let Some(update) = redist.quick_sgi(intid, elrsr) {
            return install(cpu, update, &redist);
        }
    }
    accept_all(cpu, posted);
}

#[inline(never)]
fn accept_all(cpu: Cpu, posted: Posted) {
    refresh_private(cpu, |redist| {
        // The flush follows in any case.
        let _ = redist.accept(posted);
    });
}

/// Takes in what others posted.
pub fn receive(cpu: Cpu, posted: Posted) {
    if posted.0 & Posted::DIST.0 != 0 {
        refresh(cpu, |redist, _| {
            // The flush follows in any case.
            let _ = redist.accept(posted);
            ((), 0)
        });
    } else if posted.0 & SGIS != 0 {
        let group1 = posted.0 & GROUP1_SGIS;
        accept(cpu, posted, (group1.is_power_of_two() && posted.0 & SGIS == group1).then(|| group1.trailing_zeros()));
    }
}

/// A maintenance interrupt: list registers are free again, or a level has to be looked at.
pub fn maintain(cpu: Cpu) {
    refresh(cpu, |_, _| ((), 0));
}

/// Sets the line of one of this vCPU's PPIs.
pub fn set_ppi(cpu: Cpu, intid: u32, level: bool) {
    refresh_private(cpu, |redist| {
        let _ = redist.set_ppi_level(intid, level);
    });
}

/// Sets the line of an SPI to what `level` says under the distributor's lock.
pub fn set_spi(cpu: Cpu, intid: u32, level: impl FnOnce() -> bool) {
    refresh(cpu, |_, dist| ((), dist.set_level(intid, level()).map_or(0, |target| 1 << target)));
}

/// An edge on the line of an SPI, if it can go straight into a list register.
#[inline]
pub fn pulse_quick(cpu: Cpu, intid: u32) -> bool {
    let mut redist = cpu.own.redist.lock();
    let elrsr = cpu.page().elrsr() & !cpu.page().dirty();
    let update = redist.quick_spi(&mut cpu.vm().dist.lock(), intid, elrsr);
    if let Some(update) = update {
        install(cpu, update, &redist);
        bell::tell(cpu, &redist);
    }
    update.is_some()
}

/// An edge on the line of an SPI.
pub fn pulse(cpu: Cpu, intid: u32) {
    refresh(cpu, |_, dist| ((), dist.pulse(intid).map_or(0, |target| 1 << target)));
}
