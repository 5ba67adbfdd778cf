//! Counts code: lines with something else than comments and blanks, without tests.

use miette::{IntoDiagnostic, Result, WrapErr};
use std::path::{Path, PathBuf};

/// Conditions of code that is in no image that is shipped.
const LEFT_OUT: [&str; 7] = [
    "#[cfg(test)]",
    "#[cfg(loom)]",
    "#[cfg(all(test, not(loom)))]",
    "#[cfg(all(loom, test))]",
    "#[cfg(all(test, loom))]",
    "#[cfg(feature = \"oracle\")]",
    "#[cfg(feature = \"measure\")]",
];
/// Lines above an `unsafe` in which its argument may start.
const SAFETY_REACH: usize = 12;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Code lines.
    pub lines: usize,
    /// `unsafe { … }` blocks.
    pub unsafe_blocks: usize,
    /// Those of them with no `SAFETY:` comment before.
    pub unargued: usize,
}

impl std::ops::AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.lines += other.lines;
        self.unsafe_blocks += other.unsafe_blocks;
        self.unargued += other.unargued;
    }
}

/// Counts the Rust and assembly files of a source directory.
pub fn count_dir(dir: &Path) -> Result<Count> {
    let mut files = Vec::new();
    list(dir, &mut files)?;
    let mut sources = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).into_diagnostic().wrap_err_with(|| file.display().to_string())?;
        sources.push((file, text));
    }
    let tests: Vec<PathBuf> = sources.iter().flat_map(|(file, text)| test_modules(file, text)).collect();
    let mut sum = Count::default();
    for (file, text) in &sources {
        if !tests.iter().any(|test| file.starts_with(test) || file.with_extension("") == *test) {
            sum += count(text);
        }
    }
    Ok(sum)
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(dir).into_diagnostic().wrap_err_with(|| dir.display().to_string())?;
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "rs" || ext == "S" || ext == "s") {
            files.push(path);
        }
    }
    Ok(())
}

/// Files (without extension) that are modules under a condition of [`LEFT_OUT`].
fn test_modules(file: &Path, text: &str) -> Vec<PathBuf> {
    let code = strip(text);
    let is_root = file.file_name().is_some_and(|name| name == "mod.rs" || name == "lib.rs" || name == "main.rs");
    let dir = if is_root { file.parent().map(Path::to_path_buf).unwrap_or_default() } else { file.with_extension("") };
    let items = LEFT_OUT.iter().flat_map(|condition| code.split(condition).skip(1));
    items
        .filter_map(|rest| {
            let rest = rest.trim_start().trim_start_matches("pub ").strip_prefix("mod ")?;
            rest.split_once([';', '{']).filter(|(name, _)| rest.as_bytes().get(name.len()) == Some(&b';'))
        })
        .map(|(name, _)| dir.join(name.trim()))
        .collect()
}

/// Counts one file.
pub fn count(text: &str) -> Count {
    let code = without_tests(strip(text));
    let raw: Vec<&str> = text.lines().collect();
    let mut count = Count { lines: code.lines().filter(|line| !line.trim().is_empty()).count(), ..Count::default() };
    for (at, line) in code.lines().enumerate() {
        let blocks = line.matches("unsafe {").count();
        count.unsafe_blocks += blocks;
        let above = raw.get(at.saturating_sub(SAFETY_REACH)..=at).unwrap_or_default();
        if blocks > 0 && !above.iter().any(|line| line.contains("SAFETY")) {
            count.unargued += blocks;
        }
    }
    count
}

/// Blanks out the items behind the conditions of [`LEFT_OUT`]; lines stay where they are.
fn without_tests(mut code: String) -> String {
    for condition in LEFT_OUT {
        while let Some(start) = code.find(condition) {
            let end = item_end(&code, start + condition.len());
            let blank: String = code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            code.replace_range(start..end, &blank);
        }
    }
    code
}

/// Where the item that starts at `from` ends: behind its `;`, or behind its outer brace.
fn item_end(code: &str, from: usize) -> usize {
    let (mut depth, mut nested) = (0usize, 0usize);
    for (at, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                // `use a::{b};` goes on behind its brace.
                if depth == 0 && !code[from + at + 1..].starts_with(';') {
                    return from + at + 1;
                }
            }
            ';' if depth == 0 && nested == 0 => return from + at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Blanks out comments, and braces in literals; lines stay where they are.
fn strip(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = token_length(rest, c);
        let (token, tail) = rest.split_at(length);
        let comment = token.starts_with("//") || token.starts_with("/*");
        for c in token.chars() {
            let keep = c == '\n' || !(comment || token.len() > 1 && "{};()[]".contains(c));
            out.push(if keep { c } else { ' ' });
        }
        rest = tail;
    }
    out
}

/// Bytes of the comment or literal at the start of `rest`, or of one character.
fn token_length(rest: &str, c: char) -> usize {
    let to = |end: Option<usize>| end.unwrap_or(rest.len());
    match c {
        '/' if rest.starts_with("//") => to(rest.find('\n')),
        '/' if rest.starts_with("/*") => to(rest.find("*/").map(|at| at + 2)),
        'r' if rest.starts_with("r#\"") => to(rest[3..].find("\"#").map(|at| at + 5)),
        '"' => string_length(rest),
        // A character; lifetimes have no closing quote so near.
        '\'' => ["'{'", "'}'", "'\"'", "'\\''", "';'", "'('", "')'"]
            .iter()
            .find(|literal| rest.starts_with(**literal))
            .map_or(1, |literal| literal.len()),
        c => c.len_utf8(),
    }
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blanks_and_tests_are_no_code() {
        let text = "//! Doc.\n\nfn a() { /* { */ }\n// c\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n";

        assert_eq!(count(text).lines, 2);
    }

    #[test]
    fn strings_with_comment_signs_are_code() {
        assert_eq!(count("const A: &str = \"// no\";\nconst B: char = '\"';\n// yes\n").lines, 2);
    }

    #[test]
    fn braces_in_strings_do_not_end_tests() {
        let text = "#[cfg(test)]\nmod t {\n const A: &str = \"}\";\n fn b() {}\n}\n";

        assert_eq!(count(text).lines, 0);
    }

    #[test]
    fn conditional_use_ends_at_its_semicolon() {
        assert_eq!(count("#[cfg(test)]\nuse a::{b, c};\nfn d() {}\n").lines, 1);
    }

    #[test]
    fn unargued_unsafe_is_counted() {
        let argued = "// SAFETY: because.\nunsafe { a() }\n";
        let text = format!("{argued}{}unsafe {{ b() }}\n", "x();\n".repeat(SAFETY_REACH));

        let count = count(&text);

        assert_eq!((count.unsafe_blocks, count.unargued), (2, 1));
    }

    #[test]
    fn test_modules_in_own_files_are_found() {
        let modules = test_modules(Path::new("src/a.rs"), "#[cfg(test)]\nmod tests;\nmod b;\n#[cfg(test)]\nmod c {}\n");

        assert_eq!(modules, [PathBuf::from("src/a/tests")]);
    }
}
