//! Kernel memory that VMs need: pages of pools, from which objects and page tables are made.

use sysdesc::{FLAG_CLASSIC, SharedDesc, VMM_CLASSIC_PAGES, VmDesc, shadow_pages};

/// 2 MiB: what one level-3 table maps.
const BLOCK: u64 = 2 << 20;
/// 1 GiB: what one level-2 table maps.
const GIB: u64 = 1 << 30;
/// Pages of every VMM: thread, the guest's space and its root, notifications; 8 level-2 and 10 level-3 tables for what is
/// mapped at fixed addresses; and some to spare.
const VMM: u64 = 38;

/// Pages of a VMM's pool. `files`: bytes of what is mapped page by page (kernel, initrd).
pub fn vmm_pool(vm: &VmDesc, files: [u64; 2], shared: impl Iterator<Item = &'static SharedDesc>) -> u64 {
    let tables = |bytes: u64| bytes.div_ceil(BLOCK) + 1;
    // Guest RAM is mapped in blocks, in the VMM and in the guest.
    let ram = 2 * (vm.memory.div_ceil(GIB) + 1);
    // A shared region, too, is mapped in both.
    let shared: u64 = shared.map(|region| 2 * tables(region.size)).sum();
    let files: u64 = files.into_iter().map(tables).sum();
    let shadow = if is_classic(vm) { shadow_pages(vm.memory) } else { 0 };
    VMM + crate::place::count(vm) as u64 + ram + shared + files + shadow
}

fn is_classic(vm: &VmDesc) -> bool {
    vm.flags & FLAG_CLASSIC != 0
}

/// Pages of a VMM's own memory for the classic engine.
pub fn engine_pages(vm: &VmDesc) -> u64 {
    if is_classic(vm) { VMM_CLASSIC_PAGES } else { 0 }
}

/// Pages that root adds to its own pool for `vms`: for each VM its domain, frames, scheduling contexts, notification, and
/// for all of them tables of windows into their memory.
pub fn root_pool(vms: &[VmDesc]) -> u64 {
    let each = |vm: &VmDesc| 14 + 2 * crate::place::count(vm) as u64;
    64 + vms.iter().map(each).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::tests::vm;

    #[test]
    fn pool_grows_with_what_is_mapped_page_by_page() {
        let small = vmm_pool(&vm(), [4096, 0], [].iter());
        let large = vmm_pool(&VmDesc { memory: 4 << 30, ..vm() }, [40 << 20, 100 << 20], [].iter());
        assert_eq!(large - small, 19 + 50 + 6);
    }

    #[test]
    fn classic_vm_has_pages_for_shadow_tables() {
        let classic = VmDesc { flags: FLAG_CLASSIC, memory: 256 << 20, ..vm() };
        let hardware = VmDesc { flags: 0, ..classic };

        let pool = |vm| vmm_pool(vm, [0, 0], [].iter());

        assert_eq!(pool(&classic) - pool(&hardware), 512 + 128);
    }

    #[test]
    fn roots_pool_grows_with_each_vm() {
        assert_eq!(root_pool(&[vm(); 64]) - root_pool(&[]), 64 * 16);
    }
}
