//! Notification word: all interleavings of signallers, waiter and time-out.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(loom)]

use kcore::notify::NotifyWord;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// A notification with one thread that waits: `wakes` stands for the scheduler.
struct World {
    word: NotifyWord,
    /// Written by the waiter before it waits, read by who wakes it.
    waiter: AtomicU64,
    wakes: AtomicU64,
    /// Plain data that the signaller hands over: seen with the bits.
    payload: [AtomicU64; 2],
}

fn world() -> Arc<World> {
    Arc::new(World {
        word: NotifyWord::default(),
        waiter: AtomicU64::new(0),
        wakes: AtomicU64::new(0),
        payload: [AtomicU64::new(0), AtomicU64::new(0)],
    })
}

impl World {
    fn signal(&self, bit: usize) {
        self.payload[bit].store(1, Ordering::Relaxed);
        if self.word.signal(1 << bit) {
            self.wake();
        }
    }

    fn wake(&self) {
        assert_eq!(self.waiter.load(Ordering::Relaxed), 7, "the waiter's identity is visible to who wakes it");
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    /// Begins to wait; the bits, if there are any already.
    fn begin(&self) -> Option<u64> {
        self.waiter.store(7, Ordering::Relaxed);
        self.word.begin_wait().err()
    }

    fn check_payload(&self, bits: u64) {
        for (bit, payload) in self.payload.iter().enumerate() {
            if bits & 1 << bit != 0 {
                assert_eq!(payload.load(Ordering::Relaxed), 1, "what was written before the signal is visible");
            }
        }
    }
}

#[test]
fn loom_two_signallers_one_waiter_nothing_lost_and_one_wake() {
    loom::model(|| {
        let world = world();
        let signallers: Vec<_> = (0..2)
            .map(|bit| {
                let world = world.clone();
                thread::spawn(move || world.signal(bit))
            })
            .collect();

        let early = world.begin();
        if let Some(bits) = early {
            world.check_payload(bits);
        }
        signallers.into_iter().for_each(|signaller| signaller.join().unwrap());

        // All have signalled: a waiter that blocked was woken once, one that did not never.
        assert_eq!(world.wakes.load(Ordering::Relaxed), u64::from(early.is_none()));
        let late = world.word.finish_wait();
        assert_eq!(early.unwrap_or(0) | late, 3, "no signal is lost");
        assert_eq!(early.unwrap_or(0) & late, 0, "no signal comes twice");
    });
}

#[test]
fn loom_woken_waiter_sees_what_the_signaller_wrote() {
    loom::model(|| {
        let world = world();
        assert_eq!(world.begin(), None);
        let signaller = {
            let world = world.clone();
            thread::spawn(move || world.signal(0))
        };

        // The waiter's core finds the bits by itself, or is woken later.
        if let Some(bits) = world.word.try_take() {
            world.check_payload(bits);
        }

        signaller.join().unwrap();
    });
}

#[test]
fn loom_timeout_against_signal_exactly_one_wakes() {
    loom::model(|| {
        let world = world();
        assert_eq!(world.begin(), None);
        let signaller = {
            let world = world.clone();
            thread::spawn(move || world.signal(0))
        };

        let timed_out = world.word.cancel_wait();
        if timed_out {
            world.wake();
        }
        signaller.join().unwrap();

        assert_eq!(world.wakes.load(Ordering::Relaxed), 1);
        // The signal that came too late for the wait is there for the next.
        assert_eq!(world.word.try_take(), Some(1));
    });
}

#[test]
fn loom_wait_again_after_timeout_gets_no_stale_wake() {
    loom::model(|| {
        let world = world();
        assert_eq!(world.begin(), None);
        let signaller = {
            let world = world.clone();
            thread::spawn(move || world.signal(0))
        };

        let first_by_timeout = world.word.cancel_wait();
        let again = if first_by_timeout { world.begin() } else { None };
        signaller.join().unwrap();

        // The signal woke the first wait, or the second, or the second found it and did not block: never two of them.
        let woken = world.wakes.load(Ordering::Relaxed);
        assert_eq!(woken, u64::from(again.is_none()));
        assert_eq!(again.unwrap_or_else(|| world.word.finish_wait()), 1);
    });
}

#[test]
fn loom_poller_takes_the_bits_waiter_is_not_left_behind() {
    loom::model(|| {
        let world = world();
        assert_eq!(world.begin(), None);
        let signaller = {
            let world = world.clone();
            thread::spawn(move || (0..2).for_each(|bit| world.signal(bit)))
        };
        let poller = {
            let world = world.clone();
            thread::spawn(move || world.word.try_take().unwrap_or(0))
        };

        // A look that comes by chance, and the one after the last wake-up.
        let early = world.word.begin_wait().err().unwrap_or(0);
        signaller.join().unwrap();
        let polled = poller.join().unwrap();
        let late = if early == 0 { world.word.begin_wait().err().unwrap_or(0) } else { world.word.finish_wait() };

        assert_eq!(early | polled | late, 3, "no signal is lost");
        // Without bits the thread waits still, and the next signal wakes it.
        assert_eq!(world.word.signal(1), early | late == 0);
    });
}

#[test]
fn loom_bound_word_two_signallers_every_bit_comes_with_a_kick() {
    loom::model(|| {
        let world = world();
        world.waiter.store(7, Ordering::Relaxed);
        assert_eq!(world.word.rearm(), 0);
        let signallers: Vec<_> = (0..2)
            .map(|bit| {
                let world = world.clone();
                thread::spawn(move || world.signal(bit))
            })
            .collect();
        // An exit: `wakes` is the kick.
        let exit = |world: &World| {
            let bits = if world.wakes.swap(0, Ordering::Acquire) == 0 { 0 } else { world.word.rearm() };
            world.check_payload(bits);
            bits
        };

        let early = exit(&world);
        signallers.into_iter().for_each(|signaller| signaller.join().unwrap());
        let late = exit(&world);

        assert_eq!((early | late, early & late), (3, 0), "each bit comes once, and a kick tells of it");
    });
}
