//! The management server: answers the host tool (`sosia ps`, `top`, `vm`) on a UART of its own, the second PL011 of the
//! machine. Without one there is no management.
//!
//! Whatever comes in costs root a bounded time: [`TURN`] bytes in a turn, one reply at a time, and no more bytes are taken
//! while that waits for room.
#![allow(unsafe_code, reason = "device registers")]

use crate::assets::{At, Error};
use crate::machine::{Machine, event};
use crate::system::System;
use crate::vm::{State, Vm};
use abi::boot::slot;
use abi::cap::rights::{READ, WRITE};
use abi::syscall::counter;
use console_server::uart::{Registers, Uart};
use core::sync::atomic::Ordering::Relaxed;
use manage::server::{self, Server};
use manage::{Command, Counters, Hello, Refusal, VcpuInfo, VmInfo};
use root::policy;
use rt::sys::{self, create};

/// Bytes taken in a turn.
const TURN: usize = 64;
/// Where root maps the UART.
const UART: u64 = 0x62_0000_0000;

/// The physical UART's registers.
struct Mmio;

impl Registers for Mmio {
    fn read(&mut self, offset: u64) -> u32 {
        // SAFETY: `Manage::new` has mapped the PL011's page there, for good; `offset` is a register's.
        unsafe { ((UART + offset) as *const u32).read_volatile() }
    }
    fn write(&mut self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { ((UART + offset) as *mut u32).write_volatile(value) }
    }
}

/// The server.
pub struct Manage {
    uart: Uart<Mmio>,
    irq: u64,
    server: Server,
}

impl Manage {
    /// Takes the second PL011. `None` if the machine has none.
    pub fn new(machine: &mut Machine) -> Result<Option<Self>, Error> {
        let Some((base, intid)) = machine.uarts[1] else { return Ok(None) };
        let frame = machine.memory.slot().at("take a slot")?;
        create::device(frame, slot::MACHINE, base, 1).at("take the management UART")?;
        sys::map(frame, slot::SELF, UART, 0, 1, READ | WRITE).at("map the management UART")?;
        let irq = machine.memory.slot().at("take a slot")?;
        create::irq(irq, slot::MACHINE, intid.into(), machine.events, event::MANAGE)
            .at("take the management UART's interrupt")?;
        let mut uart = Uart::new(Mmio);
        uart.enable(true, false);
        Ok(Some(Self { uart, irq, server: Server::new() }))
    }

    /// Does what has come in, a turn of it.
    pub fn turn(&mut self, system: &mut System) {
        self.uart.clear();
        let mut left = TURN;
        let stuck = loop {
            if self.uart.send(|| self.server.next_byte()) {
                break self.server.is_sending();
            }
            if left == 0 {
                // There may be more, of which no interrupt tells again.
                let _ = sys::signal(system.machine.events, 1 << event::MANAGE);
                break false;
            }
            let Some(byte) = self.uart.receive() else { break false };
            left -= 1;
            self.server.take(byte, system);
        };
        self.uart.enable(!stuck, stuck);
        let _ = sys::irq_ack(self.irq);
    }
}

impl server::System for System {
    fn hello(&self) -> Hello {
        let info = &self.machine.info;
        let (vms, cores) = (self.machine.parts.vms.len() as u8, info.cores as u8);
        Hello { version: 0, vms, cores, frequency: info.cntfrq, now: self.machine.now(), garbage: 0 }
    }

    fn vm(&self, vm: usize) -> Option<VmInfo> {
        let vm = self.vms.get(vm)?.as_ref()?;
        Some(VmInfo {
            name: vm.desc.name,
            state: state(vm.state),
            last: vm.last.map(|stop| {
                let [esr, elr, far] = stop.registers;
                manage::Stop { cause: cause(stop.cause), esr, elr, far }
            }),
            restarts: vm.restarts,
            failures: vm.policy.failures,
            memory: vm.desc.memory,
            vcpus: root::place::count(vm.desc) as u8,
        })
    }

    fn vcpu(&self, vm: usize, index: usize) -> Option<VcpuInfo> {
        let (machine, vm) = (&self.machine, self.vms.get(vm)?.as_ref()?);
        if index >= root::place::count(vm.desc) {
            return None;
        }
        let sched = vm.assets.as_ref().and_then(|assets| assets.scheds.get(index));
        let info = sched.and_then(|sched| sys::sched_info(*sched).ok()).unwrap_or_default();
        let stats = machine.stats(vm.index)?.vcpus.get(index)?;
        let mut counts = [0; manage::counts::COUNT];
        counts.iter_mut().zip(&stats.count).for_each(|(to, from)| *to = from.load(Relaxed));
        Some(VcpuInfo {
            core: machine.placement.get(vm.index as usize)?.get(index).copied()?,
            priority: vm.desc.priority as u8,
            budget: vm.desc.budget as u32,
            period: vm.desc.period as u32,
            now: machine.now(),
            run: info.run,
            stolen: info.stolen,
            chosen: info.chosen,
            depleted: info.depleted,
            counts,
        })
    }

    fn counters(&self) -> Counters {
        let read = |counter| sys::counter(slot::MACHINE, counter).unwrap_or(0);
        let memory = &self.machine.memory;
        Counters {
            objects: read(counter::OBJECTS),
            vmids: read(counter::VMIDS),
            pool_pages: read(counter::POOL_PAGES),
            pool_free: read(counter::POOL_FREE),
            attachments: read(counter::ATTACHMENTS),
            masked_max: read(counter::MASKED_MAX),
            memory_free: memory.free_pages(),
            slots_used: memory.slots_used(),
        }
    }

    fn command(&mut self, vm: usize, command: Command) -> Result<(), Refusal> {
        let state = self.vms.get(vm).and_then(Option::as_ref).map(|vm: &Vm| vm.state).ok_or(Refusal::NoSuch)?;
        let index = vm as u64;
        let done = match (command, state) {
            (Command::Start, State::Running) => return Err(Refusal::Running),
            (Command::Stop, State::Stopped) => return Err(Refusal::Stopped),
            (Command::Start, _) => self.start(index),
            (Command::Stop, _) => self.stop(index),
            (Command::Restart, _) => self.restart(index),
        };
        if done { Ok(()) } else { Err(Refusal::Failed) }
    }
}

fn state(state: State) -> manage::State {
    match state {
        State::Running => manage::State::Running,
        State::Waiting(_) => manage::State::Waiting,
        State::Stopped => manage::State::Stopped,
        State::Broken => manage::State::Broken,
    }
}

fn cause(cause: policy::Cause) -> manage::Cause {
    use policy::Cause;
    match cause {
        Cause::PowerOff => manage::Cause::PowerOff,
        Cause::Reset => manage::Cause::Reset,
        Cause::Command => manage::Cause::Command,
        Cause::NotStarted(_) => manage::Cause::NotStarted,
        Cause::Refused => manage::Cause::Refused,
        Cause::Watchdog => manage::Cause::Watchdog,
        Cause::Crash => manage::Cause::Crash,
        Cause::Panic => manage::Cause::Panic,
        Cause::Exit(code) => manage::Cause::Exit(code),
        Cause::Fault => manage::Cause::Fault,
        Cause::SError => manage::Cause::SError,
        Cause::Silent => manage::Cause::Silent,
        Cause::Loop(vcpu) => manage::Cause::Loop(vcpu),
    }
}
