//! Root: VMs that end and are started anew beside others that go on; VMMs that fail; many VMs.

use super::kernel::MASKED_MOST;
use super::{Cases, Context, Step};
use crate::command::run::Scratch;
use crate::config::{Profile, Source, System};
use crate::image::{self, compile};
use crate::machine::{self, Machine};
use crate::manage::{Client, Snapshot, socket};
use crate::session::{Session, within};
use manage::{Cause, Command, Counters, State};
use miette::{Result, miette};
use std::path::{Path, PathBuf};

/// Restarts after which everything must be as before.
const RESTARTS: u64 = 1000;
/// The most VMs.
const MANY: usize = sysdesc::MAX_VMS;
const LIMIT: u64 = 300;

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("restart", restart),
        Step::new("failures", failures),
        Step::new("many", many),
        Step::new("masked", masked),
    ]
}

/// A system that runs, with its management channel.
struct Running {
    session: Session,
    client: Client,
    socket: PathBuf,
    _scratch: Scratch,
}

impl Running {
    /// Boots a system of this text with these features of our packages.
    fn start(context: &Context, text: &str, features: &[&str], icount: bool) -> Result<Self> {
        let mut system = System::parse(&Source::new("the test's system", text), Path::new(""))?;
        system.mux = true;
        let payload = image::payload(&system, &context.toolchain, None)?;
        compile::packages_with(&["kernel", "root", "vmm", "console-server"], features, &context.toolchain)?;
        let image = image::assemble("root", Some((&system, payload)))?;
        let scratch = Scratch::new()?;
        let path = scratch.write("sosia.img", &image)?;
        let (name, socket) = socket::reserve(None, "test")?;
        let mut machine = Machine::new(Profile::load("max")?, &system)?;
        machine.icount = icount;
        machine.manage = Some(socket.clone());
        let mut session =
            Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?.with_names(&system);
        let first = system.vms.first().map(|vm| vm.name.clone()).unwrap_or_default();
        session.wait_for_of(&first, "MORTAL", 0, within(60))?;
        Ok(Self { session, client: Client::connect(name, &socket)?, socket, _scratch: scratch })
    }

    /// Waits for a line of a VM.
    fn wait(&mut self, vm: &str, line: &str) -> Result<()> {
        self.session.wait_for_of(vm, &format!("{line}\n"), 0, within(LIMIT)).map(drop)
    }

    /// The last number that a VM has counted to.
    fn counted(&self, vm: &str) -> u64 {
        let text = self.session.text_of(vm);
        let numbers = text.lines().filter_map(|line| line.strip_prefix("MORTAL count ")?.parse().ok());
        numbers.max().unwrap_or(0)
    }

