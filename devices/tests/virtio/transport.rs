//! 4.2: the MMIO transport; 2.1, 3.1.1: status and start of a device.

use crate::driver::{W, queue_registers, start_registers};
use devices::virtio::regs::{F_VERSION_1, MAGIC, offset, status};
use devices::virtio::{Event, STATE_VERSION, Transport, no_device};
use devices::{LoadError, Width};

const FEATURE: u64 = 1 << 1;

fn transport() -> Transport<2> {
    Transport::new(3, FEATURE)
}

fn write_all(transport: &mut Transport<2>, writes: &[(u64, u64)]) {
    for (offset, value) in writes {
        let _ = transport.write(*offset, W, *value);
    }
}

fn running() -> Transport<2> {
    let mut transport = transport();
    write_all(&mut transport, &start_registers(&[0, 1], FEATURE));
    transport
}

fn read(transport: &mut Transport<2>, offset: u64) -> u64 {
    transport.read(offset, W, &[1, 2, 3, 4, 5, 6, 7, 8])
}

#[test]
fn registers_at_reset_name_the_device() {
    let mut transport = transport();

    assert_eq!(read(&mut transport, offset::MAGIC_VALUE), u64::from(MAGIC));
    assert_eq!(read(&mut transport, offset::VERSION), 2);
    assert_eq!(read(&mut transport, offset::DEVICE_ID), 3);
    assert_eq!(read(&mut transport, offset::STATUS), 0);
    assert_eq!(read(&mut transport, offset::QUEUE_READY), 0);
    assert_eq!(read(&mut transport, offset::SHM_LEN_LOW), 0xffff_ffff);
}

#[test]
fn device_features_by_selector() {
    let mut transport = transport();
    let _ = transport.write(offset::DEVICE_FEATURES_SEL, W, 1);

    assert_eq!(read(&mut transport, offset::DEVICE_FEATURES), F_VERSION_1 >> 32);
    let _ = transport.write(offset::DEVICE_FEATURES_SEL, W, 2);
    assert_eq!(read(&mut transport, offset::DEVICE_FEATURES), 0);
}

#[test]
fn start_as_in_3_1_1_runs() {
    let mut transport = running();

    assert!(transport.runs());
    assert_eq!(transport.write(offset::QUEUE_NOTIFY, W, 1), Event::Notify(1));
    assert_eq!(read(&mut transport, offset::QUEUE_READY), 1);
}

#[test]
fn features_ok_without_version_1_does_not_stay() {
    let mut transport = transport();

    let _ = transport.write(offset::STATUS, W, u64::from(status::FEATURES_OK | status::DRIVER_OK));

    assert_eq!(read(&mut transport, offset::STATUS), 0);
}

#[test]
fn features_ok_with_a_feature_that_was_not_offered_does_not_stay() {
    let mut transport = transport();

    write_all(&mut transport, &start_registers(&[0], 1 << 40));

    assert!(!transport.runs());
    assert_eq!(read(&mut transport, offset::STATUS) as u32 & status::FEATURES_OK, 0);
}

#[test]
fn features_after_features_ok_are_not_taken() {
    let mut transport = running();

    write_all(&mut transport, &[(offset::DRIVER_FEATURES_SEL, 0), (offset::DRIVER_FEATURES, 0)]);

    assert!(transport.has(FEATURE));
}

#[test]
fn notify_before_driver_ok_or_of_no_queue_is_nothing() {
    let mut transport = transport();
    write_all(&mut transport, &queue_registers(0));

    assert_eq!(transport.write(offset::QUEUE_NOTIFY, W, 0), Event::Nothing);
    assert_eq!(running().write(offset::QUEUE_NOTIFY, W, 2), Event::Nothing);
    assert_eq!(running().write(offset::QUEUE_NOTIFY, W, u64::MAX), Event::Nothing);
}

#[test]
fn queue_of_a_bad_size_or_alignment_needs_reset() {
    for bad in [(offset::QUEUE_SIZE, 3), (offset::QUEUE_SIZE, 64), (offset::QUEUE_SIZE, 0), (offset::QUEUE_DESC_LOW, 8)]
    {
        let mut transport = transport();
        let mut writes = queue_registers(0);
        writes.insert(writes.len() - 1, bad);

        write_all(&mut transport, &writes);

        assert_eq!(read(&mut transport, offset::STATUS) as u32, status::DEVICE_NEEDS_RESET, "{bad:x?}");
        assert_eq!(read(&mut transport, offset::QUEUE_READY), 0);
    }
}

