//! A running QEMU: its console as a stream of bytes, always under a deadline, never left behind.

use crate::config::System;
use crate::logs::Logs;
use crate::mux::{self, Demux};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What a session tells next.
#[derive(Debug)]
pub enum Event {
    /// The guest wrote this.
    Output(Vec<u8>),
    /// QEMU ended.
    Ended(ExitStatus),
    /// The deadline passed.
    Deadline,
}

/// A QEMU process with its console.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    errors: Option<JoinHandle<String>>,
    demux: Demux,
    /// By channel: what it wrote.
    channels: Vec<Vec<u8>>,
    /// Names of the VMs, of which the first has channel 1.
    names: Vec<String>,
    /// The VM that is meant where none is named: the first.
    vm: String,
    /// Files that everything is written to.
    pub logs: Option<Logs>,
    /// What came last, by channel.
    pub last: Vec<(usize, Vec<u8>)>,
    /// All that came over the console, in the order in which it came.
    pub log: Vec<u8>,
}

impl Session {
    /// Starts QEMU; it dies with this process.
    pub fn start(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(command, Signal::KILL);
        let mut child = command.spawn().into_diagnostic().wrap_err("cannot start QEMU")?;
        let (Some(input), Some(output), Some(mut stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(miette!("QEMU has no console"));
        };
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Self {
            child,
            input,
            output,
            errors: Some(errors),
            demux: Demux::default(),
            channels: Vec::new(),
            names: Vec::new(),
            vm: String::new(),
            logs: None,
            last: Vec::new(),
            log: Vec::new(),
        })
    }

    /// Makes the VMs' names known, for [`Self::of`] and what follows from it. Useful for a system with
    /// [`System::mux`] only.
    pub fn with_names(mut self, system: &System) -> Self {
        self.names = system.vms.iter().map(|vm| vm.name.clone()).collect();
        self.vm = self.names.first().cloned().unwrap_or_default();
        self
    }

    /// Means this VM where none is named.
    pub fn with_vm(mut self, name: &str) -> Self {
        self.vm = name.into();
        self
    }

    /// What the VM that is meant wrote; without marks in the stream all that there is.
    pub fn own(&self) -> &[u8] {
        self.of(&self.vm)
    }

    /// Forgets all but the newest output.
    pub fn forget(&mut self, keep: usize) {
        for log in self.channels.iter_mut().chain([&mut self.log]) {
            let old = log.len().saturating_sub(keep);
            log.drain(..old);
        }
    }

    /// What a VM wrote, or `sosia` (root). Without marks in the stream: all that there is.
    pub fn of(&self, name: &str) -> &[u8] {
        if !self.demux.marked {
            return &self.log;
        }
        self.channel(name).and_then(|channel| self.channels.get(channel)).map_or(&[], Vec::as_slice)
    }

    /// The same as text.
    pub fn text_of(&self, name: &str) -> String {
        text(self.of(name))
    }

    /// Types into a VM's console.
    pub fn send_to(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let channel = self.channel(name).ok_or_else(|| miette!("there is no VM `{name}`"))?;
        self.send_raw(&mux::encode(channel, bytes))
    }

    /// Waits until a VM's console has shown `text`, after the place `from` of it. Gives the place behind it.
    pub fn wait_for_of(&mut self, name: &str, text: &str, from: usize, deadline: Instant) -> Result<usize> {
        loop {
            if let Some(at) = find(self.of(name).get(from..).unwrap_or_default(), text.as_bytes()) {
                return Ok(from + at + text.len());
            }
            let why = match self.next(deadline)? {
                Event::Output(_) => continue,
                Event::Ended(status) => format!("QEMU ended ({status})"),
                Event::Deadline => "the time was up".into(),
            };
            let (own, root) = (tail(&self.text_of(name), 20), tail(&self.text_of("sosia"), 5));
            return Err(miette!("{why} before {name} showed `{text}`; its end:\n{own}of sosia:\n{root}"));
        }
    }

    fn channel(&self, name: &str) -> Option<usize> {
        match name {
            "sosia" => Some(0),
            name => self.names.iter().position(|known| known == name).map(|index| index + 1),
        }
    }

