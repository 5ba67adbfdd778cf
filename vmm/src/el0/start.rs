//! The VMM's first thread: loads the guest, builds its machine, starts vCPU 0, then brings console input.
#![allow(unsafe_code, reason = "files and stacks as memory")]

use super::aarch32;
use super::bell::Bells;
use super::classic;
use super::memory::Memory;
use super::ports::Ports;
use super::serial;
use super::vcpu::{self, affinity, entry_address};
use super::vm::{self, DOORBELLS, SPACE_SLOT, Vcpu, Vm, WALL_SLOT, vcpu_slot};
use super::watchdog::Dog;
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::{Status, VCPU_AARCH32};
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::cell::UnsafeCell;
use core::fmt::{self, Display};
use devices::idregs::{self, sysreg};
use devices::pl031::Pl031;
use devices::psci::{NotAffected, Psci, StolenTime};
use devices::vgic::Dist;
use rt::lock::SpinLock;
use rt::sys::{self, create};
use sysdesc::{
    FLAG_AARCH32, FLAG_CLASSIC, FLAG_CLASSIC_STAGE2, MAX_BELLS_OUT, MAX_SHARED, MAX_VCPUS, VCPU_PAGES, VMM_INFO,
    VMM_INITRD, VMM_KERNEL, VmDesc, VmmInfo, exit, vmm_slot,
};
use vmm::boot::{self, BLANK_SIZE, Layout, Part, Ram, Source};
use vmm::machine::{FLASH_BASE, RAM_BASE, STOLEN_BASE};
use vmm::tree::{self, Config, Shared};

/// Bytes of a handler's stack.
const STACK: usize = 4 * PAGE_SIZE as usize;

/// Each vCPU's account page, which tells stolen time as DEN0057A has it.
const STOLEN_TIME: StolenTime = StolenTime { base: STOLEN_BASE, stride: PAGE_SIZE };

/// Room for the device tree.
const TREE: usize = 3 * PAGE_SIZE as usize;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK]>);

// SAFETY: Rust code never looks into it; each is the stack of one handler.
unsafe impl Sync for Stack {}

static STACKS: [Stack; MAX_VCPUS] = [const { Stack(UnsafeCell::new([0; STACK])) }; MAX_VCPUS];

/// Why the guest cannot be started.
enum Error {
    Boot(boot::Error),
    Tree,
    Ports,
    Classic,
    Kernel(&'static str, Status),
}

impl Error {
    /// Names the step at which the kernel refuses.
    fn at(what: &'static str) -> impl FnOnce(Status) -> Self {
        move |status| Self::Kernel(what, status)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot(error) => error.fmt(f),
            Self::Tree => f.write_str("the device tree is too large"),
            Self::Ports => f.write_str("a port is on no shared region, or on one that the VM cannot write"),
            Self::Classic => f.write_str("no memory for shadow tables"),
            Self::Kernel(what, status) => write!(f, "cannot {what}: {status:?}"),
        }
    }
}

/// First code of the VMM.
pub fn main(_: u64) -> ! {
    // SAFETY: root maps the page before the VMM starts, read-only and for good.
    let info = unsafe { &*(VMM_INFO as *const VmmInfo) };
    serial::get().open(info);
    match start(info) {
        Ok(()) => serial::get().serve(),
        Err(error) => {
            rt::log!("vmm: {error}");
            sys::exit(exit::ERROR)
        }
    }
}

fn start(info: &VmmInfo) -> Result<(), Error> {
    let count = (info.vm.vcpus as usize).clamp(1, MAX_VCPUS);
    let memory = Memory::new(info.vm.memory);
    let layout = load(info, count, memory)?;
    map(info, &layout)?;
    let bells = Bells::new(info);
    let ports = match info.port_count {
        0 => None,
        _ => Some(Ports::new(info).ok_or(Error::Ports)?),
    };
    let id = id_registers(is_classic(info));
    let ram = RAM_BASE..RAM_BASE.saturating_add(info.vm.memory);
    let aarch32 = is_aarch32(info);
    let machine = Vm {
        count,
        vcpus: core::array::from_fn(|index| Vcpu::new(index, count, info.lr_count, is_classic(info))),
        dist: SpinLock::new(Dist::new(count as u8)),
        // The epoch is that of the counter, so that time goes on over a restart.
        rtc: SpinLock::new(Pl031::new(info.epoch as u32, 0)),
        watchdog: Dog::new(),
        psci: SpinLock::new(
            Psci::new(count as u8, ram, not_affected(id)).with_stolen_time(STOLEN_TIME).with_t32_entries(aarch32),
        ),
        cntfrq: info.cntfrq,
        ports,
        bells,
        memory,
        aarch32: aarch32.then_some(layout.dtb),
        id,
    };
    // SAFETY: this is the first thread, and there is no handler yet.
    let vm = unsafe { vm::set(machine) };
    let [first, ..] = &vm.vcpus;
    bells.set_up(&mut vm.dist.lock(), (!is_classic(info)).then_some(&mut first.redist.lock()));
    if is_classic(info) {
        // SAFETY: as above.
        unsafe { classic::make(vm, info, &layout) }.map_err(|_| Error::Classic)?;
    }
    vm.vcpus.iter().take(count).try_for_each(|vcpu| make_vcpu(info, vcpu))?;
    if info.bells_in != 0 {
        sys::vcpu_bind(vcpu_slot(0), vmm_slot::BELLS_IN).map_err(Error::at("bind the doorbells"))?;
    }
    vcpu::post_start(vm, 0, layout.entry, if aarch32 { 0 } else { layout.dtb });
    Ok(())
}

