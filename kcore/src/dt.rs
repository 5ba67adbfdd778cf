//! What the kernel wants to know from a flattened device tree, read with `dtoolkit`.
//!
//! A blob that is not well-formed is refused as a whole. Addresses of `reg` are taken as they are: `ranges` of buses are
//! not applied.

use dtoolkit::fdt::FdtNode;
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node as _, Property as _};

/// Deepest level of nodes that is searched.
const MAX_DEPTH: usize = 8;

/// A device tree.
#[derive(Clone, Copy, Debug)]
pub struct Fdt<'a>(dtoolkit::fdt::Fdt<'a>);

impl<'a> Fdt<'a> {
    /// The blob at the start of `bytes`; `None` if it is not well-formed.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        dtoolkit::fdt::Fdt::new(bytes.get(..Self::size(bytes)? as usize)?).ok().map(Self)
    }

    /// Size that the header of the blob at the start of `bytes` names.
    #[must_use]
    pub fn size(bytes: &[u8]) -> Option<u32> {
        bytes.get(4..)?.first_chunk().map(|size| u32::from_be_bytes(*size))
    }

    /// The first node that is compatible with `name` and not disabled.
    #[must_use]
    pub fn compatible(&self, name: &str) -> Option<Node<'a>> {
        find(self.0.root(), name, MAX_DEPTH).map(Node)
    }

    /// RAM: (address, bytes).
    pub fn memory(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        of_type(Some(self.0.root()), "memory").flat_map(|node| node.reg())
    }

    /// RAM that is not free, by /memreserve/ and by the children of /reserved-memory: (address, bytes).
    pub fn reserved(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let entries = self.0.memory_reservations().map(|entry| (entry.address(), entry.size()));
        let children = self.0.find_node("/reserved-memory").into_iter().flat_map(|node| node.children());
        entries.chain(children.flat_map(|node| Node(node).reg()))
    }

    /// MPIDR affinity of each core that is not disabled.
    pub fn cpus(&self) -> impl Iterator<Item = u64> + use<'a> {
        of_type(self.0.find_node("/cpus"), "cpu").filter_map(|node| Some(node.reg().next()?.0))
    }
}

/// The first node from `node` on that is compatible with `name` and not disabled, parents before children.
fn find<'a>(node: FdtNode<'a>, name: &str, depth: usize) -> Option<FdtNode<'a>> {
    if Node(node).is_okay() && node.is_compatible(name) {
        return Some(node);
    }
    let depth = depth.checked_sub(1)?;
    node.children().find_map(|child| find(child, name, depth))
}

/// Children of a `device_type` that are not disabled.
fn of_type<'a>(parent: Option<FdtNode<'a>>, kind: &'static str) -> impl Iterator<Item = Node<'a>> {
    let nodes = parent.into_iter().flat_map(|node| node.children()).map(Node);
    nodes.filter(move |node| node.str("device_type") == Some(kind) && node.is_okay())
}

/// A node.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a>(FdtNode<'a>);

impl<'a> Node<'a> {
    /// Value of a property that is a string.
    #[must_use]
    pub fn str(&self, name: &str) -> Option<&'a str> {
        self.0.properties().find(|p| p.name() == name)?.value_as().ok()
    }

    /// Whether `status` is "okay" or not there.
    fn is_okay(&self) -> bool {
        self.0.property("status").is_none() || matches!(self.str("status"), Some("okay" | "ok"))
    }

    /// `reg`: (address, bytes), by the parent's cells; 0 bytes where it has no size cells.
    pub fn reg(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let entries = self.0.reg().ok().flatten().into_iter().flatten();
        entries.filter_map(|entry| Some((entry.address().ok()?, entry.size().ok()?)))
    }
}
