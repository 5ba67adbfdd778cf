//! A VM: its memory, its VMM domain, and what happens when that stops.
//!
//! ```text
//!   new ──start──▶ running ──EXIT(RESET)──▶ stop ──start──▶ running
//!                     └──EXIT(POWER_OFF), fault──▶ stop
//! ```
//! Memory, scheduling contexts and the UART's interrupt are made once and used by each start anew.
#![allow(unsafe_code, reason = "makes a thread in another domain")]

use crate::image::{Image, Window};
use crate::memory::{Frame, Memory};
use crate::pack::{File, Pack, name};
use abi::boot::{BootInfo, slot};
use abi::cap::rights::{ALL, EXEC, READ, WRITE};
use abi::pack::NAME_LEN;
use abi::syscall::Status;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use rt::sys::{self, create};
use sysdesc::{
    MAX_PORTS, MAX_SHARED, MAX_VCPUS, SYSTEM_MAGIC, SystemDesc, VCPU_PAGES, VMM_INFO, VMM_INITRD, VMM_KERNEL, VMM_RAM,
    VMM_STACK_TOP, VMM_UART, VMM_VCPU_PAGES, VmDesc, VmmInfo, VmmPort, VmmShared, vmm_slot,
};

/// Guest RAM starts at a multiple of this, so that it is mapped in blocks.
const RAM_ALIGN: u64 = 2 << 20;
/// Pages donated to a VMM: its vCPUs, its guest's tables, its own tables.
const POOL_PAGES: u64 = 96;
/// Pages of the VMM's first stack.
const STACK_PAGES: u64 = 8;
/// Pages in front of the writable segments: [`VmmInfo`], stack.
const HEAD_PAGES: u64 = 1 + STACK_PAGES;
/// The worker's priority: above the vCPUs (at most 30), so that input comes in while they compute.
const WORKER_PRIORITY: u64 = 31;

/// What went wrong, and where.
#[derive(Clone, Copy, Debug)]
pub struct Error {
    /// What was being done.
    pub what: &'static str,
    /// The kernel's answer.
    pub status: Status,
}

/// Names the step at which a call fails.
trait At<T> {
    fn at(self, what: &'static str) -> Result<T, Error>;
}

impl<T> At<T> for Result<T, Status> {
    fn at(self, what: &'static str) -> Result<T, Error> {
        self.map_err(|status| Error { what, status })
    }
}

/// What all VMs are made from.
pub struct Machine {
    /// The kernel's word.
    pub info: &'static BootInfo,
    /// The files.
    pub pack: Pack,
    /// Head of the system description.
    pub system: &'static SystemDesc,
    /// Free RAM.
    pub memory: Memory,
}

/// The physical UART of a VM.
#[derive(Clone, Copy)]
struct Uart {
    frame: u64,
    irq: u64,
}

/// A VM.
pub struct Vm {
    desc: &'static VmDesc,
    vcpus: u64,
    image: Image,
    kernel: File,
    initrd: Option<File>,
    ram: Frame,
    pool: Frame,
    work: Frame,
    pages: [Frame; MAX_VCPUS],
    scheds: [u64; MAX_VCPUS],
    worker_sched: u64,
    worker: u64,
    uart: Option<Uart>,
    domain: u64,
    thread: u64,
    restarts: u64,
}

impl Vm {
    /// Takes the memory and makes the objects that outlive a restart. `first_core`: where the placement of vCPUs that
    /// have no core in the description starts.
    pub fn new(machine: &mut Machine, desc: &'static VmDesc, first_core: u64, console: bool) -> Result<Self, Error> {
        let Machine { info, pack, memory, .. } = machine;
        let file = |name: [u8; NAME_LEN]| pack.file(&name).ok_or(Status::BadArg);
        let image = Image::open(file(name("vmm")).at("find the VMM")?).ok_or(Status::BadArg).at("read the VMM")?;
        let vcpus = desc.vcpus.clamp(1, MAX_VCPUS as u64);
        let core = |n: usize| match desc.cores[n] {
            u64::MAX => (first_core + n as u64) % info.cores.max(1),
            core => core,
        };
        let mut vm = Self {
            kernel: file(desc.kernel).at("find the guest's kernel")?,
            initrd: match desc.initrd[0] {
                0 => None,
                _ => Some(file(desc.initrd).at("find the guest's initrd")?),
            },
            ram: memory.alloc(desc.memory >> PAGE_SHIFT, RAM_ALIGN).at("take guest RAM")?,
            pool: memory.alloc(POOL_PAGES, PAGE_SIZE).at("take pool memory")?,
            work: memory.alloc(HEAD_PAGES + image.writable_pages(), PAGE_SIZE).at("take VMM memory")?,
            pages: [Frame::default(); MAX_VCPUS],
            scheds: [0; MAX_VCPUS],
            worker_sched: memory.slot(),
            worker: memory.slot(),
            uart: None,
            domain: memory.slot(),
            thread: memory.slot(),
            restarts: 0,
            desc,
            vcpus,
            image,
        };
        for n in 0..vcpus as usize {
            vm.pages[n] = memory.alloc(VCPU_PAGES, PAGE_SIZE).at("take a vCPU's pages")?;
            vm.scheds[n] = memory.slot();
            create::sched_context(vm.scheds[n], slot::MACHINE, core(n), desc.priority, 0).at("make a vCPU's time")?;
        }
        create::sched_context(vm.worker_sched, slot::MACHINE, core(0), WORKER_PRIORITY, 0).at("make the VMM's time")?;
        create::notification(vm.worker).at("make a notification")?;
        if console && info.uart_base != 0 {
            let uart = Uart { frame: memory.slot(), irq: memory.slot() };
            create::device(uart.frame, slot::MACHINE, info.uart_base, 1).at("take the UART")?;
            create::irq(uart.irq, slot::MACHINE, info.uart_intid, vm.worker, 0).at("take the UART's interrupt")?;
            vm.uart = Some(uart);
        }
        Ok(vm)
    }

