//! Instruction classes: a guest executes each entry of the classic engine's table at EL0 of the bare machine, and all encodings
//! that the table has not. The page docs/lecture/instruction-classes.md is compared with the table by a test of `classic`.

use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::image;
use crate::machine::{self, Machine};
use crate::session::{Session, within};
use miette::Result;

const PROFILES: [&str; 3] = ["max", "cortex-a76", "cortex-a72"];
const LIMIT: u64 = 120;
/// Encodings of MRS, MSR, SYS and SYSL: fewer checks were not all.
const ENCODINGS: usize = 3 << 15;

/// Runs the guest on each model.
pub fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    let system = System::load("classes")?;
    let payload = image::payload(&system, &context.toolchain, None)?;
    let scratch = Scratch::new()?;
    let path = scratch.write("Image", payload.kernels.first().map_or(&[], Vec::as_slice))?;
    for profile in PROFILES {
        let mut machine = Machine::new(Profile::load(profile)?, &system)?;
        machine.bare = true;
        let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
        session.wait_for("CLASSES end", 0, within(LIMIT))?;
        session.wait_end(within(10))?;
        let Verdict { checks, result } = verdict(&session.text(), profile);
        cases.case(&format!("{profile} ({checks} checks)"), result);
    }
    Ok(())
}

/// What the guest said.
struct Verdict {
    checks: usize,
    result: Result<(), String>,
}

fn verdict(text: &str, profile: &str) -> Verdict {
    let wrong: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("WRONG ")).collect();
    let head = format!("CLASSES model={profile} checks=");
    let checks = text.lines().find_map(|line| line.strip_prefix(&head)?.trim().parse().ok()).unwrap_or(0);
    let result = match wrong.len() {
        0 if checks > ENCODINGS => Ok(()),
        0 => Err(format!("only {checks} checks")),
        count => Err(format!("{count} differ from the table of `classic`:\n{}", wrong.join("\n"))),
    };
    Verdict { checks, result }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn each_difference_is_named() {
        let text = "WRONG MRS X: runs\nCLASSES model=max checks=99999\nCLASSES end\n";

        let Verdict { result, .. } = verdict(text, "max");

        assert_eq!(result.unwrap_err(), "1 differ from the table of `classic`:\nMRS X: runs");
    }

    #[test]
    fn nothing_checked_is_a_failure() {
        let Verdict { checks, result } = verdict("CLASSES end\n", "max");

        assert_eq!(checks, 0);
        assert!(result.is_err());
    }

    #[test]
    fn another_model_is_a_failure() {
        assert!(verdict("CLASSES model=max checks=99999\nCLASSES end\n", "cortex-a72").result.is_err());
    }
}
