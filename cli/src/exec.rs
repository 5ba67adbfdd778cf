//! `run --exec`: takes a command's output and exit status out of the console's stream.

use crate::crash;
use crate::image::initrd::{Script, begin_marker, end_marker};
use crate::session::{Event, Session, find};
use miette::{Result, bail};
use std::io::Write;
use std::time::{Duration, Instant};

/// Our own exit status when the time is up, as timeout(1) has it.
pub const TIMEOUT: u8 = 124;
/// Our own exit status when the run failed for another reason than the command.
pub const FAILED: u8 = 125;

/// What Linux prints when it gives up.
const PANIC: &[u8] = b"Kernel panic - not syncing";

/// Makes a script of a command, with markers that no output has by chance.
pub fn script(command: &str) -> Script {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    Script {
        command: format!("{command}\n"),
        nonce: format!("{:x}-{time:x}", std::process::id()),
        vm: None,
        program: None,
    }
}

/// Finds the command's output in the stream, piece by piece.
struct Extractor {
    begin: Vec<u8>,
    end: Vec<u8>,
    held: Vec<u8>,
    inside: bool,
}

impl Extractor {
    fn new(nonce: &str) -> Self {
        let (begin, end) = (begin_marker(nonce).into_bytes(), end_marker(nonce).into_bytes());
        Self { begin, end, held: Vec::new(), inside: false }
    }

    /// Takes a piece of the stream; gives the output in it, and the exit status once that has come.
    fn feed(&mut self, piece: &[u8]) -> (Vec<u8>, Option<u8>) {
        self.held.extend_from_slice(piece);
        if !self.inside {
            let Some(at) = find(&self.held, &self.begin) else {
                self.keep(&self.begin.clone());
                return (Vec::new(), None);
            };
            self.held.drain(..at + self.begin.len());
            self.inside = true;
        }
        let Some(at) = find(&self.held, &self.end) else {
            return (self.keep(&self.end.clone()), None);
        };
        let status = exit_status(self.held.get(at + self.end.len()..).unwrap_or_default());
        if status.is_some() {
            let rest = self.held.split_off(at);
            return (std::mem::replace(&mut self.held, rest), status);
        }
        (self.held.drain(..at).collect(), None)
    }

    /// Keeps what may be the start of a marker; gives the rest.
    fn keep(&mut self, marker: &[u8]) -> Vec<u8> {
        let longest = marker.len().min(self.held.len());
        let kept = (1..=longest).rev().find(|count| marker.get(..*count).is_some_and(|head| self.held.ends_with(head)));
        let out = self.held.len() - kept.unwrap_or(0);
        self.held.drain(..out).collect()
    }
}

/// `0\n`, once the line is whole.
fn exit_status(line: &[u8]) -> Option<u8> {
    let end = line.iter().position(|byte| *byte == b'\n')?;
    std::str::from_utf8(line.get(..end)?).ok()?.trim().parse().ok()
}

/// Runs to the guest's power-off, writing the command's output to `out`. Gives the command's exit status.
pub fn run(session: &mut Session, nonce: &str, limit: Duration, out: &mut dyn Write) -> Result<u8> {
    let deadline = Instant::now() + limit;
    let mut extractor = Extractor::new(nonce);
    let (mut status, mut taken) = (None, 0);
    loop {
        match session.next(deadline)? {
            Event::Output(_) => {
                let own = session.own();
                // The stream turned out to have marks: this is another log than before.
                taken = if own.len() < taken { 0 } else { taken };
                let (output, end) = extractor.feed(own.get(taken..).unwrap_or_default());
                taken = own.len();
                let _ = out.write_all(&output).and_then(|()| out.flush());
                status = status.or(end);
                check(session, deadline)?;
            }
            Event::Ended(end) => {
                let errors = session.stop();
                return match status {
                    Some(status) if end.success() => Ok(status),
                    _ => bail!(
                        "the machine ended before the command did ({end})\n{errors}the console's end:\n{}",
                        session.tail(20)
                    ),
                };
            }
            Event::Deadline => {
                let what = if status.is_some() { "the guest did not power off" } else { "the command did not end" };
                let seconds = limit.as_secs();
                eprintln!("sosia: {what} within {seconds} s (--timeout); the console's end:\n{}", session.tail(20));
                return Ok(TIMEOUT);
            }
        }
    }
}

/// A crash of the hypervisor or a panic of the guest ends the run at once.
fn check(session: &mut Session, deadline: Instant) -> Result<()> {
    if let Some(report) = crash::find_report(&session.log) {
        bail!("the hypervisor crashed:\n{report}");
    }
    if find(session.own(), PANIC).is_some() {
        let soon = deadline.min(Instant::now() + Duration::from_secs(1));
        while let Event::Output(_) = session.next(soon)? {}
        bail!("the guest's kernel panicked:\n{}", session.tail(30));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed_all(pieces: &[&str]) -> (String, Option<u8>) {
        let mut extractor = Extractor::new("7");
        let (mut text, mut status) = (Vec::new(), None);
        for piece in pieces {
            let (output, end) = extractor.feed(piece.as_bytes());
            text.extend(output);
            status = status.or(end);
        }
        (String::from_utf8(text).unwrap(), status)
    }

    #[test]
    fn output_is_what_is_between_the_markers() {
        let got = feed_all(&["boot\n[[sosia 7 begin]]hello\n[[sosia 7 end]]3\npower down\n"]);

        assert_eq!(got, ("hello\n".into(), Some(3)));
    }

    #[test]
    fn markers_may_come_in_pieces() {
        let whole = "x[[sosia 7 begin]]a[[sosia b\n[[sosia 7 end]]0\n";
        let pieces: Vec<String> = whole.chars().map(String::from).collect();

        let got = feed_all(&pieces.iter().map(String::as_str).collect::<Vec<_>>());

        assert_eq!(got, ("a[[sosia b\n".into(), Some(0)));
    }

    #[test]
    fn output_is_not_held_back() {
        let mut extractor = Extractor::new("7");

        assert_eq!(extractor.feed(b"[[sosia 7 begin]]hello\n").0, b"hello\n");
        assert_eq!(extractor.feed(b"x[[so").0, b"x");
        assert_eq!(extractor.feed(b"fa").0, b"[[sofa");
    }

    #[test]
    fn no_end_gives_no_status() {
        assert_eq!(feed_all(&["[[sosia 7 begin]]x[[sosia 7 end]]1"]).1, None);
        assert_eq!(feed_all(&["nothing at all"]), (String::new(), None));
    }
}
