//! Whether a VMM lives: root asks its worker a few times in each heartbeat interval, and looks at its vCPUs.
//!
//! A worker is silent when it does not answer although it had the core. One that had no core (the machine is busy with
//! what is more urgent) is waited for; one that sleeps and does not answer is given ten times as long, and so is one that
//! has not answered yet since its start, as it loads the guest. A handler loops when it is found at work again and again,
//! has used the core, and its vCPU's count of exits stands still.

use sysdesc::MAX_VCPUS;

/// Questions in a heartbeat interval.
const ASKED: u32 = 4;
/// Intervals that a worker has that sleeps, or loads its guest.
const PATIENT: u32 = 10;
/// Share of the time between two questions (1/16) that must have been used to count as having had the core.
const USED: u64 = 16;

/// What root reads of a vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// Its handler runs or is preempted.
    pub in_handler: bool,
    /// Ticks that it has run.
    pub run: u64,
    /// Exits that its handler has counted.
    pub exits: u64,
}

/// What root reads of a VMM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Answers of its worker.
    pub answers: u64,
    /// Ticks that its worker has run.
    pub run: u64,
    /// Ticks that its worker wanted to run and could not.
    pub waited: u64,
    /// Its vCPUs.
    pub vcpus: [Vcpu; MAX_VCPUS],
}

/// What is wrong with a VMM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Alive,
    /// Its worker does not answer.
    Silent,
    /// The handler of this vCPU does not end.
    Loop(u8),
}

/// A VMM's pulse.
#[derive(Clone, Copy, Debug)]
pub struct Pulse {
    /// Ticks between two questions; 0: never asked.
    interval: u64,
    /// When to ask next, CNTPCT.
    due: u64,
    /// Questions since the last answer after which it had the core, and those after which it slept.
    ran: u32,
    slept: u32,
    /// It has been asked.
    asked: bool,
    /// The reading at the last question.
    last: Reading,
    /// How often each vCPU was found at work in its handler with nothing done, one after the other.
    stuck: [u32; MAX_VCPUS],
}

impl Pulse {
    /// Of a VMM that starts now, with a heartbeat interval in ticks (0: it is never asked).
    pub fn new(heartbeat: u64, now: u64) -> Self {
        let interval = heartbeat / u64::from(ASKED);
        Self {
            interval,
            due: if interval == 0 { u64::MAX } else { now.saturating_add(interval) },
            ran: 0,
            slept: 0,
            asked: false,
            last: Reading::default(),
            stuck: [0; MAX_VCPUS],
        }
    }

    /// When to ask next, CNTPCT; `u64::MAX`: never.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// Takes a reading. If the VMM is alive, it is to be asked again now.
    pub fn read(&mut self, now: u64, reading: &Reading) -> Verdict {
        // From now on, not from when it was due: root may have been late itself.
        self.due = now.saturating_add(self.interval);
        let verdict = match self.worker(reading) {
            Verdict::Alive => self.handlers(reading),
            verdict => verdict,
        };
        self.last = *reading;
        verdict
    }

    fn worker(&mut self, reading: &Reading) -> Verdict {
        if reading.answers != self.last.answers || !self.asked {
            (self.ran, self.slept, self.asked) = (0, 0, true);
            return Verdict::Alive;
        }
        let ran = reading.run.saturating_sub(self.last.run) >= self.interval / USED;
        let waited = reading.waited > self.last.waited;
        self.ran += u32::from(ran);
        self.slept += u32::from(!ran && !waited);
        let most = if reading.answers == 0 { ASKED * PATIENT } else { ASKED };
        let silent = self.ran >= most || self.ran + self.slept >= ASKED * PATIENT;
        if silent { Verdict::Silent } else { Verdict::Alive }
    }

