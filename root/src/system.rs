//! All VMs of the system.
#![allow(unsafe_code, reason = "a static that is given out once")]

use crate::assets::Error;
use crate::files::Files;
use crate::machine::{Machine, event};
use crate::memory::Memory;
use crate::pack::Pack;
use crate::vm::{State, Vm};
use abi::syscall::Status;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use root::policy::Cause;
use root::wiring::Parts;
use rt::boot::BootInfo;
use sysdesc::MAX_VMS;

/// VMs by their number.
type Vms = [Option<Vm>; MAX_VMS];

/// The machine and its VMs.
pub struct System {
    /// What the VMs are made from.
    pub machine: Machine,
    /// The VMs.
    pub vms: &'static mut Vms,
    /// The machine is to be powered off.
    power_off: bool,
}

/// What is too large for a stack.
struct Large {
    memory: Memory,
    files: Files,
    vms: Vms,
}

struct Place(UnsafeCell<Large>);

// SAFETY: `System::new` gives it out once, guarded by `GIVEN`.
unsafe impl Sync for Place {}

static PLACE: Place =
    Place(UnsafeCell::new(Large { memory: Memory::new(), files: Files::new(), vms: [const { None }; MAX_VMS] }));
static GIVEN: AtomicBool = AtomicBool::new(false);

impl System {
    /// The VMs of the description, which are not started yet. Once.
    pub fn new(info: BootInfo, uarts: [Option<(u64, u32)>; 2], pack: Pack, parts: Parts) -> Result<Self, Error> {
        if GIVEN.swap(true, Ordering::Relaxed) {
            return Err(Error { what: "start twice", status: Status::BadState });
        }
        // SAFETY: only who has set GIVEN comes here.
        let Large { memory, files, vms } = unsafe { &mut *PLACE.0.get() };
        let mut machine = Machine::new(info, uarts, pack, parts, memory, files)?;
        for ((vm, desc), index) in vms.iter_mut().zip(parts.vms).zip(0..) {
            *vm = Some(Vm::new(&mut machine, index, desc));
        }
        Ok(Self { machine, vms, power_off: false })
    }

    /// Starts all VMs. One that cannot start does not keep the others from it.
    pub fn start_all(&mut self) {
        for vm in self.vms.iter_mut().flatten() {
            vm.start(&self.machine);
        }
        self.power_off = !self.alive();
    }

    /// Looks after the VMs that `bits` may tell of.
    pub fn check(&mut self, bits: u64) {
        for vm in self.vms.iter_mut().flatten() {
            if bits & 1 << (vm.index % event::VMS) == 0 {
                continue;
            }
            if let Some(cause) = vm.check(&self.machine) {
                self.power_off |= cause == Cause::PowerOff && vm.ends_run();
            }
        }
        self.power_off |= bits != 0 && !self.alive();
    }

    /// Does what is due.
    pub fn tick(&mut self) {
        let mut ended = false;
        for vm in self.vms.iter_mut().flatten() {
            ended |= vm.ask_if_due(&self.machine).is_some();
            vm.restart_if_due(&self.machine);
        }
        self.power_off |= ended && !self.alive();
    }

    /// When something is due, CNTPCT.
    pub fn deadline(&self) -> u64 {
        self.vms.iter().flatten().map(Vm::deadline).min().unwrap_or(u64::MAX)
    }

    /// Whether a VM that ends the run has powered off, or all VMs have ended by themselves.
    pub fn ended(&self) -> bool {
        self.power_off
    }

    /// Whether a VM runs, or will.
    fn alive(&self) -> bool {
        self.vms.iter().flatten().any(|vm| matches!(vm.state, State::Running | State::Waiting(_)))
    }

    /// The VM with this number.
    pub fn vm(&mut self, index: u64) -> Option<(&mut Vm, &Machine)> {
        let vm = self.vms.get_mut(usize::try_from(index).ok()?)?.as_mut()?;
        Some((vm, &self.machine))
    }

    /// Stops VM `index` by command; it stays stopped.
    pub fn stop(&mut self, index: u64) -> bool {
        let Some((vm, machine)) = self.vm(index) else { return false };
        vm.end(machine, Cause::Command, None);
        true
    }

    /// Starts VM `index`, if it is stopped. Gives whether it runs.
    pub fn start(&mut self, index: u64) -> bool {
        self.vm(index).is_some_and(|(vm, machine)| vm.start(machine))
    }

    /// Starts VM `index` anew. Gives whether it runs.
    pub fn restart(&mut self, index: u64) -> bool {
        let Some((vm, machine)) = self.vm(index) else { return false };
        vm.end(machine, Cause::Command, None);
        vm.restarts += 1;
        vm.start(machine)
    }
}
