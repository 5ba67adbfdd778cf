//! The kernel's tests: the test domain `ktest` is started in root's place and reports over the console.

use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::{self, Machine};
use crate::session::{Session, within};
use crate::{crash, image};
use miette::Result;

const LIMIT: u64 = 180;

/// Runs `ktest` on one profile.
pub fn run(context: &Context, profile: &str, cases: &mut Cases) -> Result<()> {
    let bytes = image::boot_image("ktest", None, &context.toolchain)?;
    let scratch = Scratch::new()?;
    let path = scratch.write("ktest.img", &bytes)?;
    let machine = Machine::new(Profile::load(profile)?, &System::empty(2))?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let ended = session.wait_end(within(LIMIT));
    let text = session.text();
    report(&text, cases);
    let end = text.lines().any(|line| line.starts_with("KTEST end "));
    let result = match (crash::find_report(&session.log), ended) {
        (Some(report), _) => Err(report),
        (None, Err(error)) => Err(error.to_string()),
        (None, Ok(status)) if !end => Err(format!("it ended ({status}) without `KTEST end`\n{}", session.tail(20))),
        (None, Ok(_)) => Ok(()),
    };
    cases.case("runs to its end", result);
    Ok(())
}

/// One case for each line `TEST name ... ok`, or `TEST name ... FAILED reason`.
fn report(text: &str, cases: &mut Cases) {
    for line in text.lines().filter_map(|line| line.strip_prefix("TEST ")) {
        let Some((name, outcome)) = line.split_once(" ... ") else { continue };
        let result = if outcome.trim() == "ok" { Ok(()) } else { Err(outcome.to_string()) };
        cases.case(name, result);
    }
}