    fn handlers(&mut self, reading: &Reading) -> Verdict {
        let vcpus = self.last.vcpus.iter().zip(&reading.vcpus).zip(&mut self.stuck);
        for (((old, new), stuck), index) in vcpus.zip(0..) {
            let same = old.in_handler && new.in_handler && old.exits == new.exits;
            let ran = new.run.saturating_sub(old.run) >= self.interval / USED;
            *stuck = match (same, ran) {
                (false, _) => 0,
                (true, true) => stuck.saturating_add(1),
                (true, false) => *stuck,
            };
            if *stuck >= ASKED {
                return Verdict::Loop(index);
            }
        }
        Verdict::Alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARTBEAT: u64 = 400;
    /// Ticks between two questions.
    const STEP: u64 = 100;

    /// Lets `change` alter the reading before each question, up to `questions` times; gives how many there were, and the
    /// verdict.
    fn ask(questions: u32, mut change: impl FnMut(&mut Reading)) -> (u32, Verdict) {
        let mut pulse = Pulse::new(HEARTBEAT, 0);
        let mut reading = Reading::default();
        for n in 1..=questions {
            change(&mut reading);
            let now = pulse.due();
            assert_eq!(now, u64::from(n) * STEP);
            match pulse.read(now, &reading) {
                Verdict::Alive => {}
                verdict => return (n, verdict),
            }
        }
        (questions, Verdict::Alive)
    }

    #[test]
    fn worker_that_loads_its_guest_without_a_core_is_waited_for() {
        let (_, verdict) = ask(10_000, |reading| reading.waited += STEP);
        assert_eq!(verdict, Verdict::Alive);
    }

    /// A reading of a worker that has answered once.
    fn after_first(reading: &mut Reading) {
        reading.answers = reading.answers.max(1);
    }

    #[test]
    fn worker_that_answers_lives() {
        let (_, verdict) = ask(1000, |reading| {
            reading.answers += 1;
            reading.run += STEP;
        });
        assert_eq!(verdict, Verdict::Alive);
    }

    #[test]
    fn worker_that_runs_and_does_not_answer_is_silent_after_the_interval() {
        let result = ask(1000, |reading| {
            after_first(reading);
            reading.run += STEP;
        });
        assert_eq!(result, (5, Verdict::Silent));
    }

    #[test]
    fn worker_without_a_core_is_waited_for() {
        let (_, verdict) = ask(10_000, |reading| {
            after_first(reading);
            reading.waited += STEP;
        });
        assert_eq!(verdict, Verdict::Alive);
    }

    #[test]
    fn worker_that_sleeps_is_given_ten_intervals() {
        assert_eq!(ask(1000, after_first), (41, Verdict::Silent));
    }

    #[test]
    fn worker_that_loads_its_guest_is_given_ten_intervals() {
        let result = ask(1000, |reading| reading.run += STEP);
        assert_eq!(result, (41, Verdict::Silent));
    }

    #[test]
    fn late_answer_is_an_answer() {
        let mut n = 0;
        let (_, verdict) = ask(1000, |reading| {
            n += 1;
            reading.answers += u64::from(n % 3 == 1);
            reading.run += STEP;
        });
        assert_eq!(verdict, Verdict::Alive);
    }

    fn handler(change: impl Fn(&mut Vcpu)) -> (u32, Verdict) {
        ask(1000, |reading| {
            reading.answers += 1;
            reading.vcpus[2].in_handler = true;
            change(&mut reading.vcpus[2]);
        })
    }

    #[test]
    fn handler_that_runs_without_an_exit_loops() {
        assert_eq!(handler(|vcpu| vcpu.run += STEP / 2), (5, Verdict::Loop(2)));
    }

    #[test]
    fn handler_with_exits_works() {
        let (_, verdict) = handler(|vcpu| {
            vcpu.run += STEP;
            vcpu.exits += 1;
        });
        assert_eq!(verdict, Verdict::Alive);
    }

    #[test]
    fn handler_that_has_no_core_is_preempted() {
        assert_eq!(handler(|vcpu| vcpu.run += 1).1, Verdict::Alive);
    }

    #[test]
    fn guest_that_loops_is_its_own_matter() {
        assert_eq!(
            handler(|vcpu| {
                vcpu.in_handler = false;
                vcpu.run += STEP;
            })
            .1,
            Verdict::Alive
        );
    }

    #[test]
    fn without_a_heartbeat_nobody_is_asked() {
        assert_eq!(Pulse::new(0, 77).due(), u64::MAX);
    }

    #[test]
    fn late_root_asks_again_only_after_the_interval() {
        let mut pulse = Pulse::new(HEARTBEAT, 0);
        pulse.read(5_000, &Reading::default());
        assert_eq!(pulse.due(), 5_000 + STEP);
    }
}
