//! What root wants to know from the machine's device tree.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node as _, Property as _, ToCellInt as _};

/// Deepest level of nodes that is searched.
const MAX_DEPTH: usize = 8;

/// Address and INTID of the first PL011 that is not at `console` and not disabled.
pub fn second_pl011(bytes: &[u8], console: u64) -> Option<(u64, u32)> {
    find(Fdt::new(bytes).ok()?.root(), console, MAX_DEPTH)
}

fn find(node: FdtNode<'_>, console: u64, depth: usize) -> Option<(u64, u32)> {
    if let Some(device) = pl011(&node).filter(|(base, _)| *base != console) {
        return Some(device);
    }
    let depth = depth.checked_sub(1)?;
    node.children().find_map(|child| find(child, console, depth))
}

fn pl011(node: &FdtNode<'_>) -> Option<(u64, u32)> {
    if !node.is_compatible("arm,pl011") {
        return None;
    }
    let property = |name: &str| node.properties().find(|p| p.name() == name);
    let status: Option<&str> = property("status").and_then(|p| p.value_as().ok());
    if property("status").is_some() && !matches!(status, Some("okay" | "ok")) {
        return None;
    }
    let base: u64 = node.reg().ok()??.next()?.address().ok()?;
    let [kind, number, _flags] = property("interrupts")?.as_prop_encoded_array([1, 1, 1]).ok()?.next()?;
    let (kind, number): (u32, u32) = (kind.to_int().ok()?, number.to_int().ok()?);
    // Interrupt specifiers of GICv3: type 0 is an SPI, from INTID 32 on.
    Some((base, number.checked_add(32).filter(|_| kind == 0)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

    fn cells(name: &str, cells: &[u32]) -> DeviceTreeProperty {
        DeviceTreeProperty::new(name, cells.iter().flat_map(|cell| cell.to_be_bytes()).collect::<Vec<u8>>()).unwrap()
    }

    fn uart(base: u32, spi: u32, status: Option<&str>) -> DeviceTreeNode {
        let compatible = DeviceTreeProperty::new("compatible", b"arm,pl011\0arm,primecell\0".to_vec()).unwrap();
        let node = DeviceTreeNode::builder(format!("pl011@{base:x}"))
            .unwrap()
            .property(compatible)
            .property(cells("reg", &[0, base, 0, 0x1000]))
            .property(cells("interrupts", &[0, spi, 4]));
        match status {
            Some(status) => {
                let status = format!("{status}\0").into_bytes();
                node.property(DeviceTreeProperty::new("status", status).unwrap()).build()
            }
            None => node.build(),
        }
    }

    fn tree(uarts: Vec<DeviceTreeNode>) -> Vec<u8> {
        let mut tree = DeviceTree::new();
        tree.root.add_property(cells("#address-cells", &[2]));
        tree.root.add_property(cells("#size-cells", &[2]));
        uarts.into_iter().for_each(|uart| tree.root.add_child(uart));
        tree.to_dtb()
    }

    #[test]
    fn console_is_not_the_second() {
        let one = tree(vec![uart(0x900_0000, 1, None)]);
        let two = tree(vec![uart(0x900_0000, 1, None), uart(0x904_0000, 8, None)]);

        assert_eq!(second_pl011(&one, 0x900_0000), None);
        assert_eq!(second_pl011(&two, 0x900_0000), Some((0x904_0000, 40)));
    }

    #[test]
    fn disabled_one_is_not_taken() {
        let tree = tree(vec![uart(0x900_0000, 1, None), uart(0x904_0000, 8, Some("disabled"))]);

        assert_eq!(second_pl011(&tree, 0x900_0000), None);
    }

    #[test]
    fn garbage_is_no_tree() {
        assert_eq!(second_pl011(&[], 0), None);
        assert_eq!(second_pl011(&[0xff; 4096], 0), None);
    }
}
