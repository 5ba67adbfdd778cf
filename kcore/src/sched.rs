//! What a core runs next: fixed priorities, round robin with time slices among equals. All times in counter ticks.

/// What to do with the object that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It goes on.
    Keep,
    /// It goes behind its equals, with a new slice.
    Rotate,
    /// It goes before its equals, with the rest of its slice.
    Preempt,
}

/// Decides for an object of priority `prio` whose slice ends at `slice_end`, when `highest` is the highest priority
/// that is ready beside it.
#[must_use]
pub const fn decide(now: u64, slice_end: u64, prio: u32, highest: Option<u32>) -> Decision {
    match highest {
        Some(ready) if ready > prio => Decision::Preempt,
        Some(ready) if ready == prio && now >= slice_end => Decision::Rotate,
        _ => Decision::Keep,
    }
}

/// What is left of a slice when its owner stops at `now`; a whole one, `slice`, if it is used up.
#[must_use]
pub const fn left(now: u64, slice_end: u64, slice: u64) -> u64 {
    if now < slice_end { slice_end - now } else { slice }
}

/// When the core must look again: the first timer, or the end of the slice if an equal is ready.
#[must_use]
pub fn next_event(slice_end: u64, prio: u32, highest: Option<u32>, timer: Option<u64>) -> Option<u64> {
    let slice = (highest == Some(prio)).then_some(slice_end);
    timer.into_iter().chain(slice).min()
}
