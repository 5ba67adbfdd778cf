use super::*;
use proptest::prelude::*;

const RAM: Range<u64> = 0x4000_0000..0x8000_0000;
const ENTRY: u64 = 0x4020_0000;
const CPU_ON64: u64 = 0xc400_0003;

fn psci() -> Psci {
    Psci::new(4, RAM, NotAffected::default())
}

fn call(psci: &mut Psci, cpu: u8, x: [u64; 4]) -> Action {
    psci.call(cpu, x, &mut || Some(0x0123_4567_89ab_cdef))
}

/// x0 that vCPU 0 gets back.
fn x0(psci: &mut Psci, function: u32, a1: u64, a2: u64, a3: u64) -> u64 {
    match call(psci, 0, [function as u64, a1, a2, a3]) {
        Action::Return([value, x1, x2, x3]) => {
            assert_eq!([x1, x2, x3], [a1, a2, a3], "x1–x3 are kept");
            value
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn version_is_1_1() {
    assert_eq!(x0(&mut psci(), fid::PSCI_VERSION, 0, 0, 0), 0x1_0001);
}

#[test]
fn cpu_on_goes_through_on_pending_to_on() {
    let mut psci = psci();
    let action = call(&mut psci, 0, [CPU_ON64, 2, ENTRY, 77]);
    assert_eq!(action, Action::CpuOn { cpu: 2, entry: ENTRY, context: 77 });
    assert_eq!(x0(&mut psci, fid::CPU_ON, 2, ENTRY, 0), ret::ON_PENDING);
    assert_eq!(x0(&mut psci, fid::AFFINITY_INFO, 2, 0, 0), Power::OnPending as u64);
    psci.on(2);

    assert_eq!(x0(&mut psci, fid::CPU_ON, 2, ENTRY, 0), ret::ALREADY_ON);
    assert_eq!(x0(&mut psci, fid::AFFINITY_INFO, 2, 0, 0), Power::On as u64);
}

#[test]
fn cpu_on_of_invalid_target_returns_invalid_parameters() {
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 4, ENTRY, 0), ret::INVALID_PARAMETERS);
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 0x100, ENTRY, 0), ret::INVALID_PARAMETERS);
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 1 << 31 | 1, ENTRY, 0), ret::INVALID_PARAMETERS, "MPIDR_EL1.RES1");
}

#[test]
fn cpu_on_outside_ram_returns_invalid_address() {
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 1, 0, 0), ret::INVALID_ADDRESS);
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 1, RAM.end, 0), ret::INVALID_ADDRESS);
    assert_eq!(x0(&mut psci(), fid::CPU_ON, 1, ENTRY + 2, 0), ret::INVALID_ADDRESS);
}

#[test]
fn cpu_on_by_smc32_takes_the_low_words() {
    let high = 0xffff_ffff_0000_0000;
    let action = call(&mut psci(), 0, [fid::CPU_ON as u64, high | 1, high | ENTRY, high | 5]);

    assert_eq!(action, Action::CpuOn { cpu: 1, entry: ENTRY, context: 5 });
}

#[test]
fn cpu_off_lets_the_vcpu_be_switched_on_again() {
    let mut psci = psci();
    let _ = call(&mut psci, 0, [CPU_ON64, 1, ENTRY, 0]);
    psci.on(1);
    assert_eq!(call(&mut psci, 1, [fid::CPU_OFF as u64, 0, 0, 0]), Action::CpuOff);
    assert_eq!(x0(&mut psci, fid::AFFINITY_INFO, 1, 0, 0), Power::Off as u64);

    let again = call(&mut psci, 0, [CPU_ON64, 1, ENTRY, 0]);
    assert_eq!(again, Action::CpuOn { cpu: 1, entry: ENTRY, context: 0 });
}

#[test]
fn cpu_suspend_takes_the_original_power_state() {
    assert_eq!(call(&mut psci(), 0, [fid::CPU_SUSPEND as u64, 0, 0, 0]), Action::CpuSuspend);
    assert_eq!(call(&mut psci(), 0, [0xc400_0001, 0x1_0000, ENTRY, 0]), Action::CpuSuspend);
    assert_eq!(x0(&mut psci(), fid::CPU_SUSPEND, 1 << 31, 0, 0), ret::INVALID_PARAMETERS);
}

#[test]
fn affinity_info_of_higher_levels_is_on() {
    assert_eq!(x0(&mut psci(), fid::AFFINITY_INFO, 3, 1, 0), 0);
    assert_eq!(x0(&mut psci(), fid::AFFINITY_INFO, 3, 4, 0), ret::INVALID_PARAMETERS);
    assert_eq!(x0(&mut psci(), fid::AFFINITY_INFO, 9, 0, 0), ret::INVALID_PARAMETERS);
}

