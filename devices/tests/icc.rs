//! The CPU interface in software against a reference that follows the specification's pseudocode (IHI0069 12.1, ICV_*)
//! word by word: it holds only what the registers hold, and searches anew whenever something is asked.
#![cfg(not(loom))]
#![allow(unexpected_cfgs, reason = "`--cfg loom` builds only the model-checked tests")]

use devices::icc::registers::*;
use devices::icc::{CpuInterface, Effect, State};
use devices::idregs::{SysReg, sysreg};
use proptest::prelude::*;

/// ICH_LR<n>_EL2, taken apart.
#[derive(Clone, Copy, Default, PartialEq)]
struct ListRegister {
    pending: bool,
    active: bool,
    group: usize,
    priority: u32,
    eoi: bool,
    intid: u64,
}

impl ListRegister {
    fn new(raw: u64) -> Self {
        Self {
            pending: raw >> 62 & 1 != 0,
            active: raw >> 63 != 0,
            group: (raw >> 60 & 1) as usize,
            priority: (raw >> 51 & 31) as u32,
            eoi: raw >> 41 & 1 != 0,
            intid: raw & 0xffff_ffff,
        }
    }

    fn raw(self) -> u64 {
        let state = (self.active as u64) << 63 | (self.pending as u64) << 62;
        state | (self.group as u64) << 60 | (self.priority as u64) << 51 | (self.eoi as u64) << 41 | self.intid
    }

    fn invalid(self) -> bool {
        !self.pending && !self.active
    }
}

/// Priorities are 0..32 here: bits 7:3 of the real ones.
#[derive(Default)]
struct Reference {
    lr: [ListRegister; 16],
    pmr: u32,
    bpr: [u32; 2],
    enabled: [bool; 2],
    common: bool,
    split: bool,
    /// Active priorities of both groups.
    active: [[bool; 32]; 2],
}

impl Reference {
    fn new() -> Self {
        Self { bpr: [2, 3], ..Self::default() }
    }

    /// VPriorityGroup().
    fn group_priority(&self, priority: u32, group: usize) -> u32 {
        let lowest_bit = if group == 0 || self.common { self.bpr[0] + 1 } else { self.bpr[1] };
        ((priority << 3) >> lowest_bit << lowest_bit) >> 3
    }

    /// GetHighestActiveVPriority().
    fn running(&self) -> Option<u32> {
        (0..32).find(|&level| self.active[0][level as usize] || self.active[1][level as usize])
    }

    /// HighestPriorityVirtualInterrupt().
    fn highest(&self) -> Option<usize> {
        let candidate = |n: &usize| self.lr[*n].pending && !self.lr[*n].active && self.enabled[self.lr[*n].group];
        (0..16).filter(candidate).min_by_key(|&n| (self.lr[n].priority, n))
    }

    /// CanSignalVirtualInterrupt(): which one.
    fn signalled(&self) -> Option<usize> {
        let n = self.highest()?;
        let lr = self.lr[n];
        let preempts = |running| self.group_priority(lr.priority, lr.group) < self.group_priority(running, lr.group);
        (lr.priority < self.pmr && self.running().is_none_or(preempts)).then_some(n)
    }

    fn acknowledge(&mut self, group: usize) -> u64 {
        let Some(n) = self.signalled().filter(|&n| self.lr[n].group == group) else { return 1023 };
        self.lr[n].pending = false;
        if !(1020..1024).contains(&self.lr[n].intid) {
            self.lr[n].active = true;
            let level = self.group_priority(self.lr[n].priority, group);
            self.active[group][level as usize] = true;
        }
        self.lr[n].intid
    }

    fn end(&mut self, group: usize, intid: u64) {
        let intid = intid & 0xff_ffff;
        if (1020..1024).contains(&intid) {
            return;
        }
        let Some(dropped) = self.running() else { return };
        let from = if self.active[0][dropped as usize] { 0 } else { 1 };
        self.active[from][dropped as usize] = false;
        let Some(n) = self.active_in(intid) else { return };
        let ended = self.lr[n];
        let same = ended.group == group && self.group_priority(ended.priority, group) == dropped;
        if same && (!self.split || intid >= 8192) {
            self.lr[n].active = false;
        }
    }

    fn deactivate(&mut self, intid: u64) {
        let intid = intid & 0xff_ffff;
        if let Some(n) = self.active_in(intid).filter(|_| self.split && intid < 1020) {
            self.lr[n].active = false;
        }
    }

    fn active_in(&self, intid: u64) -> Option<usize> {
        (0..16).find(|&n| self.lr[n].active && self.lr[n].intid == intid)
    }

