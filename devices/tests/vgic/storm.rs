//! Random sequences of everything a guest and its devices do, against the reference model.

use crate::cpu_interface::SPURIOUS;
use crate::reference::Reference;
use crate::vm::Vm;
use devices::Width::{B1, B4, B8};
use devices::vgic::SgiRegister::Sgi1r;
use proptest::prelude::*;

const CPUS: u8 = 3;
/// SPIs used: more than list registers, in two banks.
const SPIS: [u32; 8] = [32, 33, 34, 35, 63, 64, 65, 287];
const PPIS: &[u32] = &[16, 29, 30];
/// The same where the virtual timer's is as any other.
const ALL_PPIS: &[u32] = &[16, 27, 30];

#[derive(Clone, Copy, Debug)]
enum Op {
    Line { intid: u32, level: bool },
    Pulse { intid: u32 },
    PpiLine { cpu: u8, intid: u32, level: bool },
    Sgi { from: u8, targets: u8, intid: u32 },
    Acknowledge { cpu: u8 },
    End { cpu: u8 },
    Enable { cpu: u8, intid: u32, on: bool },
    Pend { cpu: u8, intid: u32, on: bool },
    Priority { cpu: u8, intid: u32, priority: u8 },
    Edge { intid: u32, edge: bool },
    Route { cpu: u8, intid: u32, target: u8 },
    Groups { cpu: u8, enables: u64 },
    Group { cpu: u8, intid: u32, group1: bool },
    Exit { cpu: u8 },
    Look { cpu: u8, bank: usize },
}

fn cpu() -> impl Strategy<Value = u8> {
    0..CPUS
}

fn spi() -> impl Strategy<Value = u32> {
    proptest::sample::select(&SPIS)
}

fn op(ppis: &'static [u32]) -> impl Strategy<Value = Op> {
    let ppi = || proptest::sample::select(ppis);
    let any_intid = || prop_oneof![spi(), ppi(), 0u32..3];
    prop_oneof![
        6 => (spi(), any::<bool>()).prop_map(|(intid, level)| Op::Line { intid, level }),
        4 => spi().prop_map(|intid| Op::Pulse { intid }),
        2 => (cpu(), ppi(), any::<bool>()).prop_map(|(cpu, intid, level)| Op::PpiLine { cpu, intid, level }),
        6 => (cpu(), 1u8..8, 0u32..3).prop_map(|(from, targets, intid)| Op::Sgi { from, targets, intid }),
        12 => cpu().prop_map(|cpu| Op::Acknowledge { cpu }),
        10 => cpu().prop_map(|cpu| Op::End { cpu }),
        2 => (cpu(), any_intid(), any::<bool>()).prop_map(|(cpu, intid, on)| Op::Enable { cpu, intid, on }),
        2 => (cpu(), any_intid(), any::<bool>()).prop_map(|(cpu, intid, on)| Op::Pend { cpu, intid, on }),
        3 => (cpu(), any_intid(), 0u8..6).prop_map(|(cpu, intid, p)| Op::Priority { cpu, intid, priority: p * 0x20 }),
        1 => (spi(), any::<bool>()).prop_map(|(intid, edge)| Op::Edge { intid, edge }),
        2 => (cpu(), spi(), 0..CPUS + 1).prop_map(|(cpu, intid, target)| Op::Route { cpu, intid, target }),
        1 => (cpu(), 0u64..4).prop_map(|(cpu, enables)| Op::Groups { cpu, enables: enables | 2 }),
        1 => (cpu(), any_intid(), any::<bool>()).prop_map(|(cpu, intid, group1)| Op::Group { cpu, intid, group1 }),
        2 => cpu().prop_map(|cpu| Op::Exit { cpu }),
        3 => (cpu(), 0usize..9).prop_map(|(cpu, bank)| Op::Look { cpu, bank }),
    ]
}

/// A VM and what it should be doing.
struct Storm {
    vm: Vm,
    ppis: &'static [u32],
    reference: Reference,
    /// Acknowledged and not ended, per vCPU.
    stacks: Vec<Vec<u32>>,
}

