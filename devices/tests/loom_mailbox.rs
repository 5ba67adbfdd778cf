//! The mailbox under a model checker: no SGI that was posted and kicked for is lost.
//! `RUSTFLAGS="--cfg loom" cargo test -p devices --release --test loom_mailbox`
#![allow(unexpected_cfgs, reason = "`--cfg loom` selects the model-checked tests")]
#![cfg(loom)]

use devices::vgic::{Mailbox, Posted};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// What the kernel promises: a kick makes the vCPU exit once more after it.
struct Vcpu {
    mailbox: Mailbox,
    kicked: AtomicBool,
}

impl Vcpu {
    fn new() -> Arc<Self> {
        Arc::new(Self { mailbox: Mailbox::new(), kicked: AtomicBool::new(false) })
    }

    fn send(&self, posted: Posted) {
        self.mailbox.post(posted);
        self.kicked.swap(true, Ordering::Release);
    }

    /// An exit, if it was kicked.
    fn exit(&self) -> u64 {
        if self.kicked.swap(false, Ordering::Acquire) { self.mailbox.take().0 } else { 0 }
    }
}

#[test]
fn each_posted_sgi_is_taken() {
    loom::model(|| {
        let vcpu = Vcpu::new();
        let senders: Vec<_> = [Posted::sgi(1, true), Posted::sgi(2, true)]
            .into_iter()
            .map(|sgi| {
                let vcpu = vcpu.clone();
                thread::spawn(move || vcpu.send(sgi))
            })
            .collect();
        let mut taken = vcpu.exit();
        taken |= vcpu.mailbox.take().0;
        senders.into_iter().for_each(|sender| sender.join().expect("sender"));
        taken |= vcpu.exit();

        assert_eq!(taken, Posted::sgi(1, true).0 | Posted::sgi(2, true).0);
    });
}

#[test]
fn an_sgi_is_taken_at_most_once() {
    loom::model(|| {
        let vcpu = Vcpu::new();
        let sender = {
            let vcpu = vcpu.clone();
            thread::spawn(move || vcpu.send(Posted::sgi(1, true)))
        };
        let first = vcpu.exit();
        sender.join().expect("sender");
        let second = vcpu.exit();

        assert_eq!((first != 0) as u32 + (second != 0) as u32, 1);
    });
}

#[test]
fn what_was_written_before_a_post_is_seen_after_the_take() {
    loom::model(|| {
        let shared = Arc::new((Mailbox::new(), UnsafeCell::new(0)));
        let sender = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1.with_mut(|data| poke(data, 42));
                shared.0.post(Posted::own(0));
            })
        };
        if shared.0.take().has_own(0) {
            assert_eq!(shared.1.with(peek), 42);
        }
        sender.join().expect("sender");
    });
}

/// Loom's cell gives raw pointers and checks each use of them for races.
#[allow(unsafe_code)]
fn poke(data: *mut u32, value: u32) {
    // SAFETY: the pointer is that of a live cell, for the length of `with_mut`.
    unsafe { *data = value }
}

#[allow(unsafe_code)]
fn peek(data: *const u32) -> u32 {
    // SAFETY: the pointer is that of a live cell, for the length of `with`.
    unsafe { *data }
}
