//! A reference model: interrupt states as IHI0069 4 has them, with no list registers, one interrupt after the other.

use crate::cpu_interface::SPURIOUS;

#[derive(Clone, Copy, Default)]
pub struct Interrupt {
    pub enabled: bool,
    pub group1: bool,
    pub latch: bool,
    pub line: bool,
    pub edge: bool,
    pub active: bool,
    pub priority: u8,
    /// vCPU of an SPI.
    pub target: u8,
}

impl Interrupt {
    pub fn pending(&self) -> bool {
        self.latch || (self.line && !self.edge)
    }

    pub fn set_line(&mut self, line: bool) {
        self.latch |= line && !self.line && self.edge;
        self.line = line;
    }

    fn deliverable(&self, enables: u64) -> bool {
        let group = if self.group1 { 2 } else { 1 };
        self.pending() && self.enabled && !self.active && enables & group != 0
    }
}

pub struct Reference {
    pub enables: u64,
    pub private: Vec<[Interrupt; 32]>,
    pub spis: Vec<Interrupt>,
}

impl Reference {
    /// As [`crate::vm::Vm::booted`].
    pub fn booted(cpus: u8) -> Self {
        let enabled = Interrupt { enabled: true, group1: true, ..Interrupt::default() };
        let sgi = Interrupt { edge: true, ..enabled };
        let private = std::array::from_fn(|n| if n < 16 { sgi } else { enabled });
        Self { enables: 3, private: vec![private; cpus as usize], spis: vec![enabled; 256] }
    }

    pub fn of(&mut self, cpu: u8, intid: u32) -> &mut Interrupt {
        match intid {
            0..32 => &mut self.private[cpu as usize][intid as usize],
            _ => &mut self.spis[intid as usize - 32],
        }
    }

    /// Priority of what vCPU `cpu` should be given now, when it runs at priority `running`.
    fn best(&self, cpu: u8, running: u8) -> Option<u8> {
        let private = self.private[cpu as usize].iter();
        let spis = self.spis.iter().filter(|spi| spi.target == cpu);
        let deliverable = private.chain(spis).filter(|i| i.deliverable(self.enables) && i.priority < running);
        deliverable.map(|i| i.priority).min()
    }

    /// vCPU `cpu`, running at priority `running`, was given `intid`.
    pub fn acknowledged(&mut self, cpu: u8, running: u8, intid: u32) {
        let best = self.best(cpu, running);
        if intid == SPURIOUS {
            assert_eq!(best, None, "something of this priority is deliverable");
            return;
        }
        let enables = self.enables;
        let interrupt = self.of(cpu, intid);
        assert!(interrupt.deliverable(enables), "{intid} should not be delivered");
        assert!(intid < 32 || interrupt.target == cpu, "{intid} is for vCPU {}", interrupt.target);
        assert_eq!(best, Some(interrupt.priority), "{intid} is not the most urgent");
        interrupt.latch = false;
        interrupt.active = true;
    }

    pub fn bits(&self, cpu: u8, bank: usize, select: impl Fn(&Interrupt) -> bool) -> u64 {
        let interrupts: &[Interrupt] = match bank {
            0 => &self.private[cpu as usize],
            _ => &self.spis[(bank - 1) * 32..][..32],
        };
        interrupts.iter().enumerate().filter(|(_, i)| select(i)).fold(0, |bits, (n, _)| bits | 1 << n)
    }
}