#[test]
fn registers_of_a_ready_queue_do_not_change() {
    let mut transport = running();
    let before = transport.save().queues;

    let _ = transport.write(offset::QUEUE_DESC_LOW, W, 0);

    assert_eq!(transport.save().queues, before);
    assert_eq!(transport.ignored(), 1);
}

#[test]
fn interrupt_lasts_until_it_is_acknowledged() {
    let mut transport = running();
    transport.interrupt();

    let before = (transport.irq(), read(&mut transport, offset::INTERRUPT_STATUS));
    let _ = transport.write(offset::INTERRUPT_ACK, W, 1);

    assert_eq!(before, (true, 1));
    assert!(!transport.irq());
}

#[test]
fn failure_stops_the_device_until_reset_and_is_told_by_interrupt() {
    let mut transport = running();

    transport.fail();

    assert_eq!(read(&mut transport, offset::INTERRUPT_STATUS), 2);
    assert_eq!(transport.write(offset::QUEUE_NOTIFY, W, 0), Event::Nothing);
    assert_eq!(transport.broken(), 1);
    assert_eq!(transport.write(offset::STATUS, W, 0), Event::Reset);
    assert_eq!(read(&mut transport, offset::STATUS), 0);
    write_all(&mut transport, &start_registers(&[0, 1], FEATURE));
    assert!(transport.runs());
}

#[test]
fn driver_cannot_clear_needs_reset_but_by_reset() {
    let mut transport = running();
    transport.fail();

    let _ = transport.write(offset::STATUS, W, 0xf);

    assert!(!transport.runs());
}

#[test]
fn config_takes_aligned_accesses_of_all_widths() {
    let mut transport = transport();
    let config = [1, 2, 3, 4, 5, 6, 7, 8];

    assert_eq!(transport.read(offset::CONFIG + 1, Width::B1, &config), 2);
    assert_eq!(transport.read(offset::CONFIG + 2, Width::B2, &config), 0x0403);
    assert_eq!(transport.read(offset::CONFIG, Width::B8, &config), 0x0807_0605_0403_0201);
    assert_eq!(transport.ignored(), 0);
}

#[test]
fn accesses_of_other_widths_and_places_are_ignored_and_counted() {
    let mut transport = transport();
    let config = [0xff; 8];
    let reads = [
        (offset::MAGIC_VALUE, Width::B1),
        (offset::MAGIC_VALUE, Width::B8),
        (2, W),
        (0xf8, W),
        (offset::CONFIG + 1, Width::B2),
        (offset::CONFIG + 8, Width::B1),
        (u64::MAX, Width::B8),
    ];

    let values = reads.map(|(offset, width)| transport.read(offset, width, &config));

    assert_eq!(values, [0; 7]);
    assert_eq!(transport.ignored(), 7);
}

#[test]
fn no_device_has_device_id_0() {
    let values = [offset::MAGIC_VALUE, offset::VERSION, offset::DEVICE_ID, offset::STATUS].map(|at| no_device(at, W));

    assert_eq!(values, [u64::from(MAGIC), 2, 0, 0]);
}

#[test]
fn load_of_save_is_the_same() {
    let mut transport = running();
    transport.interrupt();

    let loaded = Transport::load(3, FEATURE, &transport.save());

    assert_eq!(loaded, Ok(transport));
}

#[test]
fn load_of_what_no_device_has_is_refused() {
    let good = running().save();
    let mut queue = good;
    queue.queues[0].size = 5;

    assert_eq!(
        Transport::<2>::load(3, FEATURE, &{
            let mut bad = good;
            bad.version = 9;
            bad
        }),
        Err(LoadError::Version(9))
    );
    assert_eq!(Transport::<2>::load(3, 0, &good), Err(LoadError::Field("status")));
    assert_eq!(Transport::<2>::load(3, FEATURE, &queue), Err(LoadError::Field("queue")));
    assert_eq!(STATE_VERSION, good.version);
}
