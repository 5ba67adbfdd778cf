//! A VM: its memory, its VMM's domain, and what happens when that stops.
//!
//! ```text
//!          ┌──────────── start ───────────┐
//!          ▼                              │
//!   new ─▶ stopped ─start─▶ running ─▶ waiting (until its restart is due)
//!          ▲                   │
//!          └── policy: stay ───┘
//! ```
//! Memory, scheduling contexts, notifications and the UART's interrupt are made once and used by each start anew.

use crate::assets::{Assets, Error};
use crate::machine::Machine;
use root::policy::{Cause, Next, Policy};
use root::pulse::{Pulse, Verdict};
use rt::sys::{self, DomainInfo};
use rt::{abi::syscall::stop, log};
use sysdesc::{FLAG_POWER_OFF, VmDesc, worker};

/// What a VM does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It is started anew when the counter (CNTPCT) reaches this.
    Waiting(u64),
    /// It is stopped and stays so, but for a command.
    Stopped,
    /// It could not be taken apart: it cannot be started again.
    Broken,
}

/// Why a VM stopped last, and the registers of its VMM then.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// Why.
    pub cause: Cause,
    /// ESR, ELR and FAR of a fault.
    pub registers: [u64; 3],
}

/// A VM.
pub struct Vm {
    /// Its description.
    pub desc: &'static VmDesc,
    /// Its number.
    pub index: u64,
    /// What it does.
    pub state: State,
    /// Why it stopped last.
    pub last: Option<Stop>,
    /// How often it was started anew.
    pub restarts: u64,
    /// Restart policy, and failures.
    pub policy: Policy,
    /// What it is made of; none if there was not enough.
    pub assets: Option<Assets>,
    started: u64,
    pulse: Pulse,
}

impl Vm {
    /// Takes what the VM needs. If there is not enough, the VM stays stopped, and says so.
    pub fn new(machine: &mut Machine, index: u64, desc: &'static VmDesc) -> Self {
        let mut vm = Self {
            desc,
            index,
            state: State::Stopped,
            last: None,
            restarts: 0,
            policy: Policy::new(desc.restart, desc.restart_limit),
            assets: None,
            started: 0,
            pulse: Pulse::new(0, 0),
        };
        match Assets::new(machine, index, desc) {
            Ok(assets) => vm.assets = Some(assets),
            Err(error) => vm.not_started(error),
        }
        vm
    }

    /// Its name.
    pub fn name(&self) -> &str {
        let name = &self.desc.name;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        core::str::from_utf8(name.get(..end).unwrap_or_default()).unwrap_or("?")
    }

    /// Starts it, if it is not running. Gives whether it runs.
    pub fn start(&mut self, machine: &Machine) -> bool {
        let Some(assets) = &self.assets else { return false };
        if matches!(self.state, State::Running | State::Broken) {
            return self.state == State::Running;
        }
        match assets.start(machine, self.restarts) {
            Ok(()) => {
                self.state = State::Running;
                self.started = machine.now();
                self.pulse = Pulse::new(machine.ticks(self.desc.heartbeat.saturating_mul(1000)), self.started);
            }
            Err(error) => {
                self.not_started(error);
                self.take_apart();
            }
        }
        self.state == State::Running
    }

    /// Looks whether it has stopped by itself, and does what the policy says. Gives whether it ended, with its cause.
    pub fn check(&mut self, machine: &Machine) -> Option<Cause> {
        let (State::Running, Some(assets)) = (self.state, &self.assets) else { return None };
        let info = sys::domain_info(assets.domain).ok().filter(|info| info.reason != stop::RUNNING)?;
        self.end(machine, Cause::of(info.reason, info.esr), Some(info))
    }

    /// Ends what runs or waits, for `cause`, and does what the policy says. Gives the cause if it stays stopped.
    pub fn end(&mut self, machine: &Machine, cause: Cause, info: Option<DomainInfo>) -> Option<Cause> {
        let life = machine.milliseconds(machine.now().saturating_sub(self.started));
        let next = self.policy.stopped(cause, life);
        // When the machine goes with it, its memory need not be cleared.
        let last = cause == Cause::PowerOff && self.ends_run() && matches!(next, Next::Stay);
        if self.state == State::Running && !last {
            self.take_apart();
        }
        let registers = info.map_or([0; 3], |info| [info.esr, info.elr, info.far]);
        self.last = Some(Stop { cause, registers });
        if cause.is_failure() {
            self.report(cause, registers, next);
        }
        match next {
            Next::Restart(delay) if self.state != State::Broken => {
                self.state = State::Waiting(machine.after(delay));
                self.restart_if_due(machine);
                None
            }
            _ if self.state != State::Broken => {
                self.state = State::Stopped;
                Some(cause)
            }
            _ => Some(cause),
        }
    }

    /// Starts it anew if that is due.
    pub fn restart_if_due(&mut self, machine: &Machine) {
        if let State::Waiting(due) = self.state
            && due <= machine.now()
        {
            self.restarts += 1;
            self.start(machine);
        }
    }

    /// Asks its VMM whether it lives, if that is due. Gives the cause if it did not and stays stopped.
    pub fn ask_if_due(&mut self, machine: &Machine) -> Option<Cause> {
        let (State::Running, Some(assets)) = (self.state, &self.assets) else { return None };
        let now = machine.now();
        if self.pulse.due() > now {
            return None;
        }
        let cause = match self.pulse.read(now, &assets.reading(machine)) {
            Verdict::Alive => {
                let _ = sys::signal(assets.worker, worker::HEARTBEAT);
                return None;
            }
            Verdict::Silent => Cause::Silent,
            Verdict::Loop(vcpu) => Cause::Loop(vcpu),
        };
        self.end(machine, cause, None)
    }

    /// When it wants to be looked at again, CNTPCT.
    pub fn deadline(&self) -> u64 {
        match self.state {
            State::Waiting(due) => due,
            State::Running => self.pulse.due(),
            _ => u64::MAX,
        }
    }

    /// Whether the machine is powered off with it.
    pub fn ends_run(&self) -> bool {
        self.desc.flags & FLAG_POWER_OFF != 0
    }

    fn not_started(&mut self, error: Error) {
        let cause = Cause::NotStarted(error.what);
        log!("root: vm {} {cause}: {:?}", self.name(), error.status);
        self.state = State::Stopped;
        self.last = Some(Stop { cause, registers: [0; 3] });
    }

    fn take_apart(&mut self) {
        if let Some(assets) = &self.assets
            && let Err(error) = assets.stop()
        {
            log!("root: vm {}: cannot {}: {:?}", self.name(), error.what, error.status);
            self.state = State::Broken;
        }
    }

    /// What happened, with registers where a program has failed, and what follows.
    fn report(&self, cause: Cause, [esr, elr, far]: [u64; 3], next: Next) {
        let (name, failures) = (self.name(), self.policy.failures);
        if matches!(cause, Cause::Fault | Cause::SError) {
            log!("root: vm {name} stopped: {cause} esr={esr:#x} elr={elr:#x} far={far:#x}");
        } else {
            log!("root: vm {name} stopped: {cause}");
        }
        match (next, self.policy.limit) {
            (Next::Restart(_), 0) => log!("root: vm {name} is started anew (failure {failures})"),
            (Next::Restart(_), limit) => log!("root: vm {name} is started anew (failure {failures} of {limit})"),
            (Next::Stay, _) => log!("root: vm {name} stays stopped (failure {failures})"),
        }
    }
}
