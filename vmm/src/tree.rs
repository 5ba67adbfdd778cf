//! The guest's device tree: the least that Linux needs of QEMU's `virt` board.

use crate::fdt::Writer;
use crate::machine as m;

/// What the tree is made from.
#[derive(Clone, Copy, Debug)]
pub struct Config<'a> {
    /// vCPUs.
    pub vcpus: u64,
    /// Bytes of RAM.
    pub memory: u64,
    /// Kernel command line.
    pub cmdline: &'a str,
    /// Start and end of the initrd.
    pub initrd: Option<(u64, u64)>,
    /// Seed for the kernel's random number generator.
    pub seed: &'a [u8],
    /// Memory shared with other VMs.
    pub shared: &'a [Shared<'a>],
    /// Incoming doorbells that the guest hears: bit n for the n-th.
    pub bells_in: u64,
    /// Outgoing doorbells, number 0 not counted.
    pub bells_out: u64,
    /// Whether there is a virtio console.
    pub ports: bool,
}

/// Memory shared with other VMs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shared<'a> {
    /// Its name in the system file.
    pub name: &'a str,
    /// First address.
    pub ipa: u64,
    /// Bytes.
    pub size: u64,
    /// Whether the guest may write.
    pub writable: bool,
}

const GIC: u32 = 1;
const CLOCK: u32 = 2;
/// Cells of an interrupt: SPI, PPI; level-triggered, active high.
const SPI: u32 = 0;
const PPI: u32 = 1;
const LEVEL: u32 = 4;
/// Edge-triggered, rising.
const EDGE: u32 = 1;
/// First INTID of the PPIs.
const PPI_BASE: u32 = 16;
/// Rate of the PL011's and PL031's clock, Hz.
const CLOCK_RATE: u32 = 24_000_000;

/// Writes the tree; gives its bytes, or nothing if `buffer` is too small.
pub fn write(buffer: &mut [u8], config: &Config) -> Option<usize> {
    let mut tree = Writer::new(buffer);
    tree.node("", |root| {
        root.strings("compatible", &["linux,dummy-virt"]);
        root.strings("model", &["Sosia virtual machine"]);
        root.cells("#address-cells", &[2]);
        root.cells("#size-cells", &[2]);
        root.cells("interrupt-parent", &[GIC]);
        chosen(root, config);
        root.node_at("memory", m::RAM_BASE, |node| {
            node.strings("device_type", &["memory"]);
            node.reg(&[(m::RAM_BASE, config.memory)]);
        });
        cpus(root, config.vcpus);
        root.node("psci", |node| {
            node.strings("compatible", &["arm,psci-1.0", "arm,psci-0.2"]);
            node.strings("method", &["hvc"]);
        });
        timer(root);
        gic(root, config.vcpus);
        root.node("apb-pclk", |node| {
            node.strings("compatible", &["fixed-clock"]);
            node.cells("#clock-cells", &[0]);
            node.cells("clock-frequency", &[CLOCK_RATE]);
            node.strings("clock-output-names", &["clk24mhz"]);
            node.cells("phandle", &[CLOCK]);
        });
        device(root, "pl011", m::UART_BASE, m::UART_SPI, &["uartclk", "apb_pclk"]);
        device(root, "pl031", m::RTC_BASE, m::RTC_SPI, &["apb_pclk"]);
        watchdog(root);
        if config.ports {
            virtio(root, 0, m::PORTS_SPI);
        }
        if !config.shared.is_empty() || config.bells_in | config.bells_out != 0 {
            neighbours(root, config);
        }
    });
    tree.finish()
}

/// The generic watchdog: control frame, then refresh frame.
fn watchdog(root: &mut Writer) {
    root.node_at("watchdog", m::WATCHDOG_CONTROL, |node| {
        node.strings("compatible", &["arm,sbsa-gwdt"]);
        node.reg(&[(m::WATCHDOG_CONTROL, m::DEVICE_SIZE), (m::WATCHDOG_REFRESH, m::DEVICE_SIZE)]);
        node.cells("interrupts", &[SPI, m::WATCHDOG_SPI, LEVEL]);
    });
}

