//! Guests whose EL1 is AArch32: what differs from AArch64 when an instruction of theirs has trapped. Conditions and IT
//! state are here, trapped coprocessor accesses in [`cp`], injected exceptions in [`inject`].
//!
//! The registers of such a guest are x0–x30 as Arm ARM D1.20.1 maps them: r0–r12 are x0–x12, the banked r8–r14 of each
//! mode follow.

pub mod cp;
pub mod inject;

use crate::syndrome::IL;

/// SPSR.M of the modes.
pub mod mode {
    /// User.
    pub const USR: u64 = 0x10;
    /// FIQ.
    pub const FIQ: u64 = 0x11;
    /// IRQ.
    pub const IRQ: u64 = 0x12;
    /// Supervisor.
    pub const SVC: u64 = 0x13;
    /// Abort.
    pub const ABT: u64 = 0x17;
    /// Undefined.
    pub const UND: u64 = 0x1b;
    /// System.
    pub const SYS: u64 = 0x1f;
    /// All bits.
    pub const MASK: u64 = 0x1f;
}

/// SPSR.T: T32 instructions.
pub const T: u64 = 1 << 5;
const IT_HIGH: u64 = 0xfc00;
const IT_LOW: u64 = 3 << 25;
/// ISS.CV: ISS.COND holds.
const CV: u64 = 1 << 24;
const ALWAYS: u64 = 0xe;

/// SPSR.IT as one byte (Arm ARM G8.2.33).
const fn it(spsr: u64) -> u64 {
    (spsr & IT_HIGH) >> 8 | (spsr & IT_LOW) >> 25
}

const fn with_it(spsr: u64, it: u64) -> u64 {
    spsr & !(IT_HIGH | IT_LOW) | (it & 0xfc) << 8 | (it & 3) << 25
}

/// Whether the instruction behind this syndrome, of a class that has a condition, is executed: traps may come of those
/// whose condition fails (Arm ARM D24.2.40, CV and COND).
#[must_use]
pub const fn executes(esr: u64, spsr: u64) -> bool {
    let condition = match it(spsr) {
        _ if esr & CV != 0 => esr >> 20 & 0xf,
        0 => ALWAYS,
        it => it >> 4,
    };
    holds(condition, spsr)
}

/// ConditionHolds().
const fn holds(condition: u64, spsr: u64) -> bool {
    let [n, z, c, v] = [spsr & 1 << 31 != 0, spsr & 1 << 30 != 0, spsr & 1 << 29 != 0, spsr & 1 << 28 != 0];
    let result = match condition >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    result != (condition & 1 != 0)
}

/// PC and SPSR behind the instruction of this syndrome: it has 2 or 4 bytes, and may be in an IT block.
#[must_use]
pub const fn behind(esr: u64, pc: u64, spsr: u64) -> (u64, u64) {
    let size = if esr & IL != 0 { 4 } else { 2 };
    let it = it(spsr);
    // ITAdvance().
    let next = if it & 7 == 0 { 0 } else { it & 0xe0 | it << 1 & 0x1f };
    (pc.wrapping_add(size) & 0xffff_ffff, with_it(spsr, next))
}

