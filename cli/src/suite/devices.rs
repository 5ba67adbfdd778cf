//! Devices that VMs have between them and for themselves: virtio ports over shared memory, watchdog, stolen time.

use super::lines::Lines;
use super::{Cases, Context, Step, boot, guest};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::exec;
use crate::machine::Machine;
use crate::session::{Session, within};
use miette::Result;
use std::time::Duration;

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![
        Step::new("port", port),
        Step::new("port-linux", port_linux),
        Step::new("watchdog", watchdog),
        Step::new("steal", steal),
    ]
}

/// Linux in busybox on core 0.
fn linux(name: &str, more: &str) -> String {
    format!(
        r#"
[[vm]]
name = "{name}"
kernel = "debian:trixie/linux-image-cloud-arm64"
initrd = "busybox"
cmdline = "console=ttyAMA0 quiet cryptomgr.notests"
memory = "256M"
cores = [0]
{more}
"#
    )
}

/// Seconds for a boot and a script, on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);

/// How time goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Time {
    /// As on the machine that runs the test.
    Real,
    /// By instructions: what is measured does not depend on how fast that machine is.
    Counted,
}

/// Starts a system in which each Linux runs `script`.
fn start(context: &Context, system: &str, script: &str, time: Time, scratch: &Scratch) -> Result<(Session, String)> {
    let system = System::from_text("devices", system)?;
    let script = exec::script(script);
    let mut machine = Machine::new(Profile::load("max")?, &system)?;
    machine.icount = time == Time::Counted;
    let session = boot::start(context, &machine, &system, Some(&script), scratch)?;
    Ok((session, script.nonce))
}

/// Runs `script` in the first VM to its end, with a case for each of its lines `CHECK name ok`.
fn checks(context: &Context, system: &str, script: &str, time: Time, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let (mut session, nonce) = start(context, system, script, time, &scratch)?;
    let mut lines = Lines::new(|line: &str| guest::report(line, cases));
    let status = exec::run(&mut session, &nonce, LIMIT, &mut lines)?;
    let text = lines.text;
    let whole = status == 0 && text.lines().last() == Some("END");
    cases.case("ends", if whole { Ok(()) } else { Err(format!("status {status}\n{text}")) });
    Ok(())
}

/// A shell function: `check NAME COMMAND…` tells whether the command succeeded.
const CHECK: &str = r#"
check() { name=$1; shift; if "$@"; then echo "CHECK $name ok"; else echo "CHECK $name FAILED: $*"; fi; }
"#;

/// The real-time guest at the other end of a port of Linux'.
const RTOS: &str = r#"
[[vm]]
name = "rtos"
kernel = "guest:rtos"
memory = "16M"
cores = [1]
priority = 20

[[shared]]
name = "link"
size = "4K"
vms = ["linux", "rtos"]

[[port]]
vm = "linux"
name = "rtos"
shared = "link"
peer = "rtos"
"#;

/// Commands and answers, one by one, then more of them at once than rings and buffers hold.
const TALK: &str = r#"
P=/dev/virtio-ports/rtos
check is_there_by_its_name test -c $P
exec 3<>$P
echo 'set 1234' >&3
read -r answer <&3
echo status >&3
read -r status <&3
case "$status" in *set=1234*) set=1;; *) set=0;; esac
check takes_a_command test $set = 1
head -n 300 <&3 >/tmp/answers &
for n in $(seq 300); do echo status; done >&3
wait
check loses_nothing_when_both_sides_write_at_once test "$(grep -c '^t=.*set=1234' /tmp/answers)" = 300
echo END
"#;

/// Linux talks to the real-time guest through a port.
fn port(context: &Context, cases: &mut Cases) -> Result<()> {
    let system = format!("[machine]\ncpus = 2\n{}{RTOS}", linux("linux", ""));
    checks(context, &system, &format!("{CHECK}{TALK}"), Time::Real, cases)
}

/// Ports of two Linux at both ends of one channel.
const PAIR: &str = r#"
[[shared]]
name = "link"
size = "64K"
vms = ["linux", "other"]

[[port]]
vm = "linux"
name = "pipe"
shared = "link"
peer = "other"

