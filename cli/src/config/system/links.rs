//! What connects VMs: shared memory, doorbells, ports.

use super::file::{BellToml, FileToml, PortToml, SharedToml};
use super::{Problem, Vm, check_name};
use crate::config::{ConfigError, Source, parse_size, show_size};
use std::ops::Range;
use sysdesc::{
    MAX_BELLS, MAX_BELLS_IN, MAX_BELLS_OUT, MAX_PORTS, MAX_SHARED, SHARED_BASE, SHARED_END, VMM_SHARED_STRIDE,
};
use toml::Spanned;

const PAGE: u64 = abi::PAGE_SIZE;
/// Regions without an address start at multiples of this.
const STEP: u64 = 2 << 20;

/// Memory that VMs share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Name.
    pub name: String,
    /// Address in each guest.
    pub address: u64,
    /// Bytes.
    pub size: u64,
    /// VMs that see it, by index.
    pub vms: Vec<usize>,
    /// Those of them that may write.
    pub writers: Vec<usize>,
}

impl Shared {
    fn end(&self) -> u64 {
        self.address + self.size
    }
}

/// A doorbell: from one VM to another, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bell {
    /// VM that rings.
    pub from: usize,
    /// VM that hears.
    pub to: usize,
}

/// A virtio console port of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// VM that has it, by index.
    pub vm: usize,
    /// VM at the other end.
    pub peer: usize,
    /// Name.
    pub name: String,
    /// Shared region with its channel, by index.
    pub shared: usize,
    /// Side of the channel.
    pub side: u64,
    /// Doorbell to the peer, by index.
    pub bell_out: usize,
    /// Doorbell from the peer, by index.
    pub bell_in: usize,
}

/// All of them, in the order of the file; the ports' own doorbells come last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    /// Shared regions.
    pub shared: Vec<Shared>,
    /// Doorbells.
    pub bells: Vec<Bell>,
    /// Ports.
    pub ports: Vec<Port>,
}

impl Links {
    /// Number by which the guest of `from` rings the doorbell `index`: x0 of HVC #1.
    pub fn number_out(&self, index: usize) -> usize {
        let from = self.bells.get(index).map(|bell| bell.from);
        1 + self.bells.iter().take(index).filter(|bell| Some(bell.from) == from).count()
    }

    /// The doorbell's place among those that its VM hears, from 0: its SPI is `BELL_SPI` + this.
    pub fn number_in(&self, index: usize) -> usize {
        let to = self.bells.get(index).map(|bell| bell.to);
        self.bells.iter().take(index).filter(|bell| Some(bell.to) == to).count()
    }

    pub(super) fn check(source: &Source, file: &FileToml, vms: &[Vm]) -> Result<Self, ConfigError> {
        let mut links = Self::default();
        let check = Check { source, vms };
        check_count(source, "shared regions", MAX_SHARED, &file.shared)?;
        check_count(source, "ports", MAX_PORTS, &file.port)?;
        for table in &file.shared {
            let region = check.shared(table.get_ref(), &links.shared)?;
            links.shared.push(region);
        }
        for table in &file.doorbell {
            let bell = check.bell(table.get_ref())?;
            check.add_bell(&mut links, bell, table.get_ref().from.span())?;
        }
        for table in &file.port {
            check.port(table.get_ref(), &mut links)?;
        }
        Ok(links)
    }
}

fn check_count<T>(source: &Source, what: &str, most: usize, list: &[Spanned<T>]) -> Result<(), ConfigError> {
    match list.get(most) {
        Some(first) => {
            let wrong = format!("there are {} {what}", list.len());
            Err(source.error(first.span(), wrong, format!("at most {most} in a system")))
        }
        None => Ok(()),
    }
}

/// What the checks of all tables need.
struct Check<'a> {
    source: &'a Source,
    vms: &'a [Vm],
}