/// The x register of general register `n` in the mode of `spsr`. A syndrome names the x register; QEMU (10.0) gives the
/// number in the instruction for the banked ones. That one names registers of another mode, so that both are understood.
#[must_use]
pub const fn register(n: usize, spsr: u64) -> usize {
    match (spsr & mode::MASK, n) {
        (mode::FIQ, 8..=14) => n.wrapping_add(16),
        (mode::IRQ, 13) => 17,
        (mode::IRQ, 14) => 16,
        (mode::SVC, 13) => 19,
        (mode::SVC, 14) => 18,
        (mode::ABT, 13) => 21,
        (mode::ABT, 14) => 20,
        (mode::UND, 13) => 23,
        (mode::UND, 14) => 22,
        _ => n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const Z: u64 = 1 << 30;
    const C: u64 = 1 << 29;

    #[test]
    fn condition_of_the_syndrome_is_used_where_it_is_valid() {
        const EQ: u64 = CV;
        const NE: u64 = CV | 1 << 20;

        assert!(executes(EQ, Z) && !executes(EQ, 0));
        assert!(executes(NE, 0) && !executes(NE, Z));
    }

    #[test]
    fn condition_of_the_it_block_is_used_where_the_syndrome_has_none() {
        let hi = with_it(T, 0x88);

        assert!(executes(0, hi | C) && !executes(0, hi | C | Z));
        assert!(executes(0, T));
    }

    #[test]
    fn each_condition_is_the_opposite_of_its_odd_neighbour() {
        for (condition, flags) in (0..7).flat_map(|condition| (0..16).map(move |flags| (condition << 1, flags << 28))) {
            assert_ne!(holds(condition, flags), holds(condition | 1, flags));
        }
        assert!((0..16).all(|flags| holds(0xe, flags << 28) && holds(0xf, flags << 28)));
    }

    #[test]
    fn behind_a_thumb_instruction_is_two_bytes_and_one_step_in_the_block() {
        // ITTE EQ: 0b0000_0110, then ITTE's second and third.
        let (pc, spsr) = behind(0, 0x1000, with_it(T, 0x06));
        assert_eq!((pc, it(spsr)), (0x1002, 0x0c));
        let (_, spsr) = behind(0, pc, spsr);
        assert_eq!(it(spsr), 0x18);
        let (_, spsr) = behind(0, pc, spsr);
        assert_eq!(spsr, T);
    }

    #[test]
    fn behind_an_arm_instruction_is_four_bytes() {
        assert_eq!(behind(IL, 0xffff_fffc, mode::SVC), (0, mode::SVC));
    }

    #[test]
    fn banked_registers_of_a_mode_are_found_by_either_number() {
        assert_eq!([register(14, mode::SVC), register(18, mode::SVC), register(12, mode::SVC)], [18, 18, 12]);
        assert_eq!([register(8, mode::FIQ), register(14, mode::FIQ), register(30, mode::FIQ)], [24, 30, 30]);
        assert_eq!([register(14, mode::USR), register(13, mode::SYS)], [14, 13]);
    }

    /// A sequence that looks random (xorshift64).
    fn random() -> impl Iterator<Item = u64> {
        core::iter::successors(Some(0x9e37_79b9_7f4a_7c15u64), |&x| {
            let x = x ^ x << 13;
            let x = x ^ x >> 7;
            Some(x ^ x << 17)
        })
    }

    #[test]
    fn any_syndrome_in_any_state_is_decoded_to_registers_that_exist() {
        let mut values = random();
        for _ in 0..100_000 {
            let [esr, spsr, pc] = [0; 3].map(|_| values.next().unwrap());

            let _ = executes(esr, spsr);
            assert!(behind(esr, pc, spsr).0 < 1 << 32);
            if let Some(access) = cp::decode(crate::syndrome::class(esr), esr, spsr) {
                assert!(access.rt <= 31 && access.rt2.is_none_or(|rt2| rt2 <= 31));
            }
        }
    }

    #[test]
    fn any_state_takes_an_exception_to_its_mode() {
        use crate::inject::Exception;
        let mut values = random();
        for _ in 0..10_000 {
            let [spsr, pc, sctlr, far] = [0; 4].map(|_| values.next().unwrap());
            for (exception, mode) in [
                (Exception::Undefined, mode::UND),
                (Exception::InstructionAbort { far }, mode::ABT),
                (Exception::DataAbort { far, write: true }, mode::ABT),
            ] {
                let (mut frame, mut state) = crate::reset::aarch32(pc, 0, 0);
                frame.spsr = spsr;
                state.sys[abi::vcpu::sys::SCTLR_EL1] = sctlr;

                inject::inject(&mut frame, &mut state, exception);

                assert_eq!((frame.spsr & mode::MASK, it(frame.spsr)), (mode, 0));
                assert!(frame.elr < 1 << 32 && frame.x[20] < 1 << 32 && frame.x[22] < 1 << 32);
            }
        }
    }
}
