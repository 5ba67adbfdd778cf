//! Any word in any state: the decoder is total, the virtual EL1 neither panics nor leaves its bounds, and an exception is
//! undone by the return from it.

use classic::cpu::{Cpu, Effect, Exception, Features, Frame, Identity, Plain, STATE_VERSION, Slot, State, Trap, mode};
use classic::insn::{Insn, decode};
use classic::reg;
use classic::table::REGISTERS;
use classic::tlbi;
use proptest::prelude::*;

const ERET: u32 = 0xd69f_03e0;
/// PSTATE of a guest of this engine: N Z C V, DIT, SSBS, D A I F.
const PSTATE: u64 = 0xf100_13c0;

fn features() -> Features {
    Features { ssbs: true, dit: true, tlbi: tlbi::Features { outer: true, range: true, xs: true } }
}

prop_compose! {
    fn cpu()(mode in prop::sample::select(vec![mode::EL0T, mode::EL1T, mode::EL1H]),
             regs in prop::collection::vec(any::<u64>(), Slot::COUNT)) -> Cpu {
        let mut state = State { version: STATE_VERSION, mode: mode as u32, regs: [0; Slot::COUNT] };
        state.regs.copy_from_slice(&regs);
        Cpu::load(&state, Identity::new(0x410f_d083, 0x8000_0000), features()).unwrap()
    }
}

prop_compose! {
    fn frame()(x in prop::collection::vec(any::<u64>(), 31), pc in any::<u64>(), pstate in any::<u64>(), sp in any::<u64>())
        -> Plain {
        Plain { x: x.try_into().unwrap(), pc, pstate, sp }
    }
}

/// Half of all words are system instructions, and of those half are of the table.
fn word() -> impl Strategy<Value = u32> {
    let known = (0..REGISTERS.len(), any::<bool>(), 0..32u32).prop_map(|(n, write, rt)| REGISTERS[n].word(write) | rt);
    let system = any::<u32>().prop_map(|word| 0xd500_0000 | word & 0x003f_ffff);
    let exception = any::<u32>().prop_map(|word| 0xd400_0000 | word & 0x00ff_ffff);
    prop_oneof![4 => any::<u32>(), 3 => known, 3 => system, 1 => exception, 1 => Just(ERET)]
}

/// What holds of every state that a guest can reach.
fn check(cpu: &Cpu) {
    assert!(matches!(cpu.mode(), mode::EL0T | mode::EL1T | mode::EL1H));
    assert_eq!(cpu.get(Slot::SCTLR_EL1) & 0x30d0_0980, 0x30d0_0980, "RES1");
    assert_eq!(cpu.get(Slot::VBAR_EL1) & 0x7ff, 0);
    assert_eq!(cpu.get(Slot::SPSR_EL1) & !(PSTATE | 3 << 20 | 0x1f), 0);
    assert!(matches!(cpu.cpacr(), 0 | 0x30_0000));
    // WFI and WFE trap, no timer is the hardware's.
    assert_eq!(cpu.gates() & (1 << 16 | 1 << 18), 0);
    assert_eq!(cpu.cntkctl() & !0xff, 0);
}

fn step(cpu: &mut Cpu, frame: &mut Plain, word: u32) -> Effect {
    let (before, pc, level) = (cpu.clone(), frame.pc, cpu.privileged());
    let effect = cpu.execute(word, frame);
    check(cpu);
    match effect {
        Effect::Next => assert_eq!(frame.pc, pc.wrapping_add(4)),
        Effect::Jump => {}
        _ => {
            assert_eq!(frame.pc, pc);
            assert_eq!(*cpu, before, "an effect is all that is left to do");
        }
    }
    if !level {
        assert_eq!((effect, frame.pc), (Effect::Jump, cpu.get(Slot::VBAR_EL1).wrapping_add(0x400)), "undefined at EL0");
    }
    effect
}

