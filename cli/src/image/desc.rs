//! Writes the binary system description of `sysdesc`.

use super::Names;
use super::pack::{name_bytes, put};
use crate::config::{System, Vm};
use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};
use sysdesc::{CMDLINE_LEN, FLAG_POWER_OFF, MAX_VCPUS, SYSTEM_MAGIC, format};

/// The bytes of a [`sysdesc::SystemDesc`] and its VMs, with a fresh seed and the present time.
pub fn encode(system: &System, names: &[Names]) -> Vec<u8> {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    encode_with(system, names, seed(), epoch)
}

fn encode_with(system: &System, names: &[Names], seed: [u8; 32], epoch: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[SYSTEM_MAGIC, system.vms.len() as u64]);
    out.extend_from_slice(&seed);
    put(&mut out, &[epoch, 0, 0, 0, 0, 0]);
    for (vm, names) in system.vms.iter().zip(names) {
        encode_vm(&mut out, vm, names);
    }
    out
}

fn encode_vm(out: &mut Vec<u8>, vm: &Vm, names: &Names) {
    out.extend_from_slice(&name_bytes(&vm.name));
    put(out, &[vm.vcpus, vm.memory, format::IMAGE]);
    out.extend_from_slice(&name_bytes(&names.kernel));
    out.extend_from_slice(&name_bytes(&names.initrd));
    let mut cores = [u64::MAX; MAX_VCPUS];
    for (to, from) in cores.iter_mut().zip(&vm.cores) {
        *to = *from;
    }
    put(out, &cores);
    put(out, &[vm.priority, 0, 0, 0, 0, 0, if vm.ends_run { FLAG_POWER_OFF } else { 0 }, 0, 0]);
    let mut cmdline = vm.cmdline.clone().into_bytes();
    cmdline.resize(CMDLINE_LEN, 0);
    out.extend_from_slice(&cmdline);
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
    use std::mem::offset_of;
    use sysdesc::{SystemDesc, VmDesc};

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn layout_is_the_abi_structs() {
        let mut system = System::single(Vm::example());
        system.vms[0].cores = vec![3];
        let names = [Names { kernel: "kernel0".into(), initrd: String::new() }];

        let bytes = encode_with(&system, &names, [9; 32], 77);

        assert_eq!(bytes.len(), size_of::<SystemDesc>() + size_of::<VmDesc>());
        assert_eq!(word(&bytes, offset_of!(SystemDesc, vm_count)), 1);
        assert_eq!(word(&bytes, offset_of!(SystemDesc, epoch)), 77);
        let vm = &bytes[size_of::<SystemDesc>()..];
        assert_eq!(word(vm, offset_of!(VmDesc, memory)), system.vms[0].memory);
        assert_eq!(&vm[offset_of!(VmDesc, kernel)..][..8], b"kernel0\0");
        assert_eq!(word(vm, offset_of!(VmDesc, cores)), 3);
        assert_eq!(word(vm, offset_of!(VmDesc, cores) + 8), u64::MAX);
        assert_eq!(word(vm, offset_of!(VmDesc, flags)), FLAG_POWER_OFF);
        assert!(vm[offset_of!(VmDesc, cmdline)..].starts_with(system.vms[0].cmdline.as_bytes()));
    }
}