/// Virtio transport `slot`.
fn virtio(root: &mut Writer, slot: u64, spi: u32) {
    let base = m::VIRTIO_BASE.saturating_add(slot.saturating_mul(m::VIRTIO_STRIDE));
    root.node_at("virtio_mmio", base, |node| {
        node.strings("compatible", &["virtio,mmio"]);
        node.reg(&[(base, m::VIRTIO_STRIDE)]);
        node.cells("interrupts", &[SPI, spi, LEVEL]);
        node.property("dma-coherent", &[]);
    });
}

/// What the guest shares with other VMs. Doorbell n is rung by HVC #1 with x0 = n.
fn neighbours(root: &mut Writer, config: &Config) {
    root.node("sosia", |node| {
        node.strings("compatible", &["sosia,neighbours", "simple-bus"]);
        node.cells("#address-cells", &[2]);
        node.cells("#size-cells", &[2]);
        node.property("ranges", &[]);
        node.cells("sosia,doorbells-out", &[config.bells_out as u32]);
        for region in config.shared {
            node.node_at("shared", region.ipa, |node| {
                node.strings("compatible", &["sosia,shared-memory"]);
                node.strings("label", &[region.name]);
                node.reg(&[(region.ipa, region.size)]);
                if !region.writable {
                    node.property("read-only", &[]);
                }
            });
        }
        for n in (0..32u32).filter(|n| config.bells_in >> n & 1 != 0) {
            node.node_at("doorbell", u64::from(n), |node| {
                node.strings("compatible", &["sosia,doorbell"]);
                node.cells("interrupts", &[SPI, m::BELL_SPI.saturating_add(n), EDGE]);
            });
        }
    });
}

fn chosen(root: &mut Writer, config: &Config) {
    root.node("chosen", |node| {
        node.strings("bootargs", &[config.cmdline]);
        node.strings("stdout-path", &["/pl011@9000000"]);
        node.property("rng-seed", config.seed);
        if let Some((start, end)) = config.initrd {
            node.property("linux,initrd-start", &start.to_be_bytes());
            node.property("linux,initrd-end", &end.to_be_bytes());
        }
    });
}

fn cpus(root: &mut Writer, vcpus: u64) {
    root.node("cpus", |cpus| {
        cpus.cells("#address-cells", &[1]);
        cpus.cells("#size-cells", &[0]);
        for affinity in (0..vcpus).map(m::affinity) {
            cpus.node_at("cpu", affinity, |cpu| {
                cpu.strings("device_type", &["cpu"]);
                cpu.strings("compatible", &["arm,armv8"]);
                cpu.strings("enable-method", &["psci"]);
                cpu.cells("reg", &[affinity as u32]);
            });
        }
    });
}

/// Secure, non-secure, virtual and hypervisor timers, in the order of the binding.
fn timer(root: &mut Writer) {
    root.node("timer", |node| {
        let ppi = |intid: u32| intid.saturating_sub(PPI_BASE);
        let (physical, virt) = (ppi(m::PTIMER_INTID), ppi(m::VTIMER_INTID));
        node.strings("compatible", &["arm,armv8-timer"]);
        node.property("always-on", &[]);
        node.cells("interrupts", &[PPI, 13, LEVEL, PPI, physical, LEVEL, PPI, virt, LEVEL, PPI, 10, LEVEL]);
    });
}

fn gic(root: &mut Writer, vcpus: u64) {
    root.node_at("intc", m::GICD_BASE, |node| {
        node.strings("compatible", &["arm,gic-v3"]);
        node.cells("#interrupt-cells", &[3]);
        node.property("interrupt-controller", &[]);
        node.cells("#redistributor-regions", &[1]);
        node.reg(&[(m::GICD_BASE, m::GICD_SIZE), (m::GICR_BASE, vcpus.saturating_mul(m::GICR_STRIDE))]);
        node.cells("phandle", &[GIC]);
    });
}

