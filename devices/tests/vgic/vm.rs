//! A VM without a VMM: the steps of `devices::vgic`, "Life of an exit".

use crate::cpu_interface::CpuInterface;
use devices::Width;
use devices::vgic::{BELL_LR, CpuMask, Dist, Lr, MAX_LRS, Mailbox, Posted, Redist, Sgi, SgiRegister};

pub struct Vcpu {
    pub redist: Redist,
    pub mailbox: Mailbox,
    pub interface: CpuInterface,
    /// Kicked and not exited yet.
    pub kicked: bool,
    /// What the kernel was told of the doorbell that it delivers.
    pub bell: u64,
}

pub struct Vm {
    pub dist: Dist,
    pub cpus: Vec<Vcpu>,
    pub exits: u32,
    pub resyncs: u32,
}

impl Vm {
    pub fn new(cpus: u8, lr_count: u8) -> Self {
        Self::of(Redist::new, cpus, lr_count)
    }

    /// Of redistributors made by `redist`.
    fn of(redist: impl Fn(u8, u8, u8) -> Redist, cpus: u8, lr_count: u8) -> Self {
        let vcpu = |cpu| Vcpu {
            redist: redist(cpu, cpus, lr_count),
            mailbox: Mailbox::new(),
            interface: CpuInterface::new(lr_count as usize),
            kicked: false,
            bell: 0,
        };
        Self { dist: Dist::new(cpus), cpus: (0..cpus).map(vcpu).collect(), exits: 0, resyncs: 0 }
    }

    /// With all groups enabled and `spis` and all private interrupts enabled, in group 1.
    pub fn booted(cpus: u8, lr_count: u8) -> Self {
        Self::new(cpus, lr_count).boot()
    }

    /// As [`Self::booted`], with no kernel that delivers the virtual timer.
    pub fn without_kernel_timer(cpus: u8, lr_count: u8) -> Self {
        Self::of(Redist::without_kernel_timer, cpus, lr_count).boot()
    }

    /// As [`Self::booted`], with SPI `bell` edge-triggered and left to the kernel of vCPU 0.
    pub fn with_bell(cpus: u8, lr_count: u8, bell: u32) -> Self {
        let mut vm = Self::new(cpus, lr_count);
        vm.cpus[0].redist.set_bell(bell);
        vm.dist.edge_triggered(bell);
        vm.boot()
    }

    fn boot(self) -> Self {
        let cpus = self.cpus.len() as u8;
        let mut vm = self;
        vm.write_dist(0, 0x0, Width::B4, 3);
        for bank in 1..9 {
            vm.write_dist(0, 0x80 + bank * 4, Width::B4, 0xffff_ffff);
            vm.write_dist(0, 0x100 + bank * 4, Width::B4, 0xffff_ffff);
        }
        for cpu in 0..cpus {
            vm.write_redist(cpu, 0x1_0080, Width::B4, 0xffff_ffff);
            vm.write_redist(cpu, 0x1_0100, Width::B4, 0xffff_ffff);
        }
        vm
    }

    fn sync(&mut self, cpu: u8) {
        self.exits += 1;
        let vcpu = &mut self.cpus[cpu as usize];
        vcpu.kicked = false;
        let others = vcpu.redist.sync(&mut self.dist, vcpu.interface.elrsr(), vcpu.interface.eisr());
        self.post(others);
    }

    fn sync_full(&mut self, cpu: u8) {
        self.exits += 1;
        let vcpu = &mut self.cpus[cpu as usize];
        vcpu.kicked = false;
        let others = vcpu.redist.sync_full(&mut self.dist, vcpu.interface.lrs(), 0);
        self.post(others);
    }

    /// Takes the mailbox, flushes, installs.
    fn resume(&mut self, cpu: u8) {
        let vcpu = &mut self.cpus[cpu as usize];
        let _ = vcpu.redist.accept(vcpu.mailbox.take());
        let mut update = vcpu.redist.flush(&mut self.dist);
        let mut others = 0;
        if update.resync {
            self.resyncs += 1;
            others = vcpu.redist.sync_full(&mut self.dist, vcpu.interface.lrs(), 0);
            update = vcpu.redist.flush(&mut self.dist);
        }
        assert!(!update.resync, "an exact look is enough");
        install(vcpu, update.dirty);
        vcpu.bell = vcpu.redist.bell_word();
        self.post(others);
    }

    /// Posts to `mask` and kicks.
    pub fn post(&mut self, mask: CpuMask) {
        for (cpu, vcpu) in self.cpus.iter_mut().enumerate() {
            if mask >> cpu & 1 != 0 {
                vcpu.mailbox.post(Posted::DIST);
                vcpu.kicked = true;
            }
        }
    }

    /// An exit for no reason of its own.
    pub fn exit(&mut self, cpu: u8) {
        self.sync(cpu);
        self.resume(cpu);
    }

    /// The vCPU is reset, and its list registers with it.
    pub fn reset(&mut self, cpu: u8) {
        self.sync_full(cpu);
        let vcpu = &mut self.cpus[cpu as usize];
        (0..MAX_LRS).for_each(|n| vcpu.interface.install(n, 0));
        let others = vcpu.redist.sync_full(&mut self.dist, vcpu.interface.lrs(), 0);
        self.post(others);
        self.resume(cpu);
    }

    /// All vCPUs that were kicked, or whose maintenance interrupt is asserted, exit.
    pub fn settle(&mut self) {
        for _ in 0..64 {
            let due = |vcpu: &Vcpu| vcpu.kicked || vcpu.interface.maintenance();
            let Some(cpu) = self.cpus.iter().position(due) else { return };
            self.exit(cpu as u8);
        }
        panic!("exits without end");
    }