#[test]
fn migrate_info_type_is_not_present_and_migrate_is_unknown() {
    assert_eq!(x0(&mut psci(), fid::MIGRATE_INFO_TYPE, 0, 0, 0), 2);
    assert_eq!(x0(&mut psci(), 0x8400_0005, 0, 0, 0), ret::NOT_SUPPORTED);
    assert_eq!(x0(&mut psci(), 0x8400_0007, 0, 0, 0), ret::NOT_SUPPORTED);
}

#[test]
fn system_calls_end_or_reset_the_vm() {
    assert_eq!(call(&mut psci(), 0, [fid::SYSTEM_OFF as u64, 0, 0, 0]), Action::SystemOff);
    assert_eq!(call(&mut psci(), 0, [fid::SYSTEM_RESET as u64, 0, 0, 0]), Action::SystemReset);
    assert_eq!(call(&mut psci(), 0, [fid::SYSTEM_RESET2 as u64, 0, 0, 0]), Action::SystemReset);
    assert_eq!(x0(&mut psci(), fid::SYSTEM_RESET2, 1, 0, 0), ret::INVALID_PARAMETERS);
    assert_eq!(x0(&mut psci(), fid::SYSTEM_RESET2, 0x8000_0000, 0, 0), ret::INVALID_PARAMETERS, "vendor's");
}

#[test]
fn system_suspend_wants_all_others_off() {
    let mut psci = psci();
    let suspend = [0xc400_000e, ENTRY, 9, 0];
    assert_eq!(call(&mut psci, 0, suspend), Action::SystemSuspend { entry: ENTRY, context: 9 });
    assert_eq!(x0(&mut psci, fid::SYSTEM_SUSPEND, 0, 0, 0), ret::INVALID_ADDRESS);
    let _ = call(&mut psci, 0, [CPU_ON64, 1, ENTRY, 0]);

    assert_eq!(x0(&mut psci, fid::SYSTEM_SUSPEND, ENTRY, 9, 0), ret::DENIED);
}

#[test]
fn features_name_what_is_implemented() {
    let implemented = [
        0x8400_0000u32,
        0x8400_0001,
        0xc400_0001,
        0x8400_0002,
        0x8400_0003,
        0xc400_0003,
        0x8400_0004,
        0xc400_0004,
        0x8400_0006,
        0x8400_0008,
        0x8400_0009,
        0x8400_000a,
        0x8400_000e,
        0xc400_000e,
        0x8400_0012,
        0xc400_0012,
        0x8000_0000,
    ];
    for function in implemented {
        assert_eq!(x0(&mut psci(), fid::PSCI_FEATURES, function as u64, 0, 0), 0, "{function:#x}");
    }
    for function in [0xc400_0002u32, 0x8400_0005, 0x8400_000b, 0x8400_000c, 0x8400_0010, 0xc400_0015, 0] {
        assert_eq!(x0(&mut psci(), fid::PSCI_FEATURES, function as u64, 0, 0), ret::NOT_SUPPORTED, "{function:#x}");
    }
}

#[test]
fn unknown_functions_return_not_supported_and_are_counted() {
    let mut psci = psci();
    for function in [0u32, 0x8400_000b, 0xc400_0002, 0x8600_ff01, 0xc400_0190, 0xc500_0020, 0x8000_0002, u32::MAX] {
        assert_eq!(x0(&mut psci, function, 1, 2, 3), ret::NOT_SUPPORTED, "{function:#x}");
    }

    assert_eq!(psci.ignored(), 8);
}

#[test]
fn upper_half_of_x0_is_no_part_of_the_function() {
    let action = call(&mut psci(), 0, [0xdead_beef_8400_0000, 0, 0, 0]);

    assert_eq!(action, Action::Return([0x1_0001, 0, 0, 0]));
}

#[test]
fn smccc_is_1_1_and_says_which_workarounds_are_not_required() {
    let mut psci = Psci::new(1, RAM, NotAffected { workaround_1: true, ..NotAffected::default() });
    assert_eq!(x0(&mut psci, 0x8000_0000, 0, 0, 0), 0x1_0001);
    assert_eq!(x0(&mut psci, 0x8000_0001, 0x8000_8000, 0, 0), 1, "ARCH_WORKAROUND_1");
    assert_eq!(x0(&mut psci, 0x8000_0001, 0x8000_3fff, 0, 0), ret::NOT_SUPPORTED, "ARCH_WORKAROUND_3");
    assert_eq!(x0(&mut psci, 0x8000_0001, 0x8000_0002, 0, 0), ret::NOT_SUPPORTED, "SOC_ID");

    assert_eq!(x0(&mut psci, 0x8000_8000, 0, 0, 0), 0);
    assert_eq!(x0(&mut psci, 0x8000_3fff, 0, 0, 0), ret::NOT_SUPPORTED);
}

