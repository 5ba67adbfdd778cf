//! Debian as a guest: on each profile, with one and with more vCPUs; console, poweroff, reboot.

use super::lines::Lines;
use super::{Cases, Context, Step, boot};
use crate::command::run::Scratch;
use crate::config::{Classic, Engine, Profile, Shadow, System, VmOptions};
use crate::machine::Machine;
use crate::session::{Session, within};
use crate::{exec, image};
use miette::{Result, miette};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One boot with all checks of `linux.sh`.
#[derive(Clone, Copy)]
struct Boot {
    profile: &'static str,
    vcpus: u64,
    /// `--kernel`, where it is not the default system's.
    kernel: Option<&'static str>,
    engine: Engine,
    long: bool,
}

const fn boot(profile: &'static str, vcpus: u64) -> Boot {
    Boot { profile, vcpus, kernel: None, engine: Engine::Hardware, long: false }
}

const fn other(name: &'static str, vcpus: u64) -> Boot {
    Boot { kernel: Some(name), long: true, ..boot("max", vcpus) }
}

const fn classic(profile: &'static str, vcpus: u64, shadow: Shadow) -> Boot {
    Boot { engine: Engine::Classic(Classic { shadow, stage2: false }), long: true, ..boot(profile, vcpus) }
}

const BOOTS: [Boot; 19] = [
    boot("max", 1),
    boot("max", 4),
    boot("cortex-a76", 1),
    boot("cortex-a76", 4),
    boot("cortex-a72", 1),
    boot("cortex-a72", 4),
    Boot { long: true, ..boot("cortex-a53", 4) },
    other("debian:bookworm/linux-image-cloud-arm64", 2),
    other("debian:trixie/linux-image-arm64-16k", 2),
    other("debian:trixie/linux-image-rt-arm64", 2),
    Boot { long: false, ..classic("max", 1, Shadow::Tlb) },
    classic("max", 2, Shadow::Tlb),
    classic("cortex-a76", 1, Shadow::Tlb),
    classic("cortex-a76", 2, Shadow::Tlb),
    classic("cortex-a72", 1, Shadow::Tlb),
    classic("cortex-a72", 2, Shadow::Tlb),
    classic("max", 2, Shadow::Traced),
    classic("max", 2, Shadow::Lazy),
    Boot { engine: Engine::Classic(Classic { shadow: Shadow::Tlb, stage2: true }), ..classic("max", 2, Shadow::Tlb) },
];
const LIMIT: Duration = Duration::from_secs(180);
/// Where each privileged instruction is emulated.
const CLASSIC_LIMIT: Duration = Duration::from_secs(3600);

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = BOOTS.iter().map(|boot| step(*boot)).collect();
    steps.push(Step::new("console", console));
    steps
}

fn step(boot: Boot) -> Step {
    let kernel = boot.kernel.map(|name| format!("-{}", name.trim_start_matches("debian:").replace('/', "-")));
    let engine = match boot.engine {
        Engine::Hardware => "",
        Engine::Classic(Classic { stage2: true, .. }) => "-classic-stage2",
        Engine::Classic(Classic { shadow: Shadow::Tlb, .. }) => "-classic",
        Engine::Classic(Classic { shadow: Shadow::Traced, .. }) => "-classic-traced",
        Engine::Classic(Classic { shadow: Shadow::Lazy, .. }) => "-classic-lazy",
    };
    let name = format!("linux-{}-{}{}{engine}", boot.profile, boot.vcpus, kernel.unwrap_or_default());
    let step = Step::new(name, move |context, cases| checks(context, boot, cases));
    if boot.long { step.long() } else { step }
}

