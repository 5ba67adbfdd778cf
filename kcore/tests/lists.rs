//! Run queue, lists and timer queue against plain collections.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use kcore::queue::{Link, Links, List, RunQueue};
use kcore::timerq::{TimerQueue, Timers};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

#[derive(Default)]
struct Objects {
    links: BTreeMap<u64, Link>,
    deadlines: BTreeMap<u64, u64>,
}

impl Links for Objects {
    fn link(&self, id: u64) -> Link {
        self.links.get(&id).copied().unwrap_or_default()
    }
    fn set_link(&mut self, id: u64, link: Link) {
        assert_ne!(id, 0);
        self.links.insert(id, link);
    }
}

impl Timers for Objects {
    fn deadline(&self, id: u64) -> u64 {
        self.deadlines[&id]
    }
}

fn contents(list: &List, objects: &Objects) -> Vec<u64> {
    std::iter::successors(Some(list.first()), |&id| Some(objects.link(id).next)).take_while(|&id| id != 0).collect()
}

#[test]
fn test_list_remove_middle_keeps_order() {
    let (mut list, mut objects) = (List::default(), Objects::default());
    (1..=3).for_each(|id| list.push_back(&mut objects, id));

    list.remove(&mut objects, 2);

    assert_eq!(contents(&list, &objects), [1, 3]);
    assert_eq!(list.last(), 3);
}

#[derive(Clone, Debug)]
enum Op {
    Back(u64, u32),
    Remove(u64),
    Rotate,
}

fn ops() -> impl Strategy<Value = Op> {
    let id = || (1..12u64).prop_map(|n| n << 12);
    prop_oneof![
        (id(), 0..32u32).prop_map(|(id, prio)| Op::Back(id, prio)),
        (id(), prop_oneof![0..3u32, Just(31)]).prop_map(|(id, prio)| Op::Back(id, prio)),
        id().prop_map(Op::Remove),
        Just(Op::Rotate),
    ]
}

proptest! {
    #[test]
    fn test_run_queue_any_history_equals_32_deques(ops in prop::collection::vec(ops(), 0..80)) {
        let (mut queue, mut objects) = (RunQueue::default(), Objects::default());
        let mut model: [VecDeque<u64>; 32] = Default::default();
        for op in ops {
            let place = |model: &[VecDeque<u64>; 32], id| model.iter().position(|q| q.contains(&id));
            match op {
                Op::Back(id, prio) if place(&model, id).is_none() => {
                    queue.push_back(&mut objects, prio, id);
                    model[prio as usize].push_back(id);
                }
                Op::Remove(id) => if let Some(prio) = place(&model, id) {
                    queue.remove(&mut objects, prio as u32, id);
                    model[prio].retain(|&other| other != id);
                },
                Op::Rotate => if let Some(prio) = model.iter().rposition(|q| !q.is_empty()) {
                    queue.rotate(&mut objects, prio as u32, model[prio][0]);
                    model[prio].rotate_left(1);
                },
                Op::Back(..) => {}
            }
            let highest = model.iter().rposition(|q| !q.is_empty());
            prop_assert_eq!(queue.highest(), highest.map(|prio| model[prio][0]));
            for prio in 0..32 {
                prop_assert_eq!(queue.has_equal(prio), model[prio as usize].len() > 1);
            }
        }
    }

    #[test]
    fn test_timer_queue_any_history_is_sorted_and_stable(
        deadlines in prop::collection::vec(0..20u64, 1..30),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        now in 0..25u64,
    ) {
        let (mut queue, mut objects) = (TimerQueue::default(), Objects::default());
        let mut model: Vec<(u64, u64)> = Vec::new();
        for (n, &deadline) in deadlines.iter().enumerate() {
            let id = n as u64 + 1;
            objects.deadlines.insert(id, deadline);
            let first = model.iter().all(|&(other, _)| other > deadline);
            prop_assert_eq!(queue.insert(&mut objects, id), first);
            model.push((deadline, id));
        }
        for index in removed {
            if !model.is_empty() {
                let (_, id) = model.remove(index.index(model.len()));
                queue.remove(&mut objects, id);
            }
        }
        model.sort();

        let mut expired = Vec::new();
        while let Some(id) = queue.pop_expired(&mut objects, now) {
            expired.push((objects.deadlines[&id], id));
        }

        let due = model.iter().take_while(|(deadline, _)| *deadline <= now).count();
        prop_assert_eq!(&expired[..], &model[..due]);
        prop_assert_eq!(queue.first(&objects), model.get(due).copied());
    }
}
