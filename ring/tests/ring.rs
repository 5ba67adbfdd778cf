//! Channels between two sides that keep the rules, and against one that does not.
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]
#![cfg(not(loom))]

use proptest::prelude::*;
use ring::{Channel, OpenError, Word, capacity_of, layout, words_for};
use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;

fn words(count: usize) -> Vec<Word> {
    (0..count).map(|_| Word::new(0)).collect()
}

#[test]
fn memory_of_a_page_has_rings_of_a_kilobyte() {
    assert_eq!(capacity_of(1024), 1024);
    assert_eq!(capacity_of(3 * 1024), 4096);
    assert_eq!(capacity_of(layout::DATA), 0);
    assert_eq!(words_for(1024), 128 + 512);
}

#[test]
fn memory_that_nobody_formatted_is_no_channel() {
    let memory = words(1024);

    assert_eq!(Channel::open(&memory).err(), Some(OpenError::NoChannel));
}

#[test]
fn another_version_and_wrong_sizes_are_refused() {
    let memory = words(1024);
    Channel::format(&memory).unwrap();

    for capacity in [0, 2, 3, 1000, 2048, u32::MAX, 1 << 31] {
        memory[layout::CAPACITY].store(capacity, Relaxed);
        assert_eq!(Channel::open(&memory).err(), Some(OpenError::Capacity(capacity)));
    }
    memory[layout::VERSION].store(9, Relaxed);
    assert_eq!(Channel::open(&memory).err(), Some(OpenError::Version(9)));
}

#[test]
fn too_little_memory_is_refused() {
    assert!(Channel::format(&words(layout::DATA)).is_none());
    assert!(Channel::format(&words(3)).is_none());
}

#[test]
fn what_one_side_writes_the_other_reads() {
    let memory = words(1024);
    let (mut writer0, mut reader0) = Channel::format(&memory).unwrap().side(0).unwrap();
    let (mut writer1, mut reader1) = Channel::open(&memory).unwrap().side(1).unwrap();
    let mut buffer = [0; 8];

    assert_eq!(writer0.write(b"to one"), 6);
    assert!(writer1.push(b'0'));

    assert_eq!(reader1.read(&mut buffer), 6);
    assert_eq!(&buffer[..6], b"to one");
    assert_eq!((reader0.peek(), reader0.pop(), reader0.pop()), (Some(b'0'), Some(b'0'), None));
}

#[test]
fn full_ring_takes_nothing_and_keeps_what_it_has() {
    let memory = words(words_for(4));
    let (mut writer, _) = Channel::format(&memory).unwrap().side(0).unwrap();
    let (_, mut reader) = Channel::open(&memory).unwrap().side(1).unwrap();

    assert_eq!(writer.write(b"abcdef"), 4);
    assert!(!writer.push(b'x'));

    assert_eq!(reader.pop(), Some(b'a'));
    assert!(writer.push(b'e'));
    let mut rest = [0; 8];
    assert_eq!(reader.read(&mut rest), 4);
    assert_eq!(&rest[..4], b"bcde");
}

#[test]
fn new_owner_goes_on_where_the_last_one_stopped() {
    let memory = words(1024);
    let channel = Channel::format(&memory).unwrap();
    let (_, mut reader) = channel.side(1).unwrap();
    channel.side(0).unwrap().0.write(b"before ");

    channel.side(0).unwrap().0.write(b"after");

    let mut buffer = [0; 16];
    let count = reader.read(&mut buffer);
    assert_eq!(&buffer[..count], b"before after");
}

#[test]
fn more_bytes_than_the_ring_holds_are_dropped() {
    let memory = words(words_for(16));
    let channel = Channel::format(&memory).unwrap();
    let (_, mut reader) = channel.side(1).unwrap();

    memory[layout::RING[0]].store(17, Relaxed);
    assert_eq!(reader.pop(), None);

    let (mut writer, _) = Channel::known(&memory).unwrap().side(0).unwrap();
    assert_eq!(writer.write(b"new"), 3);
    assert_eq!(reader.pop(), Some(b'n'));
}

