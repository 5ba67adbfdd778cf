//! Callee of SMCCC (DEN0028), PSCI 1.1 (DEN0022), TRNG 1.0 (DEN0098) and paravirtualized time (DEN0057A), for HVC and SMC
//! alike.
//!
//! One [`Psci`] per VM holds the power state of all vCPUs; the VMM keeps it behind a short lock, as all calls are rare.
//! [`Psci::call`] decides and [`Action`] says what to do.
//!
//! ```text
//!                 CPU_ON                    on()
//!        Off ───────────────▶ OnPending ───────────▶ On
//!         ▲                                          │
//!         └────────────── CPU_OFF ───────────────────┘
//! ```
//!
//! Functions that are not known return NOT_SUPPORTED (-1), quietly.

mod pvtime;
mod smccc;
mod state;
mod trng;

#[cfg(all(test, not(loom)))]
mod tests;

pub use pvtime::StolenTime;
pub use state::{PsciState, STATE_VERSION};

use crate::MAX_VCPUS;
use core::ops::Range;

/// Function identifiers (DEN0022 5.1). Those of the 64-bit convention have [`fid::SMC64`] set in addition.
#[allow(missing_docs, reason = "each is the function of that name")]
pub mod fid {
    pub const SMC64: u32 = 0x4000_0000;
    pub const PSCI_VERSION: u32 = 0x8400_0000;
    pub const CPU_SUSPEND: u32 = 0x8400_0001;
    pub const CPU_OFF: u32 = 0x8400_0002;
    pub const CPU_ON: u32 = 0x8400_0003;
    pub const AFFINITY_INFO: u32 = 0x8400_0004;
    pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    pub const SYSTEM_OFF: u32 = 0x8400_0008;
    pub const SYSTEM_RESET: u32 = 0x8400_0009;
    pub const PSCI_FEATURES: u32 = 0x8400_000a;
    pub const SYSTEM_SUSPEND: u32 = 0x8400_000e;
    pub const SYSTEM_RESET2: u32 = 0x8400_0012;
}

/// Return values (DEN0022 5.2.2), sign-extended.
#[allow(missing_docs, reason = "each is the value of that name")]
pub mod ret {
    pub const SUCCESS: u64 = 0;
    pub const NOT_SUPPORTED: u64 = -1i64 as u64;
    pub const INVALID_PARAMETERS: u64 = -2i64 as u64;
    pub const DENIED: u64 = -3i64 as u64;
    pub const ALREADY_ON: u64 = -4i64 as u64;
    pub const ON_PENDING: u64 = -5i64 as u64;
    pub const INVALID_ADDRESS: u64 = -9i64 as u64;
}

/// PSCI 1.1.
const VERSION: u64 = 1 << 16 | 1;
/// MIGRATE_INFO_TYPE: no Trusted OS that would have to be migrated.
const TOS_NOT_PRESENT: u64 = 2;
/// CPU_SUSPEND power_state, original format (DEN0022 5.4.2.1): reserved bits.
const POWER_STATE_RESERVED: u64 = 0xfcfe_0000;
/// SYSTEM_RESET2 reset_type: SYSTEM_WARM_RESET.
const SYSTEM_WARM_RESET: u64 = 0;

/// Power state of a vCPU, with the values that AFFINITY_INFO returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Power {
    /// Runs.
    On = 0,
    /// Does not run.
    Off = 1,
    /// CPU_ON was accepted, the vCPU is not there yet.
    OnPending = 2,
}

/// Arm's workarounds of speculative execution (DEN0028 7.4–7.6) that the CPU does not need: they are answered as
/// implemented and not required. One that is `false` is answered as not supported: the guest then knows that nobody
/// mitigates. See [`crate::idregs::not_affected`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotAffected {
    /// SMCCC_ARCH_WORKAROUND_1 (Spectre v2).
    pub workaround_1: bool,
    /// SMCCC_ARCH_WORKAROUND_2 (Spectre v4).
    pub workaround_2: bool,
    /// SMCCC_ARCH_WORKAROUND_3 (Spectre BHB).
    pub workaround_3: bool,
}