impl Check<'_> {
    fn error(&self, span: Range<usize>, (wrong, right): Problem) -> ConfigError {
        self.source.error(span, wrong, right)
    }

    /// Index of the VM of this name.
    fn vm(&self, name: &Spanned<String>) -> Result<usize, ConfigError> {
        self.vms.iter().position(|vm| vm.name == *name.get_ref()).ok_or_else(|| {
            let names: Vec<&str> = self.vms.iter().map(|vm| vm.name.as_str()).collect();
            let wrong = format!("there is no VM `{}`", name.get_ref());
            self.error(name.span(), (wrong, format!("VMs of this file: {}", names.join(", "))))
        })
    }

    fn vm_set(&self, names: &[Spanned<String>]) -> Result<Vec<usize>, ConfigError> {
        let mut set = Vec::new();
        for name in names {
            let vm = self.vm(name)?;
            if set.contains(&vm) {
                let wrong = format!("VM `{}` is named twice", name.get_ref());
                return Err(self.error(name.span(), (wrong, "name each VM once".into())));
            }
            set.push(vm);
        }
        Ok(set)
    }

    fn shared(&self, table: &SharedToml, others: &[Shared]) -> Result<Shared, ConfigError> {
        let name = table.name.get_ref();
        check_name("shared region", name, others.iter().map(|other| &other.name))
            .map_err(|problem| self.error(table.name.span(), problem))?;
        let size = self.region_size(&table.size)?;
        let vms = self.vm_set(table.vms.get_ref())?;
        if vms.len() < 2 {
            let right = "two or more VMs, as in [\"linux\", \"rtos\"]".into();
            return Err(self.error(table.vms.span(), ("memory of fewer than two VMs is not shared".into(), right)));
        }
        let writers = match &table.writers {
            Some(writers) => self.writers(writers, &vms)?,
            None => vms.clone(),
        };
        let mut region = Shared { name: name.clone(), address: 0, size, vms, writers };
        region.address = match &table.address {
            Some(address) => self.address(address, &region, others)?,
            None => free_address(size, others).ok_or_else(|| {
                let wrong = format!("no room for {} among the shared regions", show_size(size));
                let right = format!("regions lie from {SHARED_BASE:#x} to {SHARED_END:#x} in guests");
                self.error(table.size.span(), (wrong, right))
            })?,
        };
        Ok(region)
    }

    fn region_size(&self, text: &Spanned<String>) -> Result<u64, ConfigError> {
        let size = parse_size(text.get_ref())
            .map_err(|wrong| self.error(text.span(), (wrong, "for example: size = \"64K\"".into())))?;
        if size == 0 || !size.is_multiple_of(PAGE) || size > VMM_SHARED_STRIDE {
            let wrong = format!("a shared region cannot have {}", show_size(size));
            let right = format!("a multiple of 4 KiB, at most {}", show_size(VMM_SHARED_STRIDE));
            return Err(self.error(text.span(), (wrong, right)));
        }
        Ok(size)
    }

    fn writers(&self, names: &Spanned<Vec<Spanned<String>>>, vms: &[usize]) -> Result<Vec<usize>, ConfigError> {
        let writers = self.vm_set(names.get_ref())?;
        for (name, writer) in names.get_ref().iter().zip(&writers) {
            if !vms.contains(writer) {
                let wrong = format!("VM `{}` is to write what it does not see", name.get_ref());
                return Err(self.error(name.span(), (wrong, "name it in `vms`, too".into())));
            }
        }
        if writers.is_empty() {
            let right = "name at least one; without `writers` all of `vms` may write".into();
            return Err(self.error(names.span(), ("nobody may write this region".into(), right)));
        }
        Ok(writers)
    }

    fn address(&self, address: &Spanned<u64>, region: &Shared, others: &[Shared]) -> Result<u64, ConfigError> {
        let start = *address.get_ref();
        let end = start.checked_add(region.size).filter(|end| *end <= SHARED_END);
        let Some(end) = end.filter(|_| start >= SHARED_BASE && start.is_multiple_of(PAGE)) else {
            let wrong = format!("a region of {} cannot lie at {start:#x}", show_size(region.size));
            let right = format!("a multiple of {PAGE:#x}; regions lie from {SHARED_BASE:#x} to {SHARED_END:#x}");
            return Err(self.error(address.span(), (wrong, right)));
        };
        match others.iter().find(|other| start < other.end() && other.address < end) {
            Some(other) => {
                let wrong = format!("region `{}` overlaps `{}`", region.name, other.name);
                let right = format!(
                    "`{}` has {:#x} to {:#x}; without `address` a free place is found",
                    other.name,
                    other.address,
                    other.end()
                );
                Err(self.error(address.span(), (wrong, right)))
            }
            None => Ok(start),
        }
    }

    fn bell(&self, table: &BellToml) -> Result<Bell, ConfigError> {
        let (from, to) = (self.vm(&table.from)?, self.vm(&table.to)?);
        self.two(from, to, &table.to)?;
        Ok(Bell { from, to })
    }

    fn two(&self, one: usize, other: usize, name: &Spanned<String>) -> Result<(), ConfigError> {
        if one == other {
            let wrong = format!("VM `{}` is both ends", name.get_ref());
            return Err(self.error(name.span(), (wrong, "name another VM".into())));
        }
        Ok(())
    }

    /// Adds a doorbell; gives its index.
    fn add_bell(&self, links: &mut Links, bell: Bell, span: Range<usize>) -> Result<usize, ConfigError> {
        let name = |vm: usize| self.vms.get(vm).map_or("?", |vm| vm.name.as_str());
        let out = links.bells.iter().filter(|other| other.from == bell.from).count();
        let heard = links.bells.iter().filter(|other| other.to == bell.to).count();
        let problem = if links.bells.len() >= MAX_BELLS {
            Some(format!("there are more than {MAX_BELLS} doorbells"))
        } else if out >= MAX_BELLS_OUT {
            Some(format!("VM `{}` rings more than {MAX_BELLS_OUT} doorbells", name(bell.from)))
        } else if heard >= MAX_BELLS_IN {
            Some(format!("VM `{}` hears more than {MAX_BELLS_IN} doorbells", name(bell.to)))
        } else {
            None
        };
        if let Some(wrong) = problem {
            return Err(self.error(span, (wrong, "each [[doorbell]] is one; each [[port]] makes two".into())));
        }
        links.bells.push(bell);
        Ok(links.bells.len() - 1)
    }

    fn port(&self, table: &PortToml, links: &mut Links) -> Result<(), ConfigError> {
        let (vm, peer) = (self.vm(&table.vm)?, self.vm(&table.peer)?);
        self.two(vm, peer, &table.peer)?;
        let names = links.ports.iter().filter(|port| port.vm == vm).map(|port| &port.name);
        check_name("port", table.name.get_ref(), names).map_err(|problem| self.error(table.name.span(), problem))?;
        let shared = self.channel(table, links, vm, peer)?;
        let (side, bell_out, bell_in) = match links.ports.iter().find(|port| port.shared == shared) {
            None => {
                let at = table.vm.span();
                let bell_out = self.add_bell(links, Bell { from: vm, to: peer }, at.clone())?;
                (0, bell_out, self.add_bell(links, Bell { from: peer, to: vm }, at)?)
            }
            Some(port) if (port.vm, port.peer, port.side) == (peer, vm, 0) => (1, port.bell_in, port.bell_out),
            Some(port) => {
                let wrong = format!("region `{}` holds the channel of port `{}`", table.shared.get_ref(), port.name);
                let right = "one channel in a region: give each port a region of its own".into();
                return Err(self.error(table.shared.span(), (wrong, right)));
            }
        };
        let name = table.name.get_ref().clone();
        links.ports.push(Port { vm, peer, name, shared, side, bell_out, bell_in });
        Ok(())
    }

    /// The region of a port, which both of its VMs may write.
    fn channel(&self, table: &PortToml, links: &Links, vm: usize, peer: usize) -> Result<usize, ConfigError> {
        let name = table.shared.get_ref();
        let Some(index) = links.shared.iter().position(|region| region.name == *name) else {
            let names: Vec<&str> = links.shared.iter().map(|region| region.name.as_str()).collect();
            let right = match names.as_slice() {
                [] => "describe it by a table [[shared]]".into(),
                names => format!("regions of this file: {}", names.join(", ")),
            };
            return Err(self.error(table.shared.span(), (format!("there is no shared region `{name}`"), right)));
        };
        for (end, text) in [(vm, &table.vm), (peer, &table.peer)] {
            if !links.shared.get(index).is_some_and(|region| region.writers.contains(&end)) {
                let wrong = format!("VM `{}` may not write region `{name}`, which carries this port", text.get_ref());
                return Err(self.error(text.span(), (wrong, "both ends of a port write its region".into())));
            }
        }
        Ok(index)
    }
}

/// The first place behind the other regions that has room.
fn free_address(size: u64, others: &[Shared]) -> Option<u64> {
    let ends = others.iter().map(|other| other.end().next_multiple_of(STEP));
    let is_free = |start: u64| {
        let end = start + size;
        end <= SHARED_END && others.iter().all(|other| end <= other.address || other.end() <= start)
    };
    std::iter::once(SHARED_BASE).chain(ends).filter(|start| is_free(*start)).min()
}
