//! `run --log`: what each VM sends to its console, in files.

use miette::{IntoDiagnostic, Result, WrapErr};
use std::io::Write;
use std::path::Path;

/// A file for each VM, and one for root's lines.
pub struct Logs(Vec<std::fs::File>);

impl Logs {
    /// New files `NAME.log` in a directory.
    pub fn new(dir: &Path, names: &[&str]) -> Result<Self> {
        std::fs::create_dir_all(dir).into_diagnostic().wrap_err_with(|| format!("cannot make {}", dir.display()))?;
        let file = |name: &&str| {
            let path = dir.join(format!("{name}.log"));
            std::fs::File::create(&path).into_diagnostic().wrap_err_with(|| format!("cannot make {}", path.display()))
        };
        Ok(Self(names.iter().map(file).collect::<Result<_>>()?))
    }

    /// Writes what came, by channel.
    pub fn write(&mut self, runs: &[(usize, Vec<u8>)]) -> Result<()> {
        for (channel, bytes) in runs {
            if let Some(file) = self.0.get_mut(*channel) {
                file.write_all(bytes).into_diagnostic().wrap_err("cannot write to a file of --log")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_file() {
        let dir = tempfile();
        let mut logs = Logs::new(&dir, &["sosia", "a"]).unwrap();

        logs.write(&[(1, b"one".to_vec()), (0, b"root".to_vec()), (1, b" two".to_vec()), (7, b"?".to_vec())]).unwrap();

        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!((read("sosia.log").as_str(), read("a.log").as_str()), ("root", "one two"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn tempfile() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("sosia-logs-{}", std::process::id()))
    }
}
