//! The host tool `sosia`: prepares what a run needs, builds boot images, runs them in QEMU, tests and measures.
//!
//! What lives here: everything on the host. What may not: anything that runs on the target; the formats that both sides
//! know are in `abi`. Start at [`args`] for what there is; each subcommand is a file in `command/`; `prepare/` fetches,
//! `image/` builds, `config/` reads TOML, [`session`] is a running QEMU.

mod args;
mod command;
mod config;
mod console;
mod crash;
mod exec;
mod image;
mod machine;
mod paths;
mod prepare;
mod progress;
mod session;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = match &cli.command {
        Command::Run(args) => command::run::run(args),
        Command::Build(args) => command::build::run(args),
        Command::Check(args) => command::check::run(args),
        _ => Err(miette::miette!("not there")),
    };
    match status {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("sosia: {error:?}");
            exec::FAILED.into()
        }
    }
}