#[test]
fn sleeper_is_rung_for_once() {
    let memory = words(1024);
    let channel = Channel::format(&memory).unwrap();
    let (mut writer, _) = channel.side(0).unwrap();
    let (_, mut reader) = channel.side(1).unwrap();

    assert!(reader.sleep());
    writer.push(1);
    assert!(writer.must_ring());
    writer.push(2);
    assert!(!writer.must_ring());
    assert!(!reader.sleep(), "there are bytes");
}

#[test]
fn writer_that_waits_for_room_is_rung_for() {
    let memory = words(words_for(4));
    let channel = Channel::format(&memory).unwrap();
    let (mut writer, _) = channel.side(0).unwrap();
    let (_, mut reader) = channel.side(1).unwrap();

    writer.write(b"1234");
    assert!(!reader.must_ring(), "nobody waits");
    assert!(writer.sleep());
    reader.pop();
    assert!(reader.must_ring());
    assert!(!writer.sleep(), "there is room");
}

#[test]
fn two_threads_lose_and_reorder_nothing() {
    const BYTES: u32 = 200_000;
    let memory = words(words_for(64));
    let channel = Channel::format(&memory).unwrap();
    let (mut writer, _) = channel.side(0).unwrap();
    let (_, mut reader) = channel.side(1).unwrap();

    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..BYTES {
                while !writer.push((n % 251) as u8) {
                    std::thread::yield_now();
                }
            }
        });
        for n in 0..BYTES {
            let byte = loop {
                match reader.pop() {
                    Some(byte) => break byte,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(byte, (n % 251) as u8);
        }
    });
}

proptest! {
    /// As a queue of bounded length, whatever is written and read.
    #[test]
    fn ring_is_a_bounded_queue(steps in prop::collection::vec((any::<bool>(), 0usize..40), 1..200), start: u32) {
        let memory = words(words_for(32));
        let channel = Channel::format(&memory).unwrap();
        for offset in [0, layout::TAIL] {
            memory[layout::RING[0] + offset].store(start, Relaxed);
        }
        let (mut writer, _) = channel.side(0).unwrap();
        let (_, mut reader) = channel.side(1).unwrap();
        let (mut model, mut next) = (VecDeque::new(), 0u8);
        for (write, count) in steps {
            if write {
                let bytes: Vec<u8> = (0..count).map(|n| next.wrapping_add(n as u8)).collect();
                let took = writer.write(&bytes);
                prop_assert_eq!(took, count.min(32 - model.len()));
                model.extend(&bytes[..took]);
                next = next.wrapping_add(took as u8);
            } else {
                let mut buffer = vec![0; count];
                let got = reader.read(&mut buffer);
                let wanted: Vec<u8> = model.drain(..count.min(model.len())).collect();
                prop_assert_eq!(&buffer[..got], &wanted[..]);
            }
            prop_assert_eq!(reader.available() as usize, model.len());
            prop_assert_eq!(writer.room() as usize, 32 - model.len());
        }
    }

    /// The other side writes anything anywhere: no panic, never more than the ring holds, memory of the other ring untouched.
    #[test]
    fn hostile_side_does_no_harm(storm in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), 0u8..6), 1..300)) {
        let memory = words(words_for(16));
        let channel = Channel::format(&memory).unwrap();
        let (mut writer, mut reader) = channel.side(0).unwrap();
        for (index, value, step) in storm {
            memory[index.index(memory.len())].store(value, Relaxed);
            match step {
                0 => { writer.push(7); }
                1 => prop_assert!(writer.write(&[1; 100]) <= 16),
                2 => { reader.pop(); }
                3 => prop_assert!(reader.read(&mut [0; 100]) <= 16),
                4 => { let _ = (writer.must_ring(), writer.sleep()); }
                _ => { let _ = (reader.must_ring(), reader.sleep()); }
            }
            prop_assert!(writer.room() <= 16 && reader.available() <= 16);
        }
        if let Ok(channel) = Channel::open(&memory) {
            prop_assert!(channel.capacity() <= 16);
        }
    }
}