/// A PrimeCell with its interrupt and clocks.
fn device(root: &mut Writer, name: &str, base: u64, spi: u32, clocks: &[&str]) {
    root.node_at(name, base, |node| {
        match name {
            "pl011" => node.strings("compatible", &["arm,pl011", "arm,primecell"]),
            _ => node.strings("compatible", &["arm,pl031", "arm,primecell"]),
        }
        node.reg(&[(base, m::DEVICE_SIZE)]);
        node.cells("interrupts", &[SPI, spi, LEVEL]);
        node.cells("clocks", [CLOCK; 2].get(..clocks.len()).unwrap_or_default());
        node.strings("clock-names", clocks);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::fdt::Fdt;
    use dtoolkit::{Node, Property};

    const CONFIG: Config = Config {
        vcpus: 4,
        memory: 256 << 20,
        cmdline: "console=ttyAMA0 quiet",
        initrd: Some((0x4400_0000, 0x4410_0000)),
        seed: &[7; 32],
        shared: &[],
        bells_in: 0,
        bells_out: 0,
        ports: false,
    };

    fn property(tree: &[u8], path: &str, name: &str) -> std::vec::Vec<u8> {
        let fdt = Fdt::new(tree).unwrap();
        let node = fdt.find_node(path).unwrap_or_else(|| panic!("no {path}"));
        node.property(name).unwrap_or_else(|| panic!("no {name}")).value().to_vec()
    }

    extern crate std;

    #[test]
    fn write_makes_a_tree_that_a_parser_reads() {
        let mut buffer = [0; 8192];

        let size = write(&mut buffer, &CONFIG).unwrap();

        let tree = &buffer[..size];
        assert_eq!(property(tree, "/chosen", "bootargs"), b"console=ttyAMA0 quiet\0");
        assert_eq!(property(tree, "/chosen", "linux,initrd-end"), 0x4410_0000u64.to_be_bytes());
        assert_eq!(property(tree, "/memory@40000000", "reg")[8..], (256u64 << 20).to_be_bytes());
        assert_eq!(property(tree, "/cpus/cpu@3", "reg"), [0, 0, 0, 3]);
        assert_eq!(property(tree, "/pl011@9000000", "interrupts"), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4]);
        assert_eq!(property(tree, "/intc@8000000", "compatible"), b"arm,gic-v3\0");
        assert_eq!(property(tree, "/watchdog@b010000", "reg")[..8], 0xb01_0000u64.to_be_bytes());
    }

    #[test]
    fn write_lists_no_more_cpus_than_there_are() {
        let mut buffer = [0; 8192];

        let size = write(&mut buffer, &Config { vcpus: 1, ..CONFIG }).unwrap();

        let fdt = Fdt::new(&buffer[..size]).unwrap();
        assert!(fdt.find_node("/cpus/cpu@0").is_some());
        assert!(fdt.find_node("/cpus/cpu@1").is_none());
    }

    #[test]
    fn write_lists_shared_memory_and_doorbells() {
        let shared = [Shared { name: "ring", ipa: 0x2000_0000, size: 0x2000, writable: false }];
        let mut buffer = [0; 8192];

        let size = write(&mut buffer, &Config { shared: &shared, bells_in: 0b10, bells_out: 3, ..CONFIG }).unwrap();

        let tree = &buffer[..size];
        assert_eq!(property(tree, "/sosia", "sosia,doorbells-out"), [0, 0, 0, 3]);
        assert_eq!(property(tree, "/sosia/shared@20000000", "label"), b"ring\0");
        assert_eq!(property(tree, "/sosia/shared@20000000", "reg")[8..], 0x2000u64.to_be_bytes());
        assert_eq!(property(tree, "/sosia/doorbell@1", "interrupts"), [0, 0, 0, 0, 0, 0, 0, 49, 0, 0, 0, 1]);
        let fdt = Fdt::new(tree).unwrap();
        assert!(fdt.find_node("/sosia/doorbell@0").is_none());
        assert!(fdt.find_node("/sosia/shared@20000000").unwrap().property("read-only").is_some());
    }

    #[test]
    fn write_lists_the_virtio_console() {
        let mut buffer = [0; 8192];

        let size = write(&mut buffer, &Config { ports: true, ..CONFIG }).unwrap();

        let node = "/virtio_mmio@a000000";
        assert_eq!(property(&buffer[..size], node, "compatible"), b"virtio,mmio\0");
        assert_eq!(property(&buffer[..size], node, "interrupts"), [0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 4]);
    }

    #[test]
    fn write_alone_lists_no_neighbours() {
        let mut buffer = [0; 8192];

        let size = write(&mut buffer, &CONFIG).unwrap();

        assert!(Fdt::new(&buffer[..size]).unwrap().find_node("/sosia").is_none());
    }

    #[test]
    fn write_to_any_smaller_buffer_fails() {
        let mut buffer = [0; 8192];
        let size = write(&mut buffer, &CONFIG).unwrap();

        for short in 0..size {
            assert_eq!(write(&mut buffer[..short], &CONFIG), None);
        }
    }
}
