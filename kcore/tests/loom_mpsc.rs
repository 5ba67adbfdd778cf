//! Wake stack: all interleavings of pushers and the owner.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(loom)]

use kcore::mpsc::{WakeLink, WakeStack};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

struct Object {
    link: WakeLink,
    /// Why it was woken: one flag for each wake in a test.
    reasons: [AtomicU64; 3],
}

/// Objects 1 and 2.
struct World {
    stack: WakeStack,
    objects: [Object; 2],
    /// SGIs sent.
    told: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        let reasons = || std::array::from_fn(|_| AtomicU64::new(0));
        let object = || Object { link: WakeLink::default(), reasons: reasons() };
        Arc::new(Self { stack: WakeStack::default(), objects: [object(), object()], told: AtomicU64::new(0) })
    }

    fn link(&self, id: u64) -> &WakeLink {
        &self.objects[id as usize - 1].link
    }

    fn wake(&self, id: u64, reason: usize) {
        self.objects[id as usize - 1].reasons[reason].store(1, Ordering::Relaxed);
        if self.stack.push(|id| self.link(id), id) {
            self.told.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The owner's look: the objects that it finds, and the reasons that it sees in them.
    fn drain(&self) -> Drained {
        let mut drained = Drained::default();
        let mut taken = self.stack.take_all();
        while let Some(id) = taken.next(|id| self.link(id)) {
            drained.objects += 1;
            for (n, reason) in self.objects[id as usize - 1].reasons.iter().enumerate() {
                drained.reasons[n] |= reason.load(Ordering::Relaxed);
            }
        }
        drained
    }
}

#[derive(Default)]
struct Drained {
    objects: u64,
    reasons: [u64; 3],
}

/// Whether each of the first `count` reasons was seen by some look.
fn all_seen(looks: &[Drained], count: usize) -> bool {
    (0..count).all(|n| looks.iter().any(|look| look.reasons[n] == 1))
}

/// A core that wakes objects: (id, reason).
fn spawn(world: &Arc<World>, wakes: &'static [(u64, usize)]) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || wakes.iter().for_each(|&(id, reason)| world.wake(id, reason)))
}

#[test]
fn loom_two_pushers_of_two_objects_all_seen_once_and_owner_told() {
    loom::model(|| {
        let world = World::new();
        let pushers = [spawn(&world, &[(1, 0)]), spawn(&world, &[(2, 1)])];

        let early = world.drain();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let late = world.drain();

        assert_eq!(early.objects + late.objects, 2, "each object is taken once");
        // Who finds the stack empty tells the owner: once for each time that it was filled.
        let filled = u64::from(early.objects > 0) + u64::from(late.objects > 0);
        assert_eq!(world.told.load(Ordering::Relaxed), filled);
        assert!(all_seen(&[early, late], 2));
    });
}

#[test]
fn loom_two_pushers_of_one_object_no_reason_is_lost() {
    loom::model(|| {
        let world = World::new();
        let pushers = [spawn(&world, &[(1, 0)]), spawn(&world, &[(1, 1)])];

        let early = world.drain();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let late = world.drain();

        assert!(early.objects <= 1 && late.objects <= 1);
        assert!(all_seen(&[early, late], 2));
        assert_eq!(world.drain().objects, 0);
    });
}

#[test]
fn loom_push_again_after_take_is_seen_again() {
    loom::model(|| {
        let world = World::new();
        let pusher = spawn(&world, &[(1, 0), (2, 1), (1, 2)]);

        let early = [world.drain(), world.drain()];
        pusher.join().unwrap();
        let late = world.drain();

        let [first, second] = early;
        assert!(all_seen(&[first, second, late], 3));
    });
}