impl Storm {
    fn new(vm: Vm, ppis: &'static [u32]) -> Self {
        Self { vm, ppis, reference: Reference::booted(CPUS), stacks: vec![Vec::new(); CPUS as usize] }
    }

    /// Writes a one-bit-an-interrupt register of the array at `offset`.
    fn write_bit(&mut self, cpu: u8, offset: u64, intid: u32) {
        let (bank, bit) = (intid as u64 / 32 * 4, 1 << (intid % 32));
        match intid {
            0..32 => self.vm.write_redist(cpu, 0x1_0000 + offset, B4, bit),
            _ => self.vm.write_dist(cpu, offset + bank, B4, bit),
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Line { intid, level } => {
                self.vm.set_level(intid, level);
                self.reference.of(0, intid).set_line(level);
            }
            Op::Pulse { intid } => {
                self.vm.ring(intid);
                let spi = self.reference.of(0, intid);
                spi.latch |= spi.edge;
            }
            Op::PpiLine { cpu, intid, level } => {
                self.vm.set_ppi_level(cpu, intid, level);
                self.reference.of(cpu, intid).set_line(level);
            }
            Op::Sgi { from, targets, intid } => self.send_sgi(from, targets, intid),
            Op::Acknowledge { cpu } => self.acknowledge(cpu),
            Op::End { cpu } => self.end(cpu),
            Op::Enable { cpu, intid, on } => {
                self.write_bit(cpu, if on { 0x100 } else { 0x180 }, intid);
                self.reference.of(cpu, intid).enabled = on;
            }
            Op::Pend { cpu, intid, on } => {
                self.write_bit(cpu, if on { 0x200 } else { 0x280 }, intid);
                self.reference.of(cpu, intid).latch = on;
            }
            // The running priority does not change with an active interrupt's; nobody does that.
            Op::Priority { cpu, intid, .. } if self.reference.of(cpu, intid).active => {}
            Op::Priority { cpu, intid, priority } => {
                let (offset, value) = (0x400 + intid as u64, priority as u64);
                match intid {
                    0..32 => self.vm.write_redist(cpu, 0x1_0000 + offset, B1, value),
                    _ => self.vm.write_dist(cpu, offset, B1, value),
                }
                self.reference.of(cpu, intid).priority = priority;
            }
            Op::Edge { intid, edge } => self.configure(intid, edge),
            Op::Route { cpu, intid, target } => {
                self.vm.write_dist(cpu, 0x6000 + 8 * intid as u64, B8, target as u64);
                self.reference.of(0, intid).target = target;
            }
            Op::Groups { cpu, enables } => {
                self.vm.write_dist(cpu, 0, B4, enables);
                self.reference.enables = enables;
            }
            Op::Group { cpu, intid, group1 } => self.set_group(cpu, intid, group1),
            Op::Exit { cpu } => self.vm.exit(cpu),
            Op::Look { cpu, bank } => self.look(cpu, bank),
        }
    }

    fn send_sgi(&mut self, from: u8, targets: u8, intid: u32) {
        self.vm.send_sgi(from, Sgi1r, (intid as u64) << 24 | targets as u64);
        for cpu in (0..CPUS).filter(|cpu| targets >> cpu & 1 != 0) {
            let sgi = self.reference.of(cpu, intid);
            sgi.latch |= sgi.group1;
        }
    }

    fn acknowledge(&mut self, cpu: u8) {
        let running = self.vm.cpus[cpu as usize].interface.running_priority();
        let intid = self.vm.acknowledge(cpu);
        self.reference.acknowledged(cpu, running, intid);
        if intid != SPURIOUS {
            self.stacks[cpu as usize].push(intid);
        }
    }

    fn end(&mut self, cpu: u8) {
        if let Some(intid) = self.stacks[cpu as usize].pop() {
            self.vm.end(cpu, intid);
            self.reference.of(cpu, intid).active = false;
        }
    }

