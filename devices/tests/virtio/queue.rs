//! 2.7: split virtqueues.

use crate::driver::{self, INDIRECT, NEXT, SIZE, W, WRITE, areas, start_registers};
use crate::ram::{BASE, Ram, SIZE as RAM_SIZE};
use devices::virtio::{Broken, Chain, Segment, Transport};

/// Buffers are here.
const DATA: u64 = BASE + 0x1000;
/// An indirect table is here.
const TABLE: u64 = BASE + 0x800;

fn device() -> Transport<2> {
    let mut transport = Transport::new(3, 0);
    for (offset, value) in start_registers(&[0], 0) {
        let _ = transport.write(offset, W, value);
    }
    transport
}

fn next(transport: &mut Transport<2>, ram: &Ram) -> Result<Option<Chain>, Broken> {
    transport.queue(0).unwrap().next(ram, true)
}

#[test]
fn empty_queue_has_no_chain() {
    assert!(next(&mut device(), &Ram::new()).unwrap().is_none());
}

#[test]
fn chain_of_three_has_its_buffers_in_order() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    queue.describe(&ram, 3, (DATA, 16), NEXT, 1);
    queue.describe(&ram, 1, (DATA + 0x100, 8), NEXT | WRITE, 7);
    queue.describe(&ram, 7, (DATA + 0x200, 4), WRITE, 0);
    queue.offer(&ram, 3);

    let chain = next(&mut transport, &ram).unwrap().unwrap();

    assert_eq!(chain.head, 3);
    assert_eq!(chain.readable(), [Segment { address: DATA, length: 16 }]);
    let written = [Segment { address: DATA + 0x100, length: 8 }, Segment { address: DATA + 0x200, length: 4 }];
    assert_eq!(chain.writable(), written);
}

#[test]
fn chain_stays_the_next_one_until_it_is_finished() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    queue.offer_buffer(&ram, 5, (DATA, 16), 0);
    let first = next(&mut transport, &ram).unwrap().unwrap();

    let again = next(&mut transport, &ram).unwrap().unwrap();
    let wanted = transport.queue(0).unwrap().finish(&ram, &again, 9);

    assert_eq!(first.head, again.head);
    assert_eq!(wanted, Ok(true));
    assert_eq!(queue.take(&ram), Some((5, 9)));
    assert!(next(&mut transport, &ram).unwrap().is_none());
}

#[test]
fn no_interrupt_is_wanted_with_avail_no_interrupt() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    ram.put(areas(0)[1], &1u16.to_le_bytes());
    queue.offer_buffer(&ram, 0, (DATA, 16), 0);
    let chain = next(&mut transport, &ram).unwrap().unwrap();

    assert_eq!(transport.queue(0).unwrap().finish(&ram, &chain, 0), Ok(false));
}

#[test]
fn indices_wrap_at_the_queue_size_and_at_2_to_the_16() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    for n in 0..70_000u32 {
        let head = (n % u32::from(SIZE)) as u16;
        queue.offer_buffer(&ram, head, (DATA, n), 0);
        let chain = next(&mut transport, &ram).unwrap().unwrap();
        let _ = transport.queue(0).unwrap().finish(&ram, &chain, n);
        assert_eq!(queue.take(&ram), Some((u32::from(head), n)));
    }
}

fn indirect(ram: &Ram, entries: &[(u64, u32, u16, u16)]) {
    for (n, (address, length, flags, next)) in (0..).zip(entries) {
        let word =
            u128::from(*address) | u128::from(*length) << 64 | u128::from(*flags) << 96 | u128::from(*next) << 112;
        ram.put(TABLE + 16 * n, &word.to_le_bytes());
    }
}

#[test]
fn indirect_table_continues_the_chain() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    queue.describe(&ram, 0, (DATA, 1), NEXT, 1);
    queue.describe(&ram, 1, (TABLE, 32), INDIRECT, 0);
    indirect(&ram, &[(DATA + 1, 2, NEXT, 1), (DATA + 3, 3, WRITE, 0)]);
    queue.offer(&ram, 0);

    let chain = next(&mut transport, &ram).unwrap().unwrap();

    assert_eq!(chain.readable().len(), 2);
    assert_eq!(chain.writable(), [Segment { address: DATA + 3, length: 3 }]);
}

#[test]
fn indirect_descriptor_without_the_feature_is_broken() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    queue.offer_buffer(&ram, 0, (TABLE, 16), INDIRECT);
    indirect(&ram, &[(DATA, 1, 0, 0)]);

    assert_eq!(transport.queue(0).unwrap().next(&ram, false).err(), Some(Broken));
}

