//! An EL1 timer, emulated: CNTP_CTL_EL0, CNTP_CVAL_EL0, CNTP_TVAL_EL0 (Arm ARM D12.2.4), or the same of CNTV: which of the
//! two it is says the counter that it is given.

/// CNTP_CTL_EL0.ENABLE.
const ENABLE: u64 = 1;
/// CNTP_CTL_EL0.IMASK.
const IMASK: u64 = 2;
/// CNTP_CTL_EL0.ISTATUS.
const ISTATUS: u64 = 4;
/// Version of [`State`].
pub const STATE_VERSION: u32 = 1;

/// A register of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// CNTx_CTL_EL0.
    Ctl,
    /// CNTx_CVAL_EL0.
    Cval,
    /// CNTx_TVAL_EL0.
    Tval,
}

/// The timer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PTimer {
    ctl: u64,
    cval: u64,
}

/// The timer's saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// [`STATE_VERSION`].
    pub version: u32,
    /// CNTx_CTL_EL0 without ISTATUS.
    pub ctl: u32,
    /// CNTx_CVAL_EL0.
    pub cval: u64,
}

impl PTimer {
    /// A timer as at reset.
    #[must_use]
    pub const fn new() -> Self {
        Self { ctl: 0, cval: 0 }
    }

    const fn passed(&self, now: u64) -> bool {
        self.ctl & ENABLE != 0 && now >= self.cval
    }

    /// Reads a register at counter value `now`.
    #[must_use]
    pub const fn read(&self, register: Register, now: u64) -> u64 {
        match register {
            Register::Ctl => self.ctl | if self.passed(now) { ISTATUS } else { 0 },
            Register::Cval => self.cval,
            Register::Tval => self.cval.wrapping_sub(now) & 0xffff_ffff,
        }
    }

    /// Writes a register at counter value `now`.
    pub const fn write(&mut self, register: Register, value: u64, now: u64) {
        match register {
            Register::Ctl => self.ctl = value & (ENABLE | IMASK),
            Register::Cval => self.cval = value,
            Register::Tval => self.cval = now.wrapping_add_signed(value as u32 as i32 as i64),
        }
    }

    /// The timer's interrupt line.
    #[must_use]
    pub const fn level(&self, now: u64) -> bool {
        self.passed(now) && self.ctl & IMASK == 0
    }

    /// When the line will rise by itself; `u64::MAX`: not.
    #[must_use]
    pub const fn deadline(&self, now: u64) -> u64 {
        if self.ctl & (ENABLE | IMASK) == ENABLE && !self.passed(now) { self.cval } else { u64::MAX }
    }

    /// Saves the timer.
    #[must_use]
    pub const fn save(&self) -> State {
        State { version: STATE_VERSION, ctl: self.ctl as u32, cval: self.cval }
    }

    /// Loads the timer; `None`: a state of another version, or one that no timer has.
    #[must_use]
    pub const fn load(state: &State) -> Option<Self> {
        let ctl = state.ctl as u64;
        if state.version != STATE_VERSION || ctl & !(ENABLE | IMASK) != 0 {
            return None;
        }
        Some(Self { ctl, cval: state.cval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tval_of_five_rises_after_five_ticks() {
        let mut timer = PTimer::new();
        timer.write(Register::Ctl, ENABLE, 100);

        timer.write(Register::Tval, 5, 100);

        assert_eq!(timer.deadline(100), 105);
        assert!(!timer.level(104));
        assert!(timer.level(105));
    }

    #[test]
    fn negative_tval_has_passed_already() {
        let mut timer = PTimer::new();
        timer.write(Register::Ctl, ENABLE, 100);

        timer.write(Register::Tval, 0xffff_ffff, 100);

        assert_eq!(timer.read(Register::Cval, 100), 99);
        assert_eq!(timer.read(Register::Ctl, 100), ENABLE | ISTATUS);
    }

    #[test]
    fn imask_keeps_the_line_low_and_istatus_high() {
        let mut timer = PTimer::new();

        timer.write(Register::Ctl, ENABLE | IMASK, 1);

        assert!(!timer.level(1));
        assert_eq!(timer.read(Register::Ctl, 1), ENABLE | IMASK | ISTATUS);
        assert_eq!(timer.deadline(1), u64::MAX);
    }

    #[test]
    fn disabled_timer_reads_istatus_zero() {
        assert_eq!(PTimer::new().read(Register::Ctl, 1), 0);
    }

    #[test]
    fn load_of_save_is_the_same() {
        let mut timer = PTimer::new();
        timer.write(Register::Ctl, 0xff, 0);
        timer.write(Register::Cval, u64::MAX, 0);

        assert_eq!(PTimer::load(&timer.save()), Some(timer));
    }

    #[test]
    fn load_of_another_version_or_bad_bits_is_refused() {
        let good = PTimer::new().save();

        assert_eq!(PTimer::load(&State { version: 2, ..good }), None);
        assert_eq!(PTimer::load(&State { ctl: 4, ..good }), None);
    }
}
