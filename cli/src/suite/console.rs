//! The console of several VMs: what each writes is whole and its own, in every view.

use super::{Cases, Context, Step, boot};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::image::{self, compile};
use crate::machine::{self, Machine};
use crate::session::{Session, within};
use miette::Result;

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("consoles-marked", marked),
        Step::new("consoles-terminal", terminal),
        Step::new("consoles-files", files),
        Step::new("consoles-crash", crash),
    ]
}

/// Two VMs that write so many lines each, then do what `then` says. On one core the more urgent of them would keep the
/// console server from its work for ever, if it spent its time on waiting for the UART.
fn talkers(lines: usize, then: &str, cores: usize) -> String {
    let vm = |name: &str, core: usize, priority: u64| {
        format!(
            r#"
            [[vm]]
            name = "{name}"
            kernel = "guest:load"
            memory = "16M"
            cores = [{core}]
            priority = {priority}
            ends-run = false
            cmdline = "talk lines={lines} then={then}"
            "#
        )
    };
    format!("[machine]\ncpus = {cores}\n{}{}", vm("a", 0, 12), vm("b", cores - 1, 10))
}

/// What a talker writes (`guests/load/src/talk.rs`).
fn wanted(lines: usize) -> String {
    (0..lines).map(|n| format!("LINE {n} {}\n", ".".repeat(n * 7 % 61))).collect()
}

fn start(context: &Context, system: &System, scratch: &Scratch) -> Result<Session> {
    boot::start(context, &Machine::new(Profile::load("max")?, system)?, system, None, scratch)
}

/// The same, or where the two part.
fn same(got: &str, wanted: &str) -> Result<(), String> {
    if got == wanted {
        return Ok(());
    }
    let parted = got.lines().zip(wanted.lines()).position(|(got, wanted)| got != wanted);
    let at = parted.unwrap_or(got.lines().count().min(wanted.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("its end").to_string();
    Err(format!("{} bytes of {}; line {at} is `{}`, not `{}`", got.len(), wanted.len(), line(got), line(wanted)))
}

/// Both write as fast as they can and end: each one's output is what it wrote, to the last byte.
fn marked(context: &Context, cases: &mut Cases) -> Result<()> {
    const LINES: usize = 2000;
    let scratch = Scratch::new()?;
    let system = System::from_text("talkers", &talkers(LINES, "off", 1))?;
    let mut session = start(context, &system, &scratch)?;
    let status = session.wait_end(within(400))?;
    for vm in ["a", "b"] {
        cases.case(&format!("{vm} loses nothing"), same(&session.text_of(vm), &wanted(LINES)));
    }
    let quiet = session.text_of("sosia");
    let end = status.success() && quiet.is_empty();
    cases.case("ends with its VMs", if end { Ok(()) } else { Err(format!("{status}\n{quiet}")) });
    Ok(())
}

/// The views of the server itself, as at a terminal.
fn terminal(context: &Context, cases: &mut Cases) -> Result<()> {
    const LINES: usize = 100;
    let scratch = Scratch::new()?;
    let system = System::from_text("talkers", &talkers(LINES, "echo", 2))?;
    let payload = image::payload(&system, &context.toolchain, None)?;
    let bytes = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let path = scratch.write("sosia.img", &bytes)?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let at = session.wait_for("ready> ", 0, within(60))?;
    cases.case("shows the first VM alone", same(&session.text(), &format!("{}ready> ", wanted(LINES))));
    session.send(b"\x1d2")?;
    let from = session.wait_for("console of b]\r\n", at, within(60))?;
    let at = session.wait_for("ready> ", from, within(60))?;
    let replay = String::from_utf8_lossy(session.log.get(from..at).unwrap_or_default()).into_owned();
    cases.case("replays what another wrote", same(&replay, &format!("{}ready> ", wanted(LINES))));
    session.send(b"hello b\r")?;
    let at = session.wait_for("hello b\r\nready> ", at, within(60))?;
    cases.case("keys go to the VM that is shown", Ok(()));
    session.send(b"\x1da")?;
    let at = session.wait_for("keys go to b]\r\n", at, within(60))?;
    session.send(b"one\rtwo\r")?;
    let at = session.wait_for("b| ready> one\r\nb| ready> two\r\n", at, within(60))?;
    cases.case("lines of all have names", Ok(()));
    session.send(b"\x1d1x")?;
    let at = session.wait_for("console of a]\r\n", at, within(60))?;
    session.wait_for("ready> x", at, within(60))?;
    cases.case("switches back", Ok(()));
    session.send(b"\x1d?")?;
    session.wait_for("*1 a\r\n   2 b\r\n", at, within(60))?;
    cases.case("shows the keys and the VMs", Ok(()));
    Ok(())
}

/// The server faults: root starts it anew, and the VMs' rings are as they were.
fn crash(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = System::from_text("talkers", &talkers(20, "echo", 2))?;
    let payload = image::payload(&system, &context.toolchain, None)?;
    compile::packages(&["kernel", "root", "vmm"], &context.toolchain)?;
    compile::packages_with(&["console-server"], &["console-server/crash-test"], &context.toolchain)?;
    let path = scratch.write("sosia.img", &image::assemble("root", Some((&system, payload)))?)?;
    compile::packages(&["console-server"], &context.toolchain)?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let at = session.wait_for("ready> ", 0, within(60))?;
    session.send(b"before\x1e")?;
    let at = session.wait_for("root: the console server stopped", at, within(60))?;
    cases.case("is told", Ok(()));
    session.send(b" after\r")?;
    session.wait_for("after\r\nready> ", at, within(60))?;
    session.send(b"\x1d2x")?;
    let at = session.wait_for("console of b]\r\n", at, within(60))?;
    session.wait_for("x", at, within(60))?;
    cases.case("the consoles go on", Ok(()));
    Ok(())
}

/// `sosia run` without a terminal: names before lines, `--log`, `--vm`.
fn files(_: &Context, cases: &mut Cases) -> Result<()> {
    const LINES: usize = 300;
    let scratch = Scratch::new()?;
    let system = scratch.write("talkers.toml", talkers(LINES, "off", 1).as_bytes())?;
    let (system, logs) = (system.display().to_string(), scratch.path().join("logs"));
    let output = super::user::sosia(&["run", &system, "--log", &logs.display().to_string(), "--timeout", "400"])?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    for vm in ["a", "b"] {
        let own: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(vm)?.strip_prefix("| ")).collect();
        cases.case(&format!("lines of {vm} have its name"), same(&(own.join("\n") + "\n"), &wanted(LINES)));
        let file = std::fs::read_to_string(logs.join(format!("{vm}.log"))).unwrap_or_default();
        cases.case(&format!("{vm} has its file"), same(&file, &wanted(LINES)));
    }
    let ended = output.status.success() && text.lines().count() == 2 * LINES;
    cases.case("nothing else is shown", if ended { Ok(()) } else { Err(format!("{}\n{text}", output.status)) });
    let output = super::user::sosia(&["run", &system, "--vm", "b", "--timeout", "400"])?;
    cases.case("--vm gives one VM's bytes", same(&String::from_utf8_lossy(&output.stdout), &wanted(LINES)));
    Ok(())
}
