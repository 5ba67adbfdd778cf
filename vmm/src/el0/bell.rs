//! Doorbells of other VMs: their guests ring by HVC #1, the kernel sets bits of the notification that is bound to vCPU 0
//! and kicks it, and its handler makes the SPIs pending. The first of those that the guest hears is left to the kernel
//! while it can be (`devices::vgic`, `bell.rs`): then there is no exit.

use super::stats::kind;
use super::vcpu::Cpu;
use super::{irq, ports};
use devices::vgic::{Dist, Redist};
use sysdesc::{MAX_BELLS_IN, VmmInfo};
use vmm::machine::{BELL_SPI, SPI_BASE};

/// The VM's incoming doorbells, by bit.
#[derive(Clone, Copy, Debug)]
pub struct Bells {
    /// Those that the guest takes as an interrupt.
    guest: u64,
    /// Those of ports.
    ports: u64,
}

/// INTID of doorbell `n`.
fn intid(n: u32) -> u32 {
    SPI_BASE + BELL_SPI + n
}

impl Bells {
    /// From root's word.
    pub fn new(info: &VmmInfo) -> Self {
        let all = (1 << info.bells_in.min(MAX_BELLS_IN as u64)) - 1;
        let bits = info.ports.iter().take(info.port_count as usize).map(|port| 1 << (port.bell_in & 63));
        let ports = bits.fold(0, |set, bit: u64| set | bit);
        Self { guest: all & !ports, ports: all & ports }
    }

    /// Those that the guest takes as an interrupt.
    pub fn of_guest(self) -> u64 {
        self.guest
    }

    /// Makes their SPIs edge-triggered, and the first one the kernel's to deliver, at `first`, vCPU 0's, if
    /// that has list registers of the hardware.
    pub fn set_up(self, dist: &mut Dist, first: Option<&mut Redist>) {
        if let Some(first) = first.filter(|_| self.guest != 0) {
            first.set_bell(intid(self.guest.trailing_zeros()));
        }
        let heard = (0..MAX_BELLS_IN as u32).filter(|n| self.guest >> n & 1 != 0);
        heard.for_each(|n| dist.edge_triggered(intid(n)));
    }
}

/// Tells the kernel whether it delivers a doorbell, and how.
#[inline]
pub fn tell(cpu: Cpu, redist: &Redist) {
    let word = redist.bell_word();
    let bit = u64::from((word as u32).wrapping_sub(intid(0))) & 63;
    cpu.page().set_bell(if word == 0 { 0 } else { word | bit << 32 });
}

/// Answers a kick that is one doorbell of the guest's and nothing else, if its SPI can go straight into a list register.
#[inline]
pub fn quick(cpu: Cpu) -> bool {
    let bell = cpu.page().bells();
    let one = bell & cpu.vm().bells.guest == bell && bell.is_power_of_two();
    let done = one && cpu.own.mailbox.is_empty() && irq::pulse_quick(cpu, intid(bell.trailing_zeros()));
    if done {
        cpu.page().set_bells(0);
        cpu.count(kind::KICK, 1);
    }
    done
}

/// The doorbells `bells` were rung; vCPU 0's handler takes them.
pub fn rung(cpu: Cpu, bells: u64) {
    cpu.page().set_bells(0);
    let Bells { guest, ports } = cpu.vm().bells;
    let mut left = bells & guest;
    while left != 0 {
        irq::pulse(cpu, intid(left.trailing_zeros()));
        left &= left - 1;
    }
    if bells & ports != 0 {
        ports::poll(cpu);
    }
}
