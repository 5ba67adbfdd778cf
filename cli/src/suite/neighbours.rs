//! Guests beside each other: how late a real-time guest is, what a hostile one can do to others, whether interrupts are
//! lost. Figures are instructions, by a clock that counts them: no wall clock is asked.

use super::{Cases, Context, Step};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::{self, Machine};
use crate::session::{Session, within};
use crate::{crash, exec, image};
use miette::{Result, miette};

/// Most instructions that the control loop may be later on a core of its own than on the bare machine.
const OWN_CORE: u64 = 1_500;
/// Most instructions that it may be late on a core that it shares.
const SHARED_CORE: u64 = 2_000;
/// Most instructions that it may be late when another VM ends meanwhile: the longest stretch that the kernel may be at
/// work with interrupts masked (`masked_max`).
const WHILE_ONE_ENDS: u64 = 5_000;
/// Least share of a core, in per mille, for one of two guests of one priority.
const HALF: f64 = 480.0;
/// Seconds that a machine may take.
const LIMIT: u64 = 900;
/// Seconds that a long one may take.
const LONG: u64 = 3600;

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("lateness-own-core", own_core),
        Step::new("lateness-shared-core", shared_core),
        Step::new("lateness-linux", |context, cases| beside_linux(context, cases, 2)),
        Step::new("lateness-linux-long", |context, cases| beside_linux(context, cases, 60)).long(),
        Step::new("hostile", |context, cases| hostile(context, cases, 1, 20_000, BURN)),
        Step::new("hostile-long-2", |context, cases| hostile(context, cases, 2, 2_500_000, "")).long(),
        Step::new("hostile-long-3", |context, cases| hostile(context, cases, 3, 2_500_000, "")).long(),
        Step::new("hostile-long-4", |context, cases| hostile(context, cases, 4, 2_500_000, "")).long(),
        Step::new("hostile-long-5", |context, cases| hostile(context, cases, 5, 2_500_000, "")).long(),
        Step::new("soak", |context, cases| soak(context, cases, "seconds=5", LIMIT)),
        Step::new("soak-long", |context, cases| soak(context, cases, "ipis=1000000 seconds=1200", LONG)).long(),
    ]
}

/// How a machine is started.
#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    /// Without Sosia.
    pub bare: bool,
    /// The clock counts instructions.
    pub icount: bool,
    /// What the first guest's initrd does.
    pub script: Option<&'a image::initrd::Script>,
}

/// Starts a system given as the text of a system file.
pub fn start(context: &Context, text: &str, how: How, scratch: &Scratch) -> Result<Session> {
    let mut system = System::from_text("this step's system", text)?;
    system.mux = true;
    let mut machine = Machine::new(Profile::load("max")?, &system)?;
    (machine.bare, machine.icount) = (how.bare, how.icount);
    let payload = image::payload(&system, &context.toolchain, how.script)?;
    let boot = if how.bare {
        let image = scratch.write("Image", payload.kernels.first().map_or(&[], Vec::as_slice))?;
        let cmdline = system.vms.first().map(|vm| vm.cmdline.clone()).unwrap_or_default();
        machine::Boot::Kernel { image, initrd: None, cmdline }
    } else {
        let image = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
        machine::kernel(&scratch.write("sosia.img", &image)?)
    };
    Ok(Session::start(&mut machine.command(&context.qemu, &boot))?.with_names(&system))
}

/// The value of the last `key=` in a text.
pub fn last<T: std::str::FromStr>(text: &str, key: &str) -> Result<T> {
    let words = text.split_ascii_whitespace().rev();
    let value = words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('=')).find_map(|value| value.parse().ok());
    value.ok_or_else(|| miette!("no {key}= in\n{text}"))
}

fn at_most(what: &str, value: u64, limit: u64) -> Result<(), String> {
    if value <= limit { Ok(()) } else { Err(format!("{what}: {value}, at most {limit} allowed")) }
}

/// Two cores for the guest: one for the loop, one that wakes each microsecond and so bounds QEMU's turns.
fn own_core(context: &Context, cases: &mut Cases) -> Result<()> {
    let system = r#"
        machine = { cpus = 2 }
        [[vm]]
        name = "rtos"
        kernel = "guest:rtos"
        cmdline = "ms=200 warmup=20 ticks=1000"
        memory = "64M"
        vcpus = 2
        cores = [0, 1]
    "#;
    let worst = |bare| -> Result<u64> {
        let scratch = Scratch::new()?;
        let mut session = start(context, system, How { bare, icount: true, script: None }, &scratch)?;
        let at = session.wait_for_of("rtos", "RTOS end", 0, within(LIMIT))?;
        session.wait_for_of("rtos", "histogram", at, within(10))?;
        last(&session.text_of("rtos"), "late_worst")
    };
    let (bare, sosia) = (worst(true)?, worst(false)?);
    let name = format!("worst {sosia} instructions, on the bare machine {bare}");
    cases.case(&name, at_most("beyond the bare machine", sosia.saturating_sub(bare), OWN_CORE));
    Ok(())
}

