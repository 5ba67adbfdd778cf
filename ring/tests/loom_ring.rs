//! Every interleaving of two sides: no byte is lost, doubled or torn, and no sleeper is forgotten.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use ring::{Channel, Word, words_for};

/// Memory of a channel with rings of 4 bytes, which lives as long as the model.
fn memory() -> &'static [Word] {
    let words: Vec<Word> = (0..words_for(4)).map(|_| Word::new(0)).collect();
    Box::leak(words.into_boxed_slice())
}

fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn bytes_come_whole_and_in_order() {
    check(|| {
        let memory = memory();
        let channel = Channel::format(memory).unwrap();
        let (mut writer, _) = channel.side(0).unwrap();
        let (_, mut reader) = channel.side(1).unwrap();
        let thread = loom::thread::spawn(move || (0..3).filter(|n| writer.push(*n + 1)).count());
        let mut got = Vec::new();
        for _ in 0..3 {
            got.extend(reader.pop());
        }
        let written = thread.join().unwrap();
        got.extend(std::iter::from_fn(|| reader.pop()));
        assert_eq!(written, 3);
        assert_eq!(got, [1, 2, 3]);
    });
}

#[test]
fn reader_that_sleeps_is_rung_for() {
    check(|| {
        let memory = memory();
        let channel = Channel::format(memory).unwrap();
        let (mut writer, _) = channel.side(0).unwrap();
        let (_, mut reader) = channel.side(1).unwrap();
        // The flag of a new channel is set: this is about the one that the reader sets.
        let _ = writer.must_ring();
        let bell = Arc::new(AtomicBool::new(false));
        let rung = Arc::clone(&bell);
        let thread = loom::thread::spawn(move || {
            writer.push(1);
            if writer.must_ring() {
                rung.store(true, Ordering::SeqCst);
            }
        });
        let slept = reader.sleep();
        thread.join().unwrap();
        assert!(!slept || bell.load(Ordering::SeqCst), "it sleeps, there is a byte, and nobody rings");
    });
}

#[test]
fn writer_that_sleeps_is_rung_for() {
    check(|| {
        let memory = memory();
        let channel = Channel::format(memory).unwrap();
        let (mut writer, _) = channel.side(0).unwrap();
        let (_, mut reader) = channel.side(1).unwrap();
        assert_eq!(writer.write(b"1234"), 4);
        let bell = Arc::new(AtomicBool::new(false));
        let rung = Arc::clone(&bell);
        let thread = loom::thread::spawn(move || {
            reader.pop();
            if reader.must_ring() {
                rung.store(true, Ordering::SeqCst);
            }
        });
        let slept = writer.sleep();
        thread.join().unwrap();
        assert!(!slept || bell.load(Ordering::SeqCst), "it sleeps, there is room, and nobody rings");
    });
}