    /// The next piece of console output, the end, or the deadline.
    pub fn next(&mut self, deadline: Instant) -> Result<Event> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(&self.output, PollFlags::IN)];
        let timeout = Timespec::try_from(left).into_diagnostic()?;
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Ok(Event::Deadline),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Event::Output(Vec::new())),
            Err(error) => return Err(error).into_diagnostic(),
        }
        self.read()
    }

    /// Reads what is there; blocks if nothing is.
    pub fn read(&mut self) -> Result<Event> {
        let mut buffer = vec![0; 16384];
        let count = self.output.read(&mut buffer).into_diagnostic()?;
        if count == 0 {
            return Ok(Event::Ended(self.child.wait().into_diagnostic()?));
        }
        buffer.truncate(count);
        let mut piece = Vec::with_capacity(count);
        self.last = self.demux.feed(&buffer);
        if let Some(logs) = &mut self.logs {
            logs.write(&self.last)?;
        }
        for (channel, bytes) in &self.last {
            piece.extend_from_slice(bytes);
            if self.channels.len() <= *channel {
                self.channels.resize(channel + 1, Vec::new());
            }
            if let Some(own) = self.channels.get_mut(*channel) {
                own.extend_from_slice(bytes);
            }
        }
        self.log.extend_from_slice(&piece);
        Ok(Event::Output(piece))
    }

    /// The console's ends, for a poll of the caller's: what the guest wrote, what it is sent.
    pub fn ends(&self) -> (&ChildStdout, &ChildStdin) {
        (&self.output, &self.input)
    }

    /// Types into the console of the VM that is meant.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match self.channel(&self.vm).filter(|_| self.demux.marked) {
            Some(channel) => self.send_raw(&mux::encode(channel, bytes)),
            None => self.send_raw(bytes),
        }
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.input.write_all(bytes).and_then(|()| self.input.flush()).into_diagnostic().wrap_err("QEMU takes no input")
    }

    /// Waits until the console has shown `text`, after the place `from` of the log. Gives the place behind it.
    pub fn wait_for(&mut self, text: &str, from: usize, deadline: Instant) -> Result<usize> {
        loop {
            if let Some(at) = find(self.log.get(from..).unwrap_or_default(), text.as_bytes()) {
                return Ok(from + at + text.len());
            }
            let why = match self.next(deadline)? {
                Event::Output(_) => continue,
                Event::Ended(status) => format!("QEMU ended ({status})"),
                Event::Deadline => "the time was up".into(),
            };
            return Err(miette!("{why} before the console showed `{text}`; its end:\n{}", self.tail(20)));
        }
    }

    /// Waits for QEMU's end.
    pub fn wait_end(&mut self, deadline: Instant) -> Result<ExitStatus> {
        loop {
            match self.next(deadline)? {
                Event::Output(_) => {}
                Event::Ended(status) => return Ok(status),
                Event::Deadline => {
                    return Err(miette!(
                        "the machine did not power off in time; the console's end:\n{}",
                        self.tail(20)
                    ));
                }
            }
        }
    }

    /// The console as text.
    pub fn text(&self) -> String {
        text(&self.log)
    }

    /// The last lines of the console.
    pub fn tail(&self, lines: usize) -> String {
        tail(&self.text(), lines)
    }

    /// Ends QEMU. What it wrote to its stderr is given back.
    pub fn stop(&mut self) -> String {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.errors.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\r', "")
}

/// The last lines of a text, each indented.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let from = all.len().saturating_sub(lines);
    all.iter().skip(from).map(|line| format!("  | {line}\n")).collect()
}

/// The place of `needle` in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len().max(1)).position(|window| window == needle)
}

/// A deadline this far from now.
pub fn within(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Sends a child this signal when the tool ends, whatever ends it: no QEMU outlives the tool.
#[allow(unsafe_code)] // `pre_exec` is unsafe: its closure runs between fork and exec.
pub fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;
    let set = move || Ok(rustix::process::set_parent_process_death_signal(Some(signal))?);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed: the closure makes one system call
    // (prctl) and touches no memory, lock or allocator.
    unsafe { command.pre_exec(set) };
}