    fn word(&self, group: usize) -> u64 {
        (0..32).filter(|&level| self.active[group][level]).fold(0, |word, level| word | 1 << level)
    }

    fn read(&mut self, reg: SysReg) -> Option<u64> {
        let highest = |group| self.highest().filter(|&n| self.lr[n].group == group).map_or(1023, |n| self.lr[n].intid);
        Some(match reg {
            ICC_IAR0_EL1 => self.acknowledge(0),
            ICC_IAR1_EL1 => self.acknowledge(1),
            ICC_HPPIR0_EL1 => highest(0),
            ICC_HPPIR1_EL1 => highest(1),
            ICC_PMR_EL1 => self.pmr as u64 * 8,
            ICC_BPR0_EL1 => self.bpr[0] as u64,
            ICC_BPR1_EL1 if self.common => 7.min(self.bpr[0] as u64 + 1),
            ICC_BPR1_EL1 => self.bpr[1] as u64,
            ICC_AP0R0_EL1 => self.word(0),
            ICC_AP1R0_EL1 => self.word(1),
            ICC_RPR_EL1 => self.running().map_or(0xff, |level| level as u64 * 8),
            ICC_CTLR_EL1 => 0x8c00 | self.common as u64 | (self.split as u64) << 1,
            ICC_SRE_EL1 => 7,
            ICC_IGRPEN0_EL1 => self.enabled[0] as u64,
            ICC_IGRPEN1_EL1 => self.enabled[1] as u64,
            _ => return None,
        })
    }

    fn write(&mut self, reg: SysReg, value: u64) -> Option<()> {
        let bits = || std::array::from_fn(|level| value >> level & 1 != 0);
        match reg {
            ICC_EOIR0_EL1 => self.end(0, value),
            ICC_EOIR1_EL1 => self.end(1, value),
            ICC_DIR_EL1 => self.deactivate(value),
            ICC_PMR_EL1 => self.pmr = (value as u32 & 0xff) / 8,
            ICC_BPR0_EL1 => self.bpr[0] = 2.max(value as u32 % 8),
            ICC_BPR1_EL1 if self.common => {}
            ICC_BPR1_EL1 => self.bpr[1] = 3.max(value as u32 % 8),
            ICC_AP0R0_EL1 => self.active[0] = bits(),
            ICC_AP1R0_EL1 => self.active[1] = bits(),
            ICC_CTLR_EL1 => (self.common, self.split) = (value & 1 != 0, value & 2 != 0),
            ICC_SRE_EL1 => {}
            ICC_IGRPEN0_EL1 => self.enabled[0] = value & 1 != 0,
            ICC_IGRPEN1_EL1 => self.enabled[1] = value & 1 != 0,
            _ => return None,
        }
        Some(())
    }

    fn mask(&self, select: impl Fn(ListRegister) -> bool) -> u64 {
        (0..16).filter(|&n| select(self.lr[n])).fold(0, |mask, n| mask | 1 << n)
    }

    fn line(&self, group: usize) -> bool {
        self.signalled().is_some_and(|n| self.lr[n].group == group)
    }
}

const REGISTERS: [SysReg; 18] = [
    ICC_PMR_EL1,
    ICC_IAR0_EL1,
    ICC_EOIR0_EL1,
    ICC_HPPIR0_EL1,
    ICC_BPR0_EL1,
    ICC_AP0R0_EL1,
    ICC_AP1R0_EL1,
    ICC_DIR_EL1,
    ICC_RPR_EL1,
    ICC_IAR1_EL1,
    ICC_EOIR1_EL1,
    ICC_HPPIR1_EL1,
    ICC_BPR1_EL1,
    ICC_CTLR_EL1,
    ICC_SRE_EL1,
    ICC_IGRPEN0_EL1,
    ICC_IGRPEN1_EL1,
    sysreg(3, 0, 12, 9, 1),
];

#[derive(Clone, Copy, Debug)]
enum Op {
    Install(usize, u64),
    Read(SysReg),
    Write(SysReg, u64),
}

/// Few INTIDs and few priorities, so that they meet.
fn list_register() -> impl Strategy<Value = u64> {
    let intid = prop_oneof![8 => 30u64..40, 1 => 1018u64..1026, 1 => 8190u64..8194, 1 => Just(1u64 << 24 | 31)];
    let parts = (0u64..4, any::<bool>(), 0u64..8, any::<bool>(), intid, any::<bool>());
    parts.prop_map(|(state, group1, priority, eoi, intid, hw)| {
        let high = state << 62 | (hw as u64) << 61 | (group1 as u64) << 60 | priority << 52;
        high | (eoi as u64) << 41 | intid
    })
}

