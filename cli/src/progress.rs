//! Progress on stderr: a bar or a spinner on a terminal, one line elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

fn hidden(what: &str) -> Option<ProgressBar> {
    if std::io::stderr().is_terminal() {
        return None;
    }
    eprintln!("sosia: {what}");
    Some(ProgressBar::hidden())
}

/// A bar that goes from 0 to 100.
pub fn percent(what: &str) -> ProgressBar {
    hidden(what).unwrap_or_else(|| {
        let style = ProgressStyle::with_template("{msg:40} [{bar:30}] {pos:>3} %  {elapsed}");
        let bar = ProgressBar::new(100).with_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        style.map_or(bar.clone(), |style| bar.with_style(style.progress_chars("=> ")))
    })
}

/// A spinner for what has no measure.
pub fn spinner(what: &str) -> ProgressBar {
    hidden(what).unwrap_or_else(|| {
        let style = ProgressStyle::with_template("{spinner} {msg}  {elapsed}");
        let bar = ProgressBar::new_spinner().with_message(what.to_string());
        bar.enable_steady_tick(Duration::from_millis(100));
        style.map_or(bar.clone(), |style| bar.with_style(style))
    })
}