    pub fn write_dist(&mut self, cpu: u8, offset: u64, width: Width, value: u64) {
        self.sync_for(cpu, self.cpus[cpu as usize].redist.dist_needs_full(offset));
        let mask = self.dist.write(offset, width, value);
        self.post(mask);
        self.resume(cpu);
    }

    pub fn read_dist(&mut self, cpu: u8, offset: u64, width: Width) -> u64 {
        self.sync_for(cpu, self.cpus[cpu as usize].redist.dist_needs_full(offset));
        let value = self.dist.read(offset, width);
        self.resume(cpu);
        value
    }

    pub fn write_redist(&mut self, cpu: u8, offset: u64, width: Width, value: u64) {
        self.sync_for(cpu, self.cpus[cpu as usize].redist.own_needs_full(offset));
        let _ = self.cpus[cpu as usize].redist.write(offset, width, value);
        self.resume(cpu);
    }

    pub fn read_redist(&mut self, cpu: u8, offset: u64, width: Width) -> u64 {
        self.sync_for(cpu, self.cpus[cpu as usize].redist.own_needs_full(offset));
        let value = self.cpus[cpu as usize].redist.read(offset, width);
        self.resume(cpu);
        value
    }

    fn sync_for(&mut self, cpu: u8, exact: bool) {
        if exact { self.sync_full(cpu) } else { self.sync(cpu) }
    }

    /// The line of an SPI changes, by a worker thread.
    pub fn set_level(&mut self, intid: u32, level: bool) {
        let kick = self.dist.set_level(intid, level);
        self.post(kick.map_or(0, |cpu| 1 << cpu));
    }

    pub fn pulse(&mut self, intid: u32) {
        let kick = self.dist.pulse(intid);
        self.post(kick.map_or(0, |cpu| 1 << cpu));
    }

    /// A doorbell is rung, whose notification is bound to vCPU 0: by the kernel if it may and nobody kicks the vCPU as
    /// well, else by the handler.
    pub fn ring(&mut self, intid: u32) {
        let vcpu = &mut self.cpus[0];
        if vcpu.kicked || vcpu.bell == 0 || Lr(vcpu.bell).intid() != intid {
            return self.pulse(intid);
        }
        let lr = vcpu.interface.lrs()[BELL_LR];
        let rung = if Lr(lr).invalid() { vcpu.bell } else { lr | Lr::PENDING };
        vcpu.interface.install(BELL_LR, rung);
        assert_unique(&vcpu.interface);
    }

    /// The line of a PPI changes, in its vCPU's own handler.
    pub fn set_ppi_level(&mut self, cpu: u8, intid: u32, level: bool) {
        self.sync(cpu);
        let _ = self.cpus[cpu as usize].redist.set_ppi_level(intid, level);
        self.resume(cpu);
    }

    /// The quickest path that goes, as the VMM does.
    pub fn send_sgi(&mut self, from: u8, register: SgiRegister, value: u64) {
        self.exits += 1;
        let sgi = Sgi::decode(register, value, from, self.cpus.len() as u8);
        if sgi.targets >> from & 1 != 0 {
            self.sgi_to_self(from, sgi);
        }
        for (cpu, vcpu) in self.cpus.iter_mut().enumerate() {
            if cpu != from as usize && sgi.targets >> cpu & 1 != 0 {
                vcpu.mailbox.post(sgi.posted());
                vcpu.kicked = true;
            }
        }
    }

    fn sgi_to_self(&mut self, cpu: u8, sgi: Sgi) {
        let vcpu = &mut self.cpus[cpu as usize];
        if sgi.group1
            && let Some(update) = vcpu.redist.quick_sgi(sgi.intid, vcpu.interface.elrsr())
        {
            return install(vcpu, update.dirty);
        }
        vcpu.redist.sync_private(vcpu.interface.elrsr(), vcpu.interface.eisr());
        let _ = vcpu.redist.accept(sgi.posted());
        match vcpu.redist.flush_private() {
            Some(update) => install(vcpu, update.dirty),
            None => self.resume(cpu),
        }
    }

    pub fn acknowledge(&mut self, cpu: u8) -> u32 {
        self.cpus[cpu as usize].interface.acknowledge()
    }

    pub fn end(&mut self, cpu: u8, intid: u32) {
        self.cpus[cpu as usize].interface.end(intid);
    }
}

fn install(vcpu: &mut Vcpu, dirty: u16) {
    let kernel_timer = vcpu.redist.timer_word() != 0;
    assert!(!kernel_timer || dirty & 1 == 0, "list register 0 is the kernel's");
    for n in 0..MAX_LRS {
        if dirty >> n & 1 != 0 {
            let lr = Lr(vcpu.redist.lr(n));
            assert!(!kernel_timer || lr.intid() != 27, "so is the virtual timer");
            vcpu.interface.install(n, lr.0);
        }
    }
    assert_unique(&vcpu.interface);
}

/// IHI0069, ICH_LR<n>_EL2.vINTID: no two valid list registers may hold one vINTID.
fn assert_unique(interface: &CpuInterface) {
    let mut valid: Vec<u32> =
        interface.lrs().iter().map(|&lr| Lr(lr)).filter(|lr| !lr.invalid()).map(Lr::intid).collect();
    valid.sort_unstable();
    assert!(valid.windows(2).all(|pair| pair[0] != pair[1]), "{valid:?}");
}
