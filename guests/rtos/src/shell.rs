//! Commands in lines of text, as they come over the channel in shared memory.
//!
//! ```text
//! status          one line: time, loops, lateness, setpoint, speed
//! histogram       the lateness by size
//! set RPM         another setpoint
//! reset           lateness is counted anew
//! help            this list
//! ```

use core::fmt;

use crate::controller::MAX_SETPOINT;
use crate::lateness::Lateness;

/// Longest line that is taken; what is longer is refused as a whole.
pub const MAX_LINE: usize = 64;

/// What commands are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Seconds since start.
    pub seconds: u64,
    /// From a deadline of the control loop to the loop's running.
    pub task: Lateness,
    /// From the timer's expiry to the first instruction of the interrupt's handler.
    pub interrupt: Lateness,
    /// Periods that the loop left out as it was late by more than one.
    pub missed: u64,
    /// Revolutions per minute.
    pub setpoint: u32,
    /// Thousandths of a revolution per minute.
    pub speed_milli: i64,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, task, interrupt, missed, setpoint, speed_milli } = self;
        write!(f, "t={seconds} loops={} late_worst={} late_mean={} ", task.count, task.worst, task.mean())?;
        write!(f, "irq_worst={} irq_mean={} missed={missed} ", interrupt.worst, interrupt.mean())?;
        write!(f, "set={setpoint} speed={}.{:03}", speed_milli / 1000, speed_milli % 1000)
    }
}

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `status`.
    Status,
    /// `histogram`.
    Histogram,
    /// `set RPM`.
    Set(u32),
    /// `reset`.
    Reset,
    /// `help`.
    Help,
}

/// Reads a command; the error says what is wrong.
pub fn parse(line: &str) -> Result<Command, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let command = match (words.next(), words.next()) {
        (Some("status"), None) => Command::Status,
        (Some("histogram"), None) => Command::Histogram,
        (Some("reset"), None) => Command::Reset,
        (Some("help"), None) => Command::Help,
        (Some("set"), Some(value)) => Command::Set(setpoint(value)?),
        (Some("set"), None) => return Err("set needs a number"),
        _ => return Err("unknown command, try help"),
    };
    if words.next().is_some() { Err("too many words") } else { Ok(command) }
}

fn setpoint(text: &str) -> Result<u32, &'static str> {
    match text.parse() {
        Ok(value) if value <= MAX_SETPOINT => Ok(value),
        _ => Err("set takes 0 to 4000"),
    }
}

/// Collects bytes to lines.
#[derive(Debug)]
pub struct Line {
    bytes: [u8; MAX_LINE],
    used: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_LINE], used: 0 }
    }

    /// Takes a byte. At the end of a line that is not empty: gives the line, or an error if it was too long or no text.
    pub fn push(&mut self, byte: u8) -> Option<Result<&str, &'static str>> {
        if byte != b'\n' && byte != b'\r' {
            if let Some(place) = self.bytes.get_mut(self.used) {
                *place = byte;
            }
            self.used = self.used.saturating_add(1);
            return None;
        }
        match core::mem::take(&mut self.used) {
            0 => None,
            used => Some(match self.bytes.get(..used) {
                None => Err("the line is too long"),
                Some(bytes) => core::str::from_utf8(bytes).map_err(|_| "this is no text"),
            }),
        }
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::{String, ToString};
    use std::vec::Vec;

    fn lines(text: &[u8]) -> Vec<Result<String, &'static str>> {
        let mut line = Line::new();
        let mut lines = Vec::new();
        for byte in text {
            lines.extend(line.push(*byte).map(|line| line.map(str::to_string)));
        }
        lines
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("status"), Ok(Command::Status));
        assert_eq!(parse(" set  1500 "), Ok(Command::Set(1500)));
        assert_eq!(parse("reset"), Ok(Command::Reset));
    }

    #[test]
    fn wrong_commands_are_refused_in_words() {
        assert_eq!(parse("set 4001"), Err("set takes 0 to 4000"));
        assert_eq!(parse("set -1"), Err("set takes 0 to 4000"));
        assert_eq!(parse("set"), Err("set needs a number"));
        assert_eq!(parse("set 1 2"), Err("too many words"));
        assert_eq!(parse("status now"), Err("unknown command, try help"));
        assert_eq!(parse(""), Err("unknown command, try help"));
    }

    #[test]
    fn bytes_become_lines() {
        assert_eq!(lines(b"status\r\n\nset 1\nunfinished"), [Ok("status".into()), Ok("set 1".into())]);
    }

    #[test]
    fn line_that_is_too_long_is_refused_and_the_next_is_taken() {
        let text = [&[b'x'; MAX_LINE + 1][..], b"\nhelp\n"].concat();

        assert_eq!(lines(&text), [Err("the line is too long"), Ok("help".into())]);
    }

    #[test]
    fn line_of_other_bytes_is_refused() {
        assert_eq!(lines(b"\xff\xfe\n"), [Err("this is no text")]);
    }

    #[test]
    fn status_is_one_line() {
        let mut status = Status { seconds: 2, setpoint: 1500, speed_milli: 1_499_020, ..Status::default() };
        status.task.record(300);

        let text = status.to_string();

        let wanted = "t=2 loops=1 late_worst=300 late_mean=300 irq_worst=0 irq_mean=0 missed=0 set=1500 speed=1499.020";
        assert_eq!(text, wanted);
    }
}
