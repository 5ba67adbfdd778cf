//! Start of the system, and the loop that waits for VMs to stop.

use crate::memory::Memory;
use crate::pack::{Pack, boot_info};
use crate::vm::{Error, Machine, Vm};
use abi::PAGE_SIZE;
use abi::boot::slot;
use abi::syscall::{Status, stop};
use rt::{log, sys};
use sysdesc::{FLAG_POWER_OFF, VmDesc, exit};

/// VMs that there is room for.
const VMS: usize = 8;
/// Pages that root adds to its own pool: objects and tables of all VMs.
const POOL_PAGES: u64 = 192;

/// First code of the system outside of the kernel.
pub fn main(_: u64) -> ! {
    rt::log::init(slot::MACHINE);
    if let Err(error) = run() {
        log!("root: cannot {}: {:?}", error.what, error.status);
    }
    power_off()
}

fn power_off() -> ! {
    let _ = sys::power_off(slot::MACHINE);
    sys::exit(exit::ERROR)
}

fn open() -> Option<(Machine, [Option<&'static VmDesc>; VMS])> {
    let info = boot_info()?;
    let pack = Pack::open(info.pack_size)?;
    let (system, descs) = pack.system()?;
    let mut vms = [None; VMS];
    for (place, desc) in vms.iter_mut().zip(descs) {
        *place = Some(desc);
    }
    Some((Machine { info, pack, system, memory: Memory::new(info) }, vms))
}

fn run() -> Result<(), Error> {
    let at = |what| move |status| Error { what, status };
    let (mut machine, descs) = open().ok_or(Error { what: "read the pack", status: Status::BadArg })?;
    let pool = machine.memory.alloc(POOL_PAGES, PAGE_SIZE).map_err(at("take memory"))?;
    sys::donate(pool.slot, slot::SELF).map_err(at("donate to itself"))?;
    let events = machine.memory.slot();
    sys::create::notification(events).map_err(at("make a notification"))?;

    let mut core = 0;
    let mut vms = [const { None::<Vm> }; VMS];
    for ((place, desc), bit) in vms.iter_mut().zip(descs.into_iter().flatten()).zip(0..) {
        // The console is the first VM's.
        let vm = place.insert(Vm::new(&mut machine, desc, core, bit == 0)?);
        vm.start(&machine, events, bit)?;
        core += vm.vcpus();
    }
    loop {
        let bits = sys::wait(events, u64::MAX).map_err(at("wait"))?;
        for (vm, bit) in vms.iter_mut().flatten().zip(0..) {
            if bits & 1 << bit != 0 {
                stopped(vm, &machine, events, bit)?;
            }
        }
    }
}

/// The VMM of `vm` has stopped: say why if it should not have, and start the VM anew if its guest asked for that.
fn stopped(vm: &mut Vm, machine: &Machine, events: u64, bit: u64) -> Result<(), Error> {
    let info = sys::domain_info(vm.domain()).map_err(|status| Error { what: "ask about a VM", status })?;
    match (info.reason, info.esr) {
        (stop::RUNNING, _) => Ok(()),
        (stop::EXIT, exit::RESET) => {
            vm.stop()?;
            vm.start(machine, events, bit)
        }
        (stop::EXIT, exit::POWER_OFF) if vm.flags() & FLAG_POWER_OFF == 0 => vm.stop(),
        (stop::EXIT, exit::POWER_OFF) => power_off(),
        (reason, code) => {
            let name = vm.name();
            let reason = match (reason, code) {
                (stop::EXIT, exit::ERROR) => "it cannot run",
                (stop::EXIT, rt::PANIC_EXIT) => "its VMM panicked",
                (stop::EXIT, _) => "its VMM exited",
                (stop::FAULT, _) => "fault",
                _ => "SError",
            };
            log!("root: vm {name} stopped: {reason} esr={code:#x} elr={:#x} far={:#x}", info.elr, info.far);
            power_off()
        }
    }
}
