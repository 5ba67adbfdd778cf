use super::*;
use devices::LoadError;

#[test]
fn a_saved_vcpu_is_the_same_after_load() {
    let (mut cpu, mut frame) = kernel();
    write(&mut cpu, &mut frame, reg::SCTLR_EL1, 0x30d0_198d);
    write(&mut cpu, &mut frame, reg::TTBR1_EL1, 0x4_0000_1000);
    cpu.set_mode(mode::EL0T, &mut frame);

    let loaded = Cpu::load(&cpu.save(), cpu.identity, cpu.features).unwrap();

    assert_eq!(loaded.save(), cpu.save());
    assert_eq!(loaded.changed, Changed::ALL);
}

#[test]
fn load_of_an_unknown_version_or_mode_is_refused() {
    let (cpu, _) = kernel();
    let load = |state: State| Cpu::load(&state, cpu.identity, cpu.features).map(|_| ());

    assert_eq!(load(State { version: 9, ..cpu.save() }), Err(LoadError::Version(9)));
    assert_eq!(load(State { mode: 9, ..cpu.save() }), Err(LoadError::Field("mode")));
}

#[test]
fn load_drops_bits_that_a_register_has_not() {
    let (cpu, _) = kernel();

    let loaded = Cpu::load(&State { regs: [u64::MAX; Slot::COUNT], ..cpu.save() }, cpu.identity, cpu.features).unwrap();

    assert_eq!(loaded.get(Slot::VBAR_EL1), !0x7ff);
    assert_eq!(loaded.get(Slot::CPACR_EL1), 3 << 20);
}
