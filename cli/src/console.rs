//! The console of `sosia run`: the terminal is raw, all keys go to the guest but one.
//!
//! At a terminal the console server switches between VMs by itself. Where that is not enough (`--log`, `--vm`, no
//! terminal) it sends the output of all VMs with marks, and what is shown is decided here ([`Output`]).

use crate::crash;
use crate::exec::{FAILED, TIMEOUT};
use crate::mux;
use crate::session::{Event, Session};
use crate::views::Views;
use miette::{IntoDiagnostic, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Ctrl-].
const ESCAPE: u8 = 0x1d;
const HELP: &str = "Ctrl-] then: q quits, ? shows more, Ctrl-] sends itself. All else, also Ctrl-C, goes to the guest.";

/// Who shows what.
pub enum Output {
    /// The console server: its bytes are shown as they come.
    Server,
    /// Just the output of one VM, by its channel; root's lines go to stderr.
    One(usize),
    /// What the console server would show.
    Views(Box<Views>),
}

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

/// Connects the terminal with the guests until the machine is powered off, the user quits, or the time is up.
pub fn attach(session: &mut Session, limit: Option<Duration>, mut output: Output) -> Result<u8> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).into_diagnostic()?;
    }
    if std::io::stdin().is_terminal() {
        eprintln!("sosia: {HELP}");
    }
    let raw = Raw::new()?;
    let end = talk(session, limit, &ended, &mut output);
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

fn talk(session: &mut Session, limit: Option<Duration>, ended: &AtomicBool, output: &mut Output) -> Result<End> {
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
                Event::Output(bytes) => {
                    output.show(&bytes, &session.last)?;
                }
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
            session.forget(64 << 10);
        }
        if ready.input {
            let mut sent: Vec<u8> = std::mem::take(&mut pending);
            // A pipe that is ready takes this much at once (POSIX, PIPE_BUF).
            pending = sent.split_off(sent.len().min(4096));
            session.send_raw(&sent)?;
        }
        if ready.typed {
            let mut buffer = [0; 1024];
            let count = std::io::stdin().read(&mut buffer).unwrap_or(0);
            typing = count > 0;
            let (bytes, wish) = keys.take(buffer.get(..count).unwrap_or_default());
            if wish == Some(Key::Help) {
                show(format!("\r\nsosia: {HELP}\r\n").as_bytes())?;
            }
            pending.extend(output.typed(&bytes)?);
            if wish == Some(Key::Quit) {
                return Ok(End::Quit);
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

impl Output {
    /// Shows what came: all of it, and by channel.
    fn show(&mut self, all: &[u8], runs: &[(usize, Vec<u8>)]) -> Result<()> {
        match self {
            Self::Server => show(all),
            Self::Views(views) => show(&views.take(runs)),
            Self::One(wanted) => runs.iter().try_for_each(|(channel, bytes)| match *channel {
                0 => std::io::stderr().write_all(bytes).into_diagnostic(),
                channel if channel == *wanted => show(bytes),
                _ => Ok(()),
            }),
        }
    }

    /// What to send when this was typed. It may have changed what is shown.
    fn typed(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Server => bytes.to_vec(),
            // The switch key means nothing here.
            Self::One(_) if bytes.is_empty() => Vec::new(),
            Self::One(channel) => mux::encode(*channel, bytes),
            Self::Views(views) => {
                let (shown, sent) = views.typed(bytes);
                show(&shown)?;
                sent
            }
        })
    }
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

/// Finds the escape key and the key after it in what is typed. What is not for us is for the console server, with the
/// escape key.
#[derive(Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// Gives what is sent, and what the user wants of us.
    fn take(&mut self, typed: &[u8]) -> (Vec<u8>, Option<Key>) {
        let (mut guest, mut wish) = (Vec::new(), None);
        for &byte in typed {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, byte) => guest.push(byte),
                (true, b'q' | b'Q') => wish = Some(Key::Quit),
                (true, byte) => {
                    wish = wish.or((byte == b'?').then_some(Key::Help));
                    guest.extend([ESCAPE, byte]);
                }
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
    fn other_keys_after_the_escape_key_are_the_servers() {
        assert_eq!(Keys::default().take(b"\x1d\x1d\x1d2z"), (b"\x1d\x1d\x1d2z".to_vec(), None));
        assert_eq!(Keys::default().take(b"\x1d?"), (b"\x1d?".to_vec(), Some(Key::Help)));
    }
}