fn op() -> impl Strategy<Value = Op> {
    let reg = || proptest::sample::select(&REGISTERS);
    let small = prop_oneof![4 => 30u64..40, 2 => 0u64..256, 1 => 1018u64..1026, 1 => 8190u64..8194, 1 => any::<u64>()];
    let ends = proptest::sample::select(&[ICC_EOIR0_EL1, ICC_EOIR1_EL1, ICC_EOIR1_EL1, ICC_DIR_EL1]);
    let acknowledges = proptest::sample::select(&[ICC_IAR0_EL1, ICC_IAR1_EL1]);
    prop_oneof![
        4 => (0usize..17, list_register()).prop_map(|(n, lr)| Op::Install(n, lr)),
        4 => acknowledges.prop_map(Op::Read),
        4 => (ends, 30u64..40).prop_map(|(reg, intid)| Op::Write(reg, intid)),
        2 => reg().prop_map(Op::Read),
        2 => (reg(), small).prop_map(|(reg, value)| Op::Write(reg, value)),
        1 => (0u64..256).prop_map(|mask| Op::Write(ICC_PMR_EL1, mask)),
        1 => Just(Op::Write(ICC_PMR_EL1, 0xff)),
        1 => Just(Op::Write(ICC_IGRPEN0_EL1, 1)),
        1 => Just(Op::Write(ICC_IGRPEN1_EL1, 1)),
    ]
}

fn step(icc: &mut CpuInterface, reference: &mut Reference, op: Op) {
    match op {
        Op::Install(n, lr) => {
            icc.install(n, lr);
            if n < 16 {
                reference.lr[n] = ListRegister::new(lr);
            }
        }
        Op::Read(reg) => assert_eq!(icc.read(reg), reference.read(reg), "read of {reg:#x}"),
        Op::Write(reg, value) => {
            let before = (reference.line(0), reference.line(1));
            let done = icc.write(reg, value);
            assert_eq!(done.is_some(), reference.write(reg, value).is_some(), "write of {reg:#x}");
            if matches!(done, None | Some(Effect::None)) {
                assert_eq!((reference.line(0), reference.line(1)), before, "write of {reg:#x} has an effect");
            }
            if matches!(reg, ICC_EOIR0_EL1 | ICC_EOIR1_EL1 | ICC_DIR_EL1) && done != Some(Effect::None) {
                assert_eq!(done == Some(Effect::Maintenance), icc.eoi_mask() != 0);
            }
        }
    }
}

fn assert_same(icc: &CpuInterface, reference: &Reference) {
    assert_eq!(icc.lrs(), reference.lr.map(ListRegister::raw));
    assert_eq!((icc.fiq_line(), icc.irq_line()), (reference.line(0), reference.line(1)));
    assert_eq!(icc.empty_mask(), reference.mask(|lr| lr.invalid() && !lr.eoi));
    assert_eq!(icc.eoi_mask(), reference.mask(|lr| lr.invalid() && lr.eoi));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_sequence_is_as_in_the_reference(ops in proptest::collection::vec(op(), 1..150)) {
        let (mut icc, mut reference) = (CpuInterface::new(), Reference::new());
        for op in ops {
            step(&mut icc, &mut reference, op);
            assert_same(&icc, &reference);
        }
        prop_assert_eq!(CpuInterface::load(&icc.save()), Ok(icc));
    }

    #[test]
    fn arbitrary_states_load_or_are_refused(
        (version, ctlr, pmr, bpr) in (0u32..3, 0u32..5, any::<u32>(), any::<[u32; 2]>()),
        (igrpen, apr, narrow, reserved) in (any::<[u32; 2]>(), any::<[u32; 2]>(), any::<bool>(), 0u32..2),
        lr in any::<[u64; 16]>(),
        ops in proptest::collection::vec(op(), 1..20),
    ) {
        let wild = State { version, ctlr, pmr, bpr, igrpen, apr, reserved, lr };
        let tame = State {
            version: 1,
            ctlr: ctlr & 3,
            pmr: pmr & 0xf8,
            bpr: bpr.map(|point| 3 + point % 5),
            igrpen: igrpen.map(|on| on & 1),
            reserved: 0,
            lr: lr.map(|lr| ListRegister::new(lr).raw()),
            ..wild
        };
        if narrow {
            prop_assert_eq!(CpuInterface::load(&tame).map(|icc| icc.save()), Ok(tame));
        }
        if let Ok(mut icc) = CpuInterface::load(if narrow { &tame } else { &wild }) {
            for op in ops {
                match op {
                    Op::Install(n, lr) => icc.install(n, lr),
                    Op::Read(reg) => _ = icc.read(reg),
                    Op::Write(reg, value) => _ = icc.write(reg, value),
                }
            }
        }
    }
}
