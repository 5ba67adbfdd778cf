//! Guests beside the default one: two Linux kernels at once, a 32-bit one beside a 64-bit one, U-Boot.

use super::{Cases, Context, Step, boot};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::Machine;
use crate::session::{Session, within};
use miette::{Result, miette};

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    let (two, narrow) = (Step::new("two-linux", two_linux), Step::new("armhf", armhf));
    vec![two, narrow, Step::new("uboot-guest", u_boot), Step::new("payload", payload)]
}

const TWO_LINUX: &str = r#"
machine = { cpus = 2, memory = "1G" }
[[vm]]
name = "new"
kernel = "debian:trixie/linux-image-cloud-arm64"
initrd = "busybox"
cmdline = "console=ttyAMA0 quiet cryptomgr.notests"
memory = "256M"
vcpus = 2
[[vm]]
name = "old"
kernel = "debian:bookworm/linux-image-cloud-arm64"
initrd = "busybox"
cmdline = "console=ttyAMA0 quiet cryptomgr.notests panic=-1"
memory = "256M"
vcpus = 1
"#;

const ARMHF: &str = r#"
machine = { cpus = 2, memory = "1G" }
[[vm]]
name = "wide"
kernel = "debian:trixie/linux-image-cloud-arm64"
initrd = "busybox"
cmdline = "console=ttyAMA0 quiet cryptomgr.notests"
memory = "256M"
vcpus = 1
[[vm]]
name = "narrow"
kernel = "debian:trixie/linux-image-armmp-lpae"
initrd = "busybox"
cmdline = "console=ttyAMA0 quiet cryptomgr.notests"
memory = "256M"
vcpus = 2
"#;

const U_BOOT: &str = r#"
machine = { cpus = 1 }
[[vm]]
name = "uboot"
kernel = "debian:trixie/u-boot-qemu"
memory = "128M"
vcpus = 1
"#;

/// Not an Image: an ELF file for a fixed address.
const PAYLOAD: &str = r#"
machine = { cpus = 1 }
[[vm]]
name = "payload"
kernel = "guest:payload"
memory = "16M"
vcpus = 2
"#;
/// How many things it reports.
const PAYLOAD_CASES: usize = 6;

const GREETING: &str = "'poweroff' ends the run";
const PROMPT: &str = "guest:~# ";
/// Seconds for a boot: two systems share what may be a slow machine.
const BOOT: u64 = 240;

fn start(context: &Context, name: &str, text: &str) -> Result<(Session, Scratch)> {
    let system = System::from_text(name, text)?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let scratch = Scratch::new()?;
    Ok((boot::start(context, &machine, &system, None, &scratch)?, scratch))
}

/// Waits for a shell's first prompt; gives the place behind it.
fn prompt(session: &mut Session, vm: &str, from: usize) -> Result<usize> {
    let at = session.wait_for_of(vm, GREETING, from, within(BOOT))?;
    session.wait_for_of(vm, PROMPT, at, within(30))
}

/// Types a command and waits for what it prints, which is not in the command itself.
fn ask(session: &mut Session, vm: &str, command: &str, answer: &str) -> Result<()> {
    let from = session.of(vm).len();
    session.send_to(vm, format!("{command}\r").as_bytes())?;
    session.wait_for_of(vm, answer, from, within(60)).map(drop)
}

fn case(cases: &mut Cases, name: &str, result: Result<()>) -> Result<()> {
    let failed = result.is_err();
    cases.case(name, result.map_err(|error| format!("{error:?}")));
    // What follows would only wait for what does not come.
    if failed { Err(miette!("the rest of it was left out")) } else { Ok(()) }
}

fn powers_off(session: &mut Session, cases: &mut Cases, vm: &str) -> Result<()> {
    session.send_to(vm, b"poweroff\r")?;
    let status = session.wait_end(within(60))?;
    cases.case("powers off", if status.success() { Ok(()) } else { Err(format!("{status}")) });
    Ok(())
}

/// Each of `n` loops runs on a CPU of its own while there is one.
fn load(n: usize) -> String {
    format!(
        "for i in $(seq {n}); do (for k in $(seq 3000); do :; done; echo job$((40+2))) & done; wait; echo all$((40+2))"
    )
}

/// Debian's kernels of two releases at once; one panics and starts anew, the other notices nothing.
fn two_linux(context: &Context, cases: &mut Cases) -> Result<()> {
    let (mut session, _scratch) = start(context, "two-linux", TWO_LINUX)?;
    let booted = prompt(&mut session, "new", 0).and_then(|_| prompt(&mut session, "old", 0)).map(drop);
    case(cases, "both boot", booted)?;
    let versions = ask(&mut session, "new", "echo k$(uname -r)", "k6.12.");
    case(cases, "each is its own", versions.and_then(|()| ask(&mut session, "old", "echo k$(uname -r)", "k6.1.")))?;
    let computes = ask(&mut session, "new", &load(2), "all42");
    case(cases, "both compute", computes.and_then(|()| ask(&mut session, "old", &load(1), "all42")))?;
    ask(&mut session, "new", "mark=still; echo up$((40+2))", "up42")?;
    let from = session.of("old").len();
    session.send_to("old", b"echo c > /proc/sysrq-trigger\r")?;
    case(cases, "one panics and starts anew", prompt(&mut session, "old", from).map(drop))?;
    case(cases, "the other goes on", ask(&mut session, "new", "echo $mark$((40+2))", "still42"))?;
    powers_off(&mut session, cases, "new")
}

