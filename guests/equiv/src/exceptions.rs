//! What the architecture reports of each kind of exception: runs the snippets of `cases/`.
//!
//! FAR_EL1 holds a known value before each case, so that one who writes it needlessly is seen. Addresses that depend
//! on where the program was loaded are printed relative to the snippet.
#![allow(unsafe_code)] // The table of cases and the page tables are shared with assembly.

use core::arch::global_asm;
use core::fmt;

use guest_base::mmu::{
    self, ACCESSED, DEVICE, EL0, INNER_SHAREABLE, NO_EXECUTE_EL0, NO_EXECUTE_EL1, NORMAL, READ_ONLY, TABLE_OR_PAGE,
    Table, USER_TEXT,
};
use guest_base::{read_sysreg, write_sysreg};

use crate::report::Report;
use guest_base::guard::{self, Taken};

global_asm!(concat!(
    include_str!("cases/table.S"),
    include_str!("cases/el1.S"),
    include_str!("cases/el0.S"),
    ".popsection\n"
));

/// One entry of the table that the macro CASE of `cases/table.S` writes; offsets are relative to their own field.
#[repr(C)]
struct Case {
    sctlr_set: u64,
    sctlr_clear: u64,
    cpacr: u64,
    cntkctl: u64,
    mdscr: u64,
    spsr: u64,
    name: i32,
    name_len: u32,
    entry: i32,
    prepare: i32,
    el: u64,
}

unsafe extern "C" {
    static _cases_start: Case;
    static _cases_end: Case;
    static enter_el0: u8;
    static landing: u8;
}

/// What a relative offset at this place points to.
fn target(field: &i32) -> u64 {
    (&raw const *field as u64).wrapping_add_signed(i64::from(*field))
}

impl Case {
    fn all() -> &'static [Self] {
        let (start, end) = (&raw const _cases_start, &raw const _cases_end);
        let count = (end as usize - start as usize) / size_of::<Self>();
        // SAFETY: the linker script puts all entries of the table between the two symbols.
        unsafe { core::slice::from_raw_parts(start, count) }
    }

    fn name(&self) -> &'static str {
        let bytes = target(&self.name) as *const u8;
        // SAFETY: the macro wrote an ASCII string of that length at that place.
        unsafe { core::str::from_utf8_unchecked(core::slice::from_raw_parts(bytes, self.name_len as usize)) }
    }

    /// Where the snippet runs: EL0 sees the program in its own alias.
    fn entry(&self) -> u64 {
        target(&self.entry) + if self.el == 0 { USER_TEXT } else { 0 }
    }
}

/// Start of the page of tests in virtual memory; P_* of `cases/table.S` are its pages.
const MAP: u64 = 1 << 32;
/// An address that no machine answers.
const HOLE: u64 = 0x0f00_0000;
/// More than the 36 bits that TCR_EL1.IPS says here.
const TOO_FAR: u64 = 1 << 39;
const GUARDED: u64 = 1 << 50;

static mut LEVEL1: Table = Table::identity();
static mut LEVEL2: Table = Table::empty();
static mut LEVEL3: Table = Table::empty();
static mut PAGE: Table = Table::empty();

fn map() -> &'static Table {
    let (level2, level3) = (&raw mut LEVEL2, &raw mut LEVEL3);
    let (page, code) = (&raw const PAGE as u64, &raw const landing as u64);
    let normal = TABLE_OR_PAGE | NORMAL | INNER_SHAREABLE | ACCESSED;
    let data = normal | NO_EXECUTE_EL0 | NO_EXECUTE_EL1;
    let device = TABLE_OR_PAGE | DEVICE | ACCESSED;
    let pages = [
        page | normal,                                    // P_EL1_RW
        page | data | READ_ONLY,                          // P_EL1_RO
        page | normal | EL0,                              // P_EL0_RW
        page | data | EL0 | READ_ONLY,                    // P_EL0_RO
        page | data & !ACCESSED,                          // P_NOT_ACCESSED
        HOLE | device | EL0,                              // P_HOLE
        page | device | EL0,                              // P_DEVICE
        code | normal | READ_ONLY | GUARDED,              // P_GUARDED
        0,                                                // P_INVALID
        TOO_FAR | data,                                   // P_TOO_FAR
        page | data,                                      // P_EL1_XN
        code | normal | EL0 | READ_ONLY | GUARDED,        // P_EL0_TEXT
        page | normal | EL0 | READ_ONLY | NO_EXECUTE_EL0, // P_EL0_XN
    ];
    let level1 = &raw mut LEVEL1;
    // SAFETY: translation is off and nobody else runs: these are the only references to the tables.
    unsafe {
        for (entry, value) in (*level3).0.iter_mut().zip(pages) {
            *entry = value;
        }
        (*level2).0[0] = level3 as u64 | TABLE_OR_PAGE;
        (*level2).0[2] = HOLE | TABLE_OR_PAGE;
        (*level1).0[4] = level2 as u64 | TABLE_OR_PAGE;
        &*level1
    }
}

