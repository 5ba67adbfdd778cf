//! `sosia decode`.

use crate::args::DecodeArgs;
use crate::crash::{Symbols, esr_words, number, reports};
use crate::paths;
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use std::io::Read;
use std::path::Path;

/// Says what a crash record or an ESR means.
pub fn run(args: &DecodeArgs) -> Result<u8> {
    if let Some(esr) = number(&args.what).filter(|_| !Path::new(&args.what).exists()) {
        print!("{}", esr_words(esr));
        return Ok(0);
    }
    let text = read(&args.what)?;
    let elf = args.elf.clone().unwrap_or_else(|| paths::target_elf("kernel"));
    let found = reports(&text, &Symbols::load(&elf));
    if found.is_empty() {
        let help = format!("a record starts with the line `{}`", abi::crash::BEGIN);
        return Err(miette!(help = help, "{} has no crash record", args.what));
    }
    print!("{}", found.join("\n"));
    Ok(0)
}

fn read(what: &str) -> Result<String> {
    let mut bytes = Vec::new();
    if what == "-" {
        std::io::stdin().read_to_end(&mut bytes).into_diagnostic()?;
    } else {
        let help = "give a file, `-` for stdin, or a number such as 0x96000050";
        bytes = std::fs::read(what)
            .map_err(|error| miette!(help = help, "cannot read {what}: {error}"))
            .wrap_err("nothing to decode")?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