/// A kernel of 32-bit Arm on two vCPUs beside a 64-bit one.
fn armhf(context: &Context, cases: &mut Cases) -> Result<()> {
    let (mut session, _scratch) = start(context, "armhf", ARMHF)?;
    let booted = prompt(&mut session, "wide", 0).and_then(|_| prompt(&mut session, "narrow", 0)).map(drop);
    case(cases, "both boot", booted)?;
    case(cases, "is of 32 bits", ask(&mut session, "narrow", "echo m$(uname -m)n$(nproc)", "marmv7ln2"))?;
    case(cases, "the other is of 64", ask(&mut session, "wide", "echo m$(uname -m)", "maarch64"))?;
    case(cases, "computes on both CPUs", ask(&mut session, "narrow", &load(4), "all42"))?;
    let ipis = "awk '/Rescheduling/ { print \"ipis\", ($2 > 0 && $3 > 0) }' /proc/interrupts";
    case(cases, "sends IPIs both ways", ask(&mut session, "narrow", ipis, "ipis 1"))?;
    let offline = "cd /sys/devices/system/cpu/cpu1; echo 0 > online; cat online; echo 1 > online; echo on$(cat online)";
    case(cases, "takes a CPU off and on", ask(&mut session, "narrow", offline, "on1"))?;
    let abort = "busybox devmem 0x0d000000 || echo status$((40+2))";
    case(cases, "a bus error ends a process only", ask(&mut session, "narrow", abort, "status42"))?;
    let from = session.of("narrow").len();
    session.send_to("narrow", b"reboot\r")?;
    case(cases, "reboots", prompt(&mut session, "narrow", from).map(drop))?;
    powers_off(&mut session, cases, "wide")
}

/// Debian's U-Boot to its prompt: commands, reset, power-off.
fn u_boot(context: &Context, cases: &mut Cases) -> Result<()> {
    let (mut session, _scratch) = start(context, "uboot-guest", U_BOOT)?;
    let booted = u_boot_prompt(&mut session, 0);
    case(cases, "gives a prompt", booted.map(drop))?;
    case(cases, "takes a command", command(&mut session, "setexpr x 0x28 + 2; echo x${x}y", "x2ay"))?;
    case(cases, "has its RAM", command(&mut session, "bdinfo", "size     = 0x0000000008000000"))?;
    let writes = command(&mut session, "mw 4000000 1; md 4000000 1", "04000000: 00000000");
    case(cases, "cannot write its flash", writes)?;
    case(cases, "reads all of its flash", command(&mut session, "md 7fffffc 1", "07fffffc: ffffffff"))?;
    let from = session.of("uboot").len();
    session.send_to("uboot", b"reset\r")?;
    case(cases, "resets", u_boot_prompt(&mut session, from).map(drop))?;
    powers_off(&mut session, cases, "uboot")
}

/// As [`ask`], up to the next prompt: U-Boot drops what is typed while a command runs.
fn command(session: &mut Session, command: &str, answer: &str) -> Result<()> {
    let from = session.of("uboot").len();
    session.send_to("uboot", format!("{command}\r").as_bytes())?;
    let at = session.wait_for_of("uboot", answer, from, within(60))?;
    session.wait_for_of("uboot", "=> ", at, within(60)).map(drop)
}

fn u_boot_prompt(session: &mut Session, from: usize) -> Result<usize> {
    let at = session.wait_for_of("uboot", "stop autoboot", from, within(120))?;
    session.send_to("uboot", b" ")?;
    session.wait_for_of("uboot", "=> ", at, within(30))
}

/// A payload of other people's crates, made for QEMU's `virt`: an ELF file at a fixed address, PSCI by SMC.
fn payload(context: &Context, cases: &mut Cases) -> Result<()> {
    let (mut session, _scratch) = start(context, "payload", PAYLOAD)?;
    let status = session.wait_end(within(120))?;
    let text = session.text_of("payload");
    let reports = text.lines().filter_map(|line| line.trim().strip_prefix("PAYLOAD ")?.split_once(' '));
    let mut count = 0;
    for (name, outcome) in reports {
        count += 1;
        cases.case(name, if outcome == "ok" { Ok(()) } else { Err(outcome.to_string()) });
    }
    let whole = count == PAYLOAD_CASES && status.success();
    cases.case("powers off by SMC", if whole { Ok(()) } else { Err(format!("{status}\n{text}")) });
    Ok(())
}