[[port]]
vm = "other"
name = "pipe"
shared = "link"
peer = "linux"
"#;

/// A file to the other side, which sends back what it got; both compare sums.
const FILE: &str = r#"
P=/dev/virtio-ports/pipe
check is_there_by_its_name test -c $P
dd if=/dev/urandom of=/tmp/file bs=64k count=4 2>/dev/null
sum=$(sha256sum </tmp/file)
if [ "$(hostname -s)" = guest ] && grep -q first /proc/cmdline; then
    exec 3<>$P
    head -c 262144 <&3 >/tmp/back &
    cat /tmp/file >&3
    wait
    check brings_256_KiB_there_and_back test "$(sha256sum </tmp/back)" = "$sum"
else
    [ -c $P ] || poweroff -f
    exec 3<>$P
    head -c 262144 <&3 >&3
    sleep 1000
fi
echo END
"#;

/// Two Linux send each other a file, through a port of each.
fn port_linux(context: &Context, cases: &mut Cases) -> Result<()> {
    let first = linux("linux", "").replace("quiet", "quiet first");
    let second = linux("other", "").replace("cores = [0]", "cores = [1]");
    let system = format!("[machine]\ncpus = 2\nmemory = \"1G\"\n{first}{second}{PAIR}");
    checks(context, &system, &format!("{CHECK}{FILE}"), Time::Real, cases)
}

/// Serves the watchdog for longer than it waits, then no more.
const FEED: &str = r#"
echo "boot with $(cat /sys/class/watchdog/watchdog0/identity)"
watchdog -F -T 5 -t 1 /dev/watchdog &
sleep 9
echo "still here"
kill -9 $!
sleep 1000
"#;

/// A Linux that stops serving its watchdog is started anew.
fn watchdog(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = format!("[machine]\ncpus = 1\n{}", linux("linux", "restart = \"on-failure\""));
    let (mut session, _) = start(context, &system, FEED, Time::Counted, &scratch)?;
    let at = session.wait_for_of("linux", "boot with SBSA Generic Watchdog", 0, within(120))?;
    let at = session.wait_for_of("linux", "still here", at, within(60))?;
    let early = session.text_of("sosia").contains("watchdog");
    cases.case("is quiet while it is served", if early { Err(session.text_of("sosia")) } else { Ok(()) });
    session.wait_for_of("sosia", "its watchdog was not served", 0, within(60))?;
    session.wait_for_of("linux", "boot with", at, within(120))?;
    cases.case("restarts a guest that does not serve it", Ok(()));
    Ok(())
}

/// Has the core for itself at first, then shares it with a guest that computes: what Linux calls stolen.
const STEAL: &str = r#"
# Hundredths of seconds so far: all, stolen.
ticks() { awk '/^cpu / { print $2+$3+$4+$5+$6+$7+$8+$9, $9 }' /proc/stat; }
before=$(ticks)
n=0; while [ $n -lt 40000 ]; do n=$((n+1)); done
after=$(ticks)
set -- $before $after
echo "of $(($3 - $1)) ticks $(($4 - $2)) were stolen"
share=$(((100 * ($4 - $2)) / ($3 - $1)))
"#;

/// A guest that computes, of the same priority on the same core.
const BURNER: &str = r#"
[[vm]]
name = "burner"
kernel = "guest:load"
cmdline = "burn seconds=1000"
memory = "16M"
cores = [0]
"#;

/// Linux learns how much time others took from it.
fn steal(context: &Context, cases: &mut Cases) -> Result<()> {
    let alone = format!("[machine]\ncpus = 1\n{}", linux("linux", ""));
    let script = format!("{CHECK}{STEAL}check is_about_nothing_for_a_guest_alone test $share -le 3\necho END\n");
    checks(context, &alone, &script, Time::Counted, cases)?;
    let shared = format!("{alone}{BURNER}");
    let script = format!(
        "{CHECK}{STEAL}check is_about_half_beside_a_guest_that_computes test $share -ge 40 -a $share -le 63\necho END\n"
    );
    checks(context, &shared, &script, Time::Counted, cases)
}
