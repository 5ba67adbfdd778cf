//! What of the system description concerns one VM: its shared regions, doorbells and ports, by its own numbers.

use sysdesc::{
    BellDesc, MAX_BELLS_IN, MAX_BELLS_OUT, MAX_PORTS, MAX_SHARED, PortDesc, SharedDesc, SystemDesc, VmDesc, VmmPort,
    VmmShared,
};

/// The parts of the system description.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Its head.
    pub head: &'static SystemDesc,
    /// The VMs.
    pub vms: &'static [VmDesc],
    /// The shared regions.
    pub shared: &'static [SharedDesc],
    /// The doorbells.
    pub bells: &'static [BellDesc],
    /// The virtio console ports.
    pub ports: &'static [PortDesc],
}

/// A doorbell as its sender has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BellOut {
    /// Number in the sender, from 1.
    pub number: u64,
    /// VM that hears.
    pub to: u64,
    /// Number in the receiver, from 0.
    pub bit: u64,
}

impl Parts {
    /// Shared regions that VM `vm` sees: the index in the description, and whether it may write.
    pub fn shared_of(&self, vm: u64) -> impl Iterator<Item = (usize, &'static SharedDesc, bool)> {
        let has = move |set: u64| set.checked_shr(vm as u32).is_some_and(|set| set & 1 != 0);
        let all = self.shared.iter().enumerate().take(MAX_SHARED);
        all.filter(move |(_, region)| has(region.vms)).map(move |(n, region)| (n, region, has(region.writers)))
    }

    /// Doorbells that VM `vm` rings.
    pub fn bells_out(&self, vm: u64) -> impl Iterator<Item = BellOut> {
        let bells = self.bells;
        let out = bells.iter().enumerate().filter(move |(_, bell)| bell.from == vm).take(MAX_BELLS_OUT);
        out.zip(1..).filter_map(move |((index, bell), number)| {
            let bit = before(bells, index, |other| other.to == bell.to);
            (bit < MAX_BELLS_IN as u64).then_some(BellOut { number, to: bell.to, bit })
        })
    }

    /// Number of doorbells that VM `vm` hears.
    pub fn bells_in(&self, vm: u64) -> u64 {
        before(self.bells, self.bells.len(), |bell| bell.to == vm).min(MAX_BELLS_IN as u64)
    }

    /// [`VmmShared`]s of VM `vm`, and their number.
    pub fn vmm_shared(&self, vm: u64) -> ([VmmShared; MAX_SHARED], u64) {
        let mut all = [VmmShared::default(); MAX_SHARED];
        let mut count = 0;
        for (place, (_, region, writable)) in all.iter_mut().zip(self.shared_of(vm)) {
            let SharedDesc { name, ipa, size, .. } = *region;
            *place = VmmShared { name, ipa, size, writable: u64::from(writable) };
            count += 1;
        }
        (all, count)
    }

    /// [`VmmPort`]s of VM `vm`, and their number. A port whose region or doorbells are not the VM's is left out.
    pub fn vmm_ports(&self, vm: u64) -> ([VmmPort; MAX_PORTS], u64) {
        let mut all = [VmmPort::default(); MAX_PORTS];
        let mut count = 0;
        let ports = self.ports.iter().filter(|port| port.vm == vm).filter_map(|port| self.port(port));
        for (place, port) in all.iter_mut().zip(ports) {
            *place = port;
            count += 1;
        }
        (all, count)
    }

    fn port(&self, port: &PortDesc) -> Option<VmmPort> {
        let bell = |index: u64| Some((index as usize, self.bells.get(usize::try_from(index).ok()?)?));
        let shared = self.shared_of(port.vm).position(|(n, _, writable)| n as u64 == port.shared && writable)?;
        let (out, _) = bell(port.bell_out).filter(|(_, bell)| bell.from == port.vm)?;
        let (heard, _) = bell(port.bell_in).filter(|(_, bell)| bell.to == port.vm)?;
        Some(VmmPort {
            name: port.name,
            shared: shared as u64,
            side: port.side & 1,
            bell_out: 1 + before(self.bells, out, |other| other.from == port.vm),
            bell_in: before(self.bells, heard, |other| other.to == port.vm),
        })
    }
}

