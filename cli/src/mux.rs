//! The console's stream for programs (`sysdesc::console`): the bytes of all channels in one, with marks between them.

use sysdesc::console::{DLE, FIRST_CHANNEL, MAX_CHANNELS};

/// Takes the stream apart. A stream without marks is all channel 0's.
#[derive(Default)]
pub struct Demux {
    channel: usize,
    /// The last byte was a DLE.
    escaped: bool,
    /// A mark was seen.
    pub marked: bool,
}

impl Demux {
    /// Takes a piece of the stream; gives runs of bytes with their channels.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let mut runs: Vec<(usize, Vec<u8>)> = Vec::new();
        for &byte in piece {
            if !std::mem::take(&mut self.escaped) {
                match byte {
                    DLE => self.escaped = true,
                    byte => self.put(&mut runs, byte),
                }
            } else if let Some(channel) = channel(byte) {
                self.channel = channel;
                self.marked = true;
            } else {
                // DLE DLE is one DLE. Before anything else it is no mark: a DLE of a stream without marks.
                self.put(&mut runs, DLE);
                if byte != DLE || !self.marked {
                    self.put(&mut runs, byte);
                }
            }
        }
        runs
    }

    fn put(&self, runs: &mut Vec<(usize, Vec<u8>)>, byte: u8) {
        match runs.last_mut().filter(|(channel, _)| *channel == self.channel) {
            Some((_, bytes)) => bytes.push(byte),
            None => runs.push((self.channel, vec![byte])),
        }
    }
}

/// The channel that the byte behind a DLE selects.
fn channel(byte: u8) -> Option<usize> {
    let channel = usize::from(byte.checked_sub(FIRST_CHANNEL)?);
    (channel < MAX_CHANNELS).then_some(channel)
}

/// What is sent so that `channel` gets `bytes`.
pub fn encode(channel: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![DLE, FIRST_CHANNEL.saturating_add(channel as u8)];
    for &byte in bytes {
        out.extend(std::iter::repeat_n(byte, if byte == DLE { 2 } else { 1 }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stream_without_marks_is_as_it_is() {
        assert_eq!(Demux::default().feed(b"a\x10!\x10\x10c"), [(0, b"a\x10!\x10\x10c".to_vec())]);
    }

    #[test]
    fn marks_select_channels() {
        let got = Demux::default().feed(b"boot\x10\x41one\x10\x42two\x10\x41more\x10\x10");

        let wanted = [(0, "boot"), (1, "one"), (2, "two"), (1, "more\x10")];
        assert_eq!(got, wanted.map(|(channel, text)| (channel, text.as_bytes().to_vec())));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            runs in prop::collection::vec((0..MAX_CHANNELS, prop::collection::vec(any::<u8>(), 0..20)), 1..20),
            cut in 1usize..7,
        ) {
            let mut stream: Vec<u8> = vec![DLE, FIRST_CHANNEL];
            runs.iter().for_each(|(channel, bytes)| stream.extend(encode(*channel, bytes)));
            let mut demux = Demux::default();
            let (mut got, mut wanted) = (vec![Vec::new(); MAX_CHANNELS], vec![Vec::new(); MAX_CHANNELS]);
            for (channel, bytes) in stream.chunks(cut).flat_map(|piece| demux.feed(piece)) {
                got[channel].extend(bytes);
            }
            for (channel, bytes) in runs {
                wanted[channel].extend(bytes);
            }
            prop_assert_eq!(got, wanted);
        }
    }
}
