//! PL031 real-time clock (DDI 0224), as QEMU models it: always enabled, one count a second, alarm at a match.
//!
//! Time comes from the caller: `now` is whole seconds of some steady clock, of any origin that does not change.

use crate::{LoadError, Width};

const DR: u64 = 0x00;
const MR: u64 = 0x04;
const LR: u64 = 0x08;
const CR: u64 = 0x0c;
const IMSC: u64 = 0x10;
const RIS: u64 = 0x14;
const MIS: u64 = 0x18;
const ICR: u64 = 0x1c;
const PERIPH_ID: u64 = 0xfe0;
const PERIPH_ID_LAST: u64 = 0xfff;

/// RTCPeriphID0–3 and RTCPCellID0–3.
const IDS: [u8; 8] = [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// Version of [`Pl031State`].
pub const STATE_VERSION: u32 = 1;

/// State of a [`Pl031`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Pl031State {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// RTCDR − now, modulo 2³².
    pub offset: u32,
    /// RTCMR.
    pub match_value: u32,
    /// RTCLR as last written.
    pub load: u32,
    /// RTCIMSC, bit 0.
    pub mask: u32,
    /// RTCRIS, bit 0.
    pub raw: u32,
    /// Bit 0: an alarm is set and did not yet happen.
    pub armed: u32,
    /// Seconds (of the caller's clock) at which it is due.
    pub due: u64,
    /// Accesses that were ignored.
    pub ignored: u32,
}

/// The clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pl031 {
    state: Pl031State,
}

impl Pl031 {
    /// At reset, showing `time` (seconds since 1970) at `now`.
    pub fn new(time: u32, now: u64) -> Self {
        Self {
            state: Pl031State {
                version: STATE_VERSION,
                offset: time.wrapping_sub(now as u32),
                match_value: 0,
                load: 0,
                mask: 0,
                raw: 0,
                armed: 0,
                due: 0,
                ignored: 0,
            },
        }
    }

    /// Reads `width` at `offset`.
    pub fn read(&mut self, offset: u64, width: Width, now: u64) -> u64 {
        self.poll(now);
        if width != Width::B4 || offset & 3 != 0 {
            return self.ignore();
        }
        let value = match offset {
            DR => self.count(now),
            MR => self.state.match_value,
            LR => self.state.load,
            CR => 1,
            IMSC => self.state.mask,
            RIS => self.state.raw,
            MIS => self.state.raw & self.state.mask,
            PERIPH_ID..=PERIPH_ID_LAST => IDS.get((offset - PERIPH_ID) as usize / 4).copied().unwrap_or(0) as u32,
            _ => return self.ignore(),
        };
        value as u64
    }

    /// Writes `value` at `offset`. Look at [`Self::irq`] and [`Self::alarm`] afterwards.
    pub fn write(&mut self, offset: u64, width: Width, value: u64, now: u64) {
        self.poll(now);
        if width != Width::B4 || offset & 3 != 0 {
            self.ignore();
            return;
        }
        let value = value as u32;
        match offset {
            MR => {
                self.state.match_value = value;
                self.arm(now);
            }
            LR => {
                self.state.load = value;
                self.state.offset = value.wrapping_sub(now as u32);
                self.arm(now);
            }
            IMSC => self.state.mask = value & 1,
            ICR => self.state.raw &= !value,
            CR => {}
            _ => {
                self.ignore();
            }
        }
    }

    /// Level of the interrupt output.
    pub fn irq(&self) -> bool {
        self.state.raw & self.state.mask != 0
    }

    /// When, in seconds of the caller's clock, [`Self::poll`] has to be called for the alarm.
    pub fn alarm(&self) -> Option<u64> {
        (self.state.armed != 0).then_some(self.state.due)
    }

    /// Lets the alarm happen if it is due; returns [`Self::irq`].
    pub fn poll(&mut self, now: u64) -> bool {
        if self.state.armed != 0 && now >= self.state.due {
            self.state.armed = 0;
            self.state.raw = 1;
        }
        self.irq()
    }

    /// Accesses so far that were ignored (wraps).
    pub fn ignored(&self) -> u32 {
        self.state.ignored
    }

    /// Its state.
    pub fn save(&self) -> Pl031State {
        self.state
    }

    /// From a saved state.
    pub fn load(state: &Pl031State) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        for (value, field) in [(state.mask, "mask"), (state.raw, "raw"), (state.armed, "armed")] {
            if value > 1 {
                return Err(LoadError::Field(field));
            }
        }
        Ok(Self { state: *state })
    }

    fn count(&self, now: u64) -> u32 {
        self.state.offset.wrapping_add(now as u32)
    }

    /// The count wraps, and so does the distance to the match; a match that is now happens now.
    fn arm(&mut self, now: u64) {
        let distance = self.state.match_value.wrapping_sub(self.count(now));
        self.state.due = now.saturating_add(distance as u64);
        self.state.armed = 1;
        self.poll(now);
    }

    fn ignore(&mut self) -> u64 {
        self.state.ignored = self.state.ignored.wrapping_add(1);
        0
    }
}
