//! The console server: a domain of its own, which has the physical UART. Root makes its rings, starts it before the VMs,
//! and starts it anew should it ever stop: rings, and so what is in them, are root's.
//!
//! It runs on the core where the most urgent vCPU is the least urgent, before the least urgent vCPUs of that core and
//! behind all others; and for at most [`BUDGET`] of each [`PERIOD`] while others want the core.
#![allow(unsafe_code, reason = "makes a thread in another domain; memory shared with it")]

use crate::assets::{At, Error};
use crate::files::Place;
use crate::image::{Image, Window};
use crate::machine::{Machine, event};
use crate::memory::Frame;
use crate::pack::name;
use abi::boot::slot;
use abi::cap::rights::{ALL, READ, WRITE};
use abi::syscall::Status;
use abi::{PAGE_SHIFT, PAGE_SIZE};
use ring::{Word, Writer};
use root::place::{self, Placement};
use rt::lock::SpinLock;
use rt::log;
use rt::sys::{self, create};
use sysdesc::console::{
    self as layout, ConsoleInfo, HISTORIES, HISTORY, INFO, MAX_CHANNELS, RING_PAGES, RINGS, UART, signal,
};
use sysdesc::pack::NAME_LEN;
use sysdesc::{SYSTEM_MAGIC, SYSTEM_MUX, VMM_CONSOLE, VMM_STACK_TOP, VmDesc, vmm_slot};

/// Pages of the server's stack.
const STACK_PAGES: u64 = 16;
/// Pages in front of its writable segments: [`ConsoleInfo`], stack.
const HEAD_PAGES: u64 = 1 + STACK_PAGES;
/// Pages of its pool: thread, translation tables.
const POOL_PAGES: u64 = 32;
/// Microseconds that it runs at most in each [`PERIOD`] while others want the core.
const BUDGET: u64 = 2_000;
/// Microseconds.
const PERIOD: u64 = 10_000;
/// Most milliseconds that root waits at power-off for output to be out.
const PATIENCE: u64 = 5_000;
/// Most failures of the server's before it is left alone.
const MOST_FAILURES: u64 = 10;

/// What the server is made of.
pub struct Console {
    image: Image,
    image_place: Place,
    channels: u64,
    work: Frame,
    pool: Frame,
    rings: Frame,
    histories: Frame,
    sched: u64,
    domain: u64,
    uart: u64,
    irq: u64,
    /// Notification that the server waits for.
    events: u64,
    /// Notification by which it says that all output is out.
    drained: u64,
    /// Notifications of the channels' owners; 0: none.
    owners: [u64; MAX_CHANNELS],
    failures: u64,
}