const RTOS: &str = r#"
    machine = { cpus = 1 }
    [[vm]]
    name = "rtos"
    kernel = "guest:rtos"
    memory = "64M"
    vcpus = 1
    priority = 20
"#;
const BURN: &str = r#"
    [[vm]]
    name = "burn"
    kernel = "guest:load"
    cmdline = "burn seconds=100000"
    memory = "64M"
    vcpus = 1
    priority = 10
"#;

/// The hostile guest has a way to the real-time one: memory, doorbells, and a virtio device.
const LINK: &str = r#"
    [[shared]]
    name = "link"
    size = "4K"
    vms = ["hostile", "rtos"]
    [[port]]
    vm = "hostile"
    peer = "rtos"
    name = "rtos"
    shared = "link"
"#;

/// What the real-time guest said last: nothing missed, and never too late.
fn deadlines(session: &Session, limit: u64, cases: &mut Cases) -> Result<()> {
    let text = session.text_of("rtos");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("RTOS t=") && line.contains("speed=")).collect();
    let line = lines.last().ok_or_else(|| miette!("the real-time guest said nothing"))?;
    let (loops, missed): (u64, u64) = (last(line, "loops")?, last(line, "missed")?);
    let worst = last(line, "late_worst")?;
    let none_missed = at_most("periods left out", missed, 0);
    cases.case(&format!("{loops} deadlines, none missed"), none_missed);
    cases.case(&format!("worst {worst} instructions late"), at_most("lateness", worst, limit));
    Ok(())
}

/// Waits for the real-time guest's next line after what the session has now.
fn next_report(session: &mut Session) -> Result<()> {
    let from = session.of("rtos").len();
    let at = session.wait_for_of("rtos", "\nRTOS t=", from.saturating_sub(1), within(LIMIT))?;
    session.wait_for_of("rtos", "\n", at, within(LIMIT)).map(drop)
}

/// One core, and a guest of lower priority that never sleeps.
fn shared_core(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let how = How { icount: true, ..How::default() };
    let mut session = start(context, &format!("{RTOS}{BURN}"), how, &scratch)?;
    session.wait_for_of("rtos", "RTOS t=2", 0, within(LIMIT))?;
    session.wait_for_of("rtos", "speed=", 0, within(LIMIT))?;
    next_report(&mut session)?;
    deadlines(&session, SHARED_CORE, cases)
}

/// Forks, pipes, system calls, page faults, memory, a busy console; so many seconds of them.
fn load_script(seconds: u64) -> String {
    format!(
        "storm() {{ while :; do (echo a; true) | cat > /dev/null; done; }}
         pipes() {{ while :; do dd if=/dev/zero bs=256 count=2000 2> /dev/null | dd of=/dev/null bs=64 2> /dev/null; done; }}
         hash() {{ while :; do dd if=/dev/urandom bs=64k count=8 2> /dev/null | sha256sum > /dev/null; done; }}
         files() {{ while :; do dd if=/dev/zero of=/f$1 bs=1M count=8 2> /dev/null; cat /f$1 > /dev/null; rm /f$1; done; }}
         talk() {{ while :; do cat /proc/interrupts /proc/stat; usleep 20000; done; }}
         naps() {{ while :; do usleep 300; done; }}
         for job in storm storm pipes hash 'files 1' 'files 2' talk naps; do $job & done
         sleep {seconds}
         kill $(jobs -p); echo LOAD DONE"
    )
}

/// One core, and Linux of lower priority beside: while it boots, and under load.
fn beside_linux(context: &Context, cases: &mut Cases, seconds: u64) -> Result<()> {
    let linux = r#"
        [[vm]]
        name = "linux"
        kernel = "debian:trixie/linux-image-cloud-arm64"
        initrd = "busybox"
        cmdline = "console=ttyAMA0 cryptomgr.notests"
        memory = "256M"
        vcpus = 1
        priority = 10
    "#;
    let script = exec::script(&load_script(seconds));
    let scratch = Scratch::new()?;
    let how = How { icount: true, script: Some(&script), ..How::default() };
    let mut session = start(context, &format!("{RTOS}{linux}"), how, &scratch)?;
    session.wait_for_of("linux", "LOAD DONE", 0, within(LIMIT + 60 * seconds))?;
    next_report(&mut session)?;
    deadlines(&session, SHARED_CORE, cases)
}

