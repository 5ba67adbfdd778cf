//! What a VM is made of, and how its VMM's domain is made from it and taken apart.
//!
//! Root's table has 512 slots for all VMs: a VM takes six, and one for each vCPU.
#![allow(unsafe_code, reason = "makes a thread in another domain")]

use crate::files::Place;
use crate::image::{Image, Window};
use crate::machine::{Machine, event};
use crate::memory::Frame;
use crate::pack::{File, name};
use abi::boot::slot;
use abi::cap::rights::{ALL, EXEC, READ, WRITE};
use abi::syscall::Status;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::sync::atomic::Ordering::Relaxed;
use root::pulse::{self, Reading};
use root::{need, place};
use rt::sys::{self, create};
use sysdesc::pack::NAME_LEN;
use sysdesc::{
    MAX_VCPUS, SYSTEM_MAGIC, VCPU_PAGES, VMM_CLASSIC, VMM_INFO, VMM_INITRD, VMM_KERNEL, VMM_RAM, VMM_SHARED,
    VMM_SHARED_STRIDE, VMM_STACK_TOP, VMM_STATS, VMM_VCPU_PAGES, VmDesc, VmmInfo, vmm_slot,
};

/// Guest RAM starts at a multiple of this, so that it is mapped in blocks.
const RAM_ALIGN: u64 = 2 << 20;
/// Pages of the VMM's first stack.
const STACK_PAGES: u64 = 8;
/// Pages of the work frame in front of the writable segments: [`VmmInfo`], stack. In front of them, those of the vCPUs.
const HEAD_PAGES: u64 = 1 + STACK_PAGES;
/// Highest priority.
const MAX_PRIORITY: u64 = 31;
/// Microseconds that a worker runs at most in each [`WORKER_PERIOD`] while others want the core, should it ever loop.
const WORKER_BUDGET: u64 = 2_000;
/// Microseconds.
const WORKER_PERIOD: u64 = 10_000;

/// What went wrong, and where.
#[derive(Clone, Copy, Debug)]
pub struct Error {
    /// What was being done.
    pub what: &'static str,
    /// The kernel's answer.
    pub status: Status,
}

/// Names the step at which a call fails.
pub trait At<T> {
    /// See [`At`].
    fn at(self, what: &'static str) -> Result<T, Error>;
}

impl<T> At<T> for Result<T, Status> {
    fn at(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|status| Error { what, status })
    }
}

/// A file, and where domains map it from.
#[derive(Clone, Copy)]
struct Source {
    file: File,
    place: Place,
}

/// What a VM is made of.
pub struct Assets {
    desc: &'static VmDesc,
    index: u64,
    vcpus: usize,
    image: Image,
    image_place: Place,
    kernel: Source,
    initrd: Option<Source>,
    ram: Frame,
    pool: Frame,
    /// Pages of the vCPUs, information page, stack, writable segments, the classic engine's pages.
    work: Frame,
    vcpu_pages: u64,
    /// Slots of the vCPUs' scheduling contexts.
    pub scheds: [u64; MAX_VCPUS],
    /// Slot of the worker's scheduling context.
    pub worker_sched: u64,
    /// Slot of the worker's notification.
    pub worker: u64,
    /// Slot of the VMM's domain.
    pub domain: u64,
}

impl Assets {
    /// Takes memory and slots, and makes the objects that outlive a restart. On failure the guest's RAM is for others.
    pub fn new(machine: &mut Machine, index: u64, desc: &'static VmDesc) -> Result<Self, Error> {
        let ram = machine.memory.alloc(desc.memory >> PAGE_SHIFT, RAM_ALIGN).at("take guest RAM")?;
        let assets = Self::with_ram(machine, index, desc, ram);
        if assets.is_err() {
            machine.memory.give(ram);
        }
        assets
    }

