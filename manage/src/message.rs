//! Requests and replies.

use serde::{Deserialize, Serialize};

/// A VM's name, zero padded.
pub type Name = [u8; 16];

/// What the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Who is there? First of all.
    Hello {
        /// Version of the host's messages.
        version: u16,
    },
    /// How is the VM with this number?
    Vm(u8),
    /// What did a vCPU do?
    Vcpu {
        /// Number of the VM.
        vm: u8,
        /// Number of its vCPU.
        index: u8,
    },
    /// What did the kernel count?
    Counters,
    /// Do something with a VM.
    Command {
        /// Number of the VM.
        vm: u8,
        /// What.
        command: Command,
    },
}

/// What can be done with a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Start it: it must be stopped.
    Start,
    /// Stop it, as if the power failed. It stays stopped.
    Stop,
    /// Stop it if it runs, and start it.
    Restart,
}

/// What root answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Hello`.
    Hello(Hello),
    /// To `Vm`.
    Vm(VmInfo),
    /// To `Vcpu`.
    Vcpu(VcpuInfo),
    /// To `Counters`.
    Counters(Counters),
    /// To `Command`: it is done.
    Done,
    /// Not done, and why.
    Refused(Refusal),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The body is no request of this version.
    Unknown,
    /// There is no such VM or vCPU.
    NoSuch,
    /// The VM runs already.
    Running,
    /// The VM is stopped already.
    Stopped,
    /// Root tried, and failed.
    Failed,
}

/// The system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of root's messages.
    pub version: u16,
    /// VMs.
    pub vms: u8,
    /// Cores.
    pub cores: u8,
    /// Ticks per second of all times here.
    pub frequency: u64,
    /// Ticks since the machine's reset.
    pub now: u64,
    /// Frames with a wrong checksum, since the start.
    pub garbage: u64,
}

/// What a VM does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It runs.
    Running,
    /// It failed, and will be started anew soon.
    Waiting,
    /// It is stopped, and stays so but for a command.
    Stopped,
    /// It could not be taken apart: it cannot be started again.
    Broken,
}

/// Why a VM stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The guest powered itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// By command.
    Command,
    /// Root could not start it.
    NotStarted,
    /// Its VMM cannot start this guest, and has said why.
    Refused,
    /// The guest's watchdog was not served.
    Watchdog,
    /// The guest crashed.
    Crash,
    /// The VMM panicked.
    Panic,
    /// The VMM ended with a code that nobody knows.
    Exit(u64),
    /// A fault of the VMM.
    Fault,
    /// An SError in the VMM or its guest.
    SError,
    /// The VMM's worker does not answer.
    Silent,
    /// The VMM's handler of this vCPU does not end.
    Loop(u8),
}

/// The last stop of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub cause: Cause,
    /// ESR of the VMM's fault; 0 where there was none.
    pub esr: u64,
    /// Where the VMM was.
    pub elr: u64,
    /// What it accessed.
    pub far: u64,
}

/// How a VM is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmInfo {
    /// Its name.
    pub name: Name,
    /// What it does.
    pub state: State,
    /// Why it stopped last.
    pub last: Option<Stop>,
    /// How often it was started anew, for any reason.
    pub restarts: u64,
    /// How often it failed.
    pub failures: u64,
    /// Guest RAM in bytes.
    pub memory: u64,
    /// vCPUs.
    pub vcpus: u8,
}

/// What a vCPU did: its times since the machine's start, its counters since the VM's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VcpuInfo {
    /// Core.
    pub core: u8,
    /// Priority, 0..=30.
    pub priority: u8,
    /// Time in each period, microseconds; 0: no limit.
    pub budget: u32,
    /// Period, microseconds.
    pub period: u32,
    /// When this was read, ticks.
    pub now: u64,
    /// Ticks that it and its handler ran.
    pub run: u64,
    /// Ticks that it was ready and did not run.
    pub stolen: u64,
    /// Times that it was chosen.
    pub chosen: u64,
    /// Times that its budget ran out.
    pub depleted: u64,
    /// By kind, in the order of `sysdesc::stats::kind`. The VMM counts: it may lie.
    pub counts: [u64; counts::COUNT],
}

/// Counters of a vCPU.
pub mod counts {
    /// How many there are.
    pub const COUNT: usize = 10;
}

/// What the kernel counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Live kernel objects.
    pub objects: u64,
    /// VMIDs in use.
    pub vmids: u64,
    /// Pages in all pools.
    pub pool_pages: u64,
    /// Of them free.
    pub pool_free: u64,
    /// Attachments of frames.
    pub attachments: u64,
    /// Longest stretch at EL2 with interrupts masked, ticks; 0 if the kernel was built without counting it.
    pub masked_max: u64,
    /// Pages of RAM that root has left.
    pub memory_free: u64,
    /// Capability slots that root uses.
    pub slots_used: u64,
}
