//! Example systems that no other step boots.

use super::{Cases, Context, Step, boot};
use crate::command::run::Scratch;
use crate::config::{Classic, Engine, Profile, System};
use crate::exec;
use crate::machine::Machine;
use crate::manage::{Client, socket};
use crate::session::within;
use manage::State;
use miette::{Result, miette};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(240);
/// What Linux does meanwhile: processes, pipes, memory.
const LOAD: &str = "head -c 8000000 /dev/zero | sha256sum; for i in $(seq 50); do echo $i | cat; done | wc -l";

/// The steps of this file.
pub fn steps() -> Vec<Step> {
    vec![Step::new("linux-6rtos", linux_6rtos), Step::new("hello", hello), Step::new("classic", classic)]
}

/// Linux works while six real-time guests on its cores do, each of which goes on to the end.
fn linux_6rtos(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = System::load("linux-6rtos")?;
    let mut machine = Machine::new(Profile::load("max")?, &system)?;
    let (name, path) = socket::reserve(None, "suite")?;
    machine.manage = Some(path.clone());
    let script = exec::script(LOAD);
    let mut session = boot::start(context, &machine, &system, Some(&script), &scratch)?;
    let rtos: Vec<&str> = system.vms.iter().skip(1).map(|vm| vm.name.as_str()).collect();
    for name in &rtos {
        session.wait_for_of(name, "RTOS t=2 ", 0, within(120))?;
    }
    cases.case(&format!("{} real-time guests run", rtos.len()), Ok(()));
    let look = Client::connect(name, &path)?.snapshot()?;
    let alive = look.vms.iter().all(|vm| vm.info.state == State::Running && vm.info.restarts == 0);
    cases.case("seven VMs are alive", if alive { Ok(()) } else { Err(look.table()) });
    let mut output = Vec::new();
    let status = exec::run(&mut session, &script.nonce, LIMIT, &mut output)?;
    let text = String::from_utf8_lossy(&output).into_owned();
    let right = status == 0 && text.contains("\n50\n");
    cases.case("Linux works beside them", if right { Ok(()) } else { Err(format!("status {status}\n{text}")) });
    let silent: Vec<&&str> = rtos.iter().filter(|name| loops(&session.text_of(name)) <= Some(0)).collect();
    cases.case("all have looped", if silent.is_empty() { Ok(()) } else { Err(format!("{silent:?} did not")) });
    Ok(())
}

/// The last count of loops that a real-time guest told.
fn loops(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.split_once("loops=")?.1.split(' ').next()?.parse().ok())
}

/// The template for guests says what it is to say, and powers the machine off.
fn hello(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = System::load("hello")?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let mut session = boot::start(context, &machine, &system, None, &scratch)?;
    let status = session.wait_end(within(60)).map_err(|error| miette!("{error}"))?;
    let text = session.text_of("hello");
    let right = status.success() && text.to_lowercase().contains("hello");
    cases.case("", if right { Ok(()) } else { Err(format!("{status}\n{text}")) });
    Ok(())
}

/// Bare guests without the virtualisation extensions: the template, and the benchmark's, all of whose operations (traps,
/// device accesses, interrupts, waiting, its own user mode and page tables) end.
fn classic(context: &Context, cases: &mut Cases) -> Result<()> {
    for (name, last) in [("hello", "hello"), ("bench", "bench end")] {
        let scratch = Scratch::new()?;
        let mut system = System::load(name)?;
        system.vms.iter_mut().for_each(|vm| vm.engine = Engine::Classic(Classic::default()));
        let machine = Machine::new(Profile::load("max")?, &system)?;
        let mut session = boot::start(context, &machine, &system, None, &scratch)?;
        let status = session.wait_end(within(180)).map_err(|error| miette!("{error}"))?;
        let text = session.text_of(name);
        let right = status.success() && text.to_lowercase().contains(last);
        cases.case(name, if right { Ok(()) } else { Err(format!("{status}\n{text}")) });
    }
    Ok(())
}
