//! The console server's views (one VM, the lines of all), made by this tool from the stream with marks.

use crate::mux;
use console_server::channel::Channel;
use console_server::history::History;
use console_server::server::Server;
use ring::{Reader, Word, Writer, words_for};
use std::time::Instant;
use sysdesc::console::{HISTORY, MAX_CHANNELS};

/// Bytes of the rings between the stream and the views.
const RING: u32 = 4096;
/// Ticks of the server's clock in a second.
const HZ: u64 = 1000;
/// Ctrl-].
#[cfg(test)]
const SWITCH: u8 = 0x1d;

/// What a console server on this side would show, and the ends of its channels.
pub struct Views {
    server: Server<'static, 'static>,
    output: Vec<Writer<'static>>,
    keys: Vec<Reader<'static>>,
    since: Instant,
}

impl Views {
    /// Views of channels with these names, of which the first is root's. `all`: the lines of all are shown first, else
    /// channel `focus`. There is one for the life of the tool: its memory is never freed.
    pub fn new(names: &[&str], focus: usize, all: bool) -> Option<Self> {
        let (mut channels, mut output, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for name in names.iter().take(MAX_CHANNELS) {
            let words: Vec<Word> = (0..words_for(RING)).map(|_| Word::new(0)).collect();
            let ring = ring::Channel::format(words.leak())?;
            let (writer, reader) = ring.side(0)?;
            let (input, out) = ring.side(1)?;
            let history = History::new(vec![0; HISTORY as usize].leak());
            channels.push(Channel::new(name.to_string().leak(), history, out, input));
            output.push(writer);
            keys.push(reader);
        }
        let mut views = Self { server: Server::new(channels.leak(), false, HZ), output, keys, since: Instant::now() };
        views.server.focus(focus, all);
        Some(views)
    }

    /// Takes what came; gives what is shown.
    pub fn take(&mut self, runs: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut shown = Vec::new();
        for (channel, bytes) in runs {
            let mut left = bytes.as_slice();
            while let (false, Some(writer)) = (left.is_empty(), self.output.get_mut(*channel)) {
                let count = writer.write(left);
                left = left.get(count..).unwrap_or_default();
                self.server.pull();
                shown.extend(std::iter::from_fn(|| self.server.send()));
            }
        }
        shown
    }

    /// Takes what was typed; gives what is shown then, and what is sent.
    pub fn typed(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut sent = Vec::new();
        for byte in bytes {
            let now = self.since.elapsed().as_millis() as u64;
            if self.server.can_receive(now) {
                self.server.receive(*byte, now);
            }
            for (reader, channel) in self.keys.iter_mut().zip(0..) {
                let typed: Vec<u8> = std::iter::from_fn(|| reader.pop()).collect();
                if !typed.is_empty() {
                    sent.extend(mux::encode(channel, &typed));
                }
            }
        }
        (std::iter::from_fn(|| self.server.send()).collect(), sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn focus_is_shown_and_gets_the_keys() {
        let mut views = Views::new(&["sosia", "a", "b"], 2, false).unwrap();

        let shown = views.take(&[(1, b"one\n".to_vec()), (2, b"two\n".to_vec())]);
        let (_, sent) = views.typed(b"x");

        assert_eq!(text(&shown), "two\n");
        assert_eq!(sent, mux::encode(2, b"x"));
    }

    #[test]
    fn lines_of_all_and_the_switch_key() {
        let mut views = Views::new(&["sosia", "a", "b"], 1, true).unwrap();

        let shown = views.take(&[(1, b"one\n".to_vec()), (2, b"two\n".to_vec())]);
        let (replayed, sent) = views.typed(&[SWITCH, b'2']);

        assert_eq!(text(&shown), "a| one\r\nb| two\r\n");
        assert_eq!(text(&replayed), "[sosia: console of b]\r\ntwo\n");
        assert!(sent.is_empty());
    }

    #[test]
    fn more_than_a_ring_holds_comes_through() {
        let mut views = Views::new(&["sosia", "a"], 1, false).unwrap();

        let shown = views.take(&[(1, vec![b'x'; 300_000])]);

        assert_eq!(shown.len(), 300_000);
    }
}
