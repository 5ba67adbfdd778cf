//! Writes the binary system description of `sysdesc`.

use super::Names;
use super::pack::{name_bytes, put};
use crate::config::{Links, System, Vm};
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use sysdesc::{CMDLINE_LEN, FLAG_AARCH32, FLAG_POWER_OFF, MAX_VCPUS, SYSTEM_MAGIC, SYSTEM_MUX};

/// The bytes of a [`sysdesc::SystemDesc`] and what follows it, with a fresh seed and the present time.
pub fn encode(system: &System, names: &[Names]) -> Vec<u8> {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    encode_with(system, names, seed(), epoch)
}

fn encode_with(system: &System, names: &[Names], seed: [u8; 32], epoch: u64) -> Vec<u8> {
    let links = &system.links;
    let mut out = Vec::new();
    put(&mut out, &[SYSTEM_MAGIC, system.vms.len() as u64]);
    out.extend_from_slice(&seed);
    put(&mut out, &[epoch, if system.mux { SYSTEM_MUX } else { 0 }]);
    put(&mut out, &[links.shared.len() as u64, links.bells.len() as u64, links.ports.len() as u64, 0]);
    for (vm, names) in system.vms.iter().zip(names) {
        encode_vm(&mut out, vm, names);
    }
    encode_links(&mut out, links);
    out
}

fn encode_vm(out: &mut Vec<u8>, vm: &Vm, names: &Names) {
    out.extend_from_slice(&name_bytes(&vm.name));
    put(out, &[vm.vcpus, vm.memory, names.form.format]);
    out.extend_from_slice(&name_bytes(&names.kernel));
    out.extend_from_slice(&name_bytes(&names.initrd));
    let mut cores = [u64::MAX; MAX_VCPUS];
    for (to, from) in cores.iter_mut().zip(&vm.cores) {
        *to = *from;
    }
    put(out, &cores);
    let (budget, period) = vm.share.map_or((0, 0), |share| (share.budget, share.period));
    put(out, &[vm.priority, budget, period, vm.restart.number(), vm.restart_limit, vm.heartbeat]);
    let flag = |set: bool, flag: u64| if set { flag } else { 0 };
    let form = names.form;
    let flags = flag(vm.ends_run, FLAG_POWER_OFF) | flag(form.aarch32, FLAG_AARCH32) | vm.engine.flags();
    put(out, &[flags, form.load, form.entry]);
    let mut cmdline = vm.cmdline.clone().into_bytes();
    cmdline.resize(CMDLINE_LEN, 0);
    out.extend_from_slice(&cmdline);
}

