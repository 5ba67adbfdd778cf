//! What root wants to know from the machine's device tree.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node as _, Property as _, ToCellInt as _};

/// Deepest level of nodes that is searched.
const MAX_DEPTH: usize = 8;

/// Of the device tree at the start of `bytes`: address and INTID of the PL011 that has `index` others before it, disabled ones left out. The kernel
/// takes the first, too, for its log.
pub fn pl011(bytes: &[u8], mut index: usize) -> Option<(u64, u32)> {
    // The header's second word is the size of all of it.
    let size = bytes.get(4..)?.first_chunk().map(|size| u32::from_be_bytes(*size))?;
    let tree = Fdt::new(bytes.get(..size as usize)?).ok()?;
    let node = find(tree.root(), &mut index, MAX_DEPTH)?;
    let base: u64 = node.reg().ok()??.next()?.address().ok()?;
    let interrupts = node.properties().find(|p| p.name() == "interrupts")?;
    let [kind, number, _flags] = interrupts.as_prop_encoded_array([1, 1, 1]).ok()?.next()?;
    let (kind, number): (u32, u32) = (kind.to_int().ok()?, number.to_int().ok()?);
    // Interrupt specifiers of GICv3: type 0 is an SPI, from INTID 32 on.
    Some((base, number.checked_add(32).filter(|_| kind == 0)?))
}

fn find<'a>(node: FdtNode<'a>, index: &mut usize, depth: usize) -> Option<FdtNode<'a>> {
    if is_pl011(&node) {
        match index.checked_sub(1) {
            Some(left) => *index = left,
            None => return Some(node),
        }
    }
    let depth = depth.checked_sub(1)?;
    node.children().find_map(|child| find(child, index, depth))
}

fn is_pl011(node: &FdtNode<'_>) -> bool {
    let status: Option<Option<&str>> = node.property("status").map(|p| p.value_as().ok());
    node.is_compatible("arm,pl011") && matches!(status, None | Some(Some("okay" | "ok")))
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
    fn they_are_counted_from_the_first() {
        let one = tree(vec![uart(0x900_0000, 1, None)]);
        let two = tree(vec![uart(0x900_0000, 1, None), uart(0x904_0000, 8, None)]);

        assert_eq!(pl011(&one, 0), Some((0x900_0000, 33)));
        assert_eq!(pl011(&one, 1), None);
        assert_eq!(pl011(&two, 1), Some((0x904_0000, 40)));
    }

    #[test]
    fn disabled_one_is_not_taken() {
        let tree = tree(vec![uart(0x900_0000, 1, None), uart(0x904_0000, 8, Some("disabled"))]);

        assert_eq!(pl011(&tree, 1), None);
    }

    #[test]
    fn garbage_is_no_tree() {
        assert_eq!(pl011(&[], 0), None);
        assert_eq!(pl011(&[0xff; 4096], 0), None);
    }
}
