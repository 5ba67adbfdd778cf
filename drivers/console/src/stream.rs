//! What a program is sent: the bytes of all channels, with marks (`sysdesc::console`).

use crate::channel::Channel;
use crate::text::Text;
use sysdesc::console::{DLE, FIRST_CHANNEL};

/// Bytes of one channel before the next one has its turn.
const TURN: u32 = 1024;

/// The state of the stream, in both directions.
#[derive(Debug, Default)]
pub struct Stream {
    /// Channel of the last mark that was sent.
    sending: usize,
    left: u32,
    /// Channel of the last mark that came.
    receiving: usize,
    escaped: bool,
}

impl Stream {
    /// The next byte of a channel; marks go to `text`, which is sent first.
    pub fn next(&mut self, channels: &mut [Channel], text: &mut Text) -> Option<u8> {
        if self.left == 0 || channels.get(self.sending).is_none_or(|channel| !channel.has_more()) {
            let count = channels.len();
            let next = (1..=count)
                .map(|step| (self.sending + step) % count)
                .find(|index| channels.get(*index).is_some_and(Channel::has_more))?;
            if next != self.sending {
                text.push(DLE);
                text.push(FIRST_CHANNEL.saturating_add(next as u8));
            }
            (self.sending, self.left) = (next, TURN);
        }
        self.left -= 1;
        let byte = channels.get_mut(self.sending)?.take()?;
        text.push(byte);
        if byte == DLE {
            text.push(DLE);
        }
        text.pop()
    }

    /// Bytes that go out as they are.
    pub fn chunk<'a>(&self, channels: &'a [Channel]) -> &'a [u8] {
        let chunk = channels.get(self.sending).map_or(&[] as &[u8], |channel| channel.chunk(self.left.into()));
        let plain = chunk.iter().position(|byte| *byte == DLE).unwrap_or(chunk.len());
        chunk.get(..plain).unwrap_or_default()
    }

    /// So many bytes of [`Self::chunk`] were sent.
    pub fn sent(&mut self, channels: &mut [Channel], count: usize) {
        self.left = self.left.saturating_sub(count as u32);
        if let Some(channel) = channels.get_mut(self.sending) {
            channel.sent(count);
        }
    }

    /// The first mark, before anything else: it tells that there are marks.
    pub fn greet(&self, text: &mut Text) {
        text.push(DLE);
        text.push(FIRST_CHANNEL);
    }

    /// Takes a byte that came; gives the channel that it is for.
    pub fn receive(&mut self, byte: u8) -> Option<(usize, u8)> {
        if !core::mem::take(&mut self.escaped) {
            if byte == DLE {
                self.escaped = true;
                return None;
            }
            return Some((self.receiving, byte));
        }
        if byte == DLE {
            return Some((self.receiving, byte));
        }
        self.receiving = byte.checked_sub(FIRST_CHANNEL).map_or(self.receiving, usize::from);
        None
    }
}
