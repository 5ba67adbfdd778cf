//! What follows when a VM stops.

use core::fmt::{self, Display};
use sysdesc::{exit, restart};

/// Code that a domain's panic ends with (`rt::PANIC_EXIT`).
pub const PANIC: u64 = 101;

/// Why a VM stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guest powered itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// By command.
    Command,
    /// Root could not start it: at which step.
    NotStarted(&'static str),
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

impl Cause {
    /// From the reason and the code that the kernel gives of a domain that stopped (`abi::syscall::stop`).
    pub fn of(reason: u64, code: u64) -> Self {
        use abi::syscall::stop;
        match (reason, code) {
            (stop::EXIT, exit::POWER_OFF) => Self::PowerOff,
            (stop::EXIT, exit::RESET) => Self::Reset,
            (stop::EXIT, exit::ERROR) => Self::Refused,
            (stop::EXIT, exit::WATCHDOG) => Self::Watchdog,
            (stop::EXIT, exit::CRASH) => Self::Crash,
            (stop::EXIT, PANIC) => Self::Panic,
            (stop::EXIT, code) => Self::Exit(code),
            (stop::FAULT, _) => Self::Fault,
            _ => Self::SError,
        }
    }

    /// Whether it counts as a failure: it is reported, and the policy says whether the VM is started anew.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::PowerOff | Self::Reset | Self::Command)
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::PowerOff => "powered off",
            Self::Reset => "reset",
            Self::Command => "stopped by command",
            Self::NotStarted(what) => return write!(f, "cannot be started: cannot {what}"),
            Self::Refused => "its VMM cannot run this guest",
            Self::Watchdog => "its watchdog was not served",
            Self::Crash => "its guest crashed",
            Self::Panic => "its VMM panicked",
            Self::Exit(code) => return write!(f, "its VMM ended with code {code}"),
            Self::Fault => "fault of its VMM",
            Self::SError => "SError",
            Self::Silent => "its VMM does not answer",
            Self::Loop(vcpu) => return write!(f, "its VMM loops in the handler of vCPU {vcpu}"),
        };
        f.write_str(text)
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Start it anew after so many milliseconds.
    Restart(u64),
    /// It stays stopped.
    Stay,
}

/// Milliseconds that a VM has to live for its next failure not to count as one in a row.
pub const GOOD_LIFE: u64 = 10_000;
/// Most milliseconds between a failure and the start anew.
const MAX_DELAY: u64 = 5_000;

/// Policy and history of a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// [`restart`].
    pub restart: u64,
    /// Most restarts after failures, 0: no limit.
    pub limit: u64,
    /// Failures so far.
    pub failures: u64,
    /// Failures in a row, each within [`GOOD_LIFE`] of the start.
    in_a_row: u32,
}

impl Policy {
    /// No failures yet.
    pub const fn new(restart: u64, limit: u64) -> Self {
        Self { restart, limit, failures: 0, in_a_row: 0 }
    }

    /// Counts a stop after a life of `life` milliseconds, and says what follows.
    ///
    /// The first failure is answered at once, the next ones in a row after 10, 20, 40 ms and so on up to 5 s, so that a VM
    /// that cannot live takes no time from the others.
    pub fn stopped(&mut self, cause: Cause, life: u64) -> Next {
        if cause.is_failure() {
            self.failures = self.failures.saturating_add(1);
            self.in_a_row = if life < GOOD_LIFE { self.in_a_row.saturating_add(1) } else { 1 };
        } else {
            self.in_a_row = 0;
        }
        match (cause, self.restart) {
            (Cause::Reset, _) | (Cause::PowerOff, restart::ALWAYS) => Next::Restart(0),
            (Cause::PowerOff | Cause::Command | Cause::Refused | Cause::NotStarted(_), _) => Next::Stay,
            (_, restart::NEVER) => Next::Stay,
            _ if self.limit != 0 && self.failures > self.limit => Next::Stay,
            _ => Next::Restart(self.delay()),
        }
    }

    fn delay(&self) -> u64 {
        match self.in_a_row {
            0 | 1 => 0,
            n => (10u64 << (n - 2).min(20)).min(MAX_DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::syscall::stop;

    const LONG: u64 = GOOD_LIFE;

    #[test]
    fn reset_restarts_whatever_the_policy() {
        for policy in [restart::NEVER, restart::ON_FAILURE, restart::ALWAYS] {
            let mut policy = Policy::new(policy, 1);
            (0..1000).for_each(|_| assert_eq!(policy.stopped(Cause::Reset, 0), Next::Restart(0)));
            assert_eq!(policy.failures, 0);
        }
    }

    #[test]
    fn power_off_restarts_with_always_only() {
        assert_eq!(Policy::new(restart::NEVER, 0).stopped(Cause::PowerOff, LONG), Next::Stay);
        assert_eq!(Policy::new(restart::ON_FAILURE, 0).stopped(Cause::PowerOff, LONG), Next::Stay);
        assert_eq!(Policy::new(restart::ALWAYS, 0).stopped(Cause::PowerOff, LONG), Next::Restart(0));
    }

    #[test]
    fn failure_restarts_up_to_the_limit() {
        let mut policy = Policy::new(restart::ON_FAILURE, 2);
        assert_eq!(policy.stopped(Cause::Fault, LONG), Next::Restart(0));
        assert_eq!(policy.stopped(Cause::Panic, LONG), Next::Restart(0));
        assert_eq!(policy.stopped(Cause::Watchdog, LONG), Next::Stay);
        assert_eq!(policy.failures, 3);
    }

    #[test]
    fn failure_without_policy_stays() {
        assert_eq!(Policy::new(restart::NEVER, 0).stopped(Cause::Crash, LONG), Next::Stay);
    }

    #[test]
    fn failures_in_a_row_are_answered_later_and_later() {
        let mut policy = Policy::new(restart::ALWAYS, 0);
        let delays: Vec<Next> = (0..12).map(|_| policy.stopped(Cause::Silent, 1)).collect();
        let expected = [0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000];
        assert_eq!(delays, expected.map(Next::Restart));
        assert_eq!(policy.stopped(Cause::Silent, LONG), Next::Restart(0));
        policy.stopped(Cause::Silent, 1);
        policy.stopped(Cause::Reset, 1);
        assert_eq!(policy.stopped(Cause::Silent, 1), Next::Restart(0));
    }

    #[test]
    fn what_cannot_start_is_not_tried_again() {
        for cause in [Cause::Refused, Cause::NotStarted("x"), Cause::Command] {
            assert_eq!(Policy::new(restart::ALWAYS, 0).stopped(cause, 0), Next::Stay);
        }
    }

    #[test]
    fn delay_never_overflows() {
        let mut policy = Policy { in_a_row: u32::MAX, failures: u64::MAX, ..Policy::new(restart::ALWAYS, 0) };
        assert_eq!(policy.stopped(Cause::Fault, 0), Next::Restart(MAX_DELAY));
    }

    #[test]
    fn causes_by_the_kernels_word() {
        assert_eq!(Cause::of(stop::EXIT, exit::WATCHDOG), Cause::Watchdog);
        assert_eq!(Cause::of(stop::EXIT, 77), Cause::Exit(77));
        assert_eq!(Cause::of(stop::FAULT, exit::RESET), Cause::Fault);
        assert_eq!(Cause::of(stop::SERROR, 0), Cause::SError);
        assert_eq!(Cause::Loop(3).to_string(), "its VMM loops in the handler of vCPU 3");
    }
}
