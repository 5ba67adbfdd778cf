//! Where the management channels of running systems are: `run/NAME.sock` in the cache.

use crate::paths;
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Longest path of a socket (sun_path of unix(7) has 108 bytes with its zero), less a name and a number.
const LONGEST: usize = 100 - NAME;
/// Most bytes of a run's name.
const NAME: usize = 32;
const SUFFIX: &str = ".sock";

/// The directory of the sockets: in the cache, or in the system's directory for temporary files where the cache's path is
/// too long for a socket.
pub fn dir() -> Result<PathBuf> {
    let cache = paths::cache().join("run");
    let dir = if cache.as_os_str().len() <= LONGEST {
        cache
    } else {
        let mut hash = DefaultHasher::new();
        cache.hash(&mut hash);
        std::env::temp_dir().join(format!("sosia-{:x}", hash.finish()))
    };
    std::fs::create_dir_all(&dir).into_diagnostic().wrap_err_with(|| format!("cannot make {}", dir.display()))?;
    Ok(dir)
}

fn path(name: &str) -> Result<PathBuf> {
    Ok(dir()?.join(format!("{name}{SUFFIX}")))
}

fn is_live(name: &str) -> bool {
    path(name).is_ok_and(|path| UnixStream::connect(path).is_ok())
}

/// A socket for a new run, with its name: that is `wanted`, or the system's with a number behind it where it is taken.
pub fn reserve(wanted: Option<&str>, system: &str) -> Result<(String, PathBuf)> {
    if let Some(name) = wanted {
        check(name)?;
        if is_live(name) {
            bail!(help = "choose another --name", "a system named `{name}` runs already");
        }
        return Ok((name.into(), path(name)?));
    }
    let stem = system.rsplit('/').next().unwrap_or(system).trim_end_matches(".toml");
    let stem: String = stem.chars().filter(|c| is_good(*c)).take(NAME - 4).collect();
    let stem = if stem.is_empty() { "system".into() } else { stem };
    let others = (2..1000).map(|number| format!("{stem}-{number}"));
    let name = std::iter::once(stem.clone()).chain(others).find(|name| !is_live(name));
    let name = name.ok_or_else(|| miette!("there is no free name for this run; give one by --name"))?;
    let path = path(&name)?;
    Ok((name, path))
}

fn is_good(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn check(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > NAME || !name.chars().all(is_good) {
        let help = format!("1 to {NAME} of the characters a-z, A-Z, 0-9, - and _");
        bail!(help = help, "`{name}` is no name for a run");
    }
    Ok(())
}

/// Names of the systems that run. Sockets that nobody listens at any more are removed.
pub fn running() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir()?).into_diagnostic()?.flatten() {
        let file = entry.file_name();
        let Some(name) = file.to_str().and_then(|file| file.strip_suffix(SUFFIX)) else { continue };
        if is_live(name) {
            names.push(name.to_string());
        } else {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    names.sort();
    Ok(names)
}

/// The run of this name, or the only one.
pub fn choose(name: Option<&str>) -> Result<(String, PathBuf)> {
    let running = running()?;
    let name = match (name, running.as_slice()) {
        (Some(name), names) if names.iter().any(|running| running == name) => name,
        (_, []) => bail!(help = "start one by `sosia run`, in another terminal", "no system runs"),
        (Some(name), names) => {
            bail!(help = format!("running: {}", names.join(", ")), "no system named `{name}` runs")
        }
        (None, [name]) => name,
        (None, names) => {
            bail!(help = format!("say which by --name: {}", names.join(", ")), "{} systems run", names.len())
        }
    };
    Ok((name.to_string(), path(name)?))
}
