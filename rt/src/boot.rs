//! The machine, as the first domain finds it (`abi::boot`).
#![allow(unsafe_code, reason = "reads a register")]

use crate::sys::{self, Result};
use abi::boot::{MAX_RAM, slot};
use abi::cap::rights;
use abi::pack::{PACK_MAGIC, PackHeader};
use abi::syscall::counter;

/// Where [`map_pack`] maps the pack.
pub const PACK: u64 = 0x7d_0000_0000;

/// A range of free RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ram {
    /// Physical address, page aligned.
    pub base: u64,
    /// Pages.
    pub pages: u64,
}

/// What the kernel says of the machine.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo {
    /// Cores that run.
    pub cores: u64,
    /// CNTFRQ_EL0, Hz.
    pub cntfrq: u64,
    /// List registers of the virtual CPU interface.
    pub lr_count: u64,
    /// Free RAM by slot, from [`slot::RAM`] on; 0 pages behind the last.
    pub ram: [Ram; MAX_RAM],
}

impl BootInfo {
    /// Asks the kernel. Free RAM is as the kernel left it only as long as nothing was split off.
    pub fn read() -> Result<Self> {
        let mut ram = [Ram::default(); MAX_RAM];
        for (range, slot) in ram.iter_mut().zip(slot::RAM..) {
            let Ok(frame) = sys::frame_info(slot) else { break };
            *range = Ram { base: frame.physical, pages: frame.pages };
        }
        Ok(Self {
            cores: sys::counter(slot::MACHINE, counter::CORES)?,
            cntfrq: frequency(),
            lr_count: sys::counter(slot::MACHINE, counter::LIST_REGISTERS)?,
            ram,
        })
    }
}

/// CNTFRQ_EL0, Hz.
#[must_use]
pub fn frequency() -> u64 {
    let value;
    // SAFETY: reads a constant; where it traps the kernel answers.
    unsafe { core::arch::asm!("mrs {}, cntfrq_el0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Maps the pack at [`PACK`], read-only and for good. `None` if it is none. Once.
#[must_use]
pub fn map_pack() -> Option<&'static [u8]> {
    let pages = sys::frame_info(slot::PACK).ok()?.pages;
    sys::map(slot::PACK, slot::SELF, PACK, 0, pages, rights::READ).ok()?;
    // SAFETY: the pack's frame is mapped there for good, at least a page of it, and page aligned.
    let header = unsafe { &*(PACK as *const PackHeader) };
    // SAFETY: as above; nobody writes to what is in it but the owners of segments that are mapped from it.
    let bytes = || unsafe { core::slice::from_raw_parts(PACK as *const u8, (pages << abi::PAGE_SHIFT) as usize) };
    (header.magic == PACK_MAGIC).then(bytes)
}