    /// The VM's name.
    pub fn name(&self) -> &str {
        let name = &self.desc.name;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        core::str::from_utf8(&name[..end]).unwrap_or("?")
    }

    /// Bits of [`VmDesc::flags`].
    pub fn flags(&self) -> u64 {
        self.desc.flags
    }

    /// Cores that the VM has taken from the round robin.
    pub fn vcpus(&self) -> u64 {
        self.vcpus
    }

    /// The VMM's domain.
    pub fn domain(&self) -> u64 {
        self.domain
    }

    /// Makes the VMM's domain and starts it; `bit` of `events` is set when it stops.
    pub fn start(&self, machine: &Machine, events: u64, bit: u64) -> Result<(), Error> {
        self.fill(machine)?;
        create::domain(self.domain).at("make the domain")?;
        sys::donate(self.pool.slot, self.domain).at("donate its pool")?;
        self.map().at("map its memory")?;
        self.grant().at("give it its capabilities")?;
        sys::watch(self.domain, events, bit).at("watch it")?;
        // SAFETY: the domain is not root's own.
        unsafe { create::thread(self.thread, self.domain, self.worker_sched, self.image.entry(), VMM_STACK_TOP) }
            .at("make its thread")?;
        sys::thread_start(self.thread, VMM_INFO).at("start it")
    }

    /// Destroys the VMM's domain and scrubs what the guest and the VMM left in memory.
    pub fn stop(&mut self) -> Result<(), Error> {
        sys::destroy(self.domain).at("destroy the domain")?;
        for frame in self.guest_frames() {
            sys::revoke(frame.slot).at("revoke memory")?;
            Window::open(frame).at("map memory to scrub it")?.scrub();
        }
        if let Some(uart) = self.uart {
            sys::revoke(uart.frame).at("revoke the UART")?;
            // What was pending for the old guest is not for the new one.
            let _ = sys::irq_ack(uart.irq);
        }
        self.restarts += 1;
        Ok(())
    }

    fn guest_frames(&self) -> impl Iterator<Item = Frame> + use<> {
        let pages = self.pages;
        let vcpus = self.vcpus as usize;
        [self.ram, self.work].into_iter().chain(pages.into_iter().take(vcpus))
    }

