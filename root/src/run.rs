//! Start of the system, and the loop that waits for VMs to stop and looks after them.
#![allow(unsafe_code, reason = "a thread of root's own; the device tree as it was mapped")]

use crate::assets::{At, Error};
use crate::console;
use crate::machine::event;
use crate::manage::Manage;
use crate::pack::Pack;
use crate::system::System;
use abi::PAGE_SIZE;
use abi::boot::slot;
use abi::cap::rights::READ;
use abi::syscall::Status;
use core::cell::UnsafeCell;
use root::dt;
use rt::boot::BootInfo;
use rt::log;
use rt::sys::{self, create};
use sysdesc::exit;

/// Microseconds that root runs at most in each [`PERIOD`] while others want the core.
const BUDGET: u64 = 5_000;
/// Microseconds.
const PERIOD: u64 = 10_000;
/// Bytes of the stack that root works on.
const STACK: usize = 32 << 10;

/// Where root maps the device tree for a moment.
const DTB: u64 = 0x62_4000_0000;

/// What the thread that goes on is given: the system, and a stack.
#[repr(C, align(16))]
struct Handover {
    stack: UnsafeCell<[u8; STACK]>,
    system: UnsafeCell<Option<System>>,
}

// SAFETY: the first thread writes `system` before it starts the second, which alone takes it, and has the stack.
unsafe impl Sync for Handover {}

static HANDOVER: Handover = Handover { stack: UnsafeCell::new([0; STACK]), system: UnsafeCell::new(None) };

/// First code of the system outside of the kernel. The thread that it runs on is above all VMs: it makes ready, starts
/// another that is not, and sleeps.
pub fn main(dtb: u64) -> ! {
    rt::log::init(slot::MACHINE);
    match open(dtb).and_then(go_on) {
        Ok(never) => loop {
            let _ = sys::wait(never, u64::MAX);
        },
        Err(error) => end(error),
    }
}

fn end(error: Error) -> ! {
    log!("root: cannot {}: {:?}", error.what, error.status);
    power_off()
}

/// Starts the thread that does all that is left. It clears and copies memory whenever a VM is started anew, and so runs
/// where, and as urgently as, the console server does. Gives a notification that nobody signals.
fn go_on(mut system: System) -> Result<u64, Error> {
    let machine = &mut system.machine;
    let (core, priority) = console::place_server(machine.parts.vms, &machine.placement, machine.info.cores);
    let limit = (machine.ticks(BUDGET), machine.ticks(PERIOD));
    let sched = machine.memory.slot().at("take a slot")?;
    let never = machine.notification().at("make a notification")?;
    let thread = machine.spare;
    create::budgeted(sched, slot::MACHINE, core, priority, 0, limit).at("make its own time")?;
    let stack = HANDOVER.stack.get() as u64 + STACK as u64;
    // SAFETY: the stack is that thread's alone, which is made once.
    unsafe { create::thread(thread, slot::SELF, sched, serve as *const () as u64, stack) }.at("make its own thread")?;
    // SAFETY: nobody else uses it before the thread is started.
    unsafe { *HANDOVER.system.get() = Some(system) };
    sys::thread_start(thread, 0).at("start its own thread")?;
    Ok(never)
}

/// The thread that root works on from then on. The slot that names it is empty again before anything needs it.
extern "C" fn serve(_: u64) -> ! {
    // SAFETY: the first thread has left it to this one.
    let system = unsafe { (*HANDOVER.system.get()).take() };
    let run = |mut system: System| {
        sys::delete(system.machine.spare).at("forget its own thread")?;
        run(&mut system)
    };
    if let Some(Err(error)) = system.map(run) {
        end(error);
    }
    power_off()
}

/// Ends the machine.
fn power_off() -> ! {
    let _ = sys::power_off(slot::MACHINE);
    sys::exit(exit::ERROR)
}

/// `dtb`: the kernel's word where the device tree is (`abi::boot`).
fn open(dtb: u64) -> Result<System, Error> {
    let unread = || Error { what: "read the pack", status: Status::BadArg };
    let info = BootInfo::read().at("ask about the machine")?;
    let uarts = uarts(dtb).at("read the device tree")?;
    let pack = Pack::open().ok_or_else(unread)?;
    System::new(info, uarts, pack, pack.system().ok_or_else(unread)?)
}

/// Address and INTID of the first two PL011s: the console's, and management's.
fn uarts(dtb: u64) -> sys::Result<[Option<(u64, u32)>; 2]> {
    let size = sys::frame_info(slot::DTB)?.pages * PAGE_SIZE;
    sys::map(slot::DTB, slot::SELF, DTB, 0, size / PAGE_SIZE, READ)?;
    let length = size.saturating_sub(dtb) as usize;
    // SAFETY: mapped above, until the unmap below, where nothing of the slice is left; nobody writes to the blob.
    let bytes = unsafe { core::slice::from_raw_parts((DTB + dtb) as *const u8, length) };
    let found = [dt::pl011(bytes, 0), dt::pl011(bytes, 1)];
    sys::unmap(slot::DTB, slot::SELF, DTB)?;
    Ok(found)
}

fn run(system: &mut System) -> Result<(), Error> {
    // Without management the VMs run all the same.
    let mut manage = Manage::new(&mut system.machine).unwrap_or_else(|error| {
        log!("root: no management: cannot {}: {:?}", error.what, error.status);
        None
    });
    system.start_all();
    while !system.ended() {
        let bits = match sys::wait(system.machine.events, system.deadline()) {
            Err(Status::Timeout) => 0,
            bits => bits.at("wait")?,
        };
        system.check(bits % (1 << event::VMS));
        if bits & 1 << event::CONSOLE != 0 {
            system.machine.check_console();
        }
        if bits & 1 << event::MANAGE != 0
            && let Some(manage) = &mut manage
        {
            manage.turn(system);
        }
        system.tick();
    }
    if let Some(console) = &system.machine.console {
        console.drain(&system.machine);
    }
    Ok(())
}