#[test]
fn trng_gives_as_many_bits_as_asked_for() {
    let mut psci = psci();
    assert_eq!(x0(&mut psci, 0x8400_0050, 0, 0, 0), 0x1_0000);
    assert_eq!(x0(&mut psci, 0x8400_0051, 0xc400_0053, 0, 0), 0);
    let rnd64 =
        |bits| Psci::new(1, RAM, NotAffected::default()).call(0, [0xc400_0053, bits, 9, 9], &mut || Some(u64::MAX));
    let rnd32 =
        |bits| Psci::new(1, RAM, NotAffected::default()).call(0, [0x8400_0053, bits, 9, 9], &mut || Some(u64::MAX));

    assert_eq!(rnd64(1), Action::Return([0, 0, 0, 1]));
    assert_eq!(rnd64(70), Action::Return([0, 0, 0x3f, u64::MAX]));
    assert_eq!(rnd64(192), Action::Return([0, u64::MAX, u64::MAX, u64::MAX]));
    assert_eq!(rnd32(33), Action::Return([0, 0, 1, 0xffff_ffff]));
    assert_eq!(rnd32(97), Action::Return([-2i64 as u64, 97, 9, 9]));
    assert_eq!(rnd64(0), Action::Return([-2i64 as u64, 0, 9, 9]));
}

#[test]
fn trng_without_entropy_says_so() {
    let action = psci().call(0, [0xc400_0053, 64, 0, 0], &mut || None);

    assert_eq!(action, Action::Return([-3i64 as u64, 0, 0, 0]));
}

proptest! {
    #[test]
    fn states_reached_by_any_calls_round_trip(calls in proptest::collection::vec((0u8..4, 0u32..0x20, any::<bool>(), 0u64..5), 0..40)) {
        let mut psci = psci();
        for (cpu, function, wide, target) in calls {
            let function = fid::PSCI_VERSION | function | if wide { fid::SMC64 } else { 0 };
            if let Action::CpuOn { cpu, .. } = call(&mut psci, cpu, [function as u64, target, ENTRY, 0]) && target != 3 {
                psci.on(cpu);
            }
        }
        prop_assert_eq!(Psci::load(&psci.save(), RAM, NotAffected::default()), Ok(psci));
    }

    #[test]
    fn arbitrary_states_and_calls_never_panic(
        version in 0u32..3, cpus in prop_oneof![0u32..10, any::<u32>()], power in any::<[u8; 8]>(), narrow: bool,
        cpu: u8, x in any::<[u64; 4]>(), function in 0u64..0x60,
    ) {
        let power = if narrow { power.map(|p| p % 3) } else { power };
        let state = PsciState { version, cpus, power, ignored: u32::MAX };
        if let Ok(mut psci) = Psci::load(&state, RAM, NotAffected::default()) {
            prop_assert_eq!(psci.save(), state);
            let _ = call(&mut psci, cpu, x);
            let _ = call(&mut psci, cpu, [0x8400_0000 | function, x[1], x[2], x[3]]);
        }
    }
}

const STOLEN: StolenTime = StolenTime { base: 0x90a_0000, stride: 0x1000 };
const PV_TIME_FEATURES: u32 = 0xc500_0020;
const PV_TIME_ST: u32 = 0xc500_0021;
const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;

#[test]
fn stolen_time_is_found_as_den0057_says() {
    let mut psci = psci().with_stolen_time(STOLEN);

    assert_eq!(x0(&mut psci, SMCCC_ARCH_FEATURES, u64::from(PV_TIME_FEATURES), 0, 0), ret::SUCCESS);
    assert_eq!(x0(&mut psci, PV_TIME_FEATURES, u64::from(PV_TIME_ST), 0, 0), ret::SUCCESS);
    assert_eq!(x0(&mut psci, PV_TIME_FEATURES, u64::from(PV_TIME_FEATURES), 0, 0), ret::SUCCESS);
    assert_eq!(x0(&mut psci, PV_TIME_FEATURES, 0xc500_0022, 0, 0), ret::NOT_SUPPORTED);
    assert_eq!(x0(&mut psci, PV_TIME_ST, 0, 0, 0), 0x90a_0000);
}

#[test]
fn each_vcpu_has_a_stolen_time_structure_of_its_own() {
    let mut psci = psci().with_stolen_time(STOLEN);

    let action = call(&mut psci, 3, [u64::from(PV_TIME_ST), 0, 0, 0]);

    assert_eq!(action, Action::Return([0x90a_3000, 0, 0, 0]));
}

#[test]
fn stolen_time_that_is_not_there_is_not_supported() {
    let mut psci = psci();

    assert_eq!(x0(&mut psci, SMCCC_ARCH_FEATURES, u64::from(PV_TIME_FEATURES), 0, 0), ret::NOT_SUPPORTED);
    assert_eq!(x0(&mut psci, PV_TIME_FEATURES, u64::from(PV_TIME_ST), 0, 0), ret::NOT_SUPPORTED);
    assert_eq!(x0(&mut psci, PV_TIME_ST, 0, 0, 0), ret::NOT_SUPPORTED);
}
