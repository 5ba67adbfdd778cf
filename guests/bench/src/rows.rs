//! The rows that one CPU can take.
//!
//! What a row counts beside the operation itself, so that figures can be compared by hand:
//!
//! - `hypercall`, `hypercall_vmm`: the move of the function identifier and the HVC.
//! - `sgi_self`, `timer_irq`: clearing the flag, the register writes that raise the interrupt, the vector's save and
//!   restore of all caller-saved registers, ELR and SPSR, the handler (acknowledge, identify, flag, end), and the
//!   poll that sees the flag. Nothing is subtracted but the empty loop.
//! - `wfi_wake`: CNTVCT read right after WFI, less CNTV_CVAL; interrupts are masked, no handler runs.
//! - `guest_syscall`: SVC, ESR read and compared, ERET.
//! - `page_touch`: first store to a page, less a second store to the same page.

use core::sync::atomic::Ordering::Relaxed;

use guest_base::machine::{GICD, UART};
use guest_base::mmu::USER_TEXT;
use guest_base::psci::{self, NOT_SUPPORTED};
use guest_base::sysreg::{counter, mask_irq, unmask_irq, wfi};
use guest_base::{read_sysreg, write_sysreg};

use crate::measure::{Ticks, empty, row, skip};
use crate::ticks;
use crate::vectors::{self, HANDLED, SKIPPED};

/// Operations per row.
const N: u64 = 1000;
const GICD_TYPER: u64 = GICD + 0x4;
const GICD_ISENABLER1: u64 = GICD + 0x104;
const UART_DR: u64 = UART;
const UART_FR: u64 = UART + 0x18;

/// Takes all rows of this module.
pub fn run() {
    let empty = empty(N);
    hypercalls(empty);
    registers(empty);
    interrupts(empty);
    row("guest_syscall", syscalls(), empty, "");
    let (first, second) = touch_pages();
    row("page_touch", first, second, "");
    row("per_1000", ticks!(N, [".rept 1000", "add x9, x9, #1", ".endr"]), empty, "");
}

/// HVC #1 with x0 = 0 rings doorbell 0 of our hypervisor, which the kernel answers with status 0. On any other machine
/// it is an unknown call, and the row falls back to what the peers were measured with.
fn hypercalls(empty: Ticks) {
    if !has_hvc() {
        skip("hypercall", "no_hvc");
        skip("hypercall_vmm", "no_hvc");
        return;
    }
    if doorbell_status() == Some(0) {
        row("hypercall", ticks!(N, ["mov x0, #0", "hvc #1"]), empty, " op=doorbell");
    } else {
        row("hypercall", ticks!(N, ["mov w0, #0x84000000", "hvc #0"]), empty, " op=psci_version");
    }
    let version = ticks!(N, ["mov w0, #0x84000000", "hvc #0"]);
    row("hypercall_vmm", version, empty, " op=psci_version");
    if psci::hvc(0x8400_dead, [0; 3]) as u32 == NOT_SUPPORTED as u32 {
        let unknown = ticks!(N, ["movz w0, #0x8400, lsl #16", "movk w0, #0xdead", "hvc #0"]);
        row("hypercall_unknown", unknown, empty, " op=unknown_function");
    } else {
        skip("hypercall_unknown", "not_refused");
    }
}

fn has_hvc() -> bool {
    let before = SKIPPED.load(Relaxed);
    psci::hvc(psci::VERSION, [0; 3]);
    SKIPPED.load(Relaxed) == before
}

#[allow(unsafe_code)] // HVC is assembly.
fn doorbell_status() -> Option<u64> {
    let before = SKIPPED.load(Relaxed);
    let status: u64;
    // SAFETY: rings doorbell 0, or is refused; SMCCC lets x0 to x17 change.
    unsafe { core::arch::asm!("hvc #1", inout("x0") 0u64 => status, clobber_abi("C")) };
    (SKIPPED.load(Relaxed) == before).then_some(status)
}

