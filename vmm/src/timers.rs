//! All that a vCPU sees of the generic timer where none of it is the hardware's: the EL1 physical and virtual timers, the
//! counters and their frequency (Arm ARM D12.2). Whether EL0 may access them (CNTKCTL_EL1) is for the caller to say.
//!
//! Times are counts of CNTPCT_EL0; the virtual counter is that less CNTVOFF_EL2.

use crate::ptimer::{self, PTimer, Register};
use crate::syndrome::encode;

/// CNTFRQ_EL0.
pub const CNTFRQ_EL0: u32 = encode(3, 3, 14, 0, 0);
/// CNTPCT_EL0.
pub const CNTPCT_EL0: u32 = encode(3, 3, 14, 0, 1);
/// CNTVCT_EL0.
pub const CNTVCT_EL0: u32 = encode(3, 3, 14, 0, 2);
/// CNTPCTSS_EL0 (FEAT_ECV).
pub const CNTPCTSS_EL0: u32 = encode(3, 3, 14, 0, 5);
/// CNTVCTSS_EL0 (FEAT_ECV).
pub const CNTVCTSS_EL0: u32 = encode(3, 3, 14, 0, 6);
/// CNTP_TVAL_EL0.
pub const CNTP_TVAL_EL0: u32 = encode(3, 3, 14, 2, 0);
/// CNTP_CTL_EL0.
pub const CNTP_CTL_EL0: u32 = encode(3, 3, 14, 2, 1);
/// CNTP_CVAL_EL0.
pub const CNTP_CVAL_EL0: u32 = encode(3, 3, 14, 2, 2);
/// CNTV_TVAL_EL0.
pub const CNTV_TVAL_EL0: u32 = encode(3, 3, 14, 3, 0);
/// CNTV_CTL_EL0.
pub const CNTV_CTL_EL0: u32 = encode(3, 3, 14, 3, 1);
/// CNTV_CVAL_EL0.
pub const CNTV_CVAL_EL0: u32 = encode(3, 3, 14, 3, 2);

/// Version of [`State`].
pub const STATE_VERSION: u32 = 1;

/// The generic timer of one vCPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timers {
    physical: PTimer,
    virt: PTimer,
    /// CNTVOFF_EL2.
    offset: u64,
    /// CNTFRQ_EL0.
    frequency: u64,
}

/// Saved state of [`Timers`]. The frequency is the machine's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// 0.
    pub reserved: u32,
    /// CNTVOFF_EL2.
    pub offset: u64,
    /// CNTP.
    pub physical: ptimer::State,
    /// CNTV.
    pub virt: ptimer::State,
}

/// The timers' interrupt lines, level-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// PPI 30.
    pub physical: bool,
    /// PPI 27.
    pub virt: bool,
}

/// A register of one of the two timers.
enum Place {
    Physical(Register),
    Virtual(Register),
}

const fn place(name: u32) -> Option<Place> {
    Some(match name {
        CNTP_CTL_EL0 => Place::Physical(Register::Ctl),
        CNTP_CVAL_EL0 => Place::Physical(Register::Cval),
        CNTP_TVAL_EL0 => Place::Physical(Register::Tval),
        CNTV_CTL_EL0 => Place::Virtual(Register::Ctl),
        CNTV_CVAL_EL0 => Place::Virtual(Register::Cval),
        CNTV_TVAL_EL0 => Place::Virtual(Register::Tval),
        _ => return None,
    })
}

impl Timers {
    /// As at reset. `offset`: CNTVOFF_EL2; `frequency`: CNTFRQ_EL0 in Hz.
    #[must_use]
    pub const fn new(offset: u64, frequency: u64) -> Self {
        Self { physical: PTimer::new(), virt: PTimer::new(), offset, frequency }
    }

    const fn virtual_count(&self, now: u64) -> u64 {
        now.wrapping_sub(self.offset)
    }

    /// Reads the register `name` ([`encode`]). `None`: it is not one of the generic timer's.
    #[must_use]
    pub const fn read(&self, name: u32, now: u64) -> Option<u64> {
        Some(match name {
            CNTVCT_EL0 | CNTVCTSS_EL0 => self.virtual_count(now),
            CNTPCT_EL0 | CNTPCTSS_EL0 => now,
            CNTFRQ_EL0 => self.frequency,
            _ => match place(name) {
                Some(Place::Physical(register)) => self.physical.read(register, now),
                Some(Place::Virtual(register)) => self.virt.read(register, self.virtual_count(now)),
                None => return None,
            },
        })
    }

    /// Writes the register `name`; [`Self::lines`] and [`Self::deadline`] may be others then. `false`: there is no such one
    /// to write (counters and frequency are read-only at EL1).
    pub const fn write(&mut self, name: u32, value: u64, now: u64) -> bool {
        match place(name) {
            Some(Place::Physical(register)) => self.physical.write(register, value, now),
            Some(Place::Virtual(register)) => self.virt.write(register, value, self.virtual_count(now)),
            None => return false,
        }
        true
    }

    /// The interrupt lines.
    #[must_use]
    pub const fn lines(&self, now: u64) -> Lines {
        Lines { physical: self.physical.level(now), virt: self.virt.level(self.virtual_count(now)) }
    }

