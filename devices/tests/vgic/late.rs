//! Kicks that come late, as they do between cores: what was sent is delivered all the same, and never more often than it
//! was sent.

use crate::cpu_interface::SPURIOUS;
use crate::vm::Vm;
use devices::Width::{B4, B8};
use devices::vgic::SgiRegister::Sgi1r;
use proptest::prelude::*;

const CPUS: u8 = 2;
/// Edge-triggered SPIs, the odd ones routed to vCPU 1.
const EDGES: [u32; 6] = [32, 33, 34, 35, 36, 37];
/// Level-sensitive SPIs, the odd ones routed to vCPU 1.
const LEVELS: [u32; 4] = [64, 65, 66, 67];

#[derive(Clone, Copy, Debug)]
enum Op {
    Pulse { intid: u32 },
    Line { intid: u32, level: bool },
    Sgi { from: u8, to: u8, intid: u32 },
    Acknowledge { cpu: u8 },
    End { cpu: u8 },
    Exit { cpu: u8 },
}

fn op() -> impl Strategy<Value = Op> {
    let cpu = || 0..CPUS;
    prop_oneof![
        4 => proptest::sample::select(&EDGES).prop_map(|intid| Op::Pulse { intid }),
        3 => (proptest::sample::select(&LEVELS), any::<bool>()).prop_map(|(intid, level)| Op::Line { intid, level }),
        4 => (cpu(), cpu(), 0u32..3).prop_map(|(from, to, intid)| Op::Sgi { from, to, intid }),
        6 => cpu().prop_map(|cpu| Op::Acknowledge { cpu }),
        5 => cpu().prop_map(|cpu| Op::End { cpu }),
        3 => cpu().prop_map(|cpu| Op::Exit { cpu }),
    ]
}

/// What was sent and what came of it, for each vCPU and INTID.
#[derive(Clone, Copy, Default)]
struct Tally {
    sent: u32,
    delivered: u32,
    /// Sent after the last delivery.
    owed: bool,
}

struct Late {
    vm: Vm,
    tally: [[Tally; 68]; CPUS as usize],
    stacks: [Vec<u32>; CPUS as usize],
}

impl Late {
    /// The kernel delivers `bell`, if it is one of [`EDGES`].
    fn new(lr_count: u8, bell: u32) -> Self {
        let mut vm = Vm::with_bell(CPUS, lr_count, bell);
        vm.write_dist(0, 0xc08, B4, 0xaaaa_aaaa);
        for intid in EDGES.iter().chain(&LEVELS) {
            vm.write_dist(0, 0x6000 + 8 * *intid as u64, B8, *intid as u64 % 2);
        }
        vm.settle();
        Self { vm, tally: [[Tally::default(); 68]; CPUS as usize], stacks: Default::default() }
    }

    fn sent(&mut self, cpu: u8, intid: u32) {
        let tally = &mut self.tally[cpu as usize][intid as usize];
        tally.sent += 1;
        tally.owed = true;
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Pulse { intid } => {
                self.vm.ring(intid);
                self.sent((intid % 2) as u8, intid);
            }
            Op::Line { intid, level } => self.vm.set_level(intid, level),
            Op::Sgi { from, to, intid } => {
                self.vm.send_sgi(from, Sgi1r, (intid as u64) << 24 | 1 << to);
                self.sent(to, intid);
            }
            Op::Acknowledge { cpu } => self.acknowledge(cpu),
            Op::End { cpu } => {
                if let Some(intid) = self.stacks[cpu as usize].pop() {
                    self.vm.end(cpu, intid);
                }
            }
            Op::Exit { cpu } => self.vm.exit(cpu),
        }
    }

    fn acknowledge(&mut self, cpu: u8) {
        let intid = self.vm.acknowledge(cpu);
        if intid == SPURIOUS {
            return;
        }
        self.stacks[cpu as usize].push(intid);
        let tally = &mut self.tally[cpu as usize][intid as usize];
        tally.delivered += 1;
        tally.owed = false;
        assert!(intid >= 64 || tally.delivered <= tally.sent, "{intid} came from nowhere");
    }

    fn drain(&mut self, cpu: u8) {
        self.vm.settle();
        while !self.stacks[cpu as usize].is_empty() {
            self.step(Op::End { cpu });
            self.vm.settle();
        }
        for _ in 0..20 {
            self.step(Op::Acknowledge { cpu });
            self.step(Op::End { cpu });
            self.vm.settle();
        }
    }
}

proptest! {
    #[test]
    fn late_kicks_lose_nothing_and_invent_nothing(
        lr_count in prop_oneof![3u8..6, Just(16)],
        bell in prop_oneof![Just(EDGES[0]), Just(EDGES[1]), Just(40)],
        ops in proptest::collection::vec(op(), 1..150),
    ) {
        let mut late = Late::new(lr_count, bell);
        ops.into_iter().for_each(|op| late.step(op));
        LEVELS.iter().for_each(|&intid| late.step(Op::Line { intid, level: false }));
        (0..CPUS).for_each(|cpu| late.drain(cpu));

        prop_assert!(late.tally.iter().flatten().all(|tally| !tally.owed));
        for intid in LEVELS {
            late.step(Op::Line { intid, level: true });
            late.vm.settle();
            prop_assert_eq!(late.vm.acknowledge((intid % 2) as u8), intid);
            late.step(Op::Line { intid, level: false });
            late.vm.settle();
            late.vm.end((intid % 2) as u8, intid);
            late.vm.settle();
        }
    }
}
