//! Guests that never sleep share a core as their budgets say. They count their own instructions, by a clock that counts
//! all: no wall clock is asked.

use super::neighbours::{How, last, start};
use super::{Cases, Context, Step};
use crate::command::run::Scratch;
use crate::paths;
use crate::session::within;
use miette::{IntoDiagnostic, Result, WrapErr};

/// How far a share may be from what it should be, in per mille: one point.
const TOLERANCE: f64 = 10.0;
/// Seconds that the machine may take.
const LIMIT: u64 = 400;

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("fairness", |context, cases| {
            three(context, cases, 2)?;
            alone(context, cases)
        }),
        Step::new("fairness-long", |context, cases| three(context, cases, 10)).long(),
    ]
}

/// Three budgets that are all of a core, for so many seconds.
fn three(context: &Context, cases: &mut Cases, seconds: u64) -> Result<()> {
    let path = paths::root().join("systems/fairness.toml");
    let text = std::fs::read_to_string(&path).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    let text = text.replace("\"burn\"", &format!("\"burn seconds={seconds}\""));
    shares(context, cases, &text, &[("half", 500.0), ("third", 300.0), ("fifth", 200.0)])
}

/// What nobody else wants goes beyond the budget.
fn alone(context: &Context, cases: &mut Cases) -> Result<()> {
    let system = r#"
        machine = { cpus = 1 }
        [[vm]]
        name = "tenth"
        kernel = "guest:load"
        cmdline = "burn seconds=1"
        memory = "8M"
        cores = [0]
        budget = "1ms"
        period = "10ms"
        [[vm]]
        name = "sleeper"
        kernel = "guest:load"
        cmdline = "idle"
        memory = "8M"
        cores = [0]
    "#;
    shares(context, cases, system, &[("tenth", 1000.0)])
}

/// Starts a system and waits until each of these guests has told its share of the core, in per mille.
fn shares(context: &Context, cases: &mut Cases, system: &str, expected: &[(&str, f64)]) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut session = start(context, system, How { icount: true, ..How::default() }, &scratch)?;
    for (name, wanted) in expected {
        let at = session.wait_for_of(name, "LOAD end", 0, within(LIMIT))?;
        session.wait_for_of(name, "\n", at, within(LIMIT))?;
        let share: f64 = last(&session.text_of(name), "share")?;
        let near = (share - wanted).abs() <= TOLERANCE;
        let told = format!("{share} per mille of the core, not {wanted}");
        cases.case(&format!("{name}: {share} of {wanted} per mille"), if near { Ok(()) } else { Err(told) });
    }
    Ok(())
}