/// What the VMM has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Resume the caller with these x0–x3 (unused ones are as they were).
    Return([u64; 4]),
    /// Reset vCPU `cpu`, start it at `entry` with x0 = `context`, and call [`Psci::on`] as it starts. The caller resumes
    /// with x0 = SUCCESS.
    CpuOn {
        /// Which one.
        cpu: u8,
        /// Guest physical address.
        entry: u64,
        /// Its x0.
        context: u64,
    },
    /// Stop the caller until it is switched on.
    CpuOff,
    /// Let the caller wait as by WFI, then resume it with x0 = SUCCESS (a power-down request is answered by standby,
    /// as DEN0022 5.4.5 permits).
    CpuSuspend,
    /// Wait for an interrupt, then reset the caller and start it at `entry` with x0 = `context`.
    SystemSuspend {
        /// Guest physical address.
        entry: u64,
        /// Its x0.
        context: u64,
    },
    /// Stop the VM.
    SystemOff,
    /// Reset the VM.
    SystemReset,
}

/// Power control of a VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Psci {
    cpus: u8,
    power: [Power; MAX_VCPUS],
    ram: Range<u64>,
    not_affected: NotAffected,
    stolen_time: Option<StolenTime>,
    t32: bool,
    ignored: u32,
}

impl Psci {
    /// For a VM of `cpus` vCPUs (clamped to 1..=8), vCPU 0 on. `ram`: guest physical addresses at which a vCPU may start.
    pub fn new(cpus: u8, ram: Range<u64>, not_affected: NotAffected) -> Self {
        let mut power = [Power::Off; MAX_VCPUS];
        power[0] = Power::On;
        Self {
            cpus: cpus.clamp(1, MAX_VCPUS as u8),
            power,
            ram,
            not_affected,
            stolen_time: None,
            t32: false,
            ignored: 0,
        }
    }

    /// With structures that tell vCPUs of stolen time.
    #[must_use]
    pub fn with_stolen_time(self, stolen_time: StolenTime) -> Self {
        Self { stolen_time: Some(stolen_time), ..self }
    }

    /// Bit 0 of an entry says that it is T32 code (DEN0022 5.6), if vCPUs are AArch32.
    #[must_use]
    pub const fn with_t32_entries(self, t32: bool) -> Self {
        Self { t32, ..self }
    }

    /// A call of vCPU `cpu` with x0–x3. `entropy` gives 64 random bits, or nothing while there are none.
    pub fn call(&mut self, cpu: u8, x: [u64; 4], entropy: &mut dyn FnMut() -> Option<u64>) -> Action {
        let [function, a1, a2, a3] = x;
        let function = function as u32;
        let wide = function & fid::SMC64 != 0;
        let arg = |a: u64| if wide { a } else { a & 0xffff_ffff };
        let value = match function & !fid::SMC64 {
            _ if !is_known(function) => {
                return match smccc::call(self, cpu, function, arg(a1), x, entropy) {
                    Some(regs) => Action::Return(regs),
                    None => self.unknown(x),
                };
            }
            fid::PSCI_VERSION => VERSION,
            fid::CPU_ON => match self.cpu_on(arg(a1), arg(a2)) {
                Ok(cpu) => return Action::CpuOn { cpu, entry: arg(a2), context: arg(a3) },
                Err(error) => error,
            },
            fid::CPU_OFF => {
                self.set(cpu, Power::Off);
                return Action::CpuOff;
            }
            fid::CPU_SUSPEND if a1 & POWER_STATE_RESERVED == 0 => return Action::CpuSuspend,
            fid::CPU_SUSPEND => ret::INVALID_PARAMETERS,
            fid::AFFINITY_INFO => self.affinity_info(arg(a1), arg(a2)),
            fid::MIGRATE_INFO_TYPE => TOS_NOT_PRESENT,
            fid::PSCI_FEATURES => features(a1 as u32),
            fid::SYSTEM_OFF => return Action::SystemOff,
            fid::SYSTEM_RESET => return Action::SystemReset,
            fid::SYSTEM_RESET2 if a1 as u32 as u64 == SYSTEM_WARM_RESET => return Action::SystemReset,
            fid::SYSTEM_RESET2 => ret::INVALID_PARAMETERS,
            fid::SYSTEM_SUSPEND => match self.system_suspend(cpu, arg(a1)) {
                Ok(entry) => return Action::SystemSuspend { entry, context: arg(a2) },
                Err(error) => error,
            },
            _ => return self.unknown(x),
        };
        Action::Return(with_x0(x, value))
    }

