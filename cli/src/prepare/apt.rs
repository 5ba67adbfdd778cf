//! Private apt roots: own sources, state and cache under our cache directory, so that the machine's configuration stays
//! as it is, while apt still checks signatures and hashes and resumes what was broken off.

use super::sources::{KEYRING, mirror};
use crate::paths;
use crate::progress;
use miette::{IntoDiagnostic, Result, WrapErr, bail, miette};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A private apt root for one architecture and a set of suites.
pub struct Apt {
    dir: PathBuf,
    arch: String,
}

impl Apt {
    /// Opens the root `name`, making it and fetching its package lists when it is new.
    ///
    /// With `host_packages` apt counts what is installed on the machine as installed here, so that only what is missing
    /// is fetched.
    pub fn open(name: &str, arch: &str, suites: &[&str], host_packages: bool) -> Result<Self> {
        let apt = Self { dir: paths::cache().join("apt").join(name), arch: arch.into() };
        let wanted = source_lines(&mirror()?, arch, suites);
        let list = apt.dir.join("sources.list");
        for sub in ["state/lists/partial", "cache/archives/partial", "debs"] {
            std::fs::create_dir_all(apt.dir.join(sub)).into_diagnostic()?;
        }
        let status = if host_packages { std::fs::read("/var/lib/dpkg/status").into_diagnostic()? } else { Vec::new() };
        std::fs::write(apt.dir.join("status"), status).into_diagnostic()?;
        // The list is written last: it says that the lists of packages were fetched for it.
        if std::fs::read_to_string(&list).ok().as_deref() != Some(&wanted) || apt.is_stale() {
            std::fs::write(apt.dir.join("sources.new"), &wanted).into_diagnostic()?;
            apt.run(apt.command("apt-get", "sources.new").arg("update"), &format!("package lists ({name})"))?;
            std::fs::rename(apt.dir.join("sources.new"), &list).into_diagnostic()?;
        }
        Ok(apt)
    }

    /// Lists older than a week name packages that a mirror may have dropped.
    fn is_stale(&self) -> bool {
        let week = std::time::Duration::from_secs(7 * 24 * 3600);
        let age = std::fs::metadata(self.dir.join("sources.list"))
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        age.is_some_and(|age| age > week)
    }

    fn command(&self, tool: &str, list: &str) -> Command {
        let at = |sub: &str| self.dir.join(sub).display().to_string();
        let mut command = Command::new(tool);
        for option in [
            format!("Dir::State={}", at("state")),
            format!("Dir::State::status={}", at("status")),
            format!("Dir::Cache={}", at("cache")),
            format!("Dir::Etc::sourcelist={}", at(list)),
            "Dir::Etc::sourceparts=/dev/null".into(),
            "Dir::Etc::preferences=/dev/null".into(),
            "Dir::Etc::preferencesparts=/dev/null".into(),
            format!("APT::Architecture={}", self.arch),
            format!("APT::Architectures::={}", self.arch),
            "APT::Sandbox::User=root".into(),
            "APT::Status-Fd=1".into(),
            "Acquire::Languages=none".into(),
            "Acquire::PDiffs=false".into(),
            "Acquire::Retries=3".into(),
        ] {
            command.args(["-o", &option]);
        }
        command.env("LC_ALL", "C").current_dir(self.dir.join("debs"));
        command
    }