/// How many of the bells in front of `index` are `such`.
fn before(bells: &[BellDesc], index: usize, such: impl Fn(&BellDesc) -> bool) -> u64 {
    bells.iter().take(index).filter(|bell| such(bell)).count() as u64
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use sysdesc::pack::NAME_LEN;
    use sysdesc::{CMDLINE_LEN, MAX_VCPUS, SYSTEM_MAGIC};

    /// A VM of one vCPU.
    pub fn vm() -> VmDesc {
        VmDesc {
            name: [0; NAME_LEN],
            vcpus: 1,
            memory: 2 << 20,
            format: 0,
            kernel: [0; NAME_LEN],
            initrd: [0; NAME_LEN],
            cores: [u64::MAX; MAX_VCPUS],
            priority: 10,
            budget: 0,
            period: 0,
            restart: 0,
            restart_limit: 0,
            heartbeat: 0,
            flags: 0,
            load: 0,
            entry: 0,
            cmdline: [0; CMDLINE_LEN],
        }
    }

    fn parts(shared: &[SharedDesc], bells: &[BellDesc], ports: &[PortDesc]) -> Parts {
        let head = SystemDesc {
            magic: SYSTEM_MAGIC,
            vm_count: 0,
            seed: [0; 32],
            epoch: 0,
            flags: 0,
            shared_count: 0,
            bell_count: 0,
            port_count: 0,
            reserved: 0,
        };
        Parts {
            head: Box::leak(Box::new(head)),
            vms: &[],
            shared: shared.to_vec().leak(),
            bells: bells.to_vec().leak(),
            ports: ports.to_vec().leak(),
        }
    }

    fn region(vms: u64, writers: u64) -> SharedDesc {
        SharedDesc { ipa: 0x2000_0000, size: 4096, vms, writers, ..SharedDesc::default() }
    }

    const BELLS: [BellDesc; 4] = [
        BellDesc { from: 0, to: 1 },
        BellDesc { from: 2, to: 1 },
        BellDesc { from: 0, to: 2 },
        BellDesc { from: 1, to: 0 },
    ];

    #[test]
    fn bells_have_the_numbers_of_the_description() {
        let parts = parts(&[], &BELLS, &[]);
        let out = |vm| parts.bells_out(vm).collect::<Vec<_>>();
        let expected = [BellOut { number: 1, to: 1, bit: 0 }, BellOut { number: 2, to: 2, bit: 0 }];
        assert_eq!(out(0), expected);
        assert_eq!(out(2), [BellOut { number: 1, to: 1, bit: 1 }]);
        assert_eq!([0, 1, 2, 3].map(|vm| parts.bells_in(vm)), [1, 2, 1, 0]);
    }

    #[test]
    fn more_bells_than_a_vm_can_have_are_left_out() {
        let parts = parts(&[], &[BellDesc { from: 0, to: 1 }; 62], &[]);
        assert_eq!(parts.bells_out(0).count(), MAX_BELLS_OUT);
        assert_eq!(parts.bells_in(1), MAX_BELLS_IN as u64);
    }

    #[test]
    fn regions_are_seen_by_those_named() {
        let parts = parts(&[region(0b101, 0b001), region(1 << 63, 1 << 63)], &[], &[]);
        let (shared, count) = parts.vmm_shared(2);
        assert_eq!((count, shared[0].writable, shared[0].size), (1, 0, 4096));
        assert_eq!(parts.vmm_shared(0).0[0].writable, 1);
        assert_eq!(parts.vmm_shared(1).1, 0);
        assert_eq!(parts.vmm_shared(63).1, 1);
    }

    #[test]
    fn port_has_the_vms_own_numbers() {
        let port = PortDesc { vm: 1, shared: 1, side: 1, bell_out: 3, bell_in: 1, ..PortDesc::default() };
        let parts = parts(&[region(1, 1), region(2, 2)], &BELLS, &[port]);
        let (ports, count) = parts.vmm_ports(1);
        let expected = VmmPort { shared: 0, side: 1, bell_out: 1, bell_in: 1, ..VmmPort::default() };
        assert_eq!((count, ports[0]), (1, expected));
        assert_eq!(parts.vmm_ports(0).1, 0);
    }

    #[test]
    fn port_with_what_is_not_the_vms_is_left_out() {
        let good = PortDesc { vm: 1, shared: 0, side: 0, bell_out: 3, bell_in: 0, ..PortDesc::default() };
        let bad = [
            PortDesc { shared: 1, ..good },
            PortDesc { shared: u64::MAX, ..good },
            PortDesc { bell_out: 0, ..good },
            PortDesc { bell_in: 3, ..good },
            PortDesc { bell_in: 99, ..good },
        ];
        let parts = parts(&[region(2, 2), region(2, 0)], &BELLS, &bad);
        assert_eq!(parts.vmm_ports(1).1, 0);
    }
}
