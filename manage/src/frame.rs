//! Framing: COBS, so that a zero ends a frame and is nowhere else, and CRC-32.

use crc::{CRC_32_ISO_HDLC, Crc};
use postcard::ser_flavors::Slice;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most bytes of a frame with its zero. A reply has at most about 200.
pub const MAX_FRAME: usize = 320;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Why a frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// Not COBS, too short, or a wrong checksum: no message of this protocol, or damaged.
    Damaged,
    /// A whole frame with this id, but not of the type that was wanted: another version?
    Unknown(u16),
}

/// Writes a frame with its zero; gives its length. `None`: `out` is too small ([`MAX_FRAME`] is enough).
pub fn encode<T: Serialize>(id: u16, body: &T, out: &mut [u8]) -> Option<usize> {
    let mut plain = [0; MAX_FRAME];
    let used = postcard::serialize_with_flavor(&(id, body), Slice::new(&mut plain)).ok()?.len();
    let crc = CRC.checksum(plain.get(..used)?).to_le_bytes();
    let end = used.checked_add(crc.len())?;
    plain.get_mut(used..end)?.copy_from_slice(&crc);
    let room = cobs::max_encoding_length(end).checked_add(1)?;
    if room > out.len() {
        return None;
    }
    let length = cobs::encode(plain.get(..end)?, out);
    *out.get_mut(length)? = 0;
    length.checked_add(1)
}

/// Reads a frame without its zero, in place.
pub fn decode<T: DeserializeOwned>(frame: &mut [u8]) -> Result<(u16, T), FrameError> {
    let length = cobs::decode_in_place(frame).map_err(|_| FrameError::Damaged)?;
    let plain = frame.get(..length).ok_or(FrameError::Damaged)?;
    let (message, crc) = plain.split_last_chunk::<4>().ok_or(FrameError::Damaged)?;
    if CRC.checksum(message) != u32::from_le_bytes(*crc) {
        return Err(FrameError::Damaged);
    }
    let (id, body) = postcard::take_from_bytes::<u16>(message).map_err(|_| FrameError::Damaged)?;
    let (body, _) = postcard::take_from_bytes(body).map_err(|_| FrameError::Unknown(id))?;
    Ok((id, body))
}

/// Cuts a stream of bytes into frames.
#[derive(Debug)]
pub struct Deframer {
    bytes: [u8; MAX_FRAME],
    length: usize,
    too_long: bool,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_FRAME], length: 0, too_long: false }
    }

    /// Takes a byte. A zero gives the frame that it ends: `None` inside of it, and for empty frames, which a sender may
    /// write to get in step. A frame of more than [`MAX_FRAME`] bytes is given as an empty one, which no decoder takes.
    pub fn push(&mut self, byte: u8) -> Option<&mut [u8]> {
        if byte != 0 {
            match self.bytes.get_mut(self.length) {
                Some(place) => {
                    *place = byte;
                    self.length = self.length.saturating_add(1);
                }
                None => self.too_long = true,
            }
            return None;
        }
        let length = if self.too_long { 0 } else { self.length };
        let is_frame = self.length != 0;
        (self.length, self.too_long) = (0, false);
        if is_frame { self.bytes.get_mut(..length) } else { None }
    }
}
