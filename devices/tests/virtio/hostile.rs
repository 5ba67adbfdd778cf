//! A driver that writes anything anywhere: the device stays whole, and touches RAM only through `Memory`.

use crate::console::{Far, NAMES, ports};
use crate::driver::{W, start_registers};
use crate::ram::{BASE, Ram};
use devices::Width;
use devices::virtio::console::{Console, Progress, QUEUES};
use devices::virtio::regs::offset;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Act {
    Write(u64, u64),
    Read(u64, Width),
    Ram(u64, Vec<u8>),
    Start,
    Notify(u64),
    Poll,
    Drain,
    SaveAndLoad,
}

fn act() -> impl Strategy<Value = Act> {
    let width = prop_oneof![Just(Width::B1), Just(Width::B2), Just(Width::B4), Just(Width::B8)];
    prop_oneof![
        1 => (0..offset::END, any::<u64>()).prop_map(|(at, value)| Act::Write(at & !3, value)),
        1 => (0..offset::END, width).prop_map(|(at, width)| Act::Read(at, width)),
        8 => (0..0x800u64, prop::collection::vec(any::<u8>(), 1..16)).prop_map(|(at, bytes)| Act::Ram(at, bytes)),
        2 => (0..4u64, 0..0x100u64, 0..9u16).prop_map(|(n, at, value)| {
            // An available index, or something near to it, of queue n.
            Act::Ram(n * 0x200 + 0x80 + (at & 2), value.to_le_bytes().to_vec())
        }),
        2 => Just(Act::Start),
        8 => (0..QUEUES as u64 + 1).prop_map(Act::Notify),
        2 => Just(Act::Poll),
        2 => Just(Act::Drain),
        1 => Just(Act::SaveAndLoad),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_driver_leaves_the_device_whole(seed in prop::collection::vec(any::<u8>(), 1..4096), acts in prop::collection::vec(act(), 1..120)) {
        let ram = Ram::filled(&seed);
        let mut far = Far::new(&b"some bytes for the guest".repeat(8), 100);
        let mut console = Console::new(&NAMES);

        for act in acts {
            let progress = match act {
                Act::Write(at, value) => console.write(at, W, value, &ram, &mut far),
                Act::Read(at, width) => {
                    let _ = console.read(at, width);
                    Progress::Done
                }
                Act::Ram(at, bytes) => {
                    ram.put(BASE + at, &bytes);
                    Progress::Done
                }
                Act::Start => {
                    for (at, value) in start_registers(&[0, 1, 2, 3], ports()) {
                        let _ = console.write(at, W, value, &ram, &mut far);
                    }
                    Progress::Done
                }
                Act::Notify(queue) => console.write(offset::QUEUE_NOTIFY, W, queue, &ram, &mut far),
                Act::Poll => console.poll(&ram, &mut far),
                Act::Drain => {
                    far.sent.clear();
                    Progress::Done
                }
                Act::SaveAndLoad => {
                    prop_assert_eq!(Console::load(&console.save()), Ok(console.clone()));
                    Progress::Done
                }
            };
            // A queue of 8 descriptors can hold at most 8 chains, which a few calls work off.
            let mut left = 100;
            let mut progress = progress;
            while progress == Progress::More && left != 0 {
                far.sent.clear();
                progress = console.poll(&ram, &mut far);
                left -= 1;
            }
        }
    }
}
