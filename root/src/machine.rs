//! What all VMs are made from: files, memory, shared regions, doorbells; and the clock.
#![allow(unsafe_code, reason = "reads the counter; a page that VMMs write")]

use crate::assets::{At, Error};
use crate::console::Console;
use crate::files::Files;
use crate::image::Window;
use crate::memory::{Frame, Memory};
use crate::pack::Pack;
use abi::boot::slot;
use abi::cap::rights::{READ, WRITE};
use abi::{PAGE_SHIFT, PAGE_SIZE};
use core::arch::asm;
use root::place::{self, Placement};
use root::wiring::Parts;
use rt::boot::BootInfo;
use rt::sys::{self, create};
use sysdesc::stats::VmStats;
use sysdesc::{MAX_SHARED, MAX_VMS};

/// Where root maps what VMMs count ([`VmStats`]): a page each.
const STATS: u64 = 0x61_0000_0000;
/// Shared regions of at least this size are aligned to it, so that they are mapped in blocks.
const BLOCK: u64 = 2 << 20;

/// Bits of root's notification.
pub mod event {
    /// VM n has stopped: bit n % `VMS`.
    pub const VMS: u64 = 32;
    /// First bit that is not a VM's.
    pub const OTHER: u64 = VMS;
    /// The console server has stopped.
    pub const CONSOLE: u64 = OTHER;
    /// There is something on the management UART.
    pub const MANAGE: u64 = OTHER + 1;
}

/// What all VMs are made from.
pub struct Machine {
    /// The kernel's word.
    pub info: BootInfo,
    /// Address and INTID of the UARTs: console, management.
    pub uarts: [Option<(u64, u32)>; 2],
    /// The files.
    pub pack: Pack,
    /// Where domains map them from.
    pub files: &'static mut Files,
    /// The system description.
    pub parts: Parts,
    /// Cores of the vCPUs.
    pub placement: Placement,
    /// Free RAM and slots.
    pub memory: &'static mut Memory,
    /// Root's notification.
    pub events: u64,
    /// An empty slot for what root does not keep: threads of VMMs.
    pub spare: u64,
    /// What VMMs count: a page each.
    pub stats: Frame,
    /// Frames of the shared regions.
    pub shared: [Frame; MAX_SHARED],
    /// Notifications of the VMs that hear doorbells; 0: it hears none.
    pub bells: [u64; MAX_VMS],
    /// The console server, if the machine has a UART.
    pub console: Option<Console>,
}

impl Machine {
    /// Takes what belongs to no VM alone.
    pub fn new(
        info: BootInfo,
        uarts: [Option<(u64, u32)>; 2],
        pack: Pack,
        parts: Parts,
        memory: &'static mut Memory,
        files: &'static mut Files,
    ) -> Result<Self, Error> {
        memory.init(&info);
        let mut machine = Self {
            info,
            uarts,
            pack,
            files,
            parts,
            placement: place::place(parts.vms, info.cores),
            memory,
            events: 0,
            spare: 0,
            stats: Frame::default(),
            shared: [Frame::default(); MAX_SHARED],
            bells: [0; MAX_VMS],
            console: None,
        };
        machine.set_up()?;
        Ok(machine)
    }

    fn set_up(&mut self) -> Result<(), Error> {
        let pool = self.memory.pages(root::need::root_pool(self.parts.vms)).at("take memory for itself")?;
        sys::donate(pool.slot, slot::SELF).at("donate to itself")?;
        sys::delete(pool.slot).at("forget its pool's frame")?;
        self.memory.give_slot(pool.slot);
        self.events = self.notification().at("make a notification")?;
        self.spare = self.memory.slot().at("take a slot")?;
        self.stats = self.memory.pages(self.parts.vms.len().max(1) as u64).at("take memory for counters")?;
        sys::map(self.stats.slot, slot::SELF, STATS, 0, self.stats.pages, READ | WRITE).at("map counters")?;
        for (place, region) in self.shared.iter_mut().zip(self.parts.shared) {
            let align = if region.size >= BLOCK { BLOCK } else { PAGE_SIZE };
            *place = self.memory.alloc(region.size >> PAGE_SHIFT, align).at("take shared memory")?;
            Window::open(*place).at("map shared memory to clear it")?.scrub();
        }
        for vm in 0..self.parts.vms.len() {
            if self.parts.bells_in(vm as u64) != 0
                && let Some(place) = self.bells.get_mut(vm)
            {
                let slot = self.memory.slot().at("make a doorbell")?;
                create::notification(slot).at("make a doorbell")?;
                *place = slot;
            }
        }
        self.console = Console::new(self)?;
        Ok(())
    }

    /// A new notification.
    pub fn notification(&mut self) -> Result<u64, rt::abi::syscall::Status> {
        let slot = self.memory.slot()?;
        create::notification(slot).map(|()| slot)
    }

    /// What the VMM of VM `index` counts. It may write there what it likes.
    pub fn stats(&self, index: u64) -> Option<&'static VmStats> {
        // SAFETY: `set_up` has mapped a page for each VM, for good; the structure is atomics only and fits in a page.
        (index < self.stats.pages).then(|| unsafe { &*((STATS + index * PAGE_SIZE) as *const VmStats) })
    }

    /// The console server may have stopped.
    pub fn check_console(&mut self) {
        if let Some(mut console) = self.console.take() {
            console.check(self);
            self.console = Some(console);
        }
    }

    /// CNTPCT.
    pub fn now(&self) -> u64 {
        let ticks;
        // SAFETY: reads the counter; the barrier keeps the read in program order (Arm ARM D12.1.2).
        unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
        ticks
    }

    /// Ticks as milliseconds.
    pub fn milliseconds(&self, ticks: u64) -> u64 {
        ticks / (self.info.cntfrq / 1000).max(1)
    }

    /// The time in so many milliseconds from now.
    pub fn after(&self, milliseconds: u64) -> u64 {
        self.now().saturating_add(milliseconds.saturating_mul(self.info.cntfrq / 1000))
    }

    /// Microseconds as ticks.
    pub fn ticks(&self, microseconds: u64) -> u64 {
        (u128::from(microseconds) * u128::from(self.info.cntfrq) / 1_000_000) as u64
    }
}
