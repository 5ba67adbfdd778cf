//! Access to register frames and to the page that a vCPU shares with its VMM. The page can change at any moment from
//! another core: every access is one volatile load or store, and what is loaded is masked by its user.
#![allow(unsafe_code, reason = "memory shared with domains")]

use abi::vcpu::{MAX_LRS, RegFrame, VcpuPage, VcpuState};
use core::mem::offset_of;

macro_rules! fields {
    ($of:ident: $($get:ident $set:ident $($path:ident).+;)*) => { $(
        /// Reads the field.
        #[inline(always)]
        #[allow(dead_code, reason = "pairs")]
        pub fn $get(self) -> u64 { FrameRef(self.0).get(offset_of!($of, $($path).+)) }
        /// Writes the field.
        #[inline(always)]
        #[allow(dead_code, reason = "pairs")]
        pub fn $set(self, value: u64) { FrameRef(self.0).set(offset_of!($of, $($path).+), value) }
    )* };
}

/// A [`RegFrame`] by address.
#[derive(Clone, Copy)]
pub struct FrameRef(pub u64);

impl FrameRef {
    #[inline(always)]
    fn get(self, offset: usize) -> u64 {
        // SAFETY: frames are in kernel objects or in pinned frames, both identity-mapped for as long as they are used.
        unsafe { ((self.0 + offset as u64) as *const u64).read_volatile() }
    }
    #[inline(always)]
    fn set(self, offset: usize, value: u64) {
        // SAFETY: as above.
        unsafe { ((self.0 + offset as u64) as *mut u64).write_volatile(value) }
    }
    /// x`n`; n is below 31.
    #[inline(always)]
    pub fn x(self, n: usize) -> u64 {
        self.get(8 * (n & 31))
    }
    /// Sets x`n`; n is below 31.
    #[inline(always)]
    pub fn set_x(self, n: usize, value: u64) {
        self.set(8 * (n & 31), value);
    }
    fields! { RegFrame:
        elr set_elr elr;
        spsr set_spsr spsr;
        sp set_sp sp;
    }
    /// Sets ELR and SPSR.
    #[inline(always)]
    pub fn set_return(self, elr: u64, spsr: u64) {
        self.set_elr(elr);
        self.set_spsr(spsr);
    }
}

/// A [`VcpuPage`] by physical address.
#[derive(Clone, Copy)]
pub struct PageRef(pub u64);

impl PageRef {
    fields! { VcpuPage:
        reason set_reason exit.reason;
        esr set_esr exit.esr;
        far set_far exit.far;
        ipa set_ipa exit.ipa;
        dirty set_dirty irq.dirty;
        hcr set_hcr irq.hcr;
        timer set_timer irq.timer;
        elrsr set_elrsr irq.elrsr;
        eisr set_eisr irq.eisr;
        misr set_misr irq.misr;
        lr_count set_lr_count irq.lr_count;
        bells set_bells irq.bells;
        bell set_bell irq.bell;
        view set_view classic.view;
        gates set_gates classic.sctlr;
        tpidrro set_tpidrro classic.tpidrro;
    }
    /// The guest's registers.
    #[inline(always)]
    pub fn frame(self) -> FrameRef {
        FrameRef(self.0)
    }
    /// Reads list register `n`'s slot.
    #[inline(always)]
    pub fn lr(self, n: usize) -> u64 {
        FrameRef(self.0).get(offset_of!(VcpuPage, irq.lr) + 8 * (n % MAX_LRS))
    }
    /// Writes list register `n`'s slot.
    #[inline(always)]
    pub fn set_lr(self, n: usize, value: u64) {
        FrameRef(self.0).set(offset_of!(VcpuPage, irq.lr) + 8 * (n % MAX_LRS), value);
    }
    /// Copies the state block out.
    pub fn state(self) -> VcpuState {
        // SAFETY: as for frames; any bit pattern is a VcpuState, and the copy is checked by its user.
        unsafe { ((self.0 + offset_of!(VcpuPage, state) as u64) as *const VcpuState).read_volatile() }
    }
    /// Copies the state block in.
    pub fn set_state(self, state: VcpuState) {
        // SAFETY: as above.
        unsafe { ((self.0 + offset_of!(VcpuPage, state) as u64) as *mut VcpuState).write_volatile(state) }
    }
}
