//! The protocol from both ends: a client's frames, a server, a system that is a table.

use manage::server::{Server, System};
use manage::{
    Cause, Command, Counters, Deframer, FrameError, Hello, MAX_FRAME, Refusal, Reply, Request, State, Stop, VERSION,
    VcpuInfo, VmInfo, counts, decode, encode,
};
use proptest::prelude::*;

/// Two VMs, of which the first runs.
#[derive(Default)]
struct Table {
    commands: Vec<(usize, Command)>,
}

fn largest_vm() -> VmInfo {
    let m = u64::MAX;
    VmInfo {
        name: [0xff; 16],
        state: State::Broken,
        last: Some(Stop { cause: Cause::Exit(m), esr: m, elr: m, far: m }),
        restarts: m,
        failures: m,
        memory: m,
        vcpus: 255,
    }
}

fn largest_vcpu() -> VcpuInfo {
    let m = u64::MAX;
    VcpuInfo {
        core: 255,
        priority: 255,
        budget: u32::MAX,
        period: u32::MAX,
        now: m,
        run: m,
        stolen: m,
        chosen: m,
        depleted: m,
        counts: [m; counts::COUNT],
    }
}

impl System for Table {
    fn hello(&self) -> Hello {
        Hello { version: 0, vms: 2, cores: 4, frequency: 62_500_000, now: 5, garbage: 0 }
    }

    fn vm(&self, vm: usize) -> Option<VmInfo> {
        (vm < 2).then(largest_vm)
    }

    fn vcpu(&self, vm: usize, index: usize) -> Option<VcpuInfo> {
        (vm < 2 && index == 0).then(largest_vcpu)
    }

    fn counters(&self) -> Counters {
        Counters { objects: 7, ..Counters::default() }
    }

    fn command(&mut self, vm: usize, command: Command) -> Result<(), Refusal> {
        if vm >= 2 {
            return Err(Refusal::NoSuch);
        }
        self.commands.push((vm, command));
        Ok(())
    }
}

fn frame<T: serde::Serialize>(id: u16, body: &T) -> Vec<u8> {
    let mut out = [0; MAX_FRAME];
    let length = encode(id, body, &mut out).unwrap();
    out[..length].to_vec()
}

/// Feeds a server, and gives all its replies.
fn feed(server: &mut Server, system: &mut Table, bytes: &[u8]) -> Vec<(u16, Reply)> {
    let mut input = Deframer::new();
    let mut replies = Vec::new();
    for byte in bytes {
        server.take(*byte, system);
        while let Some(byte) = server.next_byte() {
            if let Some(frame) = input.push(byte) {
                replies.push(decode(frame).unwrap());
            }
        }
    }
    replies
}

#[test]
fn hello_gets_the_servers_version() {
    let request = frame(3, &Request::Hello { version: VERSION });

    let replies = feed(&mut Server::new(), &mut Table::default(), &request);

    let [(3, Reply::Hello(hello))] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((hello.version, hello.vms, hello.cores), (VERSION, 2, 4));
}

#[test]
fn each_request_gets_its_reply() {
    let table = [
        (Request::Vm(1), Reply::Vm(largest_vm())),
        (Request::Vm(2), Reply::Refused(Refusal::NoSuch)),
        (Request::Vcpu { vm: 0, index: 0 }, Reply::Vcpu(largest_vcpu())),
        (Request::Vcpu { vm: 0, index: 9 }, Reply::Refused(Refusal::NoSuch)),
        (Request::Counters, Reply::Counters(Counters { objects: 7, ..Counters::default() })),
        (Request::Command { vm: 1, command: Command::Restart }, Reply::Done),
        (Request::Command { vm: 9, command: Command::Stop }, Reply::Refused(Refusal::NoSuch)),
    ];
    let (mut server, mut system) = (Server::new(), Table::default());
    for (id, (request, reply)) in table.into_iter().enumerate() {
        assert_eq!(feed(&mut server, &mut system, &frame(id as u16, &request)), [(id as u16, reply)]);
    }
    assert_eq!(system.commands, [(1, Command::Restart)]);
}

