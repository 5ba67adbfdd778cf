//! Reader of flattened device trees (Devicetree Specification 0.4, chapter 5). Bytes of any kind do no harm: what does
//! not parse ends the iteration.
//!
//! Addresses of `reg` are taken as they are: `ranges` of buses are not applied.

/// Deepest level of nodes that is read.
const MAX_DEPTH: usize = 8;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROP: u32 = 3;
const NOP: u32 = 4;

/// A device tree blob.
#[derive(Clone, Copy, Debug)]
pub struct Fdt<'a> {
    structure: &'a [u8],
    strings: &'a [u8],
    reserved: &'a [u8],
}

impl<'a> Fdt<'a> {
    /// The blob at the start of `bytes`. None without a header of version 16 or 17, or if a block lies outside.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let field = |n: usize| be32(bytes, n * 4);
        let bytes = bytes.get(..field(1)? as usize)?;
        let block = |offset: u32, size: u32| bytes.get(offset as usize..)?.get(..size as usize);
        if field(0)? != MAGIC || field(5)? < 16 || field(6)? > 17 {
            return None;
        }
        // Version 16 has no size of the structure block.
        let size = if field(5)? >= 17 { field(9)? } else { field(1)?.checked_sub(field(2)?)? };
        Some(Self {
            structure: block(field(2)?, size)?,
            strings: block(field(3)?, field(8)?)?,
            reserved: bytes.get(field(4)? as usize..)?,
        })
    }

    /// Size of the blob at the start of `bytes` (at least 8 bytes), if its magic number is there.
    #[must_use]
    pub fn size(bytes: &[u8]) -> Option<u32> {
        be32(bytes, 4).filter(|_| be32(bytes, 0) == Some(MAGIC))
    }

    /// All nodes, parents before children.
    #[must_use]
    pub fn nodes(&self) -> Nodes<'a> {
        Nodes { fdt: *self, at: 0, depth: 0, cells: [(2, 1); MAX_DEPTH] }
    }

    /// Nodes that are compatible with `name` and not disabled.
    pub fn compatible(&self, name: &'a str) -> impl Iterator<Item = Node<'a>> + use<'a> {
        self.nodes().filter(move |node| node.is_okay() && node.is_compatible(name))
    }

    /// RAM: (address, bytes).
    pub fn memory(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let is_memory = |node: &Node| node.depth == 1 && node.str("device_type") == Some("memory");
        self.nodes().filter(is_memory).filter(Node::is_okay).flat_map(|node| node.reg())
    }

    /// RAM that is not free, by /memreserve/ and by the children of /reserved-memory: (address, bytes).
    pub fn reserved(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let entries = self.reserved.chunks_exact(16).map_while(|entry| {
            let range = (be64(entry, 0)?, be64(entry, 8)?);
            (range != (0, 0)).then_some(range)
        });
        let mut inside = false;
        let children = self.nodes().filter(move |node| {
            inside = if node.depth == 1 { node.name == "reserved-memory" } else { inside };
            inside && node.depth == 2
        });
        entries.chain(children.flat_map(|node| node.reg()))
    }

    /// MPIDR affinity of each core that is not disabled.
    pub fn cpus(&self) -> impl Iterator<Item = u64> + use<'a> {
        let is_cpu = |node: &Node| node.str("device_type") == Some("cpu") && node.is_okay();
        self.nodes().filter(is_cpu).filter_map(|node| Some(node.reg().next()?.0))
    }
}

/// Iterator of [`Fdt::nodes`].
#[derive(Clone, Debug)]
pub struct Nodes<'a> {
    fdt: Fdt<'a>,
    at: usize,
    /// Nodes that are open.
    depth: usize,
    /// #address-cells and #size-cells for nodes at each depth.
    cells: [(u32, u32); MAX_DEPTH],
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        loop {
            let (token, next) = Token::read(&self.fdt, self.at)?;
            self.at = next;
            match token {
                Token::Begin(name) => return self.enter(name),
                Token::End => self.depth = self.depth.checked_sub(1)?,
                Token::Prop(..) | Token::Nop => {}
            }
        }
    }
}