fn checks(context: &Context, boot: Boot, cases: &mut Cases) -> Result<()> {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let script = format!("VCPUS={}\nEPOCH={epoch}\n{}", boot.vcpus, include_str!("linux.sh"));
    let system = system(boot)?;
    let script = exec::script(&script);
    let scratch = Scratch::new()?;
    let mut session = start(context, boot.profile, &system, Some(&script), &scratch)?;
    let mut lines = Lines::new(|line: &str| report(line, cases));
    let limit = if boot.engine == Engine::Hardware { LIMIT } else { CLASSIC_LIMIT };
    let status = exec::run(&mut session, &script.nonce, limit, &mut lines)?;
    let text = lines.text;
    let whole = status == 0 && text.lines().any(|line| line.starts_with("CHECK kernel_has_no_complaint"));
    cases.case("powers off", if whole { Ok(()) } else { Err(format!("status {status}\n{text}")) });
    Ok(())
}

/// A case for the line `CHECK name ok`, or `CHECK name FAILED reason`.
pub fn report(line: &str, cases: &mut Cases) {
    let Some((name, outcome)) = line.strip_prefix("CHECK ").and_then(|rest| rest.split_once(' ')) else { return };
    cases.case(name, if outcome == "ok" { Ok(()) } else { Err(outcome.to_string()) });
}

fn system(boot: Boot) -> Result<System> {
    let options = VmOptions { cpus: Some(boot.vcpus), memory: Some(512 << 20), ..VmOptions::default() };
    let options = match boot.kernel {
        None => options,
        Some(kernel) => VmOptions {
            kernel: Some(kernel.into()),
            initrd: Some("busybox".into()),
            append: Some("console=ttyAMA0 quiet cryptomgr.notests".into()),
            ..options
        },
    };
    let mut system = System::load("linux")?.with_options(&options)?;
    system.vms.iter_mut().for_each(|vm| vm.engine = boot.engine);
    Ok(system)
}

fn start(
    context: &Context,
    profile: &str,
    system: &System,
    script: Option<&image::initrd::Script>,
    scratch: &Scratch,
) -> Result<Session> {
    let mut machine = Machine::new(Profile::load(profile)?, system)?;
    // With a trap for each privileged instruction a busy host's time would be full of ticks.
    machine.icount = system.vms.iter().any(|vm| vm.engine != Engine::Hardware);
    boot::start(context, &machine, system, script, scratch)
}

const GREETING: &str = "'poweroff' ends the run";
const PROMPT: &str = "guest:~# ";

/// Types into a guest's shell as a user does: a command, Ctrl-C, `reboot`, `poweroff`.
fn console(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let mut session = start(context, "max", &System::load("linux")?, None, &scratch)?;
    let at = prompt(&mut session, 0)?;
    cases.case("gives a prompt", Ok(()));
    session.send(b"echo a$((40+2))b\r")?;
    let at = session.wait_for("a42b", at, within(30))?;
    cases.case("takes a command", Ok(()));
    session.send(b"sleep 1000\r")?;
    let at = session.wait_for("sleep 1000", at, within(10))?;
    std::thread::sleep(Duration::from_millis(500));
    session.send(b"\x03echo c$((40+2))d\r")?;
    let at = session.wait_for("c42d", at, within(30))?;
    cases.case("control-c interrupts", Ok(()));
    session.send(format!("echo {}; echo $((3*3))end\r", "x".repeat(200)).as_bytes())?;
    let at = session.wait_for("9end", at, within(30))?;
    let long = session.text().lines().any(|line| line == "x".repeat(200));
    cases.case("takes a long line", if long { Ok(()) } else { Err(session.tail(5)) });
    session.send(b"awk '/uart-pl011/ { print \"irqs\", ($2 + $3 > 0) }' /proc/interrupts\r")?;
    let at = session.wait_for("irqs 1", at, within(30))?;
    cases.case("keys come by interrupt", Ok(()));
    session.send(b"reboot\r")?;
    prompt(&mut session, at)?;
    cases.case("reboots", Ok(()));
    session.send(b"poweroff\r")?;
    let status = session.wait_end(within(30))?;
    cases.case("powers off", if status.success() { Ok(()) } else { Err(format!("{status}")) });
    Ok(())
}

fn prompt(session: &mut Session, from: usize) -> Result<usize> {
    let at = session.wait_for(GREETING, from, within(120))?;
    session.wait_for(PROMPT, at, within(30)).map_err(|error| miette!("after the greeting: {error}"))
}