    fn with_ram(machine: &mut Machine, index: u64, desc: &'static VmDesc, ram: Frame) -> Result<Self, Error> {
        let vms = machine.parts.vms.len();
        let pack = machine.pack;
        let file = |name: [u8; NAME_LEN]| pack.file(&name).ok_or(Status::BadArg);
        let image = Image::open(file(name("vmm")).at("find the VMM")?).ok_or(Status::BadArg).at("read the VMM")?;
        let kernel = file(desc.kernel).at("find the guest's kernel")?;
        let initrd = match desc.initrd {
            [0, ..] => None,
            name => Some(file(name).at("find the guest's initrd")?),
        };
        let sizes = [kernel.bytes.len() as u64, initrd.map_or(0, |file| file.bytes.len() as u64)];
        let pool = need::vmm_pool(desc, sizes, machine.parts.shared_of(index).map(|(_, region, _)| region));
        let Machine { memory, files, .. } = machine;
        let mut source = |file, shared| {
            let place = files.place(memory, file, 1, shared, vms)?;
            Ok(Source { file, place })
        };
        let kernel = source(kernel, false).at("place the guest's kernel")?;
        let initrd = initrd.map(|file| source(file, false)).transpose().at("place the guest's initrd")?;
        let image_place = files.place(memory, image.file(), image.read_only(), true, vms).at("place the VMM")?;
        let vcpus = place::count(desc);
        let vcpu_pages = VCPU_PAGES * vcpus as u64;
        let mut assets = Self {
            desc,
            index,
            vcpus,
            image,
            image_place,
            kernel,
            initrd,
            ram,
            pool: memory.pages(pool).at("take pool memory")?,
            work: memory
                .pages(vcpu_pages + HEAD_PAGES + image.writable_pages() + need::engine_pages(desc))
                .at("take VMM memory")?,
            vcpu_pages,
            scheds: [0; MAX_VCPUS],
            worker_sched: 0,
            worker: 0,
            domain: memory.slot().at("take a slot")?,
        };
        assets.make_objects(machine)?;
        Ok(assets)
    }

    fn make_objects(&mut self, machine: &mut Machine) -> Result<(), Error> {
        let row = machine.placement.get(self.index as usize).copied().unwrap_or_default();
        let budget = (machine.ticks(self.desc.budget), machine.ticks(self.desc.period));
        let worker = (machine.ticks(WORKER_BUDGET), machine.ticks(WORKER_PERIOD));
        let memory = &mut machine.memory;
        for (sched, core) in self.scheds.iter_mut().zip(row).take(self.vcpus) {
            *sched = memory.slot().at("take a slot")?;
            make_sched(*sched, core, self.desc.priority, budget).at("make a vCPU's time")?;
        }
        // The worker goes before the vCPUs of its VM, so that input comes in while they compute; but not before those of
        // VMs that are more urgent.
        let priority = (self.desc.priority + 1).min(MAX_PRIORITY);
        self.worker_sched = memory.slot().at("take a slot")?;
        make_sched(self.worker_sched, row[0], priority, worker).at("make the VMM's time")?;
        self.worker = machine.notification().at("make a notification")?;
        match &mut machine.console {
            Some(console) => console.connect(self.index, self.worker).at("connect it with the console"),
            None => Ok(()),
        }
    }

    /// What tells whether the VMM lives.
    pub fn reading(&self, machine: &Machine) -> Reading {
        let account = |sched| sys::sched_info(sched).unwrap_or_default();
        let worker = account(self.worker_sched);
        let mut reading = Reading { run: worker.run, waited: worker.stolen, ..Reading::default() };
        if let Some(stats) = machine.stats(self.index) {
            reading.answers = stats.heartbeat.load(Relaxed);
            for ((vcpu, stats), sched) in reading.vcpus.iter_mut().zip(&stats.vcpus).zip(self.scheds).take(self.vcpus) {
                let info = account(sched);
                let exits = stats.count.iter().fold(0, |sum: u64, count| sum.wrapping_add(count.load(Relaxed)));
                *vcpu = pulse::Vcpu { in_handler: info.in_handler, run: info.run, exits };
            }
        }
        reading
    }