    /// Writes the VMM's information page and its writable segments.
    fn fill(&self, machine: &Machine) -> Result<(), Error> {
        let mut window = Window::open(self.work).at("map VMM memory")?;
        let (head, segments) = window.bytes().split_at_mut((HEAD_PAGES * PAGE_SIZE) as usize);
        // SAFETY: the window is page aligned and larger than the structure, which is integers only.
        unsafe { head.as_mut_ptr().cast::<VmmInfo>().write(self.info(machine)) };
        self.image.fill(segments).ok_or(Status::BadArg).at("load the VMM")
    }

    fn info(&self, machine: &Machine) -> VmmInfo {
        let mut seed = machine.system.seed;
        // Each start of each VM has a seed of its own.
        seed[0] = seed[0].wrapping_add(self.restarts as u8);
        seed[1] = seed[1].wrapping_add(self.domain as u8);
        VmmInfo {
            magic: SYSTEM_MAGIC,
            kernel_size: self.kernel.bytes.len() as u64,
            initrd_size: self.initrd.map_or(0, |file| file.bytes.len() as u64),
            cntfrq: machine.info.cntfrq,
            has_uart: u64::from(self.uart.is_some()),
            lr_count: machine.info.lr_count,
            restarts: self.restarts,
            epoch: machine.system.epoch,
            seed,
            index: 0,
            shared_count: 0,
            shared: [VmmShared::default(); MAX_SHARED],
            bells_out: 0,
            bells_in: 0,
            port_count: 0,
            ports: [VmmPort::default(); MAX_PORTS],
            vm: VmDesc { vcpus: self.vcpus, ..*self.desc },
        }
    }

    fn map(&self) -> Result<(), Status> {
        let domain = self.domain;
        self.image.map(domain, self.work.slot, HEAD_PAGES)?;
        sys::map(self.work.slot, domain, VMM_INFO, 0, 1, READ)?;
        sys::map(self.work.slot, domain, VMM_STACK_TOP - STACK_PAGES * PAGE_SIZE, 1, STACK_PAGES, READ | WRITE)?;
        sys::map(self.ram.slot, domain, VMM_RAM, 0, self.ram.pages, READ | WRITE)?;
        map_file(domain, VMM_KERNEL, self.kernel)?;
        if let Some(initrd) = self.initrd {
            map_file(domain, VMM_INITRD, initrd)?;
        }
        for (page, n) in self.pages.iter().zip(0..self.vcpus) {
            sys::map(page.slot, domain, VMM_VCPU_PAGES + n * VCPU_PAGES * PAGE_SIZE, 0, VCPU_PAGES, READ | WRITE)?;
        }
        if let Some(uart) = self.uart {
            sys::map(uart.frame, domain, VMM_UART, 0, 1, READ | WRITE)?;
        }
        Ok(())
    }

    fn grant(&self) -> Result<(), Status> {
        let grant = |slot, source, rights| sys::copy(self.domain, slot, source, rights, 0);
        grant(vmm_slot::SELF, self.domain, ALL)?;
        grant(vmm_slot::LOG, slot::MACHINE, READ)?;
        grant(vmm_slot::RAM, self.ram.slot, READ | WRITE | EXEC)?;
        for ((page, sched), n) in self.pages.iter().zip(self.scheds).zip(0..self.vcpus) {
            grant(vmm_slot::VCPU_PAGE + n, page.slot, READ | WRITE)?;
            grant(vmm_slot::VCPU_SCHED + n, sched, READ | WRITE)?;
        }
        grant(vmm_slot::WORKER_SCHED, self.worker_sched, READ | WRITE)?;
        grant(vmm_slot::WORKER, self.worker, READ | WRITE)?;
        match self.uart {
            Some(uart) => grant(vmm_slot::UART_IRQ, uart.irq, WRITE),
            None => Ok(()),
        }
    }
}

/// Maps a file of the pack read-only, up to the end of its last page.
fn map_file(domain: u64, address: u64, file: File) -> Result<(), Status> {
    let pages = (file.bytes.len() as u64).div_ceil(PAGE_SIZE);
    match pages {
        0 => Ok(()),
        _ => sys::map(slot::PACK, domain, address, file.offset >> PAGE_SHIFT, pages, READ),
    }
}
