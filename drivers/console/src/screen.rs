//! What a terminal is shown: one channel as it is, or the lines of all with names before them. Lines of channel 0 (root's)
//! are in both.

use crate::channel::Channel;
use crate::text::Text;
use core::fmt::Write;

/// A longer line is shown in parts.
const LONGEST: u64 = 1024;
/// A partial line (a prompt) up to this length is drawn again behind a line of channel 0's.
const PROMPT: u64 = 256;
/// What was shown of a channel before is shown again up to this far back, when one switches to it.
const CONTEXT: u64 = 4096;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The channel with the focus.
    One,
    /// The lines of all.
    All,
}

/// The terminal.
#[derive(Debug)]
pub struct Screen {
    /// What is shown.
    pub view: View,
    /// Channel that is shown, and gets what is typed.
    pub focus: usize,
    /// The cursor is at the start of a line.
    fresh: bool,
    /// A line is being shown: channel, and where it ends.
    line: Option<(usize, u64)>,
    /// Channel whose line was shown last in [`View::All`].
    last: usize,
}

impl Screen {
    /// Shows channel `focus`.
    pub fn new(focus: usize) -> Self {
        Self { view: View::One, focus, fresh: true, line: None, last: 0 }
    }

    /// Whether what channel `index` wrote has to stay until it was shown.
    pub fn holds(&self, index: usize) -> bool {
        index == 0 || self.view == View::All || index == self.focus
    }

    /// Shows another channel, or all.
    pub fn switch(&mut self, view: View, focus: usize, channels: &mut [Channel], text: &mut Text) {
        let Some(channel) = channels.get_mut(focus) else {
            return self.note(text, format_args!("there is no VM {focus}: Ctrl-] ? shows which there are"));
        };
        let name = channel.name;
        match view {
            View::One => {
                self.note(text, format_args!("console of {name}"));
                let history = &channel.history;
                let first = history.first_line();
                let lost = first.saturating_sub(channel.shown);
                if lost != 0 {
                    text.message(format_args!("{lost} bytes of its output are gone"));
                }
                let context = history.end().saturating_sub(CONTEXT);
                let context = match history.line_end(context, history.end()) {
                    Some(line) if context > first => line,
                    _ => first,
                };
                channel.shown = channel.shown.min(context).max(first);
            }
            View::All => {
                self.note(text, format_args!("lines of all; keys go to {name}"));
                for (channel, index) in channels.iter_mut().zip(0..) {
                    // A line of which a part was shown is shown as a whole.
                    let line = channel.history.line();
                    channel.shown = if self.holds(index) { channel.shown.min(line) } else { line };
                }
            }
        }
        (self.view, self.focus, self.line) = (view, focus, None);
    }

    /// Shows what the keys are, and the VMs.
    pub fn help(&mut self, channels: &[Channel], text: &mut Text) {
        self.note(text, format_args!("Ctrl-] then: 0-9 a console, n next, p previous, a lines of all, Ctrl-] itself"));
        for (channel, index) in channels.iter().zip(0..) {
            let mark = if index == self.focus { '*' } else { ' ' };
            let _ = write!(text, "  {mark}{index} {}\r\n", channel.name);
        }
    }

    /// A message of the server's own, on a line of its own.
    fn note(&mut self, text: &mut Text, message: core::fmt::Arguments) {
        if !self.fresh {
            let _ = text.write_str("\r\n");
        }
        text.message(message);
        self.fresh = true;
        self.line = None;
    }

    /// The next byte to show.
    pub fn next(&mut self, channels: &mut [Channel], text: &mut Text) -> Option<u8> {
        if self.line.is_none() {
            self.choose(channels, text);
            if let Some(byte) = text.pop() {
                return Some(byte);
            }
        }
        match self.line {
            Some((index, end)) => self.of_line(channels, index, end, text),
            None if self.view == View::One => {
                let byte = channels.get_mut(self.focus)?.take()?;
                self.fresh = byte == b'\n';
                Some(byte)
            }
            None => None,
        }
    }

    /// Bytes of the channel with the focus that go out as they are.
    pub fn chunk<'a>(&self, channels: &'a [Channel]) -> &'a [u8] {
        let others = self.focus != 0 && channels.first().is_some_and(has_line);
        if self.view == View::All || self.line.is_some() || others {
            return &[];
        }
        channels.get(self.focus).map_or(&[], |channel| channel.chunk(u64::MAX))
    }

    /// So many bytes of [`Self::chunk`] were shown.
    pub fn sent(&mut self, channels: &mut [Channel], count: usize) {
        let Some(channel) = channels.get_mut(self.focus).filter(|_| count != 0) else { return };
        channel.sent(count);
        self.fresh = channel.history.get(channel.shown.saturating_sub(1)) == Some(b'\n');
    }

    /// The next byte of a line that is shown as a whole.
    fn of_line(&mut self, channels: &mut [Channel], index: usize, end: u64, text: &mut Text) -> Option<u8> {
        let channel = channels.get_mut(index)?;
        while channel.shown < end
            && let Some(byte) = channel.take()
        {
            // The terminal's own line ends follow; a carriage return inside would run over the name.
            if byte != b'\r' && byte != b'\n' {
                return Some(byte);
            }
        }
        self.line = None;
        self.fresh = true;
        text.push(b'\n');
        Some(b'\r')
    }

    /// Looks whether a whole line is to be shown next.
    fn choose(&mut self, channels: &mut [Channel], text: &mut Text) {
        if self.view == View::All {
            return self.choose_any(channels, text);
        }
        if self.focus == 0 || !channels.first().is_some_and(has_line) {
            return;
        }
        let Some(channel) = channels.get_mut(self.focus) else { return };
        let behind = channel.history.line();
        let partial = channel.shown.saturating_sub(behind);
        if !self.fresh {
            if channel.has_more() && partial < LONGEST {
                return;
            }
            // The line that is not whole is drawn again behind the other.
            let _ = text.write_str("\r\n");
            if partial <= PROMPT {
                channel.shown = channel.shown.min(behind);
            }
            self.fresh = true;
        }
        self.begin(0, channels, text);
    }

    /// The next channel that has a whole line.
    fn choose_any(&mut self, channels: &mut [Channel], text: &mut Text) {
        let count = channels.len();
        let mut next = (1..=count).map(|step| (self.last + step) % count);
        if let Some(next) = next.find(|index| channels.get(*index).is_some_and(has_line)) {
            self.last = next;
            self.begin(next, channels, text);
        }
    }

    fn begin(&mut self, index: usize, channels: &mut [Channel], text: &mut Text) {
        let Some(channel) = channels.get_mut(index) else { return };
        channel.shown = channel.shown.max(channel.history.start());
        let most = channel.shown.saturating_add(LONGEST);
        let end = channel.history.line_end(channel.shown, most).unwrap_or(most.min(channel.history.end()));
        // Root's lines say themselves whose they are.
        if index != 0 {
            let _ = write!(text, "{}| ", channel.name);
        }
        self.line = Some((index, end));
    }
}

/// Whether a channel has a whole line to show, or a part of one that is as long as a line gets.
fn has_line(channel: &Channel) -> bool {
    channel.shown < channel.history.line() || channel.history.end().saturating_sub(channel.shown) >= LONGEST
}