#[test]
fn hello_of_another_version_is_understood() {
    // What a later version might send: `Hello` with more fields, and a request that this version does not have.
    let (mut server, mut system) = (Server::new(), Table::default());

    let later = feed(&mut server, &mut system, &frame(1, &(0u8, 200u16, 77u64)));
    let unknown = feed(&mut server, &mut system, &frame(2, &(99u8, 1u8)));

    assert!(matches!(later.as_slice(), [(1, Reply::Hello(_))]));
    assert_eq!(unknown, [(2, Reply::Refused(Refusal::Unknown))]);
}

#[test]
fn frame_with_a_flipped_bit_is_dropped_and_counted() {
    let good = frame(9, &Request::Command { vm: 0, command: Command::Stop });
    let mut system = Table::default();
    for bit in 0..(good.len() - 1) * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let mut server = Server::new();
        let replies = feed(&mut server, &mut system, &bad);
        assert!(replies.is_empty(), "bit {bit}: {replies:?}");
    }
    assert!(system.commands.is_empty());
}

#[test]
fn frame_that_is_too_long_is_dropped_as_a_whole() {
    let mut bytes = vec![1; 3 * MAX_FRAME];
    bytes.push(0);
    bytes.extend(frame(4, &Request::Counters));

    let replies = feed(&mut Server::new(), &mut Table::default(), &bytes);

    assert!(matches!(replies.as_slice(), [(4, Reply::Counters(_))]));
}

#[test]
fn largest_reply_fits() {
    assert!(frame(u16::MAX, &Reply::Vcpu(largest_vcpu())).len() < MAX_FRAME);
    assert!(frame(u16::MAX, &Reply::Vm(largest_vm())).len() < MAX_FRAME);
}

#[test]
fn buffer_that_is_too_small_is_told() {
    for size in 0..12 {
        assert_eq!(encode(1, &Request::Counters, &mut vec![0; size]).filter(|length| *length > size), None);
    }
    assert_eq!(encode(1, &Reply::Vcpu(largest_vcpu()), &mut [0; 100]), None);
}

proptest! {
    #[test]
    fn garbage_does_nothing_and_a_zero_ends_it(garbage in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let (mut server, mut system) = (Server::new(), Table::default());

        let replies = feed(&mut server, &mut system, &garbage);
        let after = feed(&mut server, &mut system, &[&[0], frame(5, &Request::Counters).as_slice()].concat());

        prop_assert!(replies.is_empty() && system.commands.is_empty());
        prop_assert!(matches!(after.as_slice(), [(5, Reply::Counters(_))]));
    }

    #[test]
    fn any_body_with_a_good_checksum_is_answered(id in any::<u16>(), body in any::<(u8, u64, u64)>()) {
        let replies = feed(&mut Server::new(), &mut Table::default(), &frame(id, &body));

        prop_assert_eq!(replies.len(), 1);
        prop_assert_eq!(replies[0].0, id);
    }

    #[test]
    fn decoder_takes_any_bytes(mut bytes in proptest::collection::vec(any::<u8>(), 0..MAX_FRAME)) {
        let result = decode::<Reply>(&mut bytes);

        prop_assert!(matches!(result, Err(FrameError::Damaged | FrameError::Unknown(_)) | Ok(_)));
    }

    #[test]
    fn round_trip(id in any::<u16>(), numbers in any::<[u64; 8]>()) {
        let [objects, vmids, pool_pages, pool_free, attachments, masked_max, memory_free, slots_used] = numbers;
        let reply = Reply::Counters(Counters {
            objects, vmids, pool_pages, pool_free, attachments, masked_max, memory_free, slots_used,
        });
        let mut bytes = frame(id, &reply);
        bytes.pop();

        prop_assert!(!bytes.contains(&0));
        prop_assert_eq!(decode(&mut bytes), Ok((id, reply)));
    }
}
