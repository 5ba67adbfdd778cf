//! Calls by HVC and SMC: SMCCC, PSCI, TRNG.

use super::vcpu::{self, Cpu};
use super::{host, serial};
use abi::syscall::{RESUME_PARK, RESUME_WAIT};
use devices::psci::{Action, ret};
use rt::sys;
use sysdesc::exit;

/// The guest calls; its PC is behind the call already.
#[inline]
pub fn call(cpu: Cpu) {
    let x = [0, 1, 2, 3].map(|n| cpu.page().x(n));
    #[cfg(feature = "fault-test")]
    super::fault::call(x);
    let action = cpu.vm().psci.lock().call(cpu.index() as u8, x, &mut host::entropy);
    match action {
        Action::Return(values) => values.into_iter().enumerate().for_each(|(n, value)| cpu.page().set_x(n, value)),
        action => power(cpu, action),
    }
}

/// What changes the power state of a vCPU or of the VM.
fn power(cpu: Cpu, action: Action) {
    match action {
        Action::Return(_) => {}
        Action::CpuOn { cpu: target, entry, context } => {
            cpu.page().set_x(0, ret::SUCCESS);
            vcpu::post_start(cpu.vm(), usize::from(target), entry, context);
        }
        Action::CpuOff => cpu.set_action(RESUME_PARK),
        Action::CpuSuspend => {
            cpu.page().set_x(0, ret::SUCCESS);
            cpu.set_action(RESUME_WAIT);
        }
        Action::SystemSuspend { entry, context } => {
            vcpu::restart(cpu, entry, context);
            cpu.set_action(RESUME_WAIT);
        }
        Action::SystemOff => end(exit::POWER_OFF),
        Action::SystemReset => end(exit::RESET),
    }
}

/// The VM ends, by its guest's doing.
pub fn end(code: u64) -> ! {
    serial::get().finish();
    sys::exit(code)
}