    fn run(&self, command: &mut Command, what: &str) -> Result<()> {
        let bar = progress::percent(what);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|_| {
                miette!(help = "install apt, or see `sosia doctor` for other ways", "cannot run apt-get")
            })?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(percent) = status_percent(&line) {
                    bar.set_position(percent);
                }
            }
        }
        let output = child.wait_with_output().into_diagnostic()?;
        bar.finish_and_clear();
        if output.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let words: Vec<&str> = words.lines().filter(|line| line.starts_with("E:")).collect();
        bail!(
            help = "check the network and start again: what was fetched so far is kept",
            "apt could not fetch {what}:\n{}",
            words.join("\n")
        )
    }

    /// The package that a meta-package depends on first: its true, versioned name.
    pub fn first_dependency(&self, meta: &str) -> Result<String> {
        let output = self.command("apt-cache", "sources.list").args(["depends", "--important", meta]).output();
        let output = output.into_diagnostic().wrap_err("cannot run apt-cache")?;
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends:"))
            .map(|name| name.trim().to_string())
            .ok_or_else(|| miette!("the archive has no package `{meta}`"))
    }

    /// Downloads one package (`name` or `name=version`) and unpacks it into `into`, whole or not at all.
    pub fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        self.run(self.command("apt-get", "sources.list").args(["download", package]), package)?;
        let name = package.split('=').next().unwrap_or(package);
        let debs = self.debs("debs", &format!("{name}_"))?;
        self.unpack_debs(&debs, into)
    }

    /// Downloads a package with all that it needs and the machine lacks, from `suite`, and unpacks all into `into`.
    pub fn unpack_with_dependencies(&self, package: &str, suite: &str, into: &Path) -> Result<()> {
        let mut command = self.command("apt-get", "sources.list");
        command.args(["install", "-y", "--no-install-recommends", "--download-only", "-t", suite, package]);
        self.run(&mut command, package)?;
        let debs = self.debs("cache/archives", "")?;
        self.unpack_debs(&debs, into)
    }

    /// Installs a package on the machine itself, from this root's sources.
    pub fn install(&self, package: &str, suite: &str) -> Result<()> {
        let mut command = self.command("apt-get", "sources.list");
        command.args(["-o", "Dir::State::status=/var/lib/dpkg/status", "install", "-y", "--no-install-recommends"]);
        self.run(command.args(["-t", suite, package]), package).map_err(|error| {
            miette!(help = "start it as root, or leave `--system` away: then it needs no rights", "{error:?}")
        })
    }

    fn debs(&self, sub: &str, prefix: &str) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(self.dir.join(sub)).into_diagnostic()?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        Ok(paths
            .filter(|path| path.extension().is_some_and(|ext| ext == "deb"))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
            .collect())
    }

    fn unpack_debs(&self, debs: &[PathBuf], into: &Path) -> Result<()> {
        if debs.is_empty() {
            bail!("apt fetched nothing for {}", into.display());
        }
        super::atomically(into, |temp| debs.iter().try_for_each(|deb| unpack_deb(deb, temp)))?;
        for deb in debs {
            let _ = std::fs::remove_file(deb);
        }
        Ok(())
    }
}

fn unpack_deb(deb: &Path, into: &Path) -> Result<()> {
    let status =
        Command::new("dpkg").arg("-x").args([deb, into]).status().into_diagnostic().wrap_err("cannot run dpkg")?;
    if !status.success() {
        bail!(help = "is the disk full?", "cannot unpack {}", deb.display());
    }
    Ok(())
}

fn source_lines(mirror: &str, arch: &str, suites: &[&str]) -> String {
    suites.iter().map(|suite| format!("deb [arch={arch} signed-by={KEYRING}] {mirror} {suite} main\n")).collect()
}

/// `dlstatus:PACKAGE:PERCENT:TEXT` of apt's status file descriptor (apt's README.progress-reporting).
fn status_percent(line: &str) -> Option<u64> {
    let percent: f64 = line.strip_prefix("dlstatus:")?.split(':').nth(1)?.parse().ok()?;
    (0.0..=100.0).contains(&percent).then_some(percent as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_line_gives_percent() {
        assert_eq!(status_percent("dlstatus:1:45.67:Retrieving file 1 of 3"), Some(45));
        assert_eq!(status_percent("Get:1 trixie InRelease"), None);
        assert_eq!(status_percent("dlstatus:1:1e99:x"), None);
    }
}