    /// vCPU `cpu` starts, after [`Action::CpuOn`].
    pub fn on(&mut self, cpu: u8) {
        self.set(cpu, Power::On);
    }

    /// Power state of vCPU `cpu`; `None` if there is no such one.
    pub fn power(&self, cpu: u8) -> Option<Power> {
        self.power.get(..self.cpus as usize)?.get(cpu as usize).copied()
    }

    /// Calls so far of functions that are not known (wraps).
    pub fn ignored(&self) -> u32 {
        self.ignored
    }

    fn set(&mut self, cpu: u8, to: Power) {
        if let Some(power) = self.power.get_mut(cpu as usize) {
            *power = to;
        }
    }

    fn unknown(&mut self, x: [u64; 4]) -> Action {
        self.ignored = self.ignored.wrapping_add(1);
        Action::Return(with_x0(x, ret::NOT_SUPPORTED))
    }

    /// vCPU of an affinity: Aff0 alone, all other bits zero (DEN0022 5.1.4).
    fn by_affinity(&self, affinity: u64) -> Option<u8> {
        (affinity < self.cpus as u64).then_some(affinity as u8)
    }

    fn entry_ok(&self, entry: u64) -> bool {
        self.ram.contains(&entry) && (entry & 3 == 0 || self.t32 && entry & 1 != 0)
    }

    fn cpu_on(&mut self, target: u64, entry: u64) -> Result<u8, u64> {
        let cpu = self.by_affinity(target).ok_or(ret::INVALID_PARAMETERS)?;
        match self.power(cpu).ok_or(ret::INVALID_PARAMETERS)? {
            Power::On => Err(ret::ALREADY_ON),
            Power::OnPending => Err(ret::ON_PENDING),
            Power::Off if !self.entry_ok(entry) => Err(ret::INVALID_ADDRESS),
            Power::Off => {
                self.set(cpu, Power::OnPending);
                Ok(cpu)
            }
        }
    }

    /// Levels above 0 are on as long as a vCPU is, that is always.
    fn affinity_info(&self, target: u64, level: u64) -> u64 {
        match level {
            0 => match self.by_affinity(target).and_then(|cpu| self.power(cpu)) {
                Some(power) => power as u64,
                None => ret::INVALID_PARAMETERS,
            },
            1..=3 => Power::On as u64,
            _ => ret::INVALID_PARAMETERS,
        }
    }

    /// All other vCPUs have to be off (DEN0022 5.1.19).
    fn system_suspend(&self, caller: u8, entry: u64) -> Result<u64, u64> {
        let others_off = (0..self.cpus).all(|cpu| cpu == caller || self.power(cpu) == Some(Power::Off));
        if !others_off {
            Err(ret::DENIED)
        } else if !self.entry_ok(entry) {
            Err(ret::INVALID_ADDRESS)
        } else {
            Ok(entry)
        }
    }
}

/// Whether `function` is implemented, with the conventions that it has: those with addresses or affinities have both,
/// the others only the 32-bit one; SYSTEM_RESET2 has both.
fn is_known(function: u32) -> bool {
    match function & !fid::SMC64 {
        fid::CPU_SUSPEND | fid::CPU_ON | fid::AFFINITY_INFO | fid::SYSTEM_SUSPEND | fid::SYSTEM_RESET2 => true,
        fid::PSCI_VERSION
        | fid::CPU_OFF
        | fid::MIGRATE_INFO_TYPE
        | fid::SYSTEM_OFF
        | fid::SYSTEM_RESET
        | fid::PSCI_FEATURES => function & fid::SMC64 == 0,
        _ => false,
    }
}

/// No feature flags: CPU_SUSPEND takes the original format and is platform-coordinated, SYSTEM_RESET2 only warm reset.
fn features(function: u32) -> u64 {
    if is_known(function) || function == smccc::SMCCC_VERSION { ret::SUCCESS } else { ret::NOT_SUPPORTED }
}

fn with_x0(x: [u64; 4], value: u64) -> [u64; 4] {
    let [_, x1, x2, x3] = x;
    [value, x1, x2, x3]
}