/// A file that root mapped.
fn file(address: u64, size: u64) -> &'static [u8] {
    // SAFETY: root maps the file's bytes there before the VMM starts, read-only and for good; callers give the size from
    // the information page.
    unsafe { core::slice::from_raw_parts(address as *const u8, size as usize) }
}

/// Puts kernel, device tree and initrd into guest RAM. Not in line: the device tree is on its stack.
#[inline(never)]
fn load(info: &VmmInfo, count: usize, memory: Memory) -> Result<Layout, Error> {
    let kernel = file(VMM_KERNEL, info.kernel_size);
    let initrd = match info.initrd_size {
        0 => &[],
        size => file(VMM_INITRD, size),
    };
    let layout =
        boot::plan(&source(info, kernel), Ram { base: RAM_BASE, size: info.vm.memory }).map_err(Error::Boot)?;
    let mut buffer = [0; TREE];
    let shared: [Shared; MAX_SHARED] = core::array::from_fn(|n| shared(info, n));
    let config =
        Config { shared: shared.get(..info.shared_count as usize).unwrap_or(&shared), ..config(info, count, &layout) };
    let size = tree::write(&mut buffer, &config).ok_or(Error::Tree)?;
    let of_kernel = |part: &Part| (part.ipa, kernel.get(part.offset..).and_then(|rest| rest.get(..part.size)));
    let others = [(layout.initrd, Some(initrd)), (layout.dtb, buffer.get(..size))];
    // `plan` has found room for all of them.
    let mut parts = layout.parts().map(of_kernel).chain(others);
    parts.try_for_each(|(ipa, bytes)| memory.load(ipa, bytes?)).ok_or(Error::Tree)?;
    Ok(layout)
}

fn source<'a>(info: &VmmInfo, kernel: &'a [u8]) -> Source<'a> {
    let VmDesc { format, load, entry, .. } = info.vm;
    Source { format, kernel, initrd_size: info.initrd_size, load, entry, aarch32: is_aarch32(info) }
}

fn is_aarch32(info: &VmmInfo) -> bool {
    info.vm.flags & FLAG_AARCH32 != 0
}

fn is_classic(info: &VmmInfo) -> bool {
    info.vm.flags & FLAG_CLASSIC != 0
}

/// A zero-terminated string.
fn text(bytes: &[u8]) -> &str {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    core::str::from_utf8(bytes.get(..end).unwrap_or_default()).unwrap_or("")
}

fn config<'a>(info: &'a VmmInfo, count: usize, layout: &Layout) -> Config<'a> {
    Config {
        vcpus: count as u64,
        memory: info.vm.memory,
        cmdline: text(&info.vm.cmdline),
        initrd: (info.initrd_size != 0).then(|| (layout.initrd, layout.initrd.saturating_add(info.initrd_size))),
        seed: &info.seed,
        shared: &[],
        bells_in: Bells::new(info).of_guest(),
        bells_out: info.bells_out,
        ports: info.port_count != 0,
    }
}

fn shared(info: &VmmInfo, n: usize) -> Shared<'_> {
    let region = info.shared.get(n);
    region.map_or(Shared::default(), |region| Shared {
        name: text(&region.name),
        ipa: region.ipa,
        size: region.size,
        writable: region.writable != 0,
    })
}

fn has_wall(info: &VmmInfo) -> bool {
    is_classic(info) && info.vm.flags & FLAG_CLASSIC_STAGE2 != 0
}