    /// When a line will rise by itself; `u64::MAX`: none will.
    #[must_use]
    pub const fn deadline(&self, now: u64) -> u64 {
        let (physical, virt) = (self.physical.deadline(now), self.virtual_deadline(now));
        if physical < virt { physical } else { virt }
    }

    const fn virtual_deadline(&self, now: u64) -> u64 {
        let count = self.virtual_count(now);
        match self.virt.deadline(count) {
            u64::MAX => u64::MAX,
            // It has not passed: it is behind the count. What lies past the counter's end does not come.
            deadline => now.saturating_add(deadline.wrapping_sub(count)),
        }
    }

    /// Saves them.
    #[must_use]
    pub const fn save(&self) -> State {
        State {
            version: STATE_VERSION,
            reserved: 0,
            offset: self.offset,
            physical: self.physical.save(),
            virt: self.virt.save(),
        }
    }

    /// Loads them, on a machine with this `frequency`; `None`: a state of another version, or one that no timer has.
    #[must_use]
    pub const fn load(state: &State, frequency: u64) -> Option<Self> {
        if state.version != STATE_VERSION || state.reserved != 0 {
            return None;
        }
        let (Some(physical), Some(virt)) = (PTimer::load(&state.physical), PTimer::load(&state.virt)) else {
            return None;
        };
        Some(Self { physical, virt, offset: state.offset, frequency })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CNTx_CTL_EL0.ENABLE.
    const ENABLE: u64 = 1;
    const OFFSET: u64 = 1000;

    /// Both timers on, to rise at these counts of their own.
    fn armed(physical: u64, virt: u64) -> Timers {
        let mut timers = Timers::new(OFFSET, 62_500_000);
        for (name, value) in
            [(CNTP_CVAL_EL0, physical), (CNTV_CVAL_EL0, virt), (CNTP_CTL_EL0, ENABLE), (CNTV_CTL_EL0, ENABLE)]
        {
            assert!(timers.write(name, value, 2000));
        }
        timers
    }

    #[test]
    fn virtual_counter_is_the_physical_one_less_the_offset() {
        let timers = Timers::new(OFFSET, 1);

        assert_eq!(timers.read(CNTPCT_EL0, 1500), Some(1500));
        assert_eq!(timers.read(CNTVCT_EL0, 1500), Some(500));
        assert_eq!(timers.read(CNTPCTSS_EL0, 1500), Some(1500));
        assert_eq!(timers.read(CNTVCTSS_EL0, 1500), Some(500));
    }

    #[test]
    fn deadline_is_that_of_the_earlier_timer_in_physical_counts() {
        assert_eq!(armed(3000, 2500).deadline(2000), 3000);
        assert_eq!(armed(9000, 2500).deadline(2000), 3500);
    }

    #[test]
    fn lines_rise_each_by_its_own_counter() {
        let timers = armed(3000, 2500);

        assert_eq!(timers.lines(2999), Lines { physical: false, virt: false });
        assert_eq!(timers.lines(3000), Lines { physical: true, virt: false });
        assert_eq!(timers.lines(3500), Lines { physical: true, virt: true });
        assert_eq!(timers.deadline(3500), u64::MAX);
    }

    #[test]
    fn virtual_tval_counts_from_the_virtual_counter() {
        let mut timers = Timers::new(OFFSET, 1);

        assert!(timers.write(CNTV_TVAL_EL0, 5, 2000));

        assert_eq!(timers.read(CNTV_CVAL_EL0, 2000), Some(1005));
        assert_eq!(timers.read(CNTV_TVAL_EL0, 2003), Some(2));
    }

    #[test]
    fn virtual_timer_past_the_end_of_time_never_comes() {
        assert_eq!(armed(u64::MAX, u64::MAX - 5).deadline(2000), u64::MAX);
    }

    #[test]
    fn virtual_counter_that_wraps_below_the_offset_has_passed_small_values() {
        let mut timers = Timers::new(OFFSET, 1);

        assert!(timers.write(CNTV_CTL_EL0, ENABLE, 10));

        assert!(timers.lines(10).virt);
    }

    #[test]
    fn counters_and_frequency_are_read_only() {
        let mut timers = Timers::new(0, 7);

        assert!(!timers.write(CNTFRQ_EL0, 1, 0));
        assert!(!timers.write(CNTVCT_EL0, 1, 0));
        assert!(!timers.write(CNTPCT_EL0, 1, 0));
        assert_eq!(timers.read(CNTFRQ_EL0, 0), Some(7));
    }

    #[test]
    fn registers_of_others_are_refused() {
        let mut timers = Timers::new(0, 7);

        assert_eq!(timers.read(encode(3, 0, 14, 1, 0), 0), None, "CNTKCTL_EL1");
        assert!(!timers.write(encode(3, 0, 14, 1, 0), 0, 0));
    }

    #[test]
    fn load_of_save_is_the_same() {
        let timers = armed(3000, 2500);

        assert_eq!(Timers::load(&timers.save(), 62_500_000), Some(timers));
    }

    #[test]
    fn load_of_another_version_or_bad_bits_is_refused() {
        let good = Timers::new(0, 1).save();

        assert_eq!(Timers::load(&State { version: 2, ..good }, 1), None);
        assert_eq!(Timers::load(&State { reserved: 1, ..good }, 1), None);
        assert_eq!(Timers::load(&State { virt: ptimer::State { ctl: 4, ..good.virt }, ..good }, 1), None);
    }
}
