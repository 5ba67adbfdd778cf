//! The kernel's tests: the test domain `ktest` is started in root's place and reports over the console.

use super::lines::Lines;
use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::image::compile;
use crate::machine::{self, Machine};
use crate::session::{Event, Session, within};
use crate::{crash, image};
use miette::{IntoDiagnostic, Result, bail};
use std::io::Write;
use std::process::ExitStatus;

/// Seconds that a run may take, and a long one.
const LIMIT: u64 = 180;
const LONG: u64 = 3600;

/// Runs `ktest` on one profile.
pub fn run(context: &Context, profile: &str, cases: &mut Cases) -> Result<()> {
    let bytes = image::boot_image("ktest", None, &context.toolchain)?;
    tests(context, profile, &bytes, LIMIT, cases)
}

/// The same with a million calls of hostile domains, and the oracle beside them.
pub fn hostile(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages_with(&["kernel", "ktest"], &["ktest/long"], &context.toolchain)?;
    tests(context, "max", &image::assemble("ktest", None)?, LONG, cases)?;
    compile::packages(&["ktest"], &context.toolchain)
}

fn tests(context: &Context, profile: &str, bytes: &[u8], limit: u64, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let path = scratch.write("ktest.img", bytes)?;
    let machine = Machine::new(Profile::load(profile)?, &System::empty(2))?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let mut lines = Lines::new(|line: &str| report(line, cases));
    let ended = follow(&mut session, &mut lines, limit);
    let end = lines.text.lines().any(|line| line.starts_with("KTEST end "));
    let result = match (crash::find_report(&session.log), ended) {
        (Some(report), _) => Err(report),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(status)) if !end => Err(format!("it ended ({status}) without `KTEST end`\n{}", session.tail(20))),
        (None, Ok(_)) => Ok(()),
    };
    cases.case("runs to its end", result);
    Ok(())
}

/// A kernel that faults leaves a record that can be read, and the machine does not go on.
pub fn crash_record(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages_with(&["kernel", "root"], &["kernel/crash-test"], &context.toolchain)?;
    let scratch = Scratch::new()?;
    let path = scratch.write("crash.img", &image::assemble("root", None)?)?;
    let machine = Machine::new(Profile::load("max")?, &System::empty(2))?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    // `follow` ends early at a record; here the machine's own end is wanted, too.
    let status = session.wait_end(within(LIMIT))?;
    let report = crash::find_report(&session.log).unwrap_or_else(|| session.tail(20));
    let wanted =
        ["crash of the kernel on core 0: sync", "far   0x400000000000", "kernel::", "Translation fault, level 0"];
    let missing: Vec<_> = wanted.iter().filter(|text| !report.contains(**text)).collect();
    cases.case(
        "is read in words",
        if missing.is_empty() { Ok(()) } else { Err(format!("no {missing:?} in\n{report}")) },
    );
    cases.case("turns the machine off", if status.success() { Ok(()) } else { Err(format!("{status}")) });
    compile::packages(&["kernel"], &context.toolchain)
}

/// Reads the console to QEMU's end, or to a crash.
fn follow(session: &mut Session, lines: &mut impl Write, limit: u64) -> Result<ExitStatus> {
    let deadline = within(limit);
    loop {
        match session.next(deadline)? {
            Event::Output(piece) => lines.write_all(&piece).into_diagnostic()?,
            Event::Ended(status) => return Ok(status),
            Event::Deadline => bail!("it did not end within {limit} s\n{}", session.tail(20)),
        }
        if crash::find_report(&session.log).is_some() {
            bail!("the kernel crashed");
        }
    }
}

/// A case for the line `TEST name ... ok`, or `TEST name ... FAILED reason`.
fn report(line: &str, cases: &mut Cases) {
    let Some((name, outcome)) = line.strip_prefix("TEST ").and_then(|rest| rest.split_once(" ... ")) else { return };
    cases.case(name, if outcome == "ok" { Ok(()) } else { Err(outcome.to_string()) });
}