fn encode_links(out: &mut Vec<u8>, links: &Links) {
    let set = |vms: &[usize]| vms.iter().fold(0u64, |set, vm| set | 1 << vm);
    for region in &links.shared {
        out.extend_from_slice(&name_bytes(&region.name));
        put(out, &[region.address, region.size, set(&region.vms), set(&region.writers)]);
    }
    for bell in &links.bells {
        put(out, &[bell.from as u64, bell.to as u64]);
    }
    for port in &links.ports {
        put(out, &[port.vm as u64]);
        out.extend_from_slice(&name_bytes(&port.name));
        put(out, &[port.shared as u64, port.side, port.bell_out as u64, port.bell_in as u64]);
    }
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    if let Ok(mut random) = std::fs::File::open("/dev/urandom") {
        let _ = random.read_exact(&mut seed);
    }
    seed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bell, Port, Restart, Share, Shared};
    use crate::image::format::Form;
    use std::mem::offset_of;
    use sysdesc::{BellDesc, PortDesc, SharedDesc, SystemDesc, VmDesc, format};

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    fn names() -> Names {
        let form = Form { format: format::RAW, load: 0x4000_8000, entry: 0x4000_8000, aarch32: true, memory: 0 };
        Names { kernel: "kernel0".into(), initrd: String::new(), form }
    }

    #[test]
    fn layout_is_the_abi_structs() {
        let mut system = System::single(Vm::example());
        system.mux = true;
        let vm = &mut system.vms[0];
        vm.cores = vec![3];
        vm.share = Some(Share { budget: 5_000, period: 10_000 });
        (vm.restart, vm.restart_limit, vm.heartbeat) = (Restart::Always, 7, 2_000);

        let bytes = encode_with(&system, &[names()], [9; 32], 77);

        assert_eq!(bytes.len(), size_of::<SystemDesc>() + size_of::<VmDesc>());
        assert_eq!(word(&bytes, offset_of!(SystemDesc, vm_count)), 1);
        assert_eq!(word(&bytes, offset_of!(SystemDesc, epoch)), 77);
        assert_eq!(word(&bytes, offset_of!(SystemDesc, flags)), SYSTEM_MUX);
        let vm = &bytes[size_of::<SystemDesc>()..];
        assert_eq!(word(vm, offset_of!(VmDesc, memory)), system.vms[0].memory);
        assert_eq!(word(vm, offset_of!(VmDesc, format)), format::RAW);
        assert_eq!(&vm[offset_of!(VmDesc, kernel)..][..8], b"kernel0\0");
        assert_eq!(word(vm, offset_of!(VmDesc, cores)), 3);
        assert_eq!(word(vm, offset_of!(VmDesc, cores) + 8), u64::MAX);
        assert_eq!(word(vm, offset_of!(VmDesc, budget)), 5_000);
        assert_eq!(word(vm, offset_of!(VmDesc, period)), 10_000);
        assert_eq!(word(vm, offset_of!(VmDesc, restart)), sysdesc::restart::ALWAYS);
        assert_eq!(word(vm, offset_of!(VmDesc, restart_limit)), 7);
        assert_eq!(word(vm, offset_of!(VmDesc, heartbeat)), 2_000);
        assert_eq!(word(vm, offset_of!(VmDesc, flags)), FLAG_POWER_OFF | FLAG_AARCH32);
        assert_eq!(word(vm, offset_of!(VmDesc, load)), 0x4000_8000);
        assert_eq!(word(vm, offset_of!(VmDesc, entry)), 0x4000_8000);
        assert!(vm[offset_of!(VmDesc, cmdline)..].starts_with(system.vms[0].cmdline.as_bytes()));
    }

    #[test]
    fn links_follow_the_vms() {
        let mut system = System::single(Vm::example());
        let region = Shared { name: "r".into(), address: 0x2000_0000, size: 0x4000, vms: vec![0, 2], writers: vec![2] };
        system.links = Links {
            shared: vec![region],
            bells: vec![Bell { from: 0, to: 2 }, Bell { from: 2, to: 0 }],
            ports: vec![Port { vm: 2, peer: 0, name: "p".into(), shared: 0, side: 1, bell_out: 1, bell_in: 0 }],
        };

        let bytes = encode_with(&system, &[names()], [9; 32], 77);

        let counts = [offset_of!(SystemDesc, shared_count), offset_of!(SystemDesc, bell_count)];
        assert_eq!(counts.map(|offset| word(&bytes, offset)), [1, 2]);
        assert_eq!(word(&bytes, offset_of!(SystemDesc, port_count)), 1);
        let (shared, rest) = bytes[size_of::<SystemDesc>() + size_of::<VmDesc>()..].split_at(size_of::<SharedDesc>());
        assert_eq!(word(shared, offset_of!(SharedDesc, ipa)), 0x2000_0000);
        assert_eq!(word(shared, offset_of!(SharedDesc, size)), 0x4000);
        assert_eq!(word(shared, offset_of!(SharedDesc, vms)), 0b101);
        assert_eq!(word(shared, offset_of!(SharedDesc, writers)), 0b100);
        let (bells, port) = rest.split_at(2 * size_of::<BellDesc>());
        assert_eq!(word(bells, size_of::<BellDesc>() + offset_of!(BellDesc, from)), 2);
        assert_eq!(port.len(), size_of::<PortDesc>());
        assert_eq!(port[offset_of!(PortDesc, name)], b'p');
        let fields = [offset_of!(PortDesc, vm), offset_of!(PortDesc, shared), offset_of!(PortDesc, side)];
        assert_eq!(fields.map(|offset| word(port, offset)), [2, 0, 1]);
        assert_eq!(word(port, offset_of!(PortDesc, bell_out)), 1);
        assert_eq!(word(port, offset_of!(PortDesc, bell_in)), 0);
    }
}
