//! Rows that take two VMs on one core (`systems/bench-pair.toml`). The first word of the command line says who this is:
//! `measure` takes the rows; `yield` yields to it for ever; `hear`, of higher priority, waits for its doorbell.
//!
//! - `world_switch`: both VMs yield (HVC #2) in turn; half of a round.
//! - `doorbell`: from before the HVC #1 of one VM to the first instruction of the interrupt handler of the other, by
//!   the physical counter, which both see.
//! - `doorbell_round_trip`: until the caller goes on, when the other has ended the interrupt and waits again.
//!
//! In both rows every register that a program can hold is filled before and compared after.
#![allow(unsafe_code, reason = "calls and registers are assembly")]

use core::arch::{asm, global_asm};

use guest_base::mmu::{self, SHARED};
use guest_base::{gic, psci, uart, write_sysreg};

use crate::measure::{Ticks, empty, row};
use crate::{ticks, vectors};

const N: u64 = 1000;
/// INTID of the first doorbell that a VM hears.
const BELL: u32 = 80;
/// Words of the shared memory: when the doorbell was heard; who is ready.
const TIME: usize = 0;
const EQUAL_READY: usize = 1;
const HIGHER_READY: usize = 2;
/// Registers that `pair_registers` fills: x0–x27, SP_EL0, TPIDR_EL0, TPIDRRO_EL0, v0–v31.
const PATTERNS: usize = 28 + 3 + 64;

unsafe extern "C" {
    static hear_vectors: u8;
    fn hear() -> !;
    fn pair_registers(patterns: *mut u64, yields: u64);
}

/// Does what `role` says; comes back if it is none of this module's.
pub fn run(role: &str) {
    match role {
        "measure" => measure(),
        "yield" => {
            uart::init();
            vectors::install();
            mmu::enable_with_shared();
            set(EQUAL_READY);
            (0..4).for_each(|_| check_registers(5));
            loop {
                give_way();
            }
        }
        "hear" => {
            mmu::enable_with_shared();
            gic::init_distributor();
            gic::init_cpu(&[]);
            gic::enable_edge_spi(BELL);
            write_sysreg!("vbar_el1", &raw const hear_vectors as u64);
            set(HIGHER_READY);
            // SAFETY: does not return, and has no use for what Rust keeps in registers.
            unsafe { hear() }
        }
        _ => {}
    }
}

fn give_way() {
    // SAFETY: a call to the hypervisor that changes no register.
    unsafe { asm!("hvc #2", options(nomem, nostack)) };
}

/// Word `n` of the memory that the three VMs share.
fn shared(n: usize) -> *mut u64 {
    (SHARED as *mut u64).wrapping_add(n)
}

fn set(n: usize) {
    // SAFETY: shared memory is mapped there.
    unsafe { shared(n).write_volatile(1) }
}

fn is_set(n: usize) -> bool {
    // SAFETY: as above.
    unsafe { shared(n).read_volatile() != 0 }
}

fn measure() -> ! {
    uart::init();
    vectors::install();
    mmu::enable_with_shared();
    uart::line(format_args!("BENCH begin pair"));
    while !is_set(EQUAL_READY) || !is_set(HIGHER_READY) {
        give_way();
    }
    (0..4).for_each(|_| check_registers(1));
    let both = ticks!(N, ["hvc #2"]);
    let empty = empty(N);
    row("world_switch", Ticks { n: 2 * N, min: both.min / 2, ..both }, empty, "");
    let round = ticks!(N, ["mov x0, #1", "hvc #1"]);
    row("doorbell_round_trip", round, empty, "");
    row("doorbell", doorbells(), Ticks { total: 0, min: 0, n: N }, "");
    check_registers(3);
    uart::line(format_args!("BENCH end"));
    psci::system_off()
}

