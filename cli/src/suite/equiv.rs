//! The duplicate, demonstrated: one guest dumps all that it sees of its machine, on the bare machine and under Sosia.
//! What differs must stand in docs/differences.toml with its reason; an entry that matches nothing fails, too.

use super::{Cases, Context};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::{self, Machine};
use crate::session::{Session, within};
use crate::{image, paths};
use miette::{IntoDiagnostic, Result, miette};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const PROFILES: [&str; 3] = ["max", "cortex-a76", "cortex-a72"];
const LIMIT: u64 = 120;
/// A key that one side lacks has this value there.
const ABSENT: &str = "absent";

type Dump = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    difference: Vec<Difference>,
}

/// An entry of docs/differences.toml; its head says what the keys mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    key: String,
    #[serde(default = "any")]
    bare: String,
    #[serde(default = "any")]
    sosia: String,
    mask: Option<String>,
    #[allow(dead_code, reason = "for readers of the file; required")]
    reason: String,
}

fn any() -> String {
    "*".into()
}

impl Difference {
    fn allows(&self, key: &str, bare: &str, sosia: &str) -> bool {
        if !matches(&self.key, key) {
            return false;
        }
        match &self.mask {
            None => matches(&self.bare, bare) && matches(&self.sosia, sosia),
            Some(mask) => match (hex(mask), hex(bare), hex(sosia)) {
                (Some(mask), Some(bare), Some(sosia)) => (bare ^ sosia) & !mask == 0,
                _ => false,
            },
        }
    }
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Whether a text matches a pattern in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|text| {
            let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            starts.into_iter().any(|at| text.get(at..).is_some_and(|text| matches(rest, text)))
        }),
    }
}

/// Compares the two dumps on each profile, then looks for entries that no profile needed.
pub fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    let text = std::fs::read_to_string(paths::root().join("docs/differences.toml")).into_diagnostic()?;
    let differences = toml::from_str::<File>(&text).into_diagnostic()?.difference;
    let mut used: BTreeSet<usize> = BTreeSet::new();
    for profile in PROFILES {
        let (bare, sosia) = (dump(context, profile, true)?, dump(context, profile, false)?);
        let found = compare(&differences, &bare, &sosia);
        used.extend(&found.used);
        let count = found.unexplained.len();
        let shown = || found.unexplained.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
        let wrong = || format!("{count} differences without a reason in docs/differences.toml:\n{}", shown());
        let name = format!("{profile} ({} of {} keys equal)", found.equal, bare.len());
        cases.case(&name, if count == 0 { Ok(()) } else { Err(wrong()) });
    }
    let idle = (0..differences.len()).filter(|index| !used.contains(index));
    let idle: Vec<&str> = idle.filter_map(|index| Some(differences.get(index)?.key.as_str())).collect();
    let wrong = || format!("entries of docs/differences.toml that match nothing: {}", idle.join(", "));
    cases.case("each entry is needed", if idle.is_empty() { Ok(()) } else { Err(wrong()) });
    Ok(())
}

/// What a comparison found.
struct Found {
    /// Differences that no entry explains.
    unexplained: Vec<String>,
    /// Indices of the entries that explained one.
    used: BTreeSet<usize>,
    /// Keys with the same value on both sides.
    equal: usize,
}

fn compare(differences: &[Difference], bare: &Dump, sosia: &Dump) -> Found {
    let keys: BTreeSet<&String> = bare.keys().chain(sosia.keys()).collect();
    let mut found = Found { unexplained: Vec::new(), used: BTreeSet::new(), equal: 0 };
    for key in keys {
        let of = |dump: &Dump| dump.get(key).cloned().unwrap_or_else(|| ABSENT.into());
        let (bare, sosia) = (of(bare), of(sosia));
        if bare == sosia {
            found.equal += 1;
            continue;
        }
        match differences.iter().position(|difference| difference.allows(key, &bare, &sosia)) {
            Some(index) => drop(found.used.insert(index)),
            None => found.unexplained.push(format!("{key}: bare {bare}, sosia {sosia}")),
        }
    }
    found
}

fn dump(context: &Context, profile: &str, bare: bool) -> Result<Dump> {
    let system = System::load("equiv")?;
    let mut machine = Machine::new(Profile::load(profile)?, &system)?;
    machine.bare = bare;
    let payload = image::payload(&system, &context.toolchain, None)?;
    let scratch = Scratch::new()?;
    let path = if bare {
        scratch.write("Image", payload.kernels.first().map_or(&[], Vec::as_slice))?
    } else {
        scratch.write("sosia.img", &image::boot_image("root", Some((&system, payload)), &context.toolchain)?)?
    };
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    session.wait_for("EQUIV end", 0, within(LIMIT))?;
    session.wait_end(within(10))?;
    let text = session.text();
    let lines = text.lines().take_while(|line| !line.starts_with("EQUIV end"));
    let dump: Dump =
        lines.filter_map(|line| line.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect();
    if dump.is_empty() {
        return Err(miette!("the guest dumped nothing:\n{}", session.tail(20)));
    }
    Ok(dump)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn difference(key: &str, bare: &str, sosia: &str, mask: Option<&str>) -> Difference {
        let mask = mask.map(str::to_string);
        Difference { key: key.into(), bare: bare.into(), sosia: sosia.into(), mask, reason: "because".into() }
    }

    #[test]
    fn star_stands_for_any_characters() {
        assert!(matches("a*c", "abbc"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "a1b2b3c"));
        assert!(!matches("a*c", "abcd"));
        assert!(!matches("a", "ab"));
    }

    #[test]
    fn mask_allows_its_bits_only() {
        let entry = difference("k", "*", "*", Some("0xf0"));

        assert!(entry.allows("k", "0x12", "0x32"));
        assert!(!entry.allows("k", "0x12", "0x13"));
        assert!(!entry.allows("k", "0x12", "absent"));
    }

    #[test]
    fn unexplained_difference_is_named() {
        let bare = Dump::from([("a".into(), "1".into()), ("b".into(), "2".into()), ("c".into(), "3".into())]);
        let sosia = Dump::from([("a".into(), "1".into()), ("b".into(), "9".into())]);

        let found = compare(&[difference("c", "*", "absent", None)], &bare, &sosia);

        assert_eq!(found.unexplained, ["b: bare 2, sosia 9"]);
        assert_eq!(found.equal, 1);
        assert!(found.used.contains(&0));
    }
}
