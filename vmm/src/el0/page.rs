//! The page that a vCPU shares with the kernel (`abi::vcpu`), as its handler sees it.
#![allow(unsafe_code, reason = "memory shared with the kernel")]

use abi::PAGE_SIZE;
use abi::vcpu::{MAX_LRS, RegFrame, VcpuPage, VcpuState};
use devices::vgic::LrUpdate;
use rt::sys;
use sysdesc::{MAX_VCPUS, VCPU_PAGES, VMM_VCPU_PAGES};
use vmm::syndrome::IL;

/// The page of a vCPU. Only that vCPU's handler uses it.
#[derive(Clone, Copy)]
pub struct Page(*mut VcpuPage);

// SAFETY: the pointer is to memory that is mapped for good; which thread uses it is each method's concern.
unsafe impl Send for Page {}
// SAFETY: as above; the methods make volatile accesses to plain words.
unsafe impl Sync for Page {}

/// Volatile access to one field.
macro_rules! field {
    ($get:ident, $($path:ident).+, $what:literal) => {
        #[doc = $what]
        #[inline]
        pub fn $get(self) -> u64 {
            // SAFETY: the page is mapped for good (`of`); the kernel writes it only while this handler does not run.
            unsafe { (&raw const (*self.0).$($path).+).read_volatile() }
        }
    };
    ($get:ident, $set:ident, $($path:ident).+, $what:literal) => {
        field!($get, $($path).+, $what);
        field!($set = $($path).+, $what);
    };
    ($set:ident = $($path:ident).+, $what:literal) => {
        #[doc = $what]
        #[inline]
        pub fn $set(self, value: u64) {
            // SAFETY: as for reading; the kernel trusts nothing that is written.
            unsafe { (&raw mut (*self.0).$($path).+).write_volatile(value) }
        }
    };
}

impl Page {
    /// The page of vCPU `index`, which root mapped.
    pub fn of(index: usize) -> Self {
        let index = index.min(MAX_VCPUS - 1) as u64;
        Self((VMM_VCPU_PAGES + index * VCPU_PAGES * PAGE_SIZE) as *mut VcpuPage)
    }

    field!(reason, set_reason, exit.reason, "Why the guest exited.");
    field!(esr, exit.esr, "ESR_EL2.");
    field!(far, exit.far, "FAR_EL2.");
    field!(ipa, exit.ipa, "Faulting IPA.");
    field!(elr, set_elr, frame.elr, "Where the guest goes on.");
    field!(spsr, set_spsr, frame.spsr, "The guest's PSTATE.");
    field!(sp, set_sp, frame.sp, "SP_EL0.");
    field!(set_view = classic.view, "Shadow roots and pending virtual interrupt of a classic vCPU.");
    field!(set_gates = classic.sctlr, "SCTLR_EL1 of a classic vCPU.");
    field!(set_tpidrro = classic.tpidrro, "TPIDRRO_EL0 of a classic vCPU.");
    field!(dirty, set_dirty, irq.dirty, "List registers to install.");
    field!(elrsr, set_elrsr, irq.elrsr, "ICH_ELRSR_EL2.");
    field!(eisr, set_eisr, irq.eisr, "ICH_EISR_EL2.");
    field!(bells, set_bells, irq.bells, "Doorbells that were rung.");
    field!(set_bell = irq.bell, "The doorbell that the kernel delivers.");
    field!(set_timer = irq.timer, "How to inject the virtual timer.");

    /// Xn; 31 is XZR.
    #[inline]
    pub fn x(self, n: usize) -> u64 {
        if n > 30 {
            return 0;
        }
        // SAFETY: as in `field!`; n is in range.
        unsafe { (&raw const (*self.0).frame.x).cast::<u64>().add(n).read_volatile() }
    }

    /// Sets Xn; 31 is XZR.
    #[inline]
    pub fn set_x(self, n: usize, value: u64) {
        if n <= 30 {
            // SAFETY: as in `field!`; n is in range.
            unsafe { (&raw mut (*self.0).frame.x).cast::<u64>().add(n).write_volatile(value) }
        }
    }

    /// Steps over the instruction that exited.
    #[inline]
    pub fn skip(self) {
        let size = 2 + (self.esr() >> (IL.trailing_zeros() - 1) & 2);
        self.set_elr(self.elr().wrapping_add(size));
    }

    /// List register `n`, as it was written last.
    pub fn lr(self, n: usize) -> u64 {
        // SAFETY: as in `field!`; n is in range.
        unsafe { (&raw const (*self.0).irq.lr).cast::<u64>().add(n.min(MAX_LRS - 1)).read_volatile() }
    }

    fn set_lr(self, n: usize, value: u64) {
        // SAFETY: as in `field!`; n is in range.
        unsafe { (&raw mut (*self.0).irq.lr).cast::<u64>().add(n.min(MAX_LRS - 1)).write_volatile(value) }
    }

    /// Hands list registers to the kernel, which installs them when the guest is resumed. Gives how many interrupts are
    /// in them.
    pub fn install(self, update: LrUpdate, lr: impl Fn(usize) -> u64) -> u64 {
        let mut left = update.dirty;
        let mut interrupts = 0;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            let value = lr(n);
            interrupts += u64::from(value != 0);
            self.set_lr(n, value);
            left &= left - 1;
        }
        if update.dirty != 0 {
            self.set_dirty(self.dirty() | u64::from(update.dirty));
        }
        interrupts
    }

    /// The list registers as the hardware has them. Those not installed yet stay as the VMM wrote them.
    pub fn exact_lrs(self, vcpu: u64) -> [u64; MAX_LRS] {
        let waiting = self.dirty();
        let mut written = [0; MAX_LRS];
        written.iter_mut().enumerate().for_each(|(n, lr)| *lr = self.lr(n));
        // The caller is the handler of `vcpu`: this does not fail.
        let _ = sys::vcpu_save(vcpu);
        let mut lrs = [0; MAX_LRS];
        for (n, (lr, written)) in lrs.iter_mut().zip(written).enumerate() {
            *lr = self.lr(n);
            if waiting >> n & 1 != 0 {
                self.set_lr(n, written);
            }
        }
        lrs
    }

    /// Lets `change` work on the general registers and all kernel-held state, and loads what it leaves if it says so.
    pub fn with_state(self, vcpu: u64, change: impl FnOnce(&mut RegFrame, &mut VcpuState) -> bool) {
        let _ = self.exact_lrs(vcpu);
        // SAFETY: the page is mapped for good; the kernel touches it only in calls of this handler, of which none is made
        // while `page` lives, and no other thread of the VMM uses it.
        let page = unsafe { &mut *self.0 };
        if change(&mut page.frame, &mut page.state) {
            // It was saved in this version a moment ago.
            let _ = sys::vcpu_load(vcpu);
        }
    }

    /// Gives the vCPU another state altogether, with no interrupt in a list register.
    pub fn replace(self, vcpu: u64, frame: RegFrame, state: VcpuState) {
        // SAFETY: as in `with_state`.
        let page = unsafe { &mut *self.0 };
        page.frame = frame;
        page.state = state;
        page.irq.lr = [0; MAX_LRS];
        page.irq.dirty = 0;
        page.irq.hcr = 0;
        let _ = sys::vcpu_load(vcpu);
    }
}
