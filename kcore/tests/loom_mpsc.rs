//! Wake stack: all interleavings of pushers and the owner.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(loom)]

use kcore::mpsc::{WakeStack, Wakes};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

struct Object {
    link: AtomicU64,
    queued: AtomicBool,
    /// Why it was woken, counted.
    reasons: AtomicU64,
}

/// Objects 1 and 2.
struct World {
    stack: WakeStack,
    objects: [Object; 2],
    /// SGIs sent.
    told: AtomicU64,
}

impl Wakes for World {
    fn link(&self, id: u64) -> &AtomicU64 {
        &self.objects[id as usize - 1].link
    }
    fn queued(&self, id: u64) -> &AtomicBool {
        &self.objects[id as usize - 1].queued
    }
}

impl World {
    fn new() -> Arc<Self> {
        let object = || Object { link: AtomicU64::new(0), queued: AtomicBool::new(false), reasons: AtomicU64::new(0) };
        Arc::new(Self { stack: WakeStack::new(), objects: [object(), object()], told: AtomicU64::new(0) })
    }

    fn wake(&self, id: u64) {
        self.objects[id as usize - 1].reasons.fetch_add(1, Ordering::Relaxed);
        if self.stack.push(self, id) {
            self.told.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The owner's look: what it finds, and the reasons that it sees.
    fn drain(&self) -> (usize, u64) {
        let (mut objects, mut reasons) = (0, 0);
        let mut taken = self.stack.take_all();
        while let Some(id) = taken.next(self) {
            objects += 1;
            reasons += self.objects[id as usize - 1].reasons.swap(0, Ordering::Relaxed);
        }
        (objects, reasons)
    }
}

fn spawn(world: &Arc<World>, ids: &'static [u64]) -> thread::JoinHandle<()> {
    let world = world.clone();
    thread::spawn(move || ids.iter().for_each(|id| world.wake(*id)))
}

#[test]
fn loom_two_pushers_of_two_objects_all_seen_once_and_owner_told() {
    loom::model(|| {
        let world = World::new();
        let pushers = [spawn(&world, &[1]), spawn(&world, &[2])];

        let early = world.drain();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let told = world.told.load(Ordering::Relaxed);
        let late = world.drain();

        assert_eq!(early.0 + late.0, 2, "each object is taken once");
        assert_eq!(early.1 + late.1, 2, "each reason is seen");
        // Who finds the stack empty tells the owner: once for each time that it was filled.
        assert_eq!(told, u64::from(early.0 > 0) + u64::from(late.0 > 0));
    });
}

#[test]
fn loom_two_pushers_of_one_object_no_reason_is_lost() {
    loom::model(|| {
        let world = World::new();
        let pushers = [spawn(&world, &[1]), spawn(&world, &[1])];

        let early = world.drain();
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
        let late = world.drain();

        assert_eq!(early.1 + late.1, 2, "each reason is seen");
        assert!(late.0 <= 1 && world.drain().0 == 0);
    });
}

#[test]
fn loom_push_again_after_take_is_seen_again() {
    loom::model(|| {
        let world = World::new();
        let pusher = spawn(&world, &[1, 2, 1]);

        let early = [world.drain(), world.drain()];
        pusher.join().unwrap();
        let late = world.drain();

        assert_eq!(early[0].1 + early[1].1 + late.1, 3, "each reason is seen");
        assert!(world.told.load(Ordering::Relaxed) >= 1);
    });
}
