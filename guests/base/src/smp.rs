//! Other CPUs: started by PSCI, each on a stack of its own.
#![allow(unsafe_code, reason = "Entry of a CPU is assembly.")]

use core::arch::global_asm;

use crate::mmu::Table;
use crate::{mmu, psci, read_sysreg};

/// Most CPUs, the first one counted.
pub const MAX_CPUS: usize = 8;

/// What a started CPU runs: it is given its number, translation is on.
pub type Main = fn(usize) -> !;

/// What a CPU needs at entry; its address is PSCI's context argument.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Start {
    /// Its stack's top.
    stack: u64,
    /// Its level-1 table.
    table: &'static Table,
    /// What it runs.
    main: Main,
}

unsafe extern "C" {
    static base_secondary: u8;
    static BASE_STACKS: u8;
}

/// Bytes of a stack.
const STACK: u64 = 0x4000;

static mut STARTS: [Option<Start>; MAX_CPUS] = [None; MAX_CPUS];

/// Number of this CPU: its Aff0.
pub fn number() -> usize {
    (read_sysreg!("mpidr_el1") & 0xff) as usize
}

/// Starts CPU `n`, 1 to [`MAX_CPUS`] − 1, once; `false`: the machine has no such CPU.
pub fn start(n: usize, table: &'static Table, main: Main) -> bool {
    if n == 0 || n >= MAX_CPUS {
        return false;
    }
    let stack = &raw const BASE_STACKS as u64 + STACK * n as u64;
    let starts = &raw mut STARTS;
    // SAFETY: only the first CPU starts others, each once; the entry belongs to that CPU from then on.
    let entry: *const Start = unsafe { (&mut *starts)[n].insert(Start { stack, table, main }) };
    psci::hvc(psci::CPU_ON, [n as u64, &raw const base_secondary as u64, entry as u64]) == 0
}

#[unsafe(no_mangle)]
extern "C" fn base_secondary_main(start: &Start) -> ! {
    mmu::enable(start.table);
    (start.main)(number())
}

global_asm!(
    r#"
    .pushsection .text.base_secondary, "ax"
base_secondary:
    msr     spsel, #1
    ldr     x1, [x0]
    mov     sp, x1
    b       base_secondary_main
    .popsection

    .pushsection .noinit.base_stacks, "aw", @nobits
    .balign 16
BASE_STACKS:
    .skip   0x4000 * 8
    .popsection
"#
);
