//! The pages of the lecture (`docs/lecture`): each command in them prints what the page says. The format of the blocks
//! is described in `docs/lecture/README.md`.

use super::{Cases, Context};
use crate::paths;
use miette::{IntoDiagnostic, Result, WrapErr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Most seconds that a command may take.
const LIMIT: &str = "300";
/// Any number of lines.
const LINES: &str = "...";
/// Any characters in a line.
const CHARACTERS: &str = "[..]";

/// A command and what it prints.
#[derive(Debug, PartialEq, Eq)]
struct Example<'a> {
    command: &'a str,
    output: Vec<&'a str>,
}

/// Runs the commands of all pages.
pub fn run(_: &Context, cases: &mut Cases) -> Result<()> {
    for page in pages()? {
        let text = std::fs::read_to_string(&page).into_diagnostic()?;
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for example in examples(&text) {
            cases.case(&format!("{name}: {}", example.command), check(&example));
        }
    }
    Ok(())
}

fn pages() -> Result<Vec<PathBuf>> {
    let dir = paths::root().join("docs/lecture");
    let entries = std::fs::read_dir(&dir).into_diagnostic().wrap_err("docs/lecture")?;
    let mut pages: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|path| is_page(path)).collect();
    pages.sort();
    Ok(pages)
}

/// The page that describes the format has no commands of its own.
fn is_page(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md") && path.file_stem().is_some_and(|stem| stem != "README")
}

/// The commands in the `console` blocks of a page.
fn examples(page: &str) -> Vec<Example<'_>> {
    let mut found: Vec<Example> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            found.push(Example { command, output: Vec::new() });
        } else if let Some(example) = found.last_mut().filter(|_| inside) {
            example.output.push(line);
        }
    }
    found
}

fn check(example: &Example) -> Result<(), String> {
    let mut command = Command::new("timeout");
    command.args([LIMIT, "sh", "-c", example.command]).current_dir(paths::root()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("it does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let lines: Vec<&str> = text.lines().collect();
    if output.status.success() && matches(&example.output, &lines) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}; it printed:\n{text}{errors}", output.status))
}

/// Whether what was printed is what the page says.
fn matches(wanted: &[&str], printed: &[&str]) -> bool {
    match wanted.split_first() {
        None => printed.is_empty(),
        Some((&LINES, rest)) => (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_matches(line, first) && matches(rest, others))
        }
    }
}

/// The same for one line, without blanks at its end.
fn line_matches(wanted: &str, printed: &str) -> bool {
    let (wanted, printed) = (wanted.trim_end(), printed.trim_end());
    let Some((start, rest)) = wanted.split_once(CHARACTERS) else { return wanted == printed };
    let Some(after) = printed.strip_prefix(start) else { return false };
    after.char_indices().map(|(at, _)| at).chain([after.len()]).any(|at| line_matches(rest, &after[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_the_commands_of_console_blocks() {
        let page = "text\n```sh\n$ no\n```\n```console\n$ a b\none\ntwo\n$ c\n```\n$ no\n";

        let found = examples(page);

        let a = Example { command: "a b", output: vec!["one", "two"] };
        let c = Example { command: "c", output: vec![] };
        assert_eq!(found, [a, c]);
    }

    #[test]
    fn dots_stand_for_lines() {
        assert!(matches(&["a", "...", "d"], &["a", "b", "c", "d"]));
        assert!(matches(&["...", "d"], &["d"]));
        assert!(!matches(&["a", "..."], &["b"]));
        assert!(!matches(&["a"], &["a", "b"]));
    }

    #[test]
    fn dots_in_brackets_stand_for_characters() {
        assert!(line_matches("real[..]1.[..]s", "real\t0m 1.02s"));
        assert!(line_matches("[..]x ", "x"));
        assert!(!line_matches("[..]x", "xy"));
        assert!(!line_matches("a[..]", "b"));
    }
}
