//! Saved states.

use crate::vm::Vm;
use devices::LoadError;
use devices::Width::{B4, B8};
use devices::vgic::SgiRegister::Sgi1r;
use devices::vgic::{Dist, DistState, Redist, RedistState};
use proptest::prelude::*;

/// A register or device access: which, and with what.
fn access() -> impl Strategy<Value = (u8, u64, u64)> {
    (0u8..12, prop_oneof![0u64..0x500, 0xc00u64..0xc40, 0x6100u64..0x6800], any::<u64>())
}

fn apply(vm: &mut Vm, (what, offset, value): (u8, u64, u64)) {
    let cpu = (value % 2) as u8;
    let intid = 32 + (value % 64) as u32;
    match what {
        0..4 => vm.write_dist(cpu, offset & !3, B4, value),
        4 => vm.write_dist(cpu, offset & !7, B8, value % 3),
        5 => vm.write_redist(cpu, 0x1_0000 + (offset & !3), B4, value),
        6..8 => vm.set_level(intid, value >> 32 & 1 != 0),
        8 => vm.pulse(intid),
        9 => vm.send_sgi(cpu, Sgi1r, value & 0x0f00_0003),
        10 => _ = vm.acknowledge(cpu),
        _ => vm.exit(cpu),
    }
}

proptest! {
    #[test]
    fn states_reached_by_any_accesses_round_trip(
        kind in 0..3,
        accesses in proptest::collection::vec(access(), 0..80),
    ) {
        let mut vm = match kind {
            0 => Vm::booted(2, 4),
            1 => Vm::with_bell(2, 4, 40),
            _ => Vm::without_kernel_timer(2, 4),
        };
        accesses.into_iter().for_each(|access| apply(&mut vm, access));

        prop_assert_eq!(Dist::load(&vm.dist.save()), Ok(vm.dist));
        for vcpu in vm.cpus {
            prop_assert_eq!(Redist::load(&vcpu.redist.save()), Ok(vcpu.redist));
        }
    }

    /// What is loaded works on, whatever it was, and together with another one that it does not fit.
    #[test]
    fn arbitrary_states_load_or_are_refused_and_never_panic(
        noise in proptest::collection::vec(any::<u32>(), 64),
        narrow: bool,
        accesses in proptest::collection::vec(access(), 1..40),
    ) {
        let mut vm = Vm::booted(2, 4);
        if let Ok(dist) = Dist::load(&noisy_dist(&noise, narrow)) {
            vm.dist = dist;
        }
        if let Ok(redist) = Redist::load(&noisy_redist(&noise, narrow)) {
            vm.cpus[0].redist = redist;
        }
        let lrs = vm.cpus[0].redist.save().lr;
        for access in accesses {
            let _ = vm.dist.write(access.1, B4, access.2);
            let _ = vm.dist.read(access.1, B4);
            let redist = &mut vm.cpus[0].redist;
            let _ = redist.write(0x1_0000 + access.1, B4, access.2);
            let _ = redist.sync(&mut vm.dist, access.2, access.2 >> 16);
            let _ = redist.flush(&mut vm.dist);
            let _ = redist.sync_full(&mut vm.dist, &lrs, access.2);
            let _ = redist.flush(&mut vm.dist);
            let _ = redist.flush_private();
        }
    }
}

/// A booted VM's state with noise in it; `narrow` noise has a better chance to be accepted.
fn noisy_dist(noise: &[u32], narrow: bool) -> DistState {
    let mut state = Vm::booted(2, 4).dist.save();
    let mut noise = noise.iter().copied().cycle();
    let mut next = || noise.next().unwrap_or(0);
    if !narrow {
        (state.version, state.cpus, state.enables, state.recall) = (next() % 2, next() % 10, next(), next());
        state.home.iter_mut().for_each(|home| *home = next() as u8);
    } else {
        state.home.iter_mut().for_each(|home| *home = (next() % 2) as u8);
    }
    for bank in &mut state.banks {
        bank.iter_mut().for_each(|word| *word = next());
        if narrow {
            let in_lr = bank[6];
            bank[7..].iter_mut().for_each(|word| *word &= in_lr);
        }
    }
    state.route.iter_mut().for_each(|route| *route = next() as u64 % 3);
    state
}

fn noisy_redist(noise: &[u32], narrow: bool) -> RedistState {
    let mut state = Vm::booted(2, 4).cpus[0].redist.save();
    let mut noise = noise.iter().rev().copied().cycle();
    let mut next = || noise.next().unwrap_or(0);
    if narrow {
        state.held = next() & 0xe;
        for n in 1..4u64 {
            state.lr[n as usize] = 1 << 62 | (32 + 64 * n + next() as u64 % 64);
        }
        state.bell = state.lr[2] as u32 * (next() % 2);
        (state.flags, state.vtimer) = (next() % 16, next() % 4);
        (state.bank[0], state.bank[2], state.bank[4]) = (next(), next(), next());
    } else {
        (state.version, state.cpu, state.cpus, state.lr_count) = (next() % 2, next() % 9, next() % 10, next() % 20);
        state.bell = next();
        (state.waker, state.held, state.flags, state.vtimer) = (next(), next(), next(), next());
        state.lr.iter_mut().for_each(|lr| *lr = (next() as u64) << 32 | next() as u64);
        state.bank.iter_mut().for_each(|word| *word = next());
    }
    state
}

#[test]
fn other_versions_are_refused() {
    let vm = Vm::booted(1, 4);
    let dist = DistState { version: 7, ..vm.dist.save() };
    let redist = RedistState { version: 7, ..vm.cpus[0].redist.save() };

    assert_eq!(Dist::load(&dist), Err(LoadError::Version(7)));
    assert_eq!(Redist::load(&redist), Err(LoadError::Version(7)));
}

fn loaded_with_lr(lr: u64) -> Result<(), LoadError> {
    vm_loaded_with_lr(Vm::booted(1, 4), lr)
}

fn vm_loaded_with_lr(vm: Vm, lr: u64) -> Result<(), LoadError> {
    let mut state = vm.cpus[0].redist.save();
    state.held = 2;
    state.lr[1] = lr;
    Redist::load(&state).map(|_| ())
}

#[test]
fn list_registers_of_no_model_are_refused() {
    assert_eq!(loaded_with_lr(1 << 62 | 33), Ok(()));
    assert_eq!(loaded_with_lr(33), Err(LoadError::Field("lr")), "invalid");
    assert_eq!(loaded_with_lr(1 << 62 | 1 << 61 | 33), Err(LoadError::Field("lr")), "HW");
    assert_eq!(loaded_with_lr(1 << 62 | 27), Err(LoadError::Field("lr")), "the virtual timer");
    assert_eq!(loaded_with_lr(1 << 62 | 288), Err(LoadError::Field("lr")), "no such INTID");
    assert_eq!(loaded_with_lr(1 << 62 | 3), Err(LoadError::Field("in_lr")), "the bank does not know");
}

#[test]
fn virtual_timer_in_a_list_register_is_accepted_without_a_kernel_timer() {
    let vm = Vm::without_kernel_timer(1, 4);

    assert_eq!(vm_loaded_with_lr(vm, 1 << 62 | 27), Err(LoadError::Field("in_lr")), "but the bank does not know");
}

#[test]
fn virtual_timer_state_without_a_kernel_timer_is_refused() {
    let state = RedistState { vtimer: 1, ..Vm::without_kernel_timer(1, 4).cpus[0].redist.save() };

    assert_eq!(Redist::load(&state), Err(LoadError::Field("vtimer")));
}