    /// Makes the VMM's domain and starts it.
    pub fn start(&self, machine: &Machine, restarts: u64) -> Result<(), Error> {
        self.fill(machine, restarts)?;
        create::domain(self.domain).at("make the domain")?;
        sys::donate(self.pool.slot, self.domain).at("donate its pool")?;
        self.map(machine).at("map its memory")?;
        self.grant(machine).at("give it its capabilities")?;
        sys::watch(self.domain, machine.events, self.index % event::VMS).at("watch it")?;
        let thread = machine.spare;
        // SAFETY: the domain is not root's own.
        unsafe { create::thread(thread, self.domain, self.worker_sched, self.image.entry(), VMM_STACK_TOP) }
            .at("make its thread")?;
        let started = sys::thread_start(thread, VMM_INFO);
        sys::delete(thread).at("forget its thread")?;
        started.at("start it")
    }

    /// Destroys the VMM's domain, if there is one, and scrubs what the guest and the VMM left in memory. Shared memory
    /// stays as it is: it is the others', too.
    pub fn stop(&self) -> Result<(), Error> {
        match sys::destroy(self.domain) {
            Ok(()) | Err(Status::BadCap) => {}
            Err(status) => return Err(status).at("destroy the domain"),
        }
        for frame in [self.ram, self.work] {
            sys::revoke(frame.slot).at("revoke memory")?;
            Window::open(frame).at("map memory to scrub it")?.scrub();
        }
        // What was signalled to the old VMM's worker is not for the new one.
        let _ = sys::wait(self.worker, 0);
        Ok(())
    }

    /// Writes the VMM's information page and its writable segments.
    fn fill(&self, machine: &Machine, restarts: u64) -> Result<(), Error> {
        if let Some(stats) = machine.stats(self.index) {
            stats.heartbeat.store(0, Relaxed);
            stats.vcpus.iter().flat_map(|vcpu| &vcpu.count).for_each(|count| count.store(0, Relaxed));
        }
        let mut window = Window::open(self.work).at("map VMM memory")?;
        let broken = Error { what: "load the VMM", status: Status::BadArg };
        let bytes = window.bytes().get_mut((self.vcpu_pages * PAGE_SIZE) as usize..).ok_or(broken)?;
        let (head, segments) = bytes.split_at_mut_checked((HEAD_PAGES * PAGE_SIZE) as usize).ok_or(broken)?;
        // SAFETY: it is page aligned and larger than the structure, which is integers only.
        unsafe { head.as_mut_ptr().cast::<VmmInfo>().write(self.info(machine, restarts)) };
        self.image.fill(segments).ok_or(broken)
    }

    fn info(&self, machine: &Machine, restarts: u64) -> VmmInfo {
        let Machine { info, parts, .. } = machine;
        let (shared, shared_count) = parts.vmm_shared(self.index);
        let (ports, port_count) = parts.vmm_ports(self.index);
        VmmInfo {
            magic: SYSTEM_MAGIC,
            kernel_size: self.kernel.file.bytes.len() as u64,
            initrd_size: self.initrd.map_or(0, |initrd| initrd.file.bytes.len() as u64),
            cntfrq: info.cntfrq,
            has_console: u64::from(machine.console.is_some()),
            lr_count: info.lr_count,
            restarts,
            epoch: parts.head.epoch,
            seed: seed(parts.head.seed, self.index, restarts),
            index: self.index,
            shared_count,
            shared,
            bells_out: parts.bells_out(self.index).count() as u64,
            bells_in: parts.bells_in(self.index),
            port_count,
            ports,
            vm: VmDesc { vcpus: self.vcpus as u64, ..*self.desc },
        }
    }

