//! `sosia ps` and `sosia vm`: a running system, once.

use crate::args::{PsArgs, VmAction, VmArgs};
use crate::manage::Client;
use manage::Command;
use miette::{IntoDiagnostic, Result, bail};
use std::io::Write;

/// Shows the VMs of a running system.
pub fn run(args: &PsArgs) -> Result<u8> {
    let snapshot = Client::open(args.run.name.as_deref())?.snapshot()?;
    let text = if args.json {
        serde_json::to_string_pretty(&snapshot.json()).into_diagnostic()? + "\n"
    } else {
        snapshot.table()
    };
    // Whoever reads may have enough of it: a closed pipe is no error.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(0)
}

/// Starts, stops or restarts a VM of a running system.
pub fn vm(args: &VmArgs) -> Result<u8> {
    let (command, vm, what) = match &args.action {
        VmAction::Start { vm } => (Command::Start, vm, "started"),
        VmAction::Stop { vm } => (Command::Stop, vm, "stopped"),
        VmAction::Restart { vm } => (Command::Restart, vm, "started anew"),
    };
    let mut client = Client::open(args.run.name.as_deref())?;
    let index = client.find(vm)?;
    match client.command(index, command)? {
        None => {
            eprintln!("sosia: VM {vm} is {what}");
            Ok(0)
        }
        Some(why) => bail!("VM {vm} was not {what}: {why}"),
    }
}