fn make_space(info: &VmmInfo) -> sys::Result {
    if has_wall(info) {
        create::space(WALL_SLOT)?;
    }
    match is_classic(info) {
        true => create::classic_space(SPACE_SLOT, has_wall(info).then_some(WALL_SLOT)),
        false => create::space(SPACE_SLOT),
    }
}

/// Maps pages of a frame for the guest; its wall has them at their own address.
fn attach(info: &VmmInfo, frame: u64, ipa: u64, first: u64, pages: u64, rights: u64) -> sys::Result {
    sys::map(frame, SPACE_SLOT, ipa, first, pages, rights)?;
    if !has_wall(info) {
        return Ok(());
    }
    let physical = sys::frame_info(frame)?.physical.wrapping_add(first << PAGE_SHIFT);
    sys::map(frame, WALL_SLOT, physical, first, pages, rights)
}

/// Makes the guest's space, with its RAM and what it shares with others, and its own doorbell.
fn map(info: &VmmInfo, layout: &Layout) -> Result<(), Error> {
    let pages = info.vm.memory >> PAGE_SHIFT;
    make_space(info).map_err(Error::at("make the guest's space"))?;
    create::notification(u64::from(DOORBELLS)).map_err(Error::at("make a doorbell"))?;
    attach(info, vmm_slot::RAM, RAM_BASE, 0, pages, READ | WRITE | EXEC).map_err(Error::at("map guest RAM"))?;
    if let Some(blank) = layout.blank {
        let (from, pages) = (blank.saturating_sub(RAM_BASE) >> PAGE_SHIFT, BLANK_SIZE >> PAGE_SHIFT);
        sys::map(vmm_slot::RAM, SPACE_SLOT, FLASH_BASE, from, pages, READ).map_err(Error::at("map a blank flash"))?;
    }
    for (region, n) in info.shared.iter().take(info.shared_count as usize).zip(0..) {
        let rights = if region.writable != 0 { READ | WRITE } else { READ };
        attach(info, vmm_slot::SHARED + n, region.ipa, 0, region.size >> PAGE_SHIFT, rights)
            .map_err(Error::at("map shared memory"))?;
    }
    Ok(())
}

fn make_vcpu(info: &VmmInfo, own: &'static Vcpu) -> Result<(), Error> {
    let index = own.index;
    let n = index as u64;
    let (vcpu, page, sched) = (vcpu_slot(index), vmm_slot::VCPU_PAGE + n, vmm_slot::VCPU_SCHED + n);
    let (aarch32, what, entry) = match is_aarch32(info) {
        false if is_classic(info) => (0, "make a classic vCPU", classic::entry_address()),
        false => (0, "make a vCPU", entry_address()),
        true => (VCPU_AARCH32, "make a 32-bit vCPU, which not each core has", aarch32::entry_address()),
    };
    let how = affinity(index) | aarch32 | (VCPU_PAGES * n) << 40;
    create::vcpu(vcpu, SPACE_SLOT, sched, page, how).map_err(Error::at(what))?;
    let stolen = STOLEN_TIME.base + STOLEN_TIME.stride * n;
    attach(info, page, stolen, VCPU_PAGES * n + 1, 1, READ).map_err(Error::at("map a vCPU's account"))?;
    let doorbells = (DOORBELLS, 1 + info.bells_out.min(MAX_BELLS_OUT as u64) as u32);
    let stack = STACKS.get(index).map_or(0, |stack| stack.0.get() as u64 + STACK as u64);
    let argument = match classic::vcpu(index) {
        None => core::ptr::from_ref(own) as u64,
        Some(classic) => core::ptr::from_ref(classic) as u64,
    };
    // SAFETY: the entry is made by `vcpu_handler!`; each vCPU has a stack of its own, which nothing else uses. The
    // argument is the reference that the handler takes.
    unsafe { sys::vcpu_handler(vcpu, entry, stack, argument, doorbells, 0) }
        .map_err(Error::at("set up a vCPU's handler"))
}

/// The ID registers that the guest sees, by CRm << 3 | op2.
fn id_registers(classic: bool) -> [u64; 64] {
    let mut visible = [0; 64];
    for (place, index) in visible.iter_mut().zip(0..).skip(8) {
        let host = sys::id_register(u64::from(index));
        let register = sysreg(3, 0, 0, index >> 3, index & 7);
        let visible = idregs::visible(register, host);
        *place = if classic { ::classic::id::narrow(register, visible) } else { visible };
    }
    visible
}

/// Which workarounds the guest need not ask for.
fn not_affected(id: [u64; 64]) -> NotAffected {
    let register = |crm: usize, op2: usize| id.get(crm << 3 | op2).copied().unwrap_or(0);
    idregs::not_affected(register(4, 0), register(7, 1))
}