    fn map(&self, machine: &Machine) -> Result<(), Status> {
        let domain = self.domain;
        let (work, info) = (self.work.slot, self.vcpu_pages);
        sys::map(work, domain, VMM_VCPU_PAGES, 0, self.vcpu_pages, READ | WRITE)?;
        sys::map(work, domain, VMM_INFO, info, 1, READ)?;
        sys::map(work, domain, VMM_STACK_TOP - STACK_PAGES * PAGE_SIZE, info + 1, STACK_PAGES, READ | WRITE)?;
        self.image.map(domain, self.image_place, work, info + HEAD_PAGES)?;
        if let engine @ 1.. = need::engine_pages(self.desc) {
            sys::map(work, domain, VMM_CLASSIC, self.work.pages - engine, engine, READ | WRITE)?;
        }
        sys::map(self.ram.slot, domain, VMM_RAM, 0, self.ram.pages, READ | WRITE)?;
        sys::map(machine.stats.slot, domain, VMM_STATS, self.index, 1, READ | WRITE)?;
        map_file(domain, VMM_KERNEL, &self.kernel)?;
        if let Some(initrd) = &self.initrd {
            map_file(domain, VMM_INITRD, initrd)?;
        }
        for ((frame, rights), n) in self.shared(machine).zip(0..) {
            sys::map(frame.slot, domain, VMM_SHARED + n * VMM_SHARED_STRIDE, 0, frame.pages, rights)?;
        }
        match &machine.console {
            Some(console) => console.attach(domain, self.index),
            None => Ok(()),
        }
    }

    /// The shared regions that the VM sees, with its rights.
    fn shared<'a>(&self, machine: &'a Machine) -> impl Iterator<Item = (&'a Frame, u64)> + use<'a> {
        let regions = machine.parts.shared_of(self.index);
        regions
            .filter_map(|(n, _, writable)| Some((machine.shared.get(n)?, if writable { READ | WRITE } else { READ })))
    }

    fn grant(&self, machine: &Machine) -> Result<(), Status> {
        let grant = |slot, source, rights| sys::copy(self.domain, slot, source, rights, 0);
        grant(vmm_slot::SELF, self.domain, ALL)?;
        grant(vmm_slot::RAM, self.ram.slot, READ | WRITE | EXEC)?;
        for (sched, n) in self.scheds.into_iter().take(self.vcpus).zip(0..) {
            grant(vmm_slot::VCPU_PAGE + n, self.work.slot, READ | WRITE)?;
            grant(vmm_slot::VCPU_SCHED + n, sched, READ | WRITE)?;
        }
        grant(vmm_slot::WORKER_SCHED, self.worker_sched, READ | WRITE)?;
        grant(vmm_slot::WORKER, self.worker, READ | WRITE)?;
        for ((frame, rights), n) in self.shared(machine).zip(0..) {
            grant(vmm_slot::SHARED + n, frame.slot, rights)?;
        }
        self.grant_bells(machine)
    }

    /// The VM's own notification, and those of the VMs that it rings: the badge is the receiver's bit.
    fn grant_bells(&self, machine: &Machine) -> Result<(), Status> {
        let bell = |vm: u64| machine.bells.get(vm as usize).copied().filter(|slot| *slot != 0);
        if let Some(own) = bell(self.index) {
            sys::copy(self.domain, vmm_slot::BELLS_IN, own, READ, 0)?;
        }
        for out in machine.parts.bells_out(self.index) {
            if let Some(other) = bell(out.to) {
                sys::copy(self.domain, vmm_slot::BELLS_OUT + out.number, other, WRITE, out.bit + 1)?;
            }
        }
        Ok(())
    }
}

/// Makes a scheduling context; `limit`: budget and period in ticks, (0, 0) for none.
fn make_sched(slot: u64, core: u8, priority: u64, limit: (u64, u64)) -> Result<(), Status> {
    create::budgeted(slot, slot::MACHINE, core.into(), priority, 0, limit)
}

/// Each start of each VM has a seed of its own.
fn seed(mut seed: [u8; 32], index: u64, restarts: u64) -> [u8; 32] {
    let own = index.to_le_bytes().into_iter().chain(restarts.to_le_bytes());
    seed.iter_mut().zip(own).for_each(|(byte, own)| *byte = byte.wrapping_add(own));
    seed
}

/// Maps a file read-only, up to the end of its last page.
fn map_file(domain: u64, address: u64, source: &Source) -> Result<(), Status> {
    let pages = (source.file.bytes.len() as u64).div_ceil(PAGE_SIZE);
    match pages {
        0 => Ok(()),
        _ => sys::map(source.place.slot, domain, address, source.place.page, pages, READ),
    }
}