fn registers(empty: Ticks) {
    row("uart_read", ticks!(N, ["ldr w0, [x10]"], UART_FR, 0u64, 0u64), empty, "");
    let carriage_return = ticks!(N, ["str w11, [x10]"], UART_DR, 13u64, 0u64);
    row("uart_write", carriage_return, empty, "");
    row("gicd_read", ticks!(N, ["ldr w0, [x10]"], GICD_TYPER, 0u64, 0u64), empty, "");
    // Zero enables nothing, but is a write all the same.
    row("gicd_isenabler_write", ticks!(N, ["str wzr, [x10]"], GICD_ISENABLER1, 0u64, 0u64), empty, "");
    row("id_read", ticks!(N, ["mrs x0, S3_0_C0_C6_2"]), empty, " op=ID_AA64ISAR2_EL1");
}

fn interrupts(empty: Ticks) {
    let flag = HANDLED.as_ptr() as u64;
    let to_self = 1u64 << (read_sysreg!("mpidr_el1") & 0xf);
    unmask_irq();
    let sgi = ticks!(
        N,
        ["str wzr, [x11]", "msr icc_sgi1r_el1, x10", "isb", "55: ldr w0, [x11]", "cbz w0, 55b"],
        to_self,
        flag,
        0u64
    );
    row("sgi_self", sgi, empty, "");
    let timer = ticks!(
        N,
        [
            "str wzr, [x11]",
            "mrs x0, cntvct_el0",
            "msr cntv_cval_el0, x0",
            "msr cntv_ctl_el0, x12",
            "isb",
            "55: ldr w0, [x11]",
            "cbz w0, 55b"
        ],
        0u64,
        flag,
        1u64
    );
    row("timer_irq", timer, empty, "");
    row("wfi_wake", wake_ups(), Ticks { total: 0, min: 0, n: N }, "");
    mask_irq();
}

/// Lateness of `N` wake-ups, each 20 µs ahead; what is left pending is taken between two of them.
fn wake_ups() -> Ticks {
    let ahead = read_sysreg!("cntfrq_el0") / 50_000;
    let mut late = Ticks { total: 0, min: u64::MAX, n: N };
    for _ in 0..N {
        mask_irq();
        let deadline = counter() + ahead;
        write_sysreg!("cntv_cval_el0", deadline);
        write_sysreg!("cntv_ctl_el0", 1);
        let lateness = loop {
            wfi();
            if let Some(ticks) = counter().checked_sub(deadline) {
                break ticks;
            }
        };
        write_sysreg!("cntv_ctl_el0", 0);
        unmask_irq();
        late.total += lateness;
        late.min = late.min.min(lateness);
    }
    late
}

fn syscalls() -> Ticks {
    const EL0VCTEN: u64 = 1 << 1;
    write_sysreg!("cntkctl_el1", EL0VCTEN);
    #[allow(unsafe_code)] // Only its address is taken.
    let code = {
        unsafe extern "C" {
            static user_code: u8;
        }
        &raw const user_code as u64
    };
    let user = vectors::user_syscalls(code + USER_TEXT, N);
    Ticks { total: user.total, min: user.min, n: N }
}

const PAGE: usize = 4096;

/// Memory that nobody has touched: twice 1024 pages, one part for each loop of the measurement.
#[repr(C, align(4096))]
struct Untouched([u8; 2 * 1024 * PAGE]);

#[allow(unsafe_code)] // A section of its own, so that entry does not clear it.
#[unsafe(link_section = ".noinit")]
static mut UNTOUCHED: core::mem::MaybeUninit<Untouched> = core::mem::MaybeUninit::uninit();

fn touch_pages() -> (Ticks, Ticks) {
    let start = &raw mut UNTOUCHED as u64;
    let pass = || ticks!(1024, ["str xzr, [x10]", "add x10, x10, #4096"], start, 0u64, 0u64);
    (pass(), pass())
}
