//! Start of the system, and the loop that waits for VMs to stop and looks after them.

use crate::assets::{At, Error};
use crate::machine::event;
use crate::manage::Manage;
use crate::pack::{Pack, boot_info};
use crate::system::System;
use abi::boot::slot;
use abi::syscall::Status;
use rt::{log, sys};
use sysdesc::exit;

/// First code of the system outside of the kernel.
pub fn main(_: u64) -> ! {
    rt::log::init(slot::MACHINE);
    if let Err(error) = run() {
        log!("root: cannot {}: {:?}", error.what, error.status);
    }
    power_off()
}

/// Ends the machine.
fn power_off() -> ! {
    let _ = sys::power_off(slot::MACHINE);
    sys::exit(exit::ERROR)
}

fn open() -> Result<System, Error> {
    let unread = || Error { what: "read the pack", status: Status::BadArg };
    let info = boot_info().ok_or_else(unread)?;
    let pack = Pack::open(info.pack_size).ok_or_else(unread)?;
    System::new(info, pack, pack.system().ok_or_else(unread)?)
}

fn run() -> Result<(), Error> {
    let mut system = open()?;
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
            manage.turn(&mut system);
        }
        system.tick();
    }
    if let Some(console) = &system.machine.console {
        console.drain(&system.machine);
    }
    Ok(())
}