    /// Waits until a VM has counted further.
    fn goes_on(&mut self, vm: &str) -> Result<()> {
        let next = self.counted(vm) + 2;
        self.wait(vm, &format!("MORTAL count {next}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn verdict(good: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(why()) }
}

/// What must be the same before and after.
fn accounts(counters: &Counters) -> [(&'static str, u64); 7] {
    [
        ("kernel objects", counters.objects),
        ("VMIDs", counters.vmids),
        ("pages in pools", counters.pool_pages),
        ("free pages in pools", counters.pool_free),
        ("attachments", counters.attachments),
        ("free pages of root", counters.memory_free),
        ("slots of root", counters.slots_used),
    ]
}

fn same(before: &Counters, after: &Counters) -> Result<(), String> {
    let differ = accounts(before).into_iter().zip(accounts(after)).filter(|(before, after)| before != after);
    let text: String = differ.map(|((what, before), (_, after))| format!("{what}: {before}, then {after}\n")).collect();
    verdict(text.is_empty(), || text)
}

/// A VM that resets itself as often as `limit` says, beside one that counts.
fn cycle(cpus: u64, limit: u64) -> String {
    format!(
        r#"
[machine]
cpus = {cpus}
memory = "256M"

[[vm]]
name = "cycle"
kernel = "guest:mortal"
cmdline = "reset limit={limit}"
memory = "4M"

[[vm]]
name = "steady"
kernel = "guest:mortal"
cmdline = "count ms=100"
memory = "4M"

[[shared]]
name = "starts"
size = "4K"
vms = ["cycle", "steady"]
writers = ["cycle"]
"#
    )
}

/// Resets a VM from its first start to its last; gives the snapshots at both.
fn resets(running: &mut Running, limit: u64) -> Result<(Snapshot, Snapshot)> {
    running.wait("cycle", "MORTAL start 1")?;
    running.wait("steady", "MORTAL count 1")?;
    let before = running.client.snapshot()?;
    running.session.send_to("cycle", b"x")?;
    running.wait("cycle", &format!("MORTAL start {limit}"))?;
    Ok((before, running.client.snapshot()?))
}

/// A thousand resets: nothing is lost, and the neighbour does not notice.
fn restart(context: &Context, cases: &mut Cases) -> Result<()> {
    let mut running = Running::start(context, &cycle(2, RESTARTS + 1), &[], false)?;
    let (before, after) = resets(&mut running, RESTARTS + 1)?;
    let restarts: Vec<u64> = after.vms.iter().map(|vm| vm.info.restarts).collect();
    cases.case("1000 resets", verdict(restarts == [RESTARTS, 0], || format!("{restarts:?} restarts")));
    cases.case("leave every account as it was", same(&before.counters, &after.counters));
    running.goes_on("steady")?;
    let text = running.session.text_of("steady");
    let numbers: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("MORTAL count ")).collect();
    let whole = numbers.iter().zip(1..).all(|(line, n)| line.parse() == Ok(n));
    cases.case("the neighbour goes on", verdict(whole, || running.session.tail(20)));
    running.client.command(0, Command::Restart)?;
    running.client.command(0, Command::Restart)?;
    let last = running.client.snapshot()?;
    cases.case(
        "restarts by command, too",
        verdict(last.vms.first().is_some_and(|vm| vm.info.restarts == RESTARTS + 2), || format!("{:?}", last.vms)),
    );
    Ok(())
}

/// How a VMM fails, by the number that the guest gives; what root then says, and tells by the management channel.
const FAILURES: [(&str, u64, &str, Cause); 6] = [
    ("panic", 0, "its VMM panicked", Cause::Panic),
    ("fault", 1, "fault of its VMM esr=0x", Cause::Fault),
    ("handler", 2, "its VMM loops in the handler of vCPU 0", Cause::Loop(0)),
    ("worker", 3, "its VMM does not answer", Cause::Silent),
    ("watchdog", sysdesc::exit::WATCHDOG, "its watchdog was not served", Cause::Watchdog),
    ("exit", 77, "its VMM ended with code 77", Cause::Exit(77)),
];

fn failing() -> String {
    let mut text = String::from(
        "[machine]\ncpus = 2\nmemory = \"256M\"\n[[vm]]\nname = \"steady\"\nkernel = \"guest:mortal\"\n\
         cmdline = \"count ms=100\"\nmemory = \"4M\"\ncores = [0]\n",
    );
    for (name, how, _, _) in FAILURES {
        text += &format!(
            "[[vm]]\nname = \"{name}\"\nkernel = \"guest:mortal\"\ncmdline = \"fail how={how}\"\nmemory = \"4M\"\n\
             heartbeat = \"1s\"\nrestart = \"on-failure\"\nrestart-limit = 1\ncores = [0]\n"
        );
    }
    text
}

/// Each way in which a VMM fails: it is found, told, started anew once, and then left; a neighbour on the same core goes
/// on.
fn failures(context: &Context, cases: &mut Cases) -> Result<()> {
    let mut running = Running::start(context, &failing(), &["vmm/fault-test"], false)?;
    for (name, _, words, cause) in FAILURES {
        let index = running.client.find(name)?;
        let told = format!("root: vm {name} stopped: {words}");
        running.session.wait_for_of("sosia", &format!("vm {name} stays stopped (failure 2)"), 0, within(LIMIT))?;
        let count = running.session.text_of("sosia").lines().filter(|line| line.starts_with(&told)).count();
        let starts = running.session.text_of(name).matches("MORTAL fails").count();
        let info = running.client.snapshot()?.vms.get(usize::from(index)).map(|vm| vm.info);
        let info = info.ok_or_else(|| miette!("{name} is not there"))?;
        let good = (count, starts, info.restarts, info.state) == (2, 2, 1, State::Stopped)
            && info.last.is_some_and(|last| last.cause == cause);
        let why =
            || format!("told {count} times, started {starts} times, {info:?}\n{}", running.session.text_of("sosia"));
        cases.case(name, verdict(good, why));
    }
    running.goes_on("steady")?;
    cases.case("the neighbour goes on", Ok(()));
    Ok(())
}

fn many_vms(cpus: u64) -> String {
    let mut text = format!("[machine]\ncpus = {cpus}\nmemory = \"768M\"\n");
    for n in 0..MANY {
        text += &format!("[[vm]]\nname = \"vm{n}\"\nkernel = \"guest:mortal\"\ncmdline = \"once\"\nmemory = \"4M\"\n");
    }
    text
}

/// Starts as many VMs as there can be, and each of them anew; gives the snapshots before and after.
fn start_many(running: &mut Running) -> Result<(Snapshot, Snapshot)> {
    for n in 0..MANY {
        running.wait(&format!("vm{n}"), "MORTAL alive")?;
    }
    let before = running.client.snapshot()?;
    for n in 0..MANY {
        running.client.command(n as u8, Command::Restart)?;
    }
    for n in 0..MANY {
        running.wait(&format!("vm{n}"), "MORTAL alive\nMORTAL alive")?;
    }
    Ok((before, running.client.snapshot()?))
}

/// As many VMs as there can be on two cores: all run, all are started anew, nothing is lost.
fn many(context: &Context, cases: &mut Cases) -> Result<()> {
    let mut running = Running::start(context, &many_vms(2), &[], false)?;
    let (before, after) = start_many(&mut running)?;
    let good = |snapshot: &Snapshot, restarts: u64| {
        let such = snapshot.vms.iter().filter(|vm| (vm.info.state, vm.info.restarts) == (State::Running, restarts));
        such.count() == MANY
    };
    cases.case("64 VMs run", verdict(good(&before, 0), || format!("{:?}", before.vms)));
    cases.case("and are started anew", verdict(good(&after, 1), || format!("{:?}", after.vms)));
    cases.case("leave every account as it was", same(&before.counters, &after.counters));
    Ok(())
}

/// The longest stretch with interrupts masked, by a kernel that measures it, over restarts and with 64 VMs. The clock
/// counts instructions; on one core, as with more it counts the others' in between, too.
fn masked(context: &Context, cases: &mut Cases) -> Result<()> {
    let short = |after: &Snapshot| {
        // One tick of the 1 GHz counter is one instruction.
        let most = after.counters.masked_max.saturating_mul(1_000_000_000) / after.hello.frequency.max(1);
        verdict((1..=MASKED_MOST).contains(&most), || format!("{most} instructions, at most {MASKED_MOST}"))
    };
    let mut running = Running::start(context, &cycle(1, 10), &["kernel/measure"], true)?;
    let (_, after) = resets(&mut running, 10)?;
    cases.case("over restarts", short(&after));
    drop(running);
    let mut running = Running::start(context, &many_vms(1), &["kernel/measure"], true)?;
    let (_, after) = start_many(&mut running)?;
    cases.case("with 64 VMs", short(&after));
    Ok(())
}
