//! The package mirror: read from the machine's own apt configuration, never named here.

use miette::{Result, miette};
use std::path::Path;

/// The Debian keyring, which signs every suite that we use.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One `deb` source.
#[derive(Debug, PartialEq, Eq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

/// The release's code name from `/etc/os-release`, if this is Debian.
pub fn codename() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(|v| v.trim_matches('"').to_string())
    };
    if value("ID")? != "debian" {
        return None;
    }
    value("VERSION_CODENAME")
}

/// The machine's Debian mirror: the first source that carries the running release's main archive.
pub fn mirror() -> Result<String> {
    let codename = codename().ok_or_else(|| {
        miette!(
            help = "install QEMU >= 10 and name it in SOSIA_QEMU, add the target by `rustup target add \
                    aarch64-unknown-none-softfloat`, and give `--kernel` and `--initrd` paths of your own",
            "packages are fetched through apt on Debian only, and this machine runs something else"
        )
    })?;
    let sources = machine_sources();
    sources
        .into_iter()
        .find(|source| {
            source.suites.iter().any(|suite| *suite == codename || suite == "stable")
                && source.components.iter().any(|component| component == "main")
        })
        .map(|source| source.uri)
        .ok_or_else(|| {
            miette!(
                help = "add the release's main archive to /etc/apt/sources.list, as Debian installs it",
                "no apt source of this machine carries `{codename} main`"
            )
        })
}

fn machine_sources() -> Vec<Source> {
    let mut found = read_list(Path::new("/etc/apt/sources.list"));
    let Ok(entries) = std::fs::read_dir("/etc/apt/sources.list.d") else { return found };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        match path.extension().and_then(|ext| ext.to_str()) {
            Some("list") => found.extend(read_list(&path)),
            Some("sources") => found.extend(parse_deb822(&std::fs::read_to_string(&path).unwrap_or_default())),
            _ => {}
        }
    }
    found
}

fn read_list(path: &Path) -> Vec<Source> {
    std::fs::read_to_string(path).unwrap_or_default().lines().filter_map(parse_line).collect()
}

/// One line of sources.list(5): `deb [options] uri suite component…`.
fn parse_line(line: &str) -> Option<Source> {
    let rest = line.trim().strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    let rest = rest.split('#').next()?;
    let mut words = rest.split_whitespace().map(str::to_string);
    Some(Source { uri: words.next()?, suites: vec![words.next()?], components: words.collect() })
}

/// The stanzas of a deb822 file (sources.list(5)).
fn parse_deb822(text: &str) -> Vec<Source> {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    text.split("\n\n").filter_map(parse_stanza).collect()
}

fn parse_stanza(stanza: &str) -> Option<Source> {
    let field = |name: &str| -> Vec<String> {
        stanza
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_whitespace().map(str::to_string).collect())
            .unwrap_or_default()
    };
    let enabled = !field("Enabled").iter().any(|value| value == "no");
    if !enabled || !field("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Source { uri: field("URIs").into_iter().next()?, suites: field("Suites"), components: field("Components") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_source_with_options_is_read() {
        let source = parse_line("deb [arch=amd64 signed-by=/k.gpg] mirror://m/debian trixie main contrib # x").unwrap();

        assert_eq!(source.uri, "mirror://m/debian");
        assert_eq!(source.suites, ["trixie"]);
        assert_eq!(source.components, ["main", "contrib"]);
    }

    #[test]
    fn source_packages_and_comments_are_no_sources() {
        assert_eq!(parse_line("deb-src mirror://m/debian trixie main"), None);
        assert_eq!(parse_line("# deb mirror://m/debian trixie main"), None);
    }

    #[test]
    fn deb822_stanzas_are_read_and_disabled_ones_left_out() {
        let text = "Types: deb\n# note\nURIs: mirror://a\nSuites: trixie trixie-updates\nComponents: main\n\n\
                    Enabled: no\nTypes: deb\nURIs: mirror://b\nSuites: trixie\nComponents: main\n";

        let sources = parse_deb822(text);

        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].uri, "mirror://a");
        assert_eq!(sources[0].suites, ["trixie", "trixie-updates"]);
    }
}