/// Offers a chain by `set_up`, and expects that it is refused.
fn refused(set_up: impl FnOnce(&Ram, &mut driver::Queue)) {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));

    set_up(&ram, &mut queue);

    assert_eq!(next(&mut transport, &ram).err(), Some(Broken));
}

#[test]
fn nested_indirect_table_is_broken() {
    refused(|ram, queue| {
        indirect(ram, &[(TABLE, 16, INDIRECT, 0)]);
        queue.offer_buffer(ram, 0, (TABLE, 16), INDIRECT);
    });
}

#[test]
fn indirect_descriptor_with_next_is_broken() {
    refused(|ram, queue| queue.offer_buffer(ram, 0, (TABLE, 16), INDIRECT | NEXT));
}

#[test]
fn indirect_table_of_odd_or_no_size_is_broken() {
    refused(|ram, queue| queue.offer_buffer(ram, 0, (TABLE, 17), INDIRECT));
    refused(|ram, queue| queue.offer_buffer(ram, 0, (TABLE, 0), INDIRECT));
}

#[test]
fn loop_is_broken() {
    refused(|ram, queue| queue.offer_buffer(ram, 0, (DATA, 1), NEXT));
}

#[test]
fn chain_longer_than_the_queue_in_an_indirect_table_is_broken() {
    refused(|ram, queue| {
        indirect(ram, &(0..=SIZE).map(|n| (DATA, 1, NEXT, n + 1)).collect::<Vec<_>>());
        queue.offer_buffer(ram, 0, (TABLE, 16 * u32::from(SIZE + 2)), INDIRECT);
    });
}

#[test]
fn chain_of_more_than_2_to_the_32_bytes_is_broken() {
    refused(|ram, queue| {
        queue.describe(ram, 0, (DATA, u32::MAX), NEXT, 1);
        queue.describe(ram, 1, (DATA, 1), 0, 0);
        queue.offer(ram, 0);
    });
}

#[test]
fn head_or_next_out_of_range_is_broken() {
    refused(|ram, queue| queue.offer(ram, SIZE));
    refused(|ram, queue| {
        queue.describe(ram, 0, (DATA, 1), NEXT, SIZE);
        queue.offer(ram, 0);
    });
}

#[test]
fn readable_buffer_after_a_writable_one_is_broken() {
    refused(|ram, queue| {
        queue.describe(ram, 0, (DATA, 1), NEXT | WRITE, 1);
        queue.describe(ram, 1, (DATA, 1), 0, 0);
        queue.offer(ram, 0);
    });
}

#[test]
fn available_index_further_than_the_queue_size_is_broken() {
    refused(|ram, _| ram.put(areas(0)[1] + 2, &(SIZE + 1).to_le_bytes()));
}

#[test]
fn copies_go_over_the_seams_of_buffers() {
    let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
    queue.describe(&ram, 0, (DATA, 3), NEXT, 1);
    queue.describe(&ram, 1, (DATA + 0x10, 0), NEXT, 2);
    queue.describe(&ram, 2, (DATA + 0x20, 3), NEXT, 3);
    queue.describe(&ram, 3, (DATA + 0x30, 2), NEXT | WRITE, 4);
    queue.describe(&ram, 4, (DATA + 0x40, 2), WRITE, 0);
    queue.offer(&ram, 0);
    ram.put(DATA, b"abc");
    ram.put(DATA + 0x20, b"def");
    let chain = next(&mut transport, &ram).unwrap().unwrap();
    let mut bytes = [0; 8];

    let read = chain.copy_out(&ram, 1, &mut bytes);
    let written = chain.copy_in(&ram, 1, b"xyz!");

    assert_eq!((read, &bytes[..5]), (Ok(5), b"bcdef".as_slice()));
    assert_eq!(written, Ok(3));
    assert_eq!((ram.get(DATA + 0x30), ram.get(DATA + 0x40)), ([0, b'x'], *b"yz"));
}

#[test]
fn copy_of_a_buffer_outside_of_ram_is_broken() {
    for address in [0, BASE - 1, BASE + RAM_SIZE - 1, u64::MAX] {
        let (mut transport, ram, mut queue) = (device(), Ram::new(), driver::Queue::new(0));
        queue.offer_buffer(&ram, 0, (address, 2), 0);
        let chain = next(&mut transport, &ram).unwrap().unwrap();

        assert_eq!(chain.copy_out(&ram, 0, &mut [0; 2]), Err(Broken), "{address:#x}");
    }
}
