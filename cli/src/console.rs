//! The interactive console: the terminal is raw, all keys go to the guest but one.

use crate::crash;
use crate::exec::{FAILED, TIMEOUT};
use crate::session::{Event, Session};
use miette::{IntoDiagnostic, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Ctrl-].
const ESCAPE: u8 = 0x1d;
const HELP: &str = "Ctrl-] then: q quits, ? shows this, Ctrl-] sends itself. All else, also Ctrl-C, goes to the guest.";

/// The terminal as it was, for the panic hook.
static SAVED: OnceLock<Termios> = OnceLock::new();

/// A raw terminal, which becomes what it was when this is dropped.
struct Raw;

impl Raw {
    /// Makes stdin raw; none if it is no terminal.
    fn new() -> Result<Option<Self>> {
        if !std::io::stdin().is_terminal() {
            return Ok(None);
        }
        let saved = tcgetattr(std::io::stdin()).into_diagnostic()?;
        let saved = SAVED.get_or_init(|| saved);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            hook(info);
        }));
        let mut raw = saved.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw).into_diagnostic()?;
        Ok(Some(Self))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if let Some(saved) = SAVED.get() {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, saved);
    }
}

/// Connects the terminal with the guest until the guest powers off, the user quits, or the time is up.
pub fn attach(session: &mut Session, limit: Option<Duration>) -> Result<u8> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).into_diagnostic()?;
    }
    if std::io::stdin().is_terminal() {
        eprintln!("sosia: {HELP}");
    }
    let raw = Raw::new()?;
    let end = talk(session, limit, &ended);
    drop(raw);
    match end? {
        End::PowerOff => Ok(0),
        End::Quit => {
            eprintln!("\nsosia: the run was ended");
            Ok(0)
        }
        End::Signal => Ok(128 + 15),
        End::Deadline => {
            eprintln!("\nsosia: the time is up (--timeout)");
            Ok(TIMEOUT)
        }
        End::Crash(report) => {
            eprintln!("\nsosia: the hypervisor crashed\n{report}");
            Ok(FAILED)
        }
    }
}

enum End {
    PowerOff,
    Quit,
    Signal,
    Deadline,
    Crash(String),
}

fn talk(session: &mut Session, limit: Option<Duration>, ended: &AtomicBool) -> Result<End> {
    let deadline = limit.map(|limit| Instant::now() + limit);
    let (mut keys, mut pending, mut typing) = (Keys::default(), Vec::new(), true);
    loop {
        if ended.load(Ordering::Relaxed) {
            return Ok(End::Signal);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(End::Deadline);
        }
        let ready = wait(session, typing && pending.is_empty(), !pending.is_empty())?;
        if ready.output {
            match session.read()? {
                Event::Output(bytes) => show(&bytes)?,
                Event::Ended(status) if status.success() => return Ok(End::PowerOff),
                Event::Ended(status) => {
                    let errors = session.stop();
                    bail!("QEMU failed ({status})\r\n{}", errors.replace('\n', "\r\n"));
                }
                Event::Deadline => {}
            }
            if let Some(report) = crash::find_report(&session.log) {
                return Ok(End::Crash(report));
            }
            // Only the newest part is looked at again: a crash record has less than this.
            let old = session.log.len().saturating_sub(64 << 10);
            session.log.drain(..old);
        }
        if ready.input {
            let mut sent: Vec<u8> = std::mem::take(&mut pending);
            // A pipe that is ready takes this much at once (POSIX, PIPE_BUF).
            pending = sent.split_off(sent.len().min(4096));
            session.send(&sent)?;
        }
        if ready.typed {
            let mut buffer = [0; 1024];
            let count = std::io::stdin().read(&mut buffer).unwrap_or(0);
            typing = count > 0;
            let (bytes, wish) = keys.take(buffer.get(..count).unwrap_or_default());
            pending.extend(bytes);
            match wish {
                Some(Key::Quit) => return Ok(End::Quit),
                Some(Key::Help) => show(format!("\r\nsosia: {HELP}\r\n").as_bytes())?,
                None => {}
            }
        }
    }
}

/// What can be done now without waiting.
struct Ready {
    output: bool,
    input: bool,
    typed: bool,
}

fn wait(session: &Session, typing: bool, sending: bool) -> Result<Ready> {
    let (output, input) = session.ends();
    let stdin = std::io::stdin();
    let of = |wanted: bool, flags: PollFlags| if wanted { flags } else { PollFlags::empty() };
    let mut fds = [
        PollFd::new(output, PollFlags::IN),
        PollFd::new(input, of(sending, PollFlags::OUT)),
        PollFd::new(&stdin, of(typing, PollFlags::IN)),
    ];
    // Short, so that signals and the deadline are seen soon.
    let step = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    match poll(&mut fds, Some(&step)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error).into_diagnostic(),
    }
    let [output, input, typed] = fds.map(|fd| !fd.revents().is_empty());
    Ok(Ready { output, input: input && sending, typed: typed && typing })
}

fn show(bytes: &[u8]) -> Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).into_diagnostic()
}

/// What a key press means.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    Quit,
    Help,
}

/// Takes the escape key and the key after it out of what is typed.
#[derive(Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// Gives what goes to the guest, and what the user wants of us.
    fn take(&mut self, typed: &[u8]) -> (Vec<u8>, Option<Key>) {
        let (mut guest, mut wish) = (Vec::new(), None);
        for &byte in typed {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, byte) => guest.push(byte),
                (true, ESCAPE) => guest.push(ESCAPE),
                (true, b'q' | b'Q') => wish = Some(Key::Quit),
                (true, b'?') => wish = Some(Key::Help),
                (true, _) => {}
            }
        }
        (guest, wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_c_goes_to_the_guest() {
        assert_eq!(Keys::default().take(b"a\x03"), (b"a\x03".to_vec(), None));
    }

    #[test]
    fn escape_and_q_quit_even_in_two_pieces() {
        let mut keys = Keys::default();

        assert_eq!(keys.take(b"x\x1d"), (b"x".to_vec(), None));
        assert_eq!(keys.take(b"q"), (vec![], Some(Key::Quit)));
    }

    #[test]
    fn escape_twice_sends_it() {
        assert_eq!(Keys::default().take(b"\x1d\x1d\x1d?z"), (b"\x1dz".to_vec(), Some(Key::Help)));
    }
}