proptest! {
    #[test]
    fn every_word_decodes(word in any::<u32>()) {
        let _ = decode(word);
    }

    #[test]
    fn a_syndrome_gives_the_instruction_it_came_of(word in word()) {
        if let Insn::Mrs { register, rt } = decode(word) {
            prop_assert_eq!(Insn::of(register, rt, true), decode(word));
        }
        if let Insn::Msr { register, rt } | Insn::Sys { operation: register, rt } = decode(word) {
            prop_assert_eq!(Insn::of(register, rt, false), decode(word));
        }
    }

    #[test]
    fn any_word_in_any_state(mut cpu in cpu(), mut frame in frame(), words in prop::collection::vec(word(), 1..50)) {
        for word in words {
            step(&mut cpu, &mut frame, word);
        }
    }

    #[test]
    fn any_trap_in_any_state(mut cpu in cpu(), mut frame in frame(), esr in any::<u64>(), far in any::<u64>()) {
        let (pc, before) = (frame.pc, cpu.clone());

        let trap = cpu.trap(esr, far, &mut frame);

        check(&cpu);
        match trap {
            Trap::Done(Effect::Next) => prop_assert_eq!(frame.pc, pc.wrapping_add(4)),
            Trap::Done(Effect::Jump) => {}
            _ => prop_assert_eq!((frame.pc, cpu), (pc, before)),
        }
    }

    #[test]
    fn a_kept_register_is_the_same_by_the_quick_way_and_by_its_syndrome(
        cpu in cpu(), frame in frame(), n in 0..REGISTERS.len(), write in any::<bool>(), rt in 0..32u8,
    ) {
        prop_assume!(cpu.privileged());
        let register = REGISTERS[n].register;
        let (mut quick, mut quick_frame) = (cpu.clone(), frame);
        let (mut slow, mut slow_frame) = (cpu, frame);
        let field = |lsb: u32, width: u32| u64::from(register >> lsb & ((1 << width) - 1));
        let iss = field(14, 2) << 20 | field(0, 3) << 17 | field(11, 3) << 14 | field(7, 4) << 10 | field(3, 4) << 1;
        let esr = 0x18 << 26 | 1 << 25 | iss | u64::from(rt) << 5 | u64::from(!write);

        let by_word = quick.execute(REGISTERS[n].word(write) | u32::from(rt), &mut quick_frame);
        let by_syndrome = slow.trap(esr, 0, &mut slow_frame);

        prop_assert_eq!(Trap::Done(by_word), by_syndrome);
        prop_assert_eq!((quick, quick_frame), (slow, slow_frame));
    }

    #[test]
    fn a_return_undoes_an_exception(cpu in cpu(), frame in frame(), esr in any::<u64>(), far in any::<u64>()) {
        let frame = Plain { pstate: frame.pstate & PSTATE, ..frame };
        let (mut taken, mut there) = (cpu.clone(), frame);

        taken.take(Exception::abort(esr, far, 7), &mut there);
        prop_assert_eq!(taken.mode(), mode::EL1H);
        prop_assert_eq!(there.pstate & 0x3c0, 0x3c0);
        taken.execute(ERET, &mut there);

        prop_assert_eq!((taken.mode(), there), (cpu.mode(), frame));
        for slot in [Slot::SP_EL0, Slot::SP_EL1] {
            // The one in use is the frame's.
            let live = if cpu.mode() == mode::EL1H { Slot::SP_EL1 } else { Slot::SP_EL0 };
            prop_assert!(slot == live || taken.get(slot) == cpu.get(slot));
        }
    }

    #[test]
    fn a_saved_vcpu_goes_on_as_the_first(cpu in cpu(), frame in frame(), words in prop::collection::vec(word(), 1..20)) {
        let (mut first, mut first_frame) = (cpu.clone(), frame);
        let mut second = Cpu::load(&cpu.save(), Identity::new(0x410f_d083, 0x8000_0000), features()).unwrap();
        let mut second_frame = frame;

        for word in words {
            prop_assert_eq!(first.execute(word, &mut first_frame), second.execute(word, &mut second_frame));
        }

        prop_assert_eq!((first.save(), first_frame), (second.save(), second_frame));
    }
}

/// A million words by one seed, in a vCPU that goes on through all of them.
#[test]
#[ignore = "long"]
fn million_words() {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = || {
        // xorshift64* (Vigna 2016).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    let mut cpu = Cpu::new(Identity::new(0x410f_d083, 0x8000_0000), features());
    let mut frame = Plain::default();
    let mut kernel = 0;
    for n in 0..1_000_000u32 {
        let bits = random();
        let word = match bits >> 62 {
            0 => bits as u32,
            1 => 0xd500_0000 | bits as u32 & 0x003f_ffff,
            2 => REGISTERS[(bits >> 32) as usize % REGISTERS.len()].word(bits & 1 << 20 != 0) | bits as u32 & 31,
            _ => ERET,
        };
        frame.set_x((bits >> 40 & 31) as u8, random());
        kernel += u32::from(cpu.privileged());
        step(&mut cpu, &mut frame, word);
        if n % 64 == 0 {
            cpu.trap(random(), random(), &mut frame);
        }
    }
    assert!(kernel > 100_000, "{kernel} words at EL1");
    assert_ne!(cpu.get(Slot::TPIDR_EL1), 0, "{:#x} was never written", reg::TPIDR_EL1);
}