/// One core, the real-time guest and the hostile one; and others beside them.
fn hostile(context: &Context, cases: &mut Cases, seed: u64, count: u64, others: &str) -> Result<()> {
    let hostile = format!(
        r#"
        [[vm]]
        name = "hostile"
        kernel = "guest:hostile"
        cmdline = "seed={seed} count={count}"
        memory = "64M"
        vcpus = 1
        priority = 10
        restart = "never"
        "#
    );
    let scratch = Scratch::new()?;
    let how = How { icount: true, ..How::default() };
    let mut session = start(context, &format!("{RTOS}{others}{hostile}{LINK}"), how, &scratch)?;
    let ended = ends(&mut session, &format!("HOSTILE end seed={seed} count={count}\n"), hostile_seconds(count));
    // A guest that finds a fault of QEMU's: what QEMU says of it is on its stderr.
    ended.map_err(|error| miette!("seed {seed}: {error}\n{}", session.stop()))?;
    cases.case(&format!("seed {seed}: {count} attacks, to the end"), alive(&session));
    deadlines(&session, WHILE_ONE_ENDS, cases)?;
    if !others.is_empty() {
        cases.case("the other guest has its share", share(&session.text_of("burn")));
    }
    Ok(())
}

/// Seconds of the machine's time that so many attacks may take; they take a third of it.
fn hostile_seconds(count: u64) -> u64 {
    10 + count / 100_000
}

/// Waits for the hostile guest's last line by the real-time guest's clock, so that a guest that sleeps for good is found
/// out as fast as the machine's time goes by then.
fn ends(session: &mut Session, end: &str, seconds: u64) -> Result<()> {
    while !session.text_of("hostile").contains(end) {
        next_report(session)?;
        let (now, text): (u64, _) = (last(&session.text_of("rtos"), "t")?, session.text_of("hostile"));
        if now > seconds && !text.contains(end) {
            return Err(miette!(
                "no end after {now} s of the machine's time, at most {seconds} allowed; it said\n{text}"
            ));
        }
    }
    next_report(session)
}

/// The kernel has not crashed, no other VM was stopped.
fn alive(session: &Session) -> Result<(), String> {
    if let Some(report) = crash::find_report(&session.log) {
        return Err(report);
    }
    let root = session.text_of("sosia");
    let stopped: Vec<&str> = root.lines().filter(|line| line.contains("rtos") || line.contains("burn")).collect();
    if stopped.is_empty() { Ok(()) } else { Err(stopped.join("\n")) }
}

/// In each second that a CPU burner told, it had its half of the core.
fn share(text: &str) -> Result<(), String> {
    let lines = || text.lines().filter(|line| line.starts_with("LOAD t="));
    let low = |line: &&str| last::<f64>(line, "share").is_ok_and(|share| share < HALF);
    match (lines().next(), lines().find(low)) {
        (None, _) => Err("it told nothing".into()),
        (_, Some(line)) => Err(line.into()),
        _ => Ok(()),
    }
}

/// Four vCPUs on two cores.
fn soak(context: &Context, cases: &mut Cases, words: &str, limit: u64) -> Result<()> {
    let system = format!(
        r#"
        machine = {{ cpus = 2 }}
        [[vm]]
        name = "soak"
        kernel = "guest:load"
        cmdline = "soak cpus=4 {words}"
        memory = "64M"
        vcpus = 4
        cores = [0, 0, 1, 1]
        "#
    );
    let scratch = Scratch::new()?;
    let mut session = start(context, &system, How::default(), &scratch)?;
    let at = session.wait_for_of("soak", "SOAK end", 0, within(limit))?;
    session.wait_for_of("soak", " ms=", at, within(10))?;
    let text = session.text_of("soak");
    let of = |key: &str| last::<u64>(&text, key);
    let (sent, taken, answered) = (of("sent")?, of("taken")?, of("answered")?);
    let all = sent == taken && sent == answered && of("lost")? == 0 && of("twice")? == 0;
    let wrong = || Err(text.clone());
    cases.case(&format!("{} interrupts, none lost", sent + answered), if all && sent > 0 { Ok(()) } else { wrong() });
    cases.case("no stale translation", if of("stale")? == 0 { Ok(()) } else { wrong() });
    cases.case("four vCPUs run", if of("cpus")? == 4 { Ok(()) } else { wrong() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_value_of_a_key_is_found() {
        assert_eq!(last::<u64>("a=1 b=2 a=3 aa=4\n", "a").ok(), Some(3));
    }

    #[test]
    fn missing_key_is_an_error() {
        assert!(last::<u64>("a=1", "b").is_err());
    }

    #[test]
    fn burner_with_less_than_its_share_is_told() {
        assert_eq!(share("LOAD t=1 share=499.10\nLOAD t=2 share=479.99\n"), Err("LOAD t=2 share=479.99".into()));
        assert_eq!(share("LOAD t=1 share=499.10\n"), Ok(()));
        assert!(share("").is_err());
    }
}
