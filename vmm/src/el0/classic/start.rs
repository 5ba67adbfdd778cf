//! Making the engine of a VM.
#![allow(unsafe_code, reason = "memory that root maps for the engine")]

use super::super::memory::Memory;
use super::super::vcpu::affinity;
use super::super::vm::Vm;
use super::memory::{Map, REGIONS, Region, World, region};
use super::vcpus::{Classic, Engine, Virtual};
use abi::PAGE_SHIFT;
use classic::cpu::{Features, Identity};
use classic::shadow::{MapError, Mode, Shadow, View, Views};
use core::sync::atomic::{AtomicPtr, Ordering};
use rt::lock::SpinLock;
use rt::sys;
use sysdesc::{MAX_VCPUS, SHADOW_SHIFT, VMM_CLASSIC, VMM_CLASSIC_PAGES, VmmInfo, shadow};
use vmm::boot::{BLANK_SIZE, Layout};
use vmm::machine::{FLASH_BASE, RAM_BASE, STOLEN_BASE};

const _: () = assert!(size_of::<Engine>() as u64 <= VMM_CLASSIC_PAGES << PAGE_SHIFT);

/// MPIDR_EL1: a bit that is RES1.
const MPIDR_RES1: u64 = 1 << 31;
/// MIDR_EL1: CRm << 3 | op2.
const MIDR: u64 = 0;

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(core::ptr::null_mut());

/// The engine, if this VM is a classic one.
#[inline]
pub fn engine() -> Option<&'static Engine> {
    // SAFETY: null, or what `make` has written for good.
    unsafe { ENGINE.load(Ordering::Acquire).as_ref() }
}

/// The state of vCPU `index`, if this VM is a classic one.
pub fn vcpu(index: usize) -> Option<&'static Classic> {
    engine()?.vcpus.get(index)
}

/// Makes the engine of `vm`, whose space is a classic one and has its memory mapped.
///
/// # Safety
/// Called once, by the VM's first thread before there is a handler.
#[inline(never)]
pub unsafe fn make(vm: &'static Vm, info: &VmmInfo, layout: &Layout) -> Result<(), MapError> {
    let place = VMM_CLASSIC as *mut Engine;
    let features = Features::of(|register| {
        // CRm << 3 | op2.
        vm.id.get(register as usize & 0x3f).copied().unwrap_or(0)
    });
    let midr = sys::id_register(MIDR);
    let views = Views { kernel: View { low: 0, high: 0 }, user: View { low: 0, high: 0 } };
    let [first, ..] = &vm.vcpus;
    let vcpu = |index| {
        let identity = Identity::new(midr, affinity(index) | MPIDR_RES1);
        let own = vm.vcpus.get(index).unwrap_or(first);
        Classic { own, state: SpinLock::new(Virtual::new(identity, features, views, vm.cntfrq)) }
    };
    // SAFETY: root maps that many pages there for a classic VM, read-write and for good; aligned to a page; nobody else
    // uses them yet, says the caller. vCPUs and fields are written one by one, and the shadow as a constant: together they
    // are too large for the stack.
    let engine = unsafe {
        for index in 0..MAX_VCPUS {
            (&raw mut (*place).vcpus).cast::<Classic>().add(index).write(vcpu(index));
        }
        (&raw mut (*place).shadow).write(const { SpinLock::new(Shadow::new()) });
        (&raw mut (*place).map).write(map(vm.memory, info, layout));
        (&raw mut (*place).features).write(features);
        &*place
    };
    let mode = match info.vm.flags >> SHADOW_SHIFT & shadow::MASK {
        shadow::TRACED => Mode::Traced,
        shadow::LAZY => Mode::Lazy,
        _ => Mode::Tlb,
    };
    engine.shadow.lock().start(mode, &mut World::new(&engine.map))?;
    ENGINE.store(place, Ordering::Release);
    Ok(())
}

/// What `el0::start` has mapped into the guest.
fn map(ram: Memory, info: &VmmInfo, layout: &Layout) -> Map {
    let mut regions = [Region::default(); REGIONS];
    let blank = layout.blank.map(|_| region(FLASH_BASE, BLANK_SIZE >> PAGE_SHIFT, false));
    let shared = info.shared.iter().take(info.shared_count as usize);
    let shared = shared.map(|shared| region(shared.ipa, shared.size >> PAGE_SHIFT, shared.writable != 0));
    let accounts = region(STOLEN_BASE, info.vm.vcpus, false);
    let all = [region(RAM_BASE, info.vm.memory >> PAGE_SHIFT, true), accounts].into_iter().chain(blank).chain(shared);
    for (place, region) in regions.iter_mut().zip(all) {
        *place = region;
    }
    Map { ram, regions }
}
