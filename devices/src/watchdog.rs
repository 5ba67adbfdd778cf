//! SBSA generic watchdog (DEN0029C, appendix C; BSA DEN0094, appendix): a refresh frame and a control frame.
//!
//! ```text
//!             WCV passes                WCV passes
//!   WS0 = 0 ─────────────▶ WS0 = 1 ─────────────▶ WS1 = 1
//!      ▲     WCV += WOR       │    (signal WS0: SPI)   (signal WS1: the VM is reset)
//!      └───── refresh ────────┘
//! ```
//! A refresh is a write of WRR, WOR or WCS. Time comes from the caller, in ticks of the system counter.

use crate::{LoadError, Width};

/// WRR, in the refresh frame: a write of any value refreshes.
const WRR: u64 = 0x000;
const WCS: u64 = 0x000;
const WOR_LOW: u64 = 0x008;
const WOR_HIGH: u64 = 0x00c;
const WCV_LOW: u64 = 0x010;
const WCV_HIGH: u64 = 0x014;
/// W_IIDR, in both frames.
const W_IIDR: u64 = 0xfcc;
/// Architecture version 1 (bits 19:16): WOR has 48 bits.
const IIDR: u32 = 1 << 16;
const WOR_HIGH_MASK: u64 = 0xffff;
/// WCS: enabled.
const EN: u32 = 1;
/// WCS: the first signal.
const WS0: u32 = 2;
/// WCS: the second signal.
const WS1: u32 = 4;

/// Version of [`WatchdogState`].
pub const STATE_VERSION: u32 = 1;

/// Which of the two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Refresh.
    Refresh,
    /// Control.
    Control,
}

/// State of a [`Watchdog`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct WatchdogState {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// WCS: EN, WS0, WS1.
    pub control: u32,
    /// WOR.
    pub offset: u64,
    /// WCV.
    pub compare: u64,
    /// Accesses that were ignored.
    pub ignored: u32,
}

/// The watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watchdog {
    state: WatchdogState,
}

impl Default for Watchdog {
    fn default() -> Self {
        Self::new()
    }
}

/// Replaces the lower or the upper half.
const fn with_half(value: u64, high: bool, half: u32) -> u64 {
    if high { value & 0xffff_ffff | (half as u64) << 32 } else { value >> 32 << 32 | half as u64 }
}

impl Watchdog {
    /// At reset: off.
    pub const fn new() -> Self {
        Self { state: WatchdogState { version: STATE_VERSION, control: 0, offset: 0, compare: 0, ignored: 0 } }
    }

    /// Reads a register of `frame` at counter value `now`. Registers have 32 bits; WOR and WCV may be read whole.
    pub fn read(&mut self, frame: Frame, offset: u64, width: Width, now: u64) -> u64 {
        self.poll(now);
        let wide = width == Width::B8;
        let state = &self.state;
        let value = match (frame, offset) {
            (Frame::Control, WOR_LOW) => state.offset,
            (Frame::Control, WCV_LOW) => state.compare,
            _ if wide => return self.ignore(),
            (Frame::Control, WOR_HIGH) => state.offset >> 32,
            (Frame::Control, WCV_HIGH) => state.compare >> 32,
            (Frame::Control, WCS) => u64::from(state.control),
            (_, W_IIDR) => u64::from(IIDR),
            (Frame::Refresh, WRR) => 0,
            _ => return self.ignore(),
        };
        match width {
            Width::B8 => value,
            Width::B4 => value & 0xffff_ffff,
            Width::B1 | Width::B2 => self.ignore(),
        }
    }

