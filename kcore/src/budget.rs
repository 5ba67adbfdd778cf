//! Processor time: how much a scheduling context may take ([`Budget`]), and how much it took ([`Stopwatch`]).
//!
//! A budget is a sporadic server in its strict form. What is used from time *t* on comes back at *t* + period, so in no
//! window of that length is more used than the limit, whenever the owner slept and woke:
//!
//! ```text
//! used      ███──██───────────────███──██───
//! comes back  └──┴── period later ─▲────▲     left + what is to come back = limit, always
//! ```
//! What is to come back is a short list. When it is full, the two closest neighbours become one, in which the first comes
//! back later, by the pause between the two: merging costs that pause once, and never gives time early.

use crate::sync::{AtomicU64, Ordering};
use arrayvec::ArrayVec;

/// Most stretches that are remembered.
pub const REFILLS: usize = 8;
/// What is left counts from this part of the limit on, so that nobody runs in slivers.
const GRAINS: u64 = 8;

/// Time that comes back.
#[derive(Clone, Copy, Debug)]
struct Refill {
    at: i64,
    amount: i64,
}

impl Refill {
    /// Pause between two stretches.
    const fn gap(self, next: Self) -> i64 {
        next.at.saturating_sub(self.at.saturating_add(self.amount))
    }
}

/// A budget in counter ticks, which stay below 2^63. All zeros is no limit.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    limit: i64,
    period: i64,
    /// What may be used now. Below 0 after a timer that came late.
    left: i64,
    /// In the order of their times.
    refills: ArrayVec<Refill, REFILLS>,
}

impl Budget {
    /// At most `limit` in each `period`, all of it at once; a limit of 0 is none. `None` if the limit is above the period
    /// or, when there is one, below `least`.
    #[must_use]
    pub fn new(limit: u32, period: u32, least: u64) -> Option<Self> {
        let fits = limit <= period && (limit == 0 || u64::from(limit) >= least);
        let (limit, period) = (i64::from(limit), i64::from(period));
        fits.then_some(Self { limit, period, left: limit, refills: ArrayVec::new_const() })
    }

    /// Whether there is a limit.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.limit != 0
    }

    /// What may be used from `now` on.
    pub fn left(&mut self, now: u64) -> u64 {
        while self.refills.first().is_some_and(|first| first.at <= now.cast_signed()) {
            self.left += self.refills.pop_at(0).map_or(0, |first| first.amount);
        }
        u64::try_from(self.left).unwrap_or(0)
    }

    /// Whether enough is left at `now` to start with.
    pub fn is_ready(&mut self, now: u64) -> bool {
        self.left(now) >= self.grain()
    }

    /// When [`Self::is_ready`] becomes true if nothing is used.
    #[must_use]
    pub fn ready_at(&self) -> u64 {
        let mut left = self.left;
        let enough = self.refills.iter().find(|refill| {
            left += refill.amount;
            u64::try_from(left).is_ok_and(|left| left >= self.grain())
        });
        enough.map_or(u64::MAX, |refill| refill.at.cast_unsigned())
    }

    /// Takes what was used without a pause from `start` to `now`; calls are in the order of time. What was used beyond the
    /// budget, as a timer came late, comes back so much later that it is paid for.
    pub fn charge(&mut self, start: u64, now: u64) {
        let used = now.saturating_sub(start).cast_signed();
        self.left -= used;
        let over = used.min(-self.left).max(0).cast_unsigned();
        let debt = over.saturating_mul(self.period.cast_unsigned()).div_ceil(self.limit.max(1).cast_unsigned());
        let at = start.cast_signed().saturating_add(self.period).saturating_add_unsigned(debt);
        match self.refills.last_mut() {
            Some(last) if last.at.saturating_add(last.amount) >= at => last.amount += used,
            _ => self.append(Refill { at, amount: used }),
        }
    }

    fn append(&mut self, new: Refill) {
        if self.refills.is_full() {
            let pairs = self.refills.windows(2).enumerate();
            let closest = pairs.min_by_key(|(_, pair)| pair[0].gap(pair[1])).map_or(0, |(n, _)| n);
            let first = self.refills.remove(closest);
            if let Some(second) = self.refills.get_mut(closest) {
                *second = Refill { at: second.at - first.amount, amount: second.amount + first.amount };
            }
        }
        // There is room now.
        let _ = self.refills.try_push(new);
    }

    fn grain(&self) -> u64 {
        self.limit.unsigned_abs().div_ceil(GRAINS)
    }
}

/// Sum of stretches of time in ticks, the one that is under way included. All zeros is 0, stopped. One core starts and stops it, all may read.
#[derive(Debug, Default)]
pub struct Stopwatch(AtomicU64);

/// The watch runs, and the other bits are the sum less the time of the start.
const RUNS: u64 = 1 << 63;

impl Stopwatch {
    /// Starts it, if it does not run.
    pub fn start(&self, now: u64) {
        let sum = self.0.load(Ordering::Relaxed);
        if sum & RUNS == 0 {
            self.0.store(sum.wrapping_sub(now) | RUNS, Ordering::Relaxed);
        }
    }

    /// Stops it, if it runs; the sum.
    pub fn stop(&self, now: u64) -> u64 {
        let sum = self.read(now);
        self.0.store(sum, Ordering::Relaxed);
        sum
    }

    /// The sum at `now`.
    pub fn read(&self, now: u64) -> u64 {
        let sum = self.0.load(Ordering::Relaxed);
        if sum & RUNS == 0 { sum } else { sum.wrapping_add(now) & !RUNS }
    }
}
