//! System registers and system instructions: any encoding is read, most are written; all of ICC_* and ICH_*.

use guest_base::{code, guard};

use crate::random::Random;

const RET: u32 = 0xd65f_03c0;
/// Offsets of the fields of MSR, MRS and SYS in the instruction (Arm ARM C4.1.95): op0, op1, CRn, CRm, op2.
const SHIFTS: [u32; 5] = [19, 16, 12, 8, 5];
const MSR: u32 = 0xd500_0000;
const READ: u32 = 1 << 21;

/// Stubs that are written at a time: code that is written at run time is slow to run for the first time, on QEMU above all.
const BATCH: u64 = 256;

/// Stubs of random accesses.
pub struct Registers {
    stubs: u64,
    left: u64,
}

impl Registers {
    /// None yet.
    pub const fn new() -> Self {
        Self { stubs: 0, left: 0 }
    }

    /// One access to a register, by x0. Whether it came back without an exception.
    pub fn attack(&mut self, random: &Random) -> bool {
        if self.left == 0 {
            let words: [u32; 2 * BATCH as usize] =
                core::array::from_fn(|n| if n % 2 == 0 { instruction(random) } else { RET });
            (self.stubs, self.left) = (code::install(&words), BATCH);
        }
        self.left -= 1;
        guard::call(self.stubs + 8 * self.left, [random.value(), 0, 0, 0]).is_ok()
    }
}

fn instruction(random: &Random) -> u32 {
    let fields = fields(random);
    let read = random.below(2) == 0 || harms_self(&fields) || ends_qemu(&fields);
    let word = SHIFTS.iter().zip(fields).fold(MSR, |word, (shift, field)| word | field << shift);
    word | if read { READ } else { 0 }
}

fn fields(random: &Random) -> [u32; 5] {
    let below = |bound| random.below(bound) as u32;
    match below(4) {
        // The GIC's: ICC_* at EL1, ICC_* and ICH_* at EL2 and EL3.
        0 => [3, [0, 0, 4, 6][below(4) as usize], 12, 8 + below(7), below(8)],
        // Everything, EL0's to EL3's; op0 = 1 are system instructions (TLBI, AT, DC, IC).
        1 => [1 + below(3), below(8), below(16), below(16), below(8)],
        // Counters, timers, PMU, debug.
        2 => [
            [3, 3, 2][below(3) as usize],
            [0, 3][below(2) as usize],
            [9, 14, 0, 1][below(4) as usize],
            below(16),
            below(8),
        ],
        // EL1's and EL2's.
        _ => [3, [0, 4, 5][below(3) as usize], below(16), below(16), below(8)],
    }
}

/// Whether a write would end this program and not harm anybody else: its translation, vectors, stack.
fn harms_self(&[op0, op1, crn, crm, op2]: &[u32; 5]) -> bool {
    match (op0, op1, crn) {
        // DC IVAC, ZVA and the like by address: `access` has them. By set and way: as they are.
        (1, 0, 7) => crm == 6 && op2 == 1,
        (1, 3, 7) => true,
        (3, 0, 1 | 4 | 10) => true,
        (3, 0, 2) => crm == 0 || crm == 5,
        (3, 0, 12) => crm == 0,
        _ => false,
    }
}

/// ICC_BPR0_EL1 and ICC_BPR1_EL1: QEMU's model keeps a zero of a value whose bits 2:0 are zero and whose RES0 bits are not,
/// and ends by an assertion (`icv_gprio_mask`), on the bare machine (`icc_gprio_mask`) as well.
fn ends_qemu(&[op0, op1, crn, crm, op2]: &[u32; 5]) -> bool {
    (op0, op1, crn, op2) == (3, 0, 12, 3) && (crm == 8 || crm == 12)
}