/// Root's end of channel 0.
static LINES: SpinLock<Option<(Writer<'static>, u64)>> = SpinLock::new(None);

impl Console {
    /// Takes what the server needs, and starts it. `None` if the machine has no UART.
    pub fn new(machine: &mut Machine) -> Result<Option<Self>, Error> {
        let Some((base, intid)) = machine.uarts[0] else { return Ok(None) };
        let file = machine.pack.file(&name("console")).ok_or(Status::BadArg).at("find the console server")?;
        let image = Image::open(file).ok_or(Status::BadArg).at("read the console server")?;
        let channels = (machine.parts.vms.len() + 1).min(MAX_CHANNELS) as u64;
        let (core, priority) = place_server(machine.parts.vms, &machine.placement, machine.info.cores);
        let memory = &mut machine.memory;
        let mut console = Self {
            image_place: Place { slot: slot::PACK, page: image.file().offset >> PAGE_SHIFT },
            work: memory.pages(HEAD_PAGES + image.writable_pages()).at("take the console's memory")?,
            pool: memory.pages(POOL_PAGES).at("take the console's pool")?,
            rings: memory.pages(channels * RING_PAGES).at("take the console's rings")?,
            histories: memory.pages(channels * HISTORY / PAGE_SIZE).at("take the console's memory")?,
            sched: memory.slot().at("take a slot")?,
            domain: memory.slot().at("take a slot")?,
            uart: memory.slot().at("take a slot")?,
            irq: memory.slot().at("take a slot")?,
            events: machine.notification().at("make a notification")?,
            drained: machine.notification().at("make a notification")?,
            owners: [0; MAX_CHANNELS],
            failures: 0,
            channels,
            image,
        };
        let limit = (machine.ticks(BUDGET), machine.ticks(PERIOD));
        create::budgeted(console.sched, slot::MACHINE, core, priority, 0, limit).at("make the console's time")?;
        create::device(console.uart, slot::MACHINE, base, 1).at("take the UART")?;
        create::irq(console.irq, slot::MACHINE, intid.into(), console.events, 0).at("take the UART's interrupt")?;
        console.open().at("map the console's rings")?;
        console.start(machine)?;
        Ok(Some(console))
    }

    /// Makes the channels, and takes root's own.
    fn open(&mut self) -> Result<(), Status> {
        sys::map(self.rings.slot, slot::SELF, RINGS, 0, self.rings.pages, READ | WRITE)?;
        for index in 0..self.channels {
            // SAFETY: mapped above, for good; all who have rings use them as atomic words.
            let words = unsafe {
                let rings = (RINGS + index * RING_PAGES * PAGE_SIZE) as *const Word;
                core::slice::from_raw_parts(rings, (RING_PAGES * PAGE_SIZE / 4) as usize)
            };
            let channel = ring::Channel::format(words).ok_or(Status::BadArg)?;
            if index == 0 {
                let (writer, _) = channel.side(0).ok_or(Status::BadArg)?;
                *LINES.lock() = Some((writer, self.events));
            }
        }
        rt::log::set_sink(write);
        Ok(())
    }

    /// Makes the server's domain and starts it.
    fn start(&mut self, machine: &Machine) -> Result<(), Error> {
        let mut window = Window::open(self.work).at("map the console's memory")?;
        let (head, segments) = window
            .bytes()
            .split_at_mut_checked((HEAD_PAGES * PAGE_SIZE) as usize)
            .ok_or(Status::BadArg)
            .at("load the console")?;
        // SAFETY: the window is page aligned and larger than the structure, which is integers only.
        unsafe { head.as_mut_ptr().cast::<ConsoleInfo>().write(self.info(machine)) };
        self.image.fill(segments).ok_or(Status::BadArg).at("load the console")?;
        drop(window);
        create::domain(self.domain).at("make the console's domain")?;
        sys::donate(self.pool.slot, self.domain).at("donate the console's pool")?;
        self.map().at("map the console's memory")?;
        self.grant().at("give the console its capabilities")?;
        sys::watch(self.domain, machine.events, event::CONSOLE).at("watch the console")?;
        let thread = machine.spare;
        // SAFETY: the domain is not root's own.
        unsafe { create::thread(thread, self.domain, self.sched, self.image.entry(), VMM_STACK_TOP) }
            .at("make the console's thread")?;
        let started = sys::thread_start(thread, INFO);
        sys::delete(thread).at("forget the console's thread")?;
        started.at("start the console")
    }

    fn info(&self, machine: &Machine) -> ConsoleInfo {
        let mut names = [[0; NAME_LEN]; MAX_CHANNELS];
        let vms = machine.parts.vms.iter().map(|vm| vm.name);
        names.iter_mut().zip([name("sosia")].into_iter().chain(vms)).for_each(|(to, from)| *to = from);
        let mux = u64::from(machine.parts.head.flags & SYSTEM_MUX != 0);
        ConsoleInfo { magic: SYSTEM_MAGIC, channels: self.channels, mux, cntfrq: machine.info.cntfrq, names }
    }

    fn map(&self) -> Result<(), Status> {
        let domain = self.domain;
        self.image.map(domain, self.image_place, self.work.slot, HEAD_PAGES)?;
        sys::map(self.work.slot, domain, INFO, 0, 1, READ)?;
        sys::map(self.work.slot, domain, VMM_STACK_TOP - STACK_PAGES * PAGE_SIZE, 1, STACK_PAGES, READ | WRITE)?;
        sys::map(self.uart, domain, UART, 0, 1, READ | WRITE)?;
        sys::map(self.rings.slot, domain, RINGS, 0, self.rings.pages, READ | WRITE)?;
        sys::map(self.histories.slot, domain, HISTORIES, 0, self.histories.pages, READ | WRITE)
    }

    fn grant(&self) -> Result<(), Status> {
        let grant = |slot, source, rights| sys::copy(self.domain, slot, source, rights, 0);
        grant(layout::slot::SELF, self.domain, ALL)?;
        grant(layout::slot::EVENTS, self.events, READ)?;
        grant(layout::slot::UART_IRQ, self.irq, WRITE)?;
        grant(layout::slot::DRAINED, self.drained, WRITE)?;
        for (owner, index) in self.owners.iter().zip(0..).filter(|(owner, _)| **owner != 0) {
            grant(layout::slot::OWNERS + index, *owner, WRITE)?;
        }
        Ok(())
    }

    /// Tells the server who has the console of VM `vm`: the notification of its VMM's worker, for good.
    pub fn connect(&mut self, vm: u64, worker: u64) -> Result<(), Status> {
        let Some(owner) = self.owners.get_mut(vm as usize + 1) else { return Err(Status::BadArg) };
        *owner = worker;
        sys::copy(self.domain, layout::slot::OWNERS + vm + 1, worker, WRITE, 0)
    }

    /// Gives the VMM of VM `vm`, in `domain`, its console.
    pub fn attach(&self, domain: u64, vm: u64) -> Result<(), Status> {
        sys::map(self.rings.slot, domain, VMM_CONSOLE, (vm + 1) * RING_PAGES, RING_PAGES, READ | WRITE)?;
        sys::copy(domain, vmm_slot::CONSOLE, self.events, WRITE, badge(signal::CHANNEL))
    }

    /// The server may have stopped, which it never should: it is started anew.
    pub fn check(&mut self, machine: &Machine) {
        let Ok(info) = sys::domain_info(self.domain) else { return };
        if info.reason == rt::abi::syscall::stop::RUNNING {
            return;
        }
        self.failures += 1;
        let (esr, elr, far) = (info.esr, info.elr, info.far);
        log!("root: the console server stopped ({}) esr={esr:#x} elr={elr:#x} far={far:#x}", info.reason);
        if self.failures > MOST_FAILURES {
            return rt::log::set_sink(|_| false);
        }
        if let Err(error) = self.restart(machine) {
            rt::log::set_sink(|_| false);
            log!("root: cannot {}: {:?}", error.what, error.status);
        }
    }

    fn restart(&mut self, machine: &Machine) -> Result<(), Error> {
        sys::destroy(self.domain).at("destroy the console's domain")?;
        Window::open(self.work).at("map the console's memory")?.scrub();
        self.start(machine)
    }

    /// Waits until all that was written so far is out: the machine is about to be powered off.
    pub fn drain(&self, machine: &Machine) {
        // From an earlier time.
        let _ = sys::wait(self.drained, 0);
        let _ = sys::signal(self.events, signal::DRAIN);
        let _ = sys::wait(self.drained, machine.after(PATIENCE));
    }
}

/// The badge by which a capability sets just this bit.
fn badge(bit: u64) -> u64 {
    u64::from(bit.trailing_zeros()) + 1
}

/// Root's lines (`rt::log`), in channel 0; what does not fit goes to the kernel's log.
fn write(line: &[u8]) -> bool {
    let Some(mut lines) = LINES.try_lock() else { return false };
    let Some((writer, events)) = lines.as_mut() else { return false };
    if !writer.has_room(line.len() as u32) {
        return false;
    }
    writer.write(line);
    if writer.must_ring() {
        let _ = sys::signal(*events, signal::CHANNEL);
    }
    true
}

/// Core and priority of what serves all VMs and must keep no urgent one waiting: this server, and root itself.
pub fn place_server(vms: &[VmDesc], placement: &Placement, cores: u64) -> (u64, u64) {
    let on = |core: u64| {
        let row = vms.iter().zip(placement);
        row.filter(move |(vm, row)| row.iter().take(place::count(vm)).any(|own| u64::from(*own) == core))
            .map(|(vm, _)| vm.priority)
    };
    let core = (0..cores.max(1)).rev().min_by_key(|core| on(*core).max()).unwrap_or(0);
    (core, on(core).min().map_or(16, |least| (least + 1).min(30)))
}