    fn configure(&mut self, intid: u32, edge: bool) {
        let (offset, shift) = (0xc00 + intid as u64 / 16 * 4, intid % 16 * 2);
        let old = self.vm.read_dist(0, offset, B4) & !(2 << shift);
        self.vm.write_dist(0, offset, B4, old | (edge as u64) << (shift + 1));
        self.reference.of(0, intid).edge = edge;
    }

    fn set_group(&mut self, cpu: u8, intid: u32, group1: bool) {
        let bank = intid as usize / 32;
        self.reference.of(cpu, intid).group1 = group1;
        let value = self.reference.bits(cpu, bank, |i| i.group1);
        match bank {
            0 => self.vm.write_redist(cpu, 0x1_0080, B4, value),
            _ => self.vm.write_dist(cpu, 0x80 + bank as u64 * 4, B4, value),
        }
    }

    /// Pending and active state of interrupts that are in no other vCPU's list registers read exactly.
    fn look(&mut self, cpu: u8, bank: usize) {
        (0..CPUS).filter(|&other| other != cpu).for_each(|other| self.park(other));
        let offset = bank as u64 * 4;
        let (pending, active) = match bank {
            0 => (self.vm.read_redist(cpu, 0x1_0200, B4), self.vm.read_redist(cpu, 0x1_0300, B4)),
            _ => (self.vm.read_dist(cpu, 0x200 + offset, B4), self.vm.read_dist(cpu, 0x300 + offset, B4)),
        };
        assert_eq!(pending, self.reference.bits(cpu, bank, |i| i.pending()), "pending of bank {bank}");
        assert_eq!(active, self.reference.bits(cpu, bank, |i| i.active), "active of bank {bank}");
        (0..CPUS).for_each(|other| self.vm.exit(other));
    }

    /// Folds the list registers of a vCPU into the model.
    fn park(&mut self, cpu: u8) {
        let vcpu = &mut self.vm.cpus[cpu as usize];
        let others = vcpu.redist.sync_full(&mut self.vm.dist, vcpu.interface.lrs(), 0);
        self.vm.post(others);
    }

    /// Everything that is pending is delivered, and nothing else.
    fn drain(&mut self) {
        for intid in SPIS {
            self.step(Op::Line { intid, level: false });
        }
        for cpu in 0..CPUS {
            for &intid in self.ppis {
                self.step(Op::PpiLine { cpu, intid, level: false });
            }
            self.vm.settle();
            while !self.stacks[cpu as usize].is_empty() {
                self.step(Op::End { cpu });
                self.vm.settle();
            }
            for _ in 0..64 {
                self.step(Op::Acknowledge { cpu });
                self.step(Op::End { cpu });
                self.vm.settle();
            }
        }
    }
}

fn lr_count() -> impl Strategy<Value = u8> {
    prop_oneof![3u8..6, Just(16)]
}

fn every_interrupt_is_delivered_once_and_by_priority(mut storm: Storm, ops: Vec<Op>) {
    for op in ops {
        storm.step(op);
        storm.vm.settle();
    }
    storm.drain();
    assert!(storm.vm.cpus.iter().all(|vcpu| vcpu.interface.lost_ends == 0));
}

proptest! {
    #[test]
    fn kernel_timer(lr_count in lr_count(), ops in proptest::collection::vec(op(PPIS), 1..120)) {
        let storm = Storm::new(Vm::booted(CPUS, lr_count), PPIS);
        every_interrupt_is_delivered_once_and_by_priority(storm, ops);
    }

    #[test]
    fn doorbell_of_the_kernel(lr_count in lr_count(), ops in proptest::collection::vec(op(PPIS), 1..120)) {
        const BELL: u32 = 33;
        let mut storm = Storm::new(Vm::with_bell(CPUS, lr_count, BELL), PPIS);
        storm.reference.of(0, BELL).edge = true;
        every_interrupt_is_delivered_once_and_by_priority(storm, ops);
    }

    #[test]
    fn no_kernel_timer(lr_count in lr_count(), ops in proptest::collection::vec(op(ALL_PPIS), 1..120)) {
        let storm = Storm::new(Vm::without_kernel_timer(CPUS, lr_count), ALL_PPIS);
        every_interrupt_is_delivered_once_and_by_priority(storm, ops);
    }
}
