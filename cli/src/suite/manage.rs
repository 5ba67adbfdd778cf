//! The management channel: `sosia ps` and `sosia vm` against a running system, and garbage on the line.

use super::{Cases, Context, boot, tool};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::Machine;
use crate::manage::{Client, Snapshot, socket};
use crate::session::within;
use manage::State;
use miette::{IntoDiagnostic, Result, miette};
use serde_json::Value;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;
use sysdesc::stats::kind;

/// One VM that computes and one that sleeps, on one core.
const SYSTEM: &str = r#"
    machine = { cpus = 1 }

    [[vm]]
    name = "busy"
    kernel = "guest:load"
    cmdline = "burn seconds=100000"
    memory = "8M"
    ends-run = false

    [[vm]]
    name = "idle"
    kernel = "guest:load"
    cmdline = "idle"
    memory = "8M"
"#;
/// Bytes of garbage.
const GARBAGE: usize = 64 << 10;

/// The step.
pub fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = System::from_text("this step's system", SYSTEM)?;
    let mut machine = Machine::new(Profile::load("max")?, &system)?;
    let (name, path) = socket::reserve(None, "suite")?;
    machine.manage = Some(path.clone());
    let mut session = boot::start(context, &machine, &system, None, &scratch)?;
    session.wait_for_of("busy", "LOAD t=1 ", 0, within(60))?;

    cases.case("ps --json tells of run time that grows", ps(&name)?);
    let before = look(&name)?;
    cases.case("accounts are plausible", plausible(&before));
    cases.case("garbage does no harm", garbage(&name, &path)?);
    let from = session.of("busy").len();
    let output = sosia(&["vm", "restart", "busy", "--name", &name])?;
    session.wait_for_of("busy", "LOAD t=1 ", from, within(60))?;
    cases.case("vm restart restarts that VM only", restarted(&output, &before, &look(&name)?));
    cases.case("vm stop and start", stop_and_start(&name)?);
    cases.case("what cannot be is told", refusals(&name)?);
    Ok(())
}

/// This very program, with other arguments.
fn sosia(arguments: &[&str]) -> Result<Output> {
    Command::new(tool()).args(arguments).env("NO_COLOR", "1").output().into_diagnostic()
}

fn json(name: &str) -> Result<Value> {
    let output = sosia(&["ps", "--json", "--name", name])?;
    serde_json::from_slice(&output.stdout)
        .map_err(|error| miette!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

fn look(name: &str) -> Result<Snapshot> {
    Client::open(Some(name))?.snapshot()
}

fn ps(name: &str) -> Result<Result<(), String>> {
    let run = |look: &Value, vm: usize| look["vms"][vm]["vcpus"][0]["run_ns"].as_u64();
    let (first, ()) = (json(name)?, std::thread::sleep(Duration::from_millis(300)));
    let second = json(name)?;
    let grew = matches!((run(&first, 0), run(&second, 0)), (Some(before), Some(after)) if after > before);
    let named = first["vms"][0]["name"] == "busy" && first["vms"][1]["state"] == "running";
    Ok(if grew && named { Ok(()) } else { Err(format!("first\n{first:#}\nthen\n{second:#}")) })
}

/// A sleeper runs less than who computes; together they have no more than the core. Who is asked last is read last.
fn plausible(look: &Snapshot) -> Result<(), String> {
    let [busy, idle] = look.vms.as_slice() else { return Err(format!("{look:?}")) };
    let ([busy], [idle]) = (busy.vcpus.as_slice(), idle.vcpus.as_slice()) else { return Err(format!("{look:?}")) };
    let good = idle.run < busy.run
        && busy.run + idle.run <= idle.now
        && busy.run > busy.now / 10
        && busy.counts.get(kind::MMIO).is_some_and(|count| *count > 0)
        && [busy, idle].iter().all(|vcpu| vcpu.core == 0 && vcpu.priority == 10 && vcpu.chosen > 0);
    if good { Ok(()) } else { Err(format!("{look:?}")) }
}

/// Garbage, also with many zeros, and whole frames cut short.
fn garbage(name: &str, path: &Path) -> Result<Result<(), String>> {
    let mut stream = UnixStream::connect(path).into_diagnostic()?;
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut bytes = Vec::with_capacity(GARBAGE);
    while bytes.len() < GARBAGE {
        // xorshift64
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        bytes.push(if seed.is_multiple_of(16) { 0 } else { seed as u8 });
    }
    stream.write_all(&bytes).into_diagnostic()?;
    drop(stream);
    let after = look(name)?;
    let untouched = after.vms.iter().all(|vm| vm.info.state == State::Running && vm.info.restarts == 0);
    Ok(if untouched && after.hello.garbage > 0 { Ok(()) } else { Err(format!("{after:?}")) })
}

/// One VM was started anew; objects, VMIDs and what is free are as they were.
fn restarted(output: &Output, before: &Snapshot, after: &Snapshot) -> Result<(), String> {
    let restarts: Vec<u64> = after.vms.iter().map(|vm| vm.info.restarts).collect();
    let (old, new) = (before.counters, after.counters);
    let same = old == manage::Counters { masked_max: old.masked_max, ..new };
    let good = output.status.success() && restarts == [1, 0] && same;
    if good { Ok(()) } else { Err(format!("{output:?}\nbefore {before:?}\nafter {after:?}")) }
}

fn stop_and_start(name: &str) -> Result<Result<(), String>> {
    let state = || -> Result<State> {
        let look = look(name)?;
        look.vms.first().map(|vm| vm.info.state).ok_or_else(|| miette!("{look:?}"))
    };
    let stop = sosia(&["vm", "stop", "busy", "--name", name])?;
    let stopped = state()?;
    let again = sosia(&["vm", "stop", "busy", "--name", name])?;
    let start = sosia(&["vm", "start", "busy", "--name", name])?;
    let started = state()?;
    let good = stop.status.success() && start.status.success() && !again.status.success();
    let states = (stopped, started) == (State::Stopped, State::Running);
    Ok(if good && states { Ok(()) } else { Err(format!("{stop:?} {stopped:?} {again:?} {start:?} {started:?}")) })
}

fn refusals(name: &str) -> Result<Result<(), String>> {
    for (arguments, message) in [
        (["vm", "start", "busy", "--name", name], "it runs already"),
        (["vm", "restart", "nobody", "--name", name], "has no VM `nobody`"),
        (["vm", "restart", "busy", "--name", "no-such-run"], "no system named `no-such-run` runs"),
    ] {
        let output = sosia(&arguments)?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() || !text.contains(message) {
            return Ok(Err(format!("sosia {arguments:?}: not `{message}` but\n{text}")));
        }
    }
    Ok(Ok(()))
}