/// Switches translation on and runs all cases.
pub fn run(report: &mut Report) {
    const IPS: u64 = 0b111 << 32;
    mmu::enable(map());
    write_sysreg!("tcr_el1", read_sysreg!("tcr_el1") & !IPS | 1 << 32);
    flush_tlb();
    write_sysreg!("oslar_el1", 0);
    for case in Case::all() {
        run_case(report, case);
    }
    translations(report);
}

fn flush_tlb() {
    // SAFETY: drops cached translations; the tables themselves do not change.
    unsafe { core::arch::asm!("dsb ish", "tlbi vmalle1", "dsb ish", "isb", options(nostack)) };
}

fn run_case(report: &mut Report, case: &Case) {
    let sctlr = read_sysreg!("sctlr_el1");
    write_sysreg!("cpacr_el1", case.cpacr);
    write_sysreg!("cntkctl_el1", case.cntkctl);
    write_sysreg!("far_el1", 0xdead_beef_0000);
    // A core without the debug registers that a case needs reports the exception here.
    let taken = guard::call(target(&case.prepare), [case.entry(), 0, 0, 0]).and_then(|_| {
        write_sysreg!("mdscr_el1", case.mdscr);
        write_sysreg!("sctlr_el1", sctlr & !case.sctlr_clear | case.sctlr_set);
        if case.el == 0 {
            guard::call(&raw const enter_el0 as u64, [case.entry(), case.spsr, MAP + 0x2800, 0])
        } else if case.mdscr != 0 {
            with_debug_unmasked(case.entry())
        } else {
            guard::call(case.entry(), [0; 4])
        }
    });
    write_sysreg!("sctlr_el1", sctlr);
    write_sysreg!("mdscr_el1", 0);
    write_sysreg!("dbgbcr0_el1", 0);
    write_sysreg!("dbgwcr0_el1", 0);
    let name = case.name();
    match taken {
        Err(taken) if taken.esr & 0xff_ffff == 0xffff && taken.esr >> 26 & !4 == 0x11 => {
            report.line(format_args!("exc.{name}=none"));
        }
        Err(taken) => report.line(format_args!("exc.{name}={}", Relative { taken, entry: case.entry() })),
        Ok(_) => report.line(format_args!("exc.{name}=returned")),
    }
}

/// Debug exceptions at EL1 are taken only with PSTATE.D clear; the vectors set it again.
fn with_debug_unmasked(entry: u64) -> Result<[u64; 2], Taken> {
    // SAFETY: no breakpoint matches outside of the snippet.
    unsafe { core::arch::asm!("msr daifclr, #8", options(nostack)) };
    let taken = guard::call(entry, [0; 4]);
    // SAFETY: back to the state this program runs in.
    unsafe { core::arch::asm!("msr daifset, #8", options(nostack)) };
    taken
}

struct Relative {
    taken: Taken,
    entry: u64,
}

impl fmt::Display for Relative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: u64 = 64;
        let Taken { vector, esr, far, elr, spsr } = self.taken;
        write!(f, "vector={vector:#x} esr={esr:#010x} far={far:#x} spsr={spsr:#x} ")?;
        match elr.wrapping_sub(self.entry) {
            offset @ 0..=LONGEST => write!(f, "elr=+{offset:#x}"),
            _ => write!(f, "elr={elr:#x}"),
        }
    }
}

/// PAR_EL1 after an AT instruction; without the physical address if it succeeded.
macro_rules! at {
    ($stage:literal, $address:expr) => {{
        const PA: u64 = 0x0000_ffff_ffff_f000;
        let address: u64 = $address;
        let par: u64;
        // SAFETY: AT changes PAR_EL1 only.
        unsafe {
            core::arch::asm!(concat!("at ", $stage, ", {}"), "isb", "mrs {}, par_el1", in(reg) address,
                lateout(reg) par, options(nostack));
        }
        if par & 1 == 0 { par & !PA } else { par }
    }};
}

/// PAR_EL1 after AT S1E1R, S1E1W, S1E0R and S1E0W of each page, less the physical address.
fn translations(report: &mut Report) {
    for page in 0..13 {
        let address = MAP | page << 12;
        let results = [at!("s1e1r", address), at!("s1e1w", address), at!("s1e0r", address), at!("s1e0w", address)];
        let [r1, w1, r0, w0] = results;
        report.line(format_args!("at.page{page:02}=s1e1r:{r1:#x} s1e1w:{w1:#x} s1e0r:{r0:#x} s1e0w:{w0:#x}"));
    }
}