impl<'a> Nodes<'a> {
    fn enter(&mut self, name: &'a str) -> Option<Node<'a>> {
        let cells = *self.cells.get(self.depth)?;
        let node = Node { name, depth: self.depth, fdt: self.fdt, body: self.at, cells };
        self.depth += 1;
        let inner = |name, default| node.u32(name).unwrap_or(default);
        if let Some(cells) = self.cells.get_mut(self.depth) {
            *cells = (inner("#address-cells", 2), inner("#size-cells", 1));
        }
        Some(node)
    }
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// Name with unit address; empty for the root.
    pub name: &'a str,
    /// 0 for the root.
    pub depth: usize,
    fdt: Fdt<'a>,
    body: usize,
    cells: (u32, u32),
}

impl<'a> Node<'a> {
    /// Value of a property.
    #[must_use]
    pub fn prop(&self, name: &str) -> Option<&'a [u8]> {
        let mut at = self.body;
        loop {
            let (token, next) = Token::read(&self.fdt, at)?;
            at = next;
            match token {
                Token::Prop(found, value) if found == name.as_bytes() => return Some(value),
                Token::Prop(..) | Token::Nop => {}
                Token::Begin(_) | Token::End => return None,
            }
        }
    }

    /// Value of a property that is one cell.
    #[must_use]
    pub fn u32(&self, name: &str) -> Option<u32> {
        self.prop(name).filter(|value| value.len() == 4).and_then(|value| be32(value, 0))
    }

    /// Value of a property that is one or two cells.
    #[must_use]
    pub fn u64(&self, name: &str) -> Option<u64> {
        self.prop(name).filter(|value| value.len() <= 8).and_then(number)
    }

    /// Value of a property that is a string.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<&'a str> {
        c_str(self.prop(name)?, 0)
    }

    /// Whether `compatible` lists `name`.
    #[must_use]
    pub fn is_compatible(&self, name: &str) -> bool {
        let list = self.prop("compatible").unwrap_or_default();
        list.split(|&byte| byte == 0).any(|entry| entry == name.as_bytes())
    }

    /// Whether `status` is "okay" or not there.
    #[must_use]
    pub fn is_okay(&self) -> bool {
        self.prop("status").is_none_or(|status| matches!(status, b"okay\0" | b"ok\0"))
    }

    /// `reg`: (address, bytes), by the parent's cells; 0 bytes where it has no size cells.
    pub fn reg(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let (address, size) = (self.cells.0 as usize & 3, self.cells.1 as usize & 3);
        let entries = self.prop("reg").unwrap_or_default().chunks_exact((address + size).max(1) * 4);
        entries.filter_map(move |entry| {
            let (address, size) = entry.split_at_checked(address * 4)?;
            Some((number(address)?, number(size)?))
        })
    }

    /// `interrupts` of a child of a GIC: (type: 0 SPI, 1 PPI; number; flags: 1 and 2 edges, 4 and 8 levels).
    pub fn interrupts(&self) -> impl Iterator<Item = (u32, u32, u32)> + use<'a> {
        let entries = self.prop("interrupts").unwrap_or_default().chunks_exact(12);
        entries.filter_map(|entry| Some((be32(entry, 0)?, be32(entry, 4)?, be32(entry, 8)?)))
    }
}

enum Token<'a> {
    Begin(&'a str),
    End,
    Prop(&'a [u8], &'a [u8]),
    Nop,
}

impl<'a> Token<'a> {
    /// The token at offset `at` of the structure block, and the offset of the next. None at the end.
    fn read(fdt: &Fdt<'a>, at: usize) -> Option<(Self, usize)> {
        let body = at + 4;
        match be32(fdt.structure, at)? {
            BEGIN_NODE => {
                let name = c_str(fdt.structure, body)?;
                Some((Self::Begin(name), aligned(body + name.len() + 1)))
            }
            END_NODE => Some((Self::End, body)),
            PROP => {
                let size = be32(fdt.structure, body)? as usize;
                let value = fdt.structure.get(body + 8..)?.get(..size)?;
                let name = bytes_to_nul(fdt.strings, be32(fdt.structure, body + 4)? as usize)?;
                Some((Self::Prop(name, value), aligned(body + 8 + size)))
            }
            NOP => Some((Self::Nop, body)),
            _ => None,
        }
    }
}

/// The next offset of a token. Offsets are below 2^32 plus a few bytes: they do not overflow.
const fn aligned(at: usize) -> usize {
    (at + 3) & !3
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_be_bytes(*chunk))
}

fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_be_bytes(*chunk))
}

/// A number of 0, 1 or 2 cells.
fn number(bytes: &[u8]) -> Option<u64> {
    match bytes.len() {
        0 => Some(0),
        4 => be32(bytes, 0).map(u64::from),
        8 => be64(bytes, 0),
        _ => None,
    }
}

fn bytes_to_nul(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..rest.iter().position(|&byte| byte == 0)?)
}

fn c_str(bytes: &[u8], at: usize) -> Option<&str> {
    core::str::from_utf8(bytes_to_nul(bytes, at)?).ok()
}
