//! Spaces: stage 2 tables, and shadow roots of stage 1, with a VMID.

use crate::arch::{self, sysreg::vttbr_el2};
use crate::caps;
use crate::exclusive::Exclusive;
use crate::memory;
use crate::object::{Domain, Obj, Space};
use crate::{shadow, stats};
use abi::cap::Kind;
use abi::syscall::{Status, counter};
use core::sync::atomic::{AtomicU64, Ordering};
use kcore::pt::{self, Attr, Stage, TableMemory};
use kcore::vmid::VmidBitmap;

/// Management lock.
static VMIDS: Exclusive<VmidBitmap> = Exclusive::new(VmidBitmap::new());

/// VTTBR_EL2 for guests of a space.
pub fn regime(s: Obj<Space>) -> u64 {
    s.wall.get().unwrap_or(s).vttbr.get()
}

/// The tables of a space, of stage 2 or its shadow roots, for `kcore::pt`. Management lock.
pub struct Tables<const SHADOW: bool>(pub Obj<Space>);

impl<const SHADOW: bool> Tables<SHADOW> {
    fn entry(table: u64, index: usize) -> &'static AtomicU64 {
        &Obj::<[AtomicU64; 512]>::at(table).live()[index & 511]
    }

    /// Runs `f` with the space's VMID in VTTBR_EL2, as TLBI by VMID wants it.
    fn with_vmid(&self, f: impl FnOnce()) {
        let old = vttbr_el2::read();
        vttbr_el2::write(if SHADOW { regime(self.0) } else { self.0.vttbr.get() });
        arch::isb();
        f();
        vttbr_el2::write(old);
        arch::isb();
    }
}

impl<const SHADOW: bool> TableMemory for Tables<SHADOW> {
    fn stage(&self) -> Stage {
        if SHADOW { Stage::One } else { Stage::Two }
    }
    fn read(&self, table: u64, index: usize) -> u64 {
        Self::entry(table, index).load(Ordering::Relaxed)
    }
    fn write(&mut self, table: u64, index: usize, desc: u64) {
        Self::entry(table, index).store(desc, Ordering::Release);
    }
    fn alloc(&mut self) -> Option<u64> {
        let page = memory::take_page(self.0.pool_of.get()?)?;
        if SHADOW && shadow::open_wall(self.0, page, Attr { read: true, ..Attr::default() }).is_err() {
            self.free(page);
            return None;
        }
        Some(page)
    }
    fn free(&mut self, page: u64) {
        if SHADOW && let Some(wall) = self.0.wall.get() {
            pt::unmap(&mut Tables::<false>(wall), wall.root.get(), page, 1, 1);
        }
        if let Some(domain) = self.0.pool_of.get() {
            memory::give_page(domain, page);
        }
    }
    fn flush_ipa(&mut self, ipa: u64) {
        self.with_vmid(|| if SHADOW { arch::tlbi_va(ipa) } else { arch::tlbi_ipa(ipa) });
    }
    fn flush_all(&mut self) {
        self.with_vmid(if SHADOW { arch::tlbi_stage1 } else { arch::tlbi_vmid });
    }
}

/// A new space, its object and root table from `pool`.
pub fn make(pool: Obj<Domain>, tables_from: Obj<Domain>) -> Result<Obj<Space>, Status> {
    let vmid = VMIDS.with(|v| v.alloc()).ok_or(Status::Full)?;
    match make_with(pool, tables_from, vmid) {
        Ok(space) => Ok(space),
        Err(status) => {
            VMIDS.with(|v| v.free(vmid));
            Err(status)
        }
    }
}

fn make_with(pool: Obj<Domain>, tables_from: Obj<Domain>, vmid: u16) -> Result<Obj<Space>, Status> {
    let space: Obj<Space> = memory::make(pool, Kind::Space)?;
    let Some(root) = memory::take_page(pool) else {
        memory::unmake(space.addr());
        return Err(Status::NoMemory);
    };
    space.root.set(root);
    space.vttbr.set(root | u64::from(vmid) << 48);
    space.pool_of.set(Some(tables_from));
    // A VMID may have been used before: nothing of that may be left.
    Tables::<false>(space).flush_all();
    stats::of(counter::VMIDS).fetch_add(1, Ordering::Relaxed);
    Ok(space)
}

/// Flushes a space that nobody uses any more, and gives its VMID back. Its table pages are the caller's matter.
pub fn retire(space: Obj<Space>) {
    Tables::<false>(space).flush_all();
    VMIDS.with(|v| v.free((space.vttbr.get() >> 48) as u16));
    stats::of(counter::VMIDS).fetch_sub(1, Ordering::Relaxed);
    space.vttbr.set(0);
}

/// The translation of an address: physical page and rights.
pub fn translate(domain: Obj<Domain>, slot: u64, address: u64) -> Result<u64, Status> {
    let space = caps::translation(domain, slot, abi::cap::rights::READ)?;
    let mapping = kcore::pt::walk(&Tables::<false>(space), space.root.get(), address).ok_or(Status::NotMapped)?;
    let a = mapping.attr;
    Ok((mapping.pa & !0xfff) | u64::from(a.read) | u64::from(a.write) << 1 | u64::from(a.exec) << 2)
}
