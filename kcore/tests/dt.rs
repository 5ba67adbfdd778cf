//! Device tree reader: QEMU's own tree, small hand-made ones, and bytes of any kind.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "cfg(loom) is set by RUSTFLAGS")]

use kcore::dt::Fdt;
use proptest::prelude::*;

/// From `qemu-system-aarch64 -M virt,virtualization=on,gic-version=3,iommu=smmuv3,dumpdtb=… -smp 4 -m 2G`.
const VIRT: &[u8] = include_bytes!("data/virt.dtb");

/// Structure and strings of a tree under construction.
#[derive(Default)]
struct Blob {
    structure: Vec<u8>,
    strings: Vec<u8>,
    reserved: Vec<u8>,
}

impl Blob {
    fn word(mut self, word: u32) -> Self {
        self.structure.extend(word.to_be_bytes());
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.structure.extend(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        self
    }

    fn begin(self, name: &str) -> Self {
        self.word(1).bytes(&[name.as_bytes(), b"\0"].concat())
    }

    fn end(self) -> Self {
        self.word(2)
    }

    fn prop(mut self, name: &str, value: &[u8]) -> Self {
        let offset = self.strings.len() as u32;
        self.strings.extend([name.as_bytes(), b"\0"].concat());
        self.word(3).word(value.len() as u32).word(offset).bytes(value)
    }

    fn cells(self, name: &str, cells: &[u32]) -> Self {
        self.prop(name, &cells.iter().flat_map(|cell| cell.to_be_bytes()).collect::<Vec<u8>>())
    }

    fn reserve(mut self, address: u64, bytes: u64) -> Self {
        self.reserved.extend([address.to_be_bytes(), bytes.to_be_bytes()].concat());
        self
    }

    fn finish(self) -> Vec<u8> {
        let Self { structure, strings, mut reserved } = self.word(9);
        reserved.extend([0; 16]);
        let at_structure = 40 + reserved.len();
        let at_strings = at_structure + structure.len();
        let total = at_strings + strings.len();
        let sizes = [strings.len(), structure.len()];
        let header = [0xd00d_feed, total, at_structure, at_strings, 40, 17, 16, 0, sizes[0], sizes[1]];
        let header: Vec<u8> = header.iter().flat_map(|field| (*field as u32).to_be_bytes()).collect();
        [header, reserved, structure, strings].concat()
    }
}

#[test]
fn test_virt_memory_and_cpus_are_found() {
    let fdt = Fdt::new(VIRT).unwrap();

    assert_eq!(fdt.memory().collect::<Vec<_>>(), [(0x4000_0000, 2 << 30)]);
    assert_eq!(fdt.cpus().collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(fdt.reserved().count(), 0);
}

#[test]
fn test_virt_gic_has_distributor_and_redistributors() {
    let fdt = Fdt::new(VIRT).unwrap();

    let gic = fdt.compatible("arm,gic-v3").unwrap();

    let reg: Vec<_> = gic.reg().collect();
    assert_eq!(reg[..2], [(0x0800_0000, 0x1_0000), (0x080a_0000, 0xf6_0000)]);
}

#[test]
fn test_virt_uart_and_psci_are_found() {
    let fdt = Fdt::new(VIRT).unwrap();

    let uart = fdt.compatible("arm,pl011").unwrap();
    let psci = fdt.compatible("arm,psci-1.0").unwrap();

    assert_eq!(uart.reg().next(), Some((0x0900_0000, 0x1000)));
    assert_eq!(psci.str("method"), Some("smc"));
}

#[test]
fn test_reserved_memory_comes_from_both_places() {
    let blob = Blob::default()
        .reserve(0x1000, 0x2000)
        .begin("")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .begin("reserved-memory")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[1])
        .begin("tee@5")
        .cells("reg", &[0, 0x5000, 0x100, 1, 0, 0x200])
        .end()
        .end()
        .begin("other")
        .begin("child@0")
        .cells("reg", &[0, 0, 1])
        .end()
        .end()
        .end()
        .finish();

    let reserved: Vec<_> = Fdt::new(&blob).unwrap().reserved().collect();

    assert_eq!(reserved, [(0x1000, 0x2000), (0x5000, 0x100), (1 << 32, 0x200)]);
}

#[test]
fn test_disabled_nodes_are_not_found() {
    let cpu = |blob: Blob, reg, status: &[u8]| {
        blob.begin("cpu").prop("device_type", b"cpu\0").cells("reg", &[reg]).prop("status", status).end()
    };
    let blob = Blob::default().begin("").begin("cpus").cells("#address-cells", &[1]).cells("#size-cells", &[0]);
    let blob = cpu(cpu(blob, 0x100, b"disabled\0"), 0x101, b"okay\0").end().end().finish();

    assert_eq!(Fdt::new(&blob).unwrap().cpus().collect::<Vec<_>>(), [0x101]);
}

#[test]
fn test_compatible_matches_whole_entries_only() {
    let blob = Blob::default().begin("").prop("compatible", b"arm,gic-v3-its\0arm,gic-v3x\0").end().finish();

    assert!(Fdt::new(&blob).unwrap().compatible("arm,gic-v3").is_none());
}

#[test]
fn test_new_bad_header_returns_none() {
    let with = |field: usize, value: u32| {
        let mut blob = VIRT.to_vec();
        blob[field * 4..field * 4 + 4].copy_from_slice(&value.to_be_bytes());
        Fdt::new(&blob).is_some()
    };
    assert!(with(0, 0xd00d_feed));
    let bad = [(0, 1), (1, 39), (1, u32::MAX), (2, u32::MAX), (3, u32::MAX), (4, u32::MAX), (5, 15), (6, 18)];
    for (field, value) in bad {
        assert!(!with(field, value), "field {field} = {value:#x}");
    }
    assert!(Fdt::new(&[]).is_none() && Fdt::size(&[]).is_none());
    assert_eq!(Fdt::size(VIRT), Some(VIRT.len() as u32));
}

/// Reads all that there is to read.
fn read_all(bytes: &[u8]) {
    let Some(fdt) = Fdt::new(bytes) else { return };
    for name in ["arm,gic-v3", "arm,pl011", "arm,psci-1.0", "x"] {
        let Some(node) = fdt.compatible(name) else { continue };
        let _ = (node.str("method"), node.reg().count());
    }
    fdt.memory().chain(fdt.reserved()).for_each(drop);
    fdt.cpus().for_each(drop);
}

proptest! {
    #[test]
    fn test_any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn test_any_structure_block_does_no_harm(
        tokens in prop::collection::vec(prop_oneof![1..5u32, 0..40u32, any::<u32>()], 0..60),
    ) {
        let blob = tokens.into_iter().fold(Blob::default(), Blob::word).prop("reg", &[0; 8]);
        read_all(&blob.finish());
    }

    #[test]
    fn test_virt_with_changed_words_does_no_harm(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![0..10u32, any::<u32>()]), 1..20),
        size in any::<prop::sample::Index>(),
    ) {
        let mut blob = VIRT.to_vec();
        for (index, word) in changes {
            let at = index.index(blob.len() / 4) * 4;
            blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        read_all(&blob);
        blob.truncate(size.index(blob.len()));
        read_all(&blob);
    }
}