    /// Writes a register of `frame`. Look at [`Self::signal`], [`Self::expired`] and [`Self::deadline`] afterwards.
    pub fn write(&mut self, frame: Frame, offset: u64, width: Width, value: u64, now: u64) {
        self.poll(now);
        let half = value as u32;
        let state = &mut self.state;
        match (frame, offset, width) {
            (Frame::Refresh, WRR, Width::B4) => self.refresh(now),
            (Frame::Control, WCS, Width::B4) => {
                state.control = half & EN;
                self.refresh(now);
            }
            (Frame::Control, WOR_LOW | WOR_HIGH, Width::B4) => {
                state.offset = with_half(state.offset, offset == WOR_HIGH, half) & (WOR_HIGH_MASK << 32 | 0xffff_ffff);
                self.refresh(now);
            }
            (Frame::Control, WOR_LOW, Width::B8) => {
                state.offset = value & (WOR_HIGH_MASK << 32 | 0xffff_ffff);
                self.refresh(now);
            }
            (Frame::Control, WCV_LOW | WCV_HIGH, Width::B4) => {
                state.compare = with_half(state.compare, offset == WCV_HIGH, half);
            }
            (Frame::Control, WCV_LOW, Width::B8) => state.compare = value,
            _ => {
                self.ignore();
            }
        }
    }

    /// Signal WS0: the level of the interrupt.
    pub fn signal(&self) -> bool {
        self.state.control & WS0 != 0
    }

    /// Signal WS1: nobody has served the watchdog for two periods.
    pub fn expired(&self) -> bool {
        self.state.control & WS1 != 0
    }

    /// When [`Self::poll`] has to be called, in counter ticks.
    pub fn deadline(&self) -> Option<u64> {
        (self.state.control & (EN | WS1) == EN).then(|| self.state.compare.saturating_add(1))
    }

    /// Lets pass what has passed by `now`.
    pub fn poll(&mut self, now: u64) {
        let state = &mut self.state;
        if state.control & EN == 0 || now <= state.compare {
            return;
        }
        if state.control & WS0 == 0 {
            state.control |= WS0;
            // From when it passed, not from when somebody looked.
            state.compare = state.compare.saturating_add(state.offset);
        }
        if now > state.compare {
            state.control |= WS1;
        }
    }

    /// Accesses so far that were ignored (wraps).
    pub fn ignored(&self) -> u32 {
        self.state.ignored
    }

    /// Its state.
    pub fn save(&self) -> WatchdogState {
        self.state
    }

    /// From a saved state.
    pub fn load(state: &WatchdogState) -> Result<Self, LoadError> {
        if state.version != STATE_VERSION {
            return Err(LoadError::Version(state.version));
        }
        if state.control & !(EN | WS0 | WS1) != 0 {
            return Err(LoadError::Field("control"));
        }
        if state.offset >> 48 != 0 {
            return Err(LoadError::Field("offset"));
        }
        Ok(Self { state: *state })
    }

    fn refresh(&mut self, now: u64) {
        self.state.control &= EN;
        self.state.compare = now.saturating_add(self.state.offset);
    }

