//! `sosia run` as a user meets it: exit statuses of `--exec`, and the raw terminal with its escape key.

use super::{Cases, Context, tool};
use crate::command::run::Scratch;
use crate::session::{Session, within};
use miette::{IntoDiagnostic, Result};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs this tool.
pub fn sosia(arguments: &[&str]) -> Result<Output> {
    Command::new(tool()).args(arguments).stdin(Stdio::null()).output().into_diagnostic()
}

fn expect(output: &Output, status: i32, stdout: &str, stderr: &str) -> Result<(), String> {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let good = output.status.code() == Some(status) && out == stdout && err.contains(stderr);
    if good { Ok(()) } else { Err(format!("{}\nstdout:\n{out}\nstderr:\n{err}", output.status)) }
}

/// Exit statuses: the command's own, 124 when the time is up, 125 when the guest dies.
pub fn exec(_: &Context, cases: &mut Cases) -> Result<()> {
    let output = sosia(&["run", "--exec", "printf 'a\\nb'; exit 7"])?;
    cases.case("gives output and status as they are", expect(&output, 7, "a\nb", ""));
    let output = sosia(&["run", "--exec", "echo begun; sleep 1000", "--timeout", "40"])?;
    cases.case("ends when the time is up", expect(&output, 124, "begun\n", "did not end within 40 s"));
    let output = sosia(&["run", "--exec", "echo c > /proc/sysrq-trigger"])?;
    let told = output.status.code() == Some(125) && String::from_utf8_lossy(&output.stderr).contains("kernel panicked");
    cases.case("tells of the guest's panic", if told { Ok(()) } else { expect(&output, 125, "", "kernel panicked") });
    Ok(())
}

/// The terminal is raw while the guest runs, and afterwards what it was. script(1) gives a terminal.
pub fn terminal(_: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let [before, tty, after] = ["before", "tty", "after"].map(|name| scratch.path().join(name));
    let program = tool();
    let inner = format!(
        "stty -a > {}; tty > {}; {} run; echo status=$?; stty -a > {}",
        before.display(),
        tty.display(),
        program.display(),
        after.display()
    );
    let mut command = Command::new("script");
    let mut session = Session::start(command.args(["-q", "-e", "-c", &inner, "/dev/null"]))?;
    // The first start builds.
    session.wait_for("Ctrl-] then: q quits", 0, within(600))?;
    let at = session.wait_for("guest:~# ", 0, within(120))?;
    let read = |path: &Path| std::fs::read_to_string(path).into_diagnostic();
    let raw = Command::new("stty").args(["-a", "-F", read(&tty)?.trim()]).output().into_diagnostic()?;
    session.send(b"sleep 1000\r")?;
    let at = session.wait_for("sleep 1000", at, within(10))?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    session.send(b"\x03echo d$((40+2))\r")?;
    let at = session.wait_for("d42", at, within(20))?;
    cases.case("control-c reaches the guest", Ok(()));
    session.send(b"\x1d?")?;
    let at = session.wait_for("Ctrl-] then: q quits", at, within(10))?;
    cases.case("escape and ? shows the keys", Ok(()));
    session.send(b"\x1dq")?;
    session.wait_for("status=0", at, within(10))?;
    cases.case("escape and q ends the run", Ok(()));
    session.wait_end(within(10))?;
    let (before, after) = (read(&before)?, read(&after)?);
    let raw = String::from_utf8_lossy(&raw.stdout);
    let restored = before == after && raw.contains("-icanon");
    cases.case("is restored", if restored { Ok(()) } else { Err(format!("{before}\n{raw}\n{after}")) });
    Ok(())
}
