//! The kernel's tests: the test domain `ktest` is started in root's place and reports over the console.

use super::lines::Lines;
use super::neighbours::last;
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

/// Most instructions with interrupts masked.
pub const MASKED_MOST: u64 = 5_000;

/// Runs `ktest` on one profile.
pub fn run(context: &Context, profile: &str, cases: &mut Cases) -> Result<()> {
    let bytes = image::boot_image("ktest", None, &context.toolchain)?;
    tests(context, &two_cores(profile)?, &bytes, LIMIT, cases).map(drop)
}

/// The reference set-up of the kernel's tests: two cores.
fn two_cores(profile: &str) -> Result<Machine> {
    Machine::new(Profile::load(profile)?, &System::empty(2))
}

/// The same with a million calls of hostile domains, and the oracle beside them.
pub fn hostile(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages_with(&["kernel", "ktest"], &["ktest/long"], &context.toolchain)?;
    tests(context, &two_cores("max")?, &image::assemble("ktest", None)?, LONG, cases)?;
    compile::packages(&["ktest"], &context.toolchain)
}

/// How long interrupts are masked, by a kernel that measures it and a clock that counts instructions. On one core: with
/// more it counts the others' in between, too. Tests that need two are told, and are in the other steps.
pub fn masked(context: &Context, cases: &mut Cases) -> Result<()> {
    compile::packages_with(&["kernel", "ktest"], &["kernel/measure"], &context.toolchain)?;
    let mut machine = Machine::new(Profile::load("max")?, &System::empty(1))?;
    machine.icount = true;
    let text = tests(context, &machine, &image::assemble("ktest", None)?, LONG, cases)?;
    let most: u64 = last(&text, "max")?;
    let short = (1..=MASKED_MOST).contains(&most);
    let wrong = || Err(format!("at most {MASKED_MOST} allowed"));
    cases.case(&format!("masks interrupts for {most} instructions"), if short { Ok(()) } else { wrong() });
    compile::packages(&["kernel"], &context.toolchain)
}

/// Runs them; what they wrote.
fn tests(context: &Context, machine: &Machine, bytes: &[u8], limit: u64, cases: &mut Cases) -> Result<String> {
    let scratch = Scratch::new()?;
    let path = scratch.write("ktest.img", bytes)?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let mut lines = Lines::new(|line: &str| report(line, machine.cpus, cases));
    let ended = follow(&mut session, &mut lines, limit);
    let text = lines.text;
    let end = text.lines().any(|line| line.starts_with("KTEST end "));
    let result = match (crash::find_report(&session.log), ended) {
        (Some(report), _) => Err(report),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(status)) if !end => Err(format!("it ended ({status}) without `KTEST end`\n{}", session.tail(20))),
        (None, Ok(_)) => Ok(()),
    };
    cases.case("runs to its end", result);
    Ok(text)
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

/// A case for the line `TEST name ... ok`, `TEST name ... FAILED reason`, or `TEST name ... SKIPPED needs n cores`, which
/// is right on a machine of fewer.
fn report(line: &str, cores: u64, cases: &mut Cases) {
    let Some((name, outcome)) = line.strip_prefix("TEST ").and_then(|rest| rest.split_once(" ... ")) else { return };
    match needed_cores(outcome) {
        Some(needed) if needed > cores => cases.case(&format!("{name}: left out, needs {needed} cores"), Ok(())),
        _ => cases.case(name, if outcome == "ok" { Ok(()) } else { Err(outcome.to_string()) }),
    }
}

fn needed_cores(outcome: &str) -> Option<u64> {
    outcome.strip_prefix("SKIPPED needs ")?.strip_suffix(" cores")?.parse().ok()
}
