//! Whether the VMs' memory fits into the machine's, piece by piece: a VM's RAM is one piece.
//!
//! ```text
//!   RAM base                  128 MiB, or half of a smaller RAM                     RAM end
//!   │ firmware │ boot image │ free │ device tree, from 2 MiB │ free                       │
//! ```
//! So QEMU lays it out (hw/arm/boot.c), and so do boot loaders, more or less.

/// RAM of VMs comes in blocks of this many bytes; the device tree is taken for one.
const BLOCK: u64 = 2 << 20;
/// Where QEMU puts the device tree, but for small machines and large images.
const TREE: u64 = 128 << 20;

/// What is to be placed, in bytes.
pub struct Wanted<'a> {
    /// Firmware and boot image.
    pub image: u64,
    /// What root takes first: the hypervisor's own, shared memory.
    pub own: u64,
    /// RAM of each VM.
    pub vms: &'a [u64],
    /// What each VM takes beside its RAM.
    pub beside: u64,
}

/// Number of the first VM that there is no room for.
pub fn first_without_room(memory: u64, wanted: &Wanted) -> Option<usize> {
    let tree = TREE.min(memory / 2).max(wanted.image).next_multiple_of(BLOCK);
    let free = |start: u64, end: u64| end.saturating_sub(start.next_multiple_of(BLOCK));
    let mut pieces = [free(wanted.image, tree), free(tree + BLOCK, memory)];
    if !take(&mut pieces, wanted.own) {
        return Some(0);
    }
    wanted.vms.iter().position(|ram| !take(&mut pieces, *ram) || !take(&mut pieces, wanted.beside))
}

/// Takes from the smallest piece that has it, as root does.
fn take(pieces: &mut [u64; 2], size: u64) -> bool {
    match pieces.iter_mut().filter(|piece| **piece >= size).min() {
        Some(piece) => {
            *piece -= size;
            true
        }
        None => false,
    }
}

/// The least memory that is enough, in steps of 64 MiB, from `memory` on.
pub fn enough(memory: u64, wanted: &Wanted) -> u64 {
    const STEP: u64 = 64 << 20;
    let start = memory.next_multiple_of(STEP);
    (0..4096).map(|n| start + n * STEP).find(|memory| first_without_room(*memory, wanted).is_none()).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    fn wanted(vms: &[u64]) -> Wanted<'_> {
        Wanted { image: 34 * M, own: 32 * M, vms, beside: M }
    }

    #[test]
    fn device_tree_in_the_middle_leaves_two_pieces() {
        // 342 MiB have room for 256 MiB, but not in one piece.
        assert_eq!(first_without_room(342 * M, &wanted(&[256 * M])), Some(0));
        assert_eq!(first_without_room(388 * M, &wanted(&[256 * M])), None);
    }

    #[test]
    fn small_vms_use_both_pieces() {
        assert_eq!(first_without_room(256 * M, &wanted(&[40 * M, 100 * M])), None);
        assert_eq!(first_without_room(256 * M, &wanted(&[40 * M, 100 * M, 40 * M])), Some(2));
    }

    #[test]
    fn image_beyond_the_trees_place_moves_it() {
        let wanted = Wanted { image: 200 * M, ..wanted(&[100 * M]) };

        assert_eq!(first_without_room(320 * M, &wanted), Some(0));
        assert_eq!(enough(320 * M, &wanted), 384 * M);
    }

    #[test]
    fn tiny_machine_has_no_room() {
        assert_eq!(first_without_room(16 * M, &wanted(&[4 * M])), Some(0));
    }
}
