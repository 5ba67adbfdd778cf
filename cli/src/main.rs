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
mod lines;
mod logs;
mod machine;
mod manage;
mod mux;
mod paths;
mod prepare;
mod progress;
mod session;
mod suite;
mod views;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let status = match &cli.command {
        Command::Run(args) => command::run::run(args),
        Command::Build(args) => command::build::run(args),
        Command::Check(args) => command::check::run(args),
        Command::Ps(args) => command::ps::run(args),
        Command::Top(args) => command::top::run(args),
        Command::Vm(args) => command::ps::vm(args),
        Command::Decode(args) => command::decode::run(args),
        Command::Size => command::size::run(),
        Command::Doctor(args) => command::doctor::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "sosia", &mut std::io::stdout());
            Ok(0)
        }
        Command::Test(args) => suite::run(args),
        Command::Bench(args) => command::bench::run(args),
    };
    match status {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("sosia: {error:?}");
            exec::FAILED.into()
        }
    }
}
