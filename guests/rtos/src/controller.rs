//! A speed controller with a motor to control: fixed point, as the guest has no FP. One step is a millisecond.

/// Fraction bits of all quantities.
const FRACTION: u32 = 16;
/// One in fixed point.
const ONE: i64 = 1 << FRACTION;
/// Most volts at the motor.
const SUPPLY: i64 = 24 * ONE;
/// Highest setpoint in revolutions per minute: what the motor does at 20 V.
pub const MAX_SETPOINT: u32 = 4000;

/// The product of two fixed-point numbers.
fn product(a: i64, b: i64) -> i64 {
    a.saturating_mul(b) >> FRACTION
}

/// A motor with first-order lag: 200 rpm per volt, time constant 100 ms.
#[derive(Clone, Copy, Debug, Default)]
pub struct Motor {
    speed: i64,
}

impl Motor {
    const GAIN: i64 = 200 * ONE;
    const STEPS: i64 = 100;

    /// Speed in thousandths of a revolution per minute.
    pub fn speed_milli(&self) -> i64 {
        self.speed.saturating_mul(1000) >> FRACTION
    }

    fn step(&mut self, volts: i64) {
        let target = product(Self::GAIN, volts.clamp(0, SUPPLY));
        self.speed = self.speed.saturating_add((target - self.speed) / Self::STEPS);
    }
}

/// A PID controller with limited output; its integral stops at the limit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pid {
    integral: i64,
    last: i64,
}

impl Pid {
    /// Volts per rpm.
    const P: i64 = ONE / 50;
    /// Volts per rpm and step.
    const I: i64 = ONE / 5000;
    /// Volts per rpm of change in a step.
    const D: i64 = ONE / 100;

    fn step(&mut self, error: i64) -> i64 {
        let change = error.saturating_sub(self.last);
        self.last = error;
        let integral = self.integral.saturating_add(product(Self::I, error)).clamp(0, SUPPLY);
        let volts = product(Self::P, error).saturating_add(integral).saturating_add(product(Self::D, change));
        if (0..SUPPLY).contains(&volts) {
            self.integral = integral;
        }
        volts.clamp(0, SUPPLY)
    }
}

/// Controller and motor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drive {
    pid: Pid,
    motor: Motor,
}

impl Drive {
    /// One period: measure, compute, actuate. The setpoint is in revolutions per minute.
    pub fn step(&mut self, setpoint: u32) {
        let wanted = i64::from(setpoint.min(MAX_SETPOINT)) << FRACTION;
        let volts = self.pid.step(wanted.saturating_sub(self.motor.speed));
        self.motor.step(volts);
    }

    /// Speed in thousandths of a revolution per minute.
    pub fn speed_milli(&self) -> i64 {
        self.motor.speed_milli()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: u32, drive: &mut Drive, setpoint: u32) -> i64 {
        (0..steps).for_each(|_| drive.step(setpoint));
        drive.speed_milli()
    }

    #[test]
    fn drive_settles_at_its_setpoint() {
        let speed = after(3000, &mut Drive::default(), 1500);

        assert!((1_499_000..=1_501_000).contains(&speed), "{speed}");
    }

    #[test]
    fn drive_follows_a_lower_setpoint() {
        let mut drive = Drive::default();
        after(3000, &mut drive, 4000);

        let speed = after(4000, &mut drive, 500);

        assert!((499_000..=501_000).contains(&speed), "{speed}");
    }

    #[test]
    fn drive_overshoots_by_less_than_a_fifth() {
        let mut drive = Drive::default();

        let highest = (0..3000).map(|_| after(1, &mut drive, 2000)).max();

        assert!(highest < Some(2_400_000), "{highest:?}");
    }

    #[test]
    fn setpoint_above_the_limit_is_the_limit() {
        let speed = after(6000, &mut Drive::default(), u32::MAX);

        assert!((3_999_000..=4_001_000).contains(&speed), "{speed}");
    }
}