    fn ignore(&mut self) -> u64 {
        self.state.ignored = self.state.ignored.wrapping_add(1);
        0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const W: Width = Width::B4;
    const PERIOD: u64 = 100;

    /// On since tick 1000, with a period of 100.
    fn running() -> Watchdog {
        let mut watchdog = Watchdog::new();
        watchdog.write(Frame::Control, WOR_LOW, W, PERIOD, 1000);
        watchdog.write(Frame::Control, WCS, W, 1, 1000);
        watchdog
    }

    #[test]
    fn watchdog_at_reset_is_off_and_says_version_1() {
        let mut watchdog = Watchdog::new();

        watchdog.poll(u64::MAX);

        assert_eq!((watchdog.signal(), watchdog.expired(), watchdog.deadline()), (false, false, None));
        assert_eq!(watchdog.read(Frame::Control, W_IIDR, W, 0) >> 16 & 0xf, 1);
        assert_eq!(watchdog.read(Frame::Refresh, W_IIDR, W, 0) >> 16 & 0xf, 1);
    }

    #[test]
    fn first_period_that_passes_raises_ws0() {
        let mut watchdog = running();

        assert_eq!(watchdog.deadline(), Some(1101));
        watchdog.poll(1100);
        assert!(!watchdog.signal());
        watchdog.poll(1101);

        assert_eq!((watchdog.signal(), watchdog.expired()), (true, false));
        assert_eq!(watchdog.read(Frame::Control, WCS, W, 1101), u64::from(EN | WS0));
    }

    #[test]
    fn second_period_that_passes_raises_ws1() {
        let mut watchdog = running();
        watchdog.poll(1101);

        assert_eq!(watchdog.deadline(), Some(1201));
        watchdog.poll(1201);

        assert!(watchdog.expired());
        assert_eq!(watchdog.deadline(), None);
    }

    #[test]
    fn both_periods_that_pass_unseen_raise_both() {
        let mut watchdog = running();

        watchdog.poll(5000);

        assert!(watchdog.signal() && watchdog.expired());
    }

    #[test]
    fn refresh_begins_a_period_anew_and_takes_ws0_back() {
        let mut watchdog = running();
        watchdog.poll(1101);

        watchdog.write(Frame::Refresh, WRR, W, 0, 1150);

        assert_eq!((watchdog.signal(), watchdog.deadline()), (false, Some(1251)));
    }

    #[test]
    fn refresh_that_comes_too_late_finds_ws0_first() {
        let mut watchdog = running();

        watchdog.write(Frame::Refresh, WRR, W, 0, 1150);

        assert_eq!((watchdog.signal(), watchdog.deadline()), (false, Some(1251)));
    }

    #[test]
    fn write_of_wcs_turns_it_off() {
        let mut watchdog = running();

        watchdog.write(Frame::Control, WCS, W, 0, 1050);
        watchdog.poll(u64::MAX);

        assert_eq!((watchdog.signal(), watchdog.deadline()), (false, None));
    }

    #[test]
    fn wor_has_48_bits_and_wcv_64_in_halves_and_whole() {
        let mut watchdog = Watchdog::new();

        watchdog.write(Frame::Control, WOR_LOW, Width::B8, u64::MAX, 0);
        watchdog.write(Frame::Control, WCV_LOW, W, 0x1111_1111, 0);
        watchdog.write(Frame::Control, WCV_HIGH, W, 0x2222_2222, 0);

        assert_eq!(watchdog.read(Frame::Control, WOR_HIGH, W, 0), 0xffff);
        assert_eq!(watchdog.read(Frame::Control, WOR_LOW, Width::B8, 0), 0xffff_ffff_ffff);
        assert_eq!(watchdog.read(Frame::Control, WCV_LOW, Width::B8, 0), 0x2222_2222_1111_1111);
        assert_eq!(watchdog.read(Frame::Control, WCV_HIGH, W, 0), 0x2222_2222);
    }

    #[test]
    fn accesses_to_nothing_and_by_other_widths_are_ignored_and_counted() {
        let mut watchdog = running();
        let before = watchdog.save();

        watchdog.write(Frame::Refresh, 8, W, 1, 1001);
        watchdog.write(Frame::Control, WCS, Width::B1, 0, 1001);
        watchdog.write(Frame::Control, u64::MAX, Width::B8, 0, 1001);
        let values = [(0x20, W), (WCS, Width::B2), (WCS, Width::B8)]
            .map(|(at, width)| watchdog.read(Frame::Control, at, width, 1001));

        assert_eq!(values, [0; 3]);
        assert_eq!(watchdog.save(), WatchdogState { ignored: 6, ..before });
    }

    #[test]
    fn load_of_save_is_the_same_and_nonsense_is_refused() {
        let good = running().save();

        assert_eq!(Watchdog::load(&good), Ok(running()));
        assert_eq!(Watchdog::load(&WatchdogState { version: 2, ..good }), Err(LoadError::Version(2)));
        assert_eq!(Watchdog::load(&WatchdogState { control: 8, ..good }), Err(LoadError::Field("control")));
        assert_eq!(Watchdog::load(&WatchdogState { offset: 1 << 48, ..good }), Err(LoadError::Field("offset")));
    }
}
