//! Budgets against the list of everything that was ever used, and stopwatches.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use kcore::budget::{Budget, REFILLS, Stopwatch};
use proptest::prelude::*;

/// All that was used: (start, end).
type Used = Vec<(u64, u64)>;

/// What of `used` lies in the window that starts at `from`.
fn in_window(used: &Used, from: u64, length: u64) -> u64 {
    let to = from + length;
    used.iter().map(|(start, end)| (*end).min(to).saturating_sub((*start).max(from))).sum()
}

/// The window with the most of `used`: it starts where a stretch starts, or ends where one ends.
fn fullest_window(used: &Used, length: u64) -> u64 {
    let starts = used.iter().map(|(start, _)| *start);
    let ends = used.iter().map(|(_, end)| end.saturating_sub(length));
    starts.chain(ends).map(|from| in_window(used, from, length)).max().unwrap_or(0)
}

/// Sleeps and runs as `steps` say, never longer than allowed plus `late`.
fn play(budget: &mut Budget, steps: &[(u64, u64)], late: u64) -> Used {
    let (mut now, mut used) = (0, Used::new());
    for (sleep, wanted) in steps {
        now += sleep;
        let left = budget.left(now);
        let run = (*wanted).min(if left == 0 { 0 } else { left + late });
        budget.charge(now, now + run);
        used.push((now, now + run));
        now += run;
    }
    used
}

fn limits() -> impl Strategy<Value = (u32, u32)> {
    (1..2000u32).prop_flat_map(|period| (1..=period, Just(period)))
}

fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((prop_oneof![0..4u64, 0..300u64, 0..5000u64], prop_oneof![0..4u64, 0..3000u64]), 1..120)
}

proptest! {
    #[test]
    fn test_no_window_of_a_period_has_more_than_the_limit((limit, period) in limits(), steps in steps()) {
        let mut budget = Budget::new(limit, period, 1).unwrap();

        let used = play(&mut budget, &steps, 0);

        prop_assert!(fullest_window(&used, u64::from(period)) <= u64::from(limit));
    }

    #[test]
    fn test_late_timers_add_no_more_than_their_lateness_to_a_window((limit, period) in limits(), steps in steps(), late in 0..50u64) {
        let mut budget = Budget::new(limit, period, 1).unwrap();

        let used = play(&mut budget, &steps, late);

        prop_assert!(fullest_window(&used, u64::from(period)) <= u64::from(limit) + late);
    }

    #[test]
    fn test_late_timers_are_paid_for((limit, period) in limits(), late in 0..50u64, periods in 1..60u64) {
        let mut budget = Budget::new(limit, period, 1).unwrap();
        let (mut now, mut sum, limit, period) = (0, 0, u64::from(limit), u64::from(period));

        while now < periods * period {
            now = if budget.is_ready(now) { now } else { budget.ready_at() };
            let run = budget.left(now) + late;
            budget.charge(now, now + run);
            sum += run;
            now += run;
        }

        prop_assert!(sum <= now * limit / period + limit + late);
    }

    /// Nothing is lost: a period after the last use, everything is there again.
    #[test]
    fn test_all_comes_back((limit, period) in limits(), steps in steps()) {
        let mut budget = Budget::new(limit, period, 1).unwrap();
        let used = play(&mut budget, &steps, 0);

        let left = budget.left(used.last().unwrap().1 + u64::from(period));

        prop_assert_eq!(left, u64::from(limit));
    }

    /// With few stretches in a period nothing is merged: what was used comes back a period after its start, at once.
    #[test]
    fn test_few_stretches_come_back_on_time((limit, period) in limits(), wanted in prop::collection::vec(0..900u64, 1..60)) {
        let mut budget = Budget::new(limit, period, 1).unwrap();
        let pause = u64::from(period).div_ceil(REFILLS as u64 - 1);
        let (mut now, mut used) = (0, Used::new());

        for wanted in wanted {
            now += pause;
            let left = budget.left(now);
            let away: u64 =
                used.iter().filter(|(start, _)| start + u64::from(period) > now).map(|(start, end)| end - start).sum();
            prop_assert_eq!(left, u64::from(limit) - away);
            let run = wanted.min(left);
            budget.charge(now, now + run);
            used.push((now, now + run));
            now += run;
        }
    }

    /// Who always wants to run gets the limit in each period but for what merging costs: nothing, as long as nobody
    /// else runs in between.
    #[test]
    fn test_greedy_gets_the_whole_limit((limit, period) in limits(), periods in 1..40u64) {
        let mut budget = Budget::new(limit, period, 1).unwrap();
        let (mut now, mut sum) = (0, 0);

        while now < periods * u64::from(period) {
            if budget.is_ready(now) {
                let left = budget.left(now);
                budget.charge(now, now + left);
                sum += left;
                now += left;
            } else {
                now = budget.ready_at();
            }
        }

        prop_assert_eq!(sum, periods * u64::from(limit));
    }

    #[test]
    fn test_ready_at_is_the_first_time_that_is_ready((limit, period) in limits(), steps in steps()) {
        let mut budget = Budget::new(limit, period, 1).unwrap();
        let end = play(&mut budget, &steps, 0).last().unwrap().1;

        let at = if budget.is_ready(end) { end } else { budget.ready_at() };

        prop_assert!(at <= end + u64::from(period));
        prop_assert!(budget.clone().is_ready(at));
        prop_assert!(at == end || !budget.is_ready(at - 1));
    }
}

#[test]
fn test_sleeper_does_not_save_up() {
    let mut budget = Budget::new(30, 100, 1).unwrap();

    let left = budget.left(1_000_000);

    assert_eq!(left, 30);
}

#[test]
fn test_full_list_merges_the_closest_two_and_gives_nothing_early() {
    let mut budget = Budget::new(90, 1000, 1).unwrap();
    let starts = [0, 20, 40, 60, 65, 80, 100, 120, 140];

    starts.iter().for_each(|start| budget.charge(*start, start + 2));

    let left = [1000, 1020, 1040, 1060, 1063, 1080].map(|now| budget.left(now));
    assert_eq!(left, [74, 76, 78, 78, 82, 84], "the stretch of 60 comes back with that of 65, 3 later");
}

#[test]
fn test_new_bad_limits_return_none() {
    assert!(Budget::new(11, 10, 1).is_none(), "more than the period");
    assert!(Budget::new(9, 10, 10).is_none(), "below the least");
    assert!(Budget::new(10, 10, 10).is_some());
    assert!(Budget::new(0, 0, 10).is_some_and(|budget| !budget.is_limited()));
}

#[test]
fn test_stopwatch_sums_stretches() {
    let watch = Stopwatch::default();

    watch.start(100);
    watch.start(105);
    let running = watch.read(110);
    watch.stop(130);
    watch.stop(150);
    watch.start(1000);

    assert_eq!(running, 10);
    assert_eq!(watch.read(1000), 30);
    assert_eq!(watch.read(1001), 31);
}