/// From the call to the other VM's handler, which leaves its time in the shared word.
fn doorbells() -> Ticks {
    let mut sum = Ticks { total: 0, min: u64::MAX, n: N };
    for _ in 0..N {
        let (start, status): (u64, u64);
        // SAFETY: a call that changes x0 only.
        unsafe { asm!("mov x0, #1", "isb", "mrs {}, cntpct_el0", "hvc #1", out(reg) start, out("x0") status) };
        // SAFETY: shared memory is mapped there; the other VM writes the word before this one goes on.
        let heard = unsafe { shared(TIME).read_volatile() };
        if status != 0 || heard < start {
            uart::line(format_args!("BENCH error: status {status}, rung at {start}, heard at {heard}"));
            psci::system_off();
        }
        sum.total += heard - start;
        sum.min = sum.min.min(heard - start);
    }
    sum
}

/// Fills what a program can hold with patterns, yields, and compares.
fn check_registers(seed: u64) {
    write_sysreg!("cpacr_el1", 3u64 << 20); // FPEN
    let pattern = |n| 0x0123_4567_89ab_cdef_u64.wrapping_mul(256 * seed + 2 * n as u64 + 1);
    let mut patterns: [u64; PATTERNS] = core::array::from_fn(pattern);
    let expected = patterns;
    // SAFETY: loads and stores that many words; changes registers that a call may change, and those that it saves.
    unsafe { pair_registers(patterns.as_mut_ptr(), 10) };
    if let Some(n) = (0..PATTERNS).find(|n| patterns[*n] != expected[*n]) {
        uart::line(format_args!("BENCH error: register {n} is {:#x}, was {:#x}", patterns[n], expected[n]));
        psci::system_off();
    }
}

global_asm!(
    r#"
    .arch_extension fp
    .arch_extension simd
    .pushsection .text.pair, "ax"
    .balign 2048
hear_vectors:
    .skip   0x280
    mrs     x10, cntpct_el0
    str     x10, [x11]
    mrs     x12, icc_iar1_el1
    msr     icc_eoir1_el1, x12
    eret

    .global hear
hear:
    mov     x11, #0x20000000
    msr     daifclr, #2
1:  wfi
    b       1b

    // x0 = patterns, x1 = times to yield. x28, x29 and x30 are in use here.
    .global pair_registers
pair_registers:
    sub     sp, sp, #176
    stp     x18, x19, [sp]
    stp     x20, x21, [sp, #16]
    stp     x22, x23, [sp, #32]
    stp     x24, x25, [sp, #48]
    stp     x26, x27, [sp, #64]
    stp     x28, x29, [sp, #80]
    str     x30, [sp, #96]
    stp     d8, d9, [sp, #112]
    stp     d10, d11, [sp, #128]
    stp     d12, d13, [sp, #144]
    stp     d14, d15, [sp, #160]
    isb
    mov     x29, x0
    mov     x28, x1
    add     x30, x29, #(28 * 8)
    ldp     x0, x1, [x30]
    msr     sp_el0, x0
    msr     tpidr_el0, x1
    ldr     x0, [x30, #16]
    msr     tpidrro_el0, x0
    add     x30, x30, #24
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    ldr     q\n, [x30], #16
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    ldr     x\n, [x29, #(8 * \n)]
    .endr
1:  hvc     #2
    sub     x28, x28, #1
    cbnz    x28, 1b
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    str     x\n, [x29, #(8 * \n)]
    .endr
    add     x30, x29, #(28 * 8)
    mrs     x0, sp_el0
    mrs     x1, tpidr_el0
    stp     x0, x1, [x30]
    mrs     x0, tpidrro_el0
    str     x0, [x30, #16]
    add     x30, x30, #24
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    str     q\n, [x30], #16
    .endr
    ldp     x18, x19, [sp]
    ldp     x20, x21, [sp, #16]
    ldp     x22, x23, [sp, #32]
    ldp     x24, x25, [sp, #48]
    ldp     x26, x27, [sp, #64]
    ldp     x28, x29, [sp, #80]
    ldr     x30, [sp, #96]
    ldp     d8, d9, [sp, #112]
    ldp     d10, d11, [sp, #128]
    ldp     d12, d13, [sp, #144]
    ldp     d14, d15, [sp, #160]
    add     sp, sp, #176
    ret
    .popsection
    .arch_extension nosimd
    .arch_extension nofp
"#
);
