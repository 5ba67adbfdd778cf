//! Storms: interrupts and sleeps as fast as they go.

use guest_base::machine::{GICD, GICR, VIRTUAL_TIMER};
use guest_base::sysreg::{counter, wfi};
use guest_base::{gic, read_sysreg, write_sysreg};

use crate::random::Random;

/// Events of one storm.
pub const EVENTS: u64 = 256;
/// First special INTID (IHI 0069 2.2).
const SPECIAL: u64 = 1020;
const SGI_FRAME: u64 = GICR + 0x1_0000;

/// One storm of a random kind.
pub fn attack(random: &Random) {
    reset_gic();
    let kind = random.below(4);
    for _ in 0..EVENTS {
        match kind {
            0 => timer(random),
            1 => sgis(random),
            2 => sleep(),
            _ => flags(random),
        }
    }
    write_sysreg!("cntv_ctl_el0", 0);
    drain();
}

/// The timer fires at once, or in a microsecond.
fn timer(random: &Random) {
    write_sysreg!("cntv_cval_el0", counter() + random.below(2) * read_sysreg!("cntfrq_el0") / 1_000_000);
    write_sysreg!("cntv_ctl_el0", 1);
    acknowledge(random);
}

/// SGIs to itself, to all others, to CPUs that are not there.
fn sgis(random: &Random) {
    const ALL_BUT_SELF: u64 = 1 << 40;
    let to = random.pick(&[1, 1, 0xffff, ALL_BUT_SELF, random.word() & 0x00ff_00ff_00ff_ffff]);
    write_sysreg!("icc_sgi1r_el1", random.below(16) << 24 | to);
    if random.below(4) == 0 {
        acknowledge(random);
    }
}

/// Sleeps that end at once: the timer has expired. Where its interrupt does not get through, it would sleep for ever.
fn sleep() {
    const IRQ_PENDS: u64 = 1 << 7;
    write_sysreg!("cntv_cval_el0", counter());
    write_sysreg!("cntv_ctl_el0", 1);
    if read_sysreg!("isr_el1") & IRQ_PENDS != 0 {
        wfi();
    }
}

/// Pending and active bits, set and cleared under the hands of the hypervisor.
fn flags(random: &Random) {
    let offset = random.pick(&[0x200, 0x280, 0x300, 0x380, 0x100, 0x180]);
    let frame = random.pick(&[SGI_FRAME, GICD, GICD + 4 * random.below(8)]);
    write(frame + offset, random.value() as u32);
    if random.below(4) == 0 {
        acknowledge(random);
    }
}

/// Acknowledges, and ends mostly what was acknowledged, in one step or two.
fn acknowledge(random: &Random) {
    let intid = read_sysreg!("icc_iar1_el1");
    if intid < SPECIAL || random.below(8) == 0 {
        write_sysreg!("icc_eoir1_el1", random.pick(&[intid, intid, intid, random.below(1100)]));
    }
}

/// Ends what is pending, as far as it ends: the line of a device stays.
fn drain() {
    for _ in 0..64 {
        let intid = read_sysreg!("icc_iar1_el1");
        if intid >= SPECIAL {
            return;
        }
        write_sysreg!("icc_eoir1_el1", intid);
    }
}

/// The GIC as storms need it, whatever others did to it.
fn reset_gic() {
    gic::init_distributor();
    for register in 0..4 {
        write(GICD + 0x180 + 4 * register, u32::MAX); // ICENABLER
        write(GICD + 0x280 + 4 * register, u32::MAX); // ICPENDR
        write(GICD + 0x380 + 4 * register, u32::MAX); // ICACTIVER
    }
    for register in [0x180, 0x280, 0x380] {
        write(SGI_FRAME + register, u32::MAX);
    }
    write_sysreg!("icc_ap0r0_el1", 0);
    write_sysreg!("icc_ap1r0_el1", 0);
    gic::init_cpu(&[VIRTUAL_TIMER]);
}

#[allow(unsafe_code, reason = "Register access by address.")]
fn write(address: u64, value: u32) {
    // SAFETY: registers of the GIC, mapped as device memory.
    unsafe { core::arch::asm!("str {:w}, [{}]", in(reg) value, in(reg) address, options(nostack)) };
}
