//! Saved states (versioned plain structs).
//!
//! After [`Redist::sync_full`] no interrupt is in a list register, and the states mean the same on any machine. Saved at
//! another moment they fit list registers that are saved and loaded with them.

use super::bank::Bank;
use super::bell::BELL_LR;
use super::dist::{BANKS, Dist, NOBODY};
use super::lr::Lr;
use super::redist::{MIN_LRS, Redist, SGIS};
use super::regs::{CHILDREN_ASLEEP, ENABLE_GRP0, ENABLE_GRP1, PROCESSOR_SLEEP};
use super::{INTIDS, MAX_LRS, SPIS};
use crate::LoadError::{self, Field, Version};
use crate::MAX_VCPUS;

/// Version of [`DistState`].
pub const DIST_STATE_VERSION: u32 = 2;
/// Version of [`RedistState`].
pub const REDIST_STATE_VERSION: u32 = 2;

/// Words of [`BankState`].
pub const BANK_WORDS: usize = 11;
/// One bit an interrupt: enabled, latch, level, active, group, edge, in_lr, moved, eoi, deactivated, parked.
pub type BankState = [u32; BANK_WORDS];

/// State of a [`Dist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DistState {
    /// [`DIST_STATE_VERSION`].
    pub version: u32,
    /// Number of vCPUs, 1..=8.
    pub cpus: u32,
    /// GICD_CTLR bits 1:0.
    pub enables: u32,
    /// vCPUs that must read their list registers exactly.
    pub recall: u32,
    /// Accesses that were ignored.
    pub ignored: u32,
    /// 32 SPIs each.
    pub banks: [BankState; BANKS],
    /// IPRIORITYR.
    pub priority: [u8; SPIS],
    /// IROUTER.
    pub route: [u64; SPIS],
    /// vCPU on which the SPI is active or in a list register; 0xff none.
    pub home: [u8; SPIS],
}

/// State of a [`Redist`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct RedistState {
    /// [`REDIST_STATE_VERSION`].
    pub version: u32,
    /// Its vCPU.
    pub cpu: u32,
    /// Number of vCPUs, 1..=8.
    pub cpus: u32,
    /// Number of list registers, 3..=16.
    pub lr_count: u32,
    /// GICR_WAKER.
    pub waker: u32,
    /// GICD_CTLR bits 1:0 when last looked at.
    pub enables: u32,
    /// List registers that hold an interrupt of the model.
    pub held: u32,
    /// Bit 0: more deliverable than list registers. Bit 1: an exact look is wanted. Bit 2: the kernel delivers no virtual
    /// timer. Bit 3: the doorbell is parked.
    pub flags: u32,
    /// Virtual timer: bit 0 pending, bit 1 active.
    pub vtimer: u32,
    /// Accesses that were ignored.
    pub ignored: u32,
    /// INTID of the doorbell, 0: none.
    pub bell: u32,
    /// SGIs and PPIs.
    pub bank: BankState,
    /// IPRIORITYR.
    pub priority: [u8; 32],
    /// List registers.
    pub lr: [u64; MAX_LRS],
}

impl Bank {
    fn save(&self) -> BankState {
        let b = self;
        [b.enabled, b.latch, b.level, b.active, b.group, b.edge, b.in_lr, b.moved, b.eoi, b.deactivated, b.parked]
    }

    fn load(words: BankState) -> Result<Self, LoadError> {
        let [enabled, latch, level, active, group, edge, in_lr, moved, eoi, deactivated, parked] = words;
        let bank = Self { enabled, latch, level, active, group, edge, in_lr, moved, eoi, deactivated, parked };
        check(bank.valid(), "bank")?;
        Ok(bank)
    }
}

fn check(ok: bool, field: &'static str) -> Result<(), LoadError> {
    if ok { Ok(()) } else { Err(Field(field)) }
}

fn cpu_count(cpus: u32) -> Result<u8, LoadError> {
    check((1..=MAX_VCPUS as u32).contains(&cpus), "cpus")?;
    Ok(cpus as u8)
}

impl Dist {
    /// Its state.
    pub fn save(&self) -> DistState {
        DistState {
            version: DIST_STATE_VERSION,
            cpus: self.cpus as u32,
            enables: self.enables,
            recall: self.recall,
            ignored: self.ignored,
            banks: self.banks.map(|b| b.save()),
            priority: self.priority,
            route: self.route,
            home: self.home,
        }
    }

    /// From a saved state. Refused: another version, a number of vCPUs out of range, an interrupt that is active or in a
    /// list register of no vCPU.
    pub fn load(state: &DistState) -> Result<Self, LoadError> {
        if state.version != DIST_STATE_VERSION {
            return Err(Version(state.version));
        }
        let mut dist = Self::new(cpu_count(state.cpus)?);
        check(state.enables & !(ENABLE_GRP0 | ENABLE_GRP1) == 0, "enables")?;
        check(state.recall & !dist.everyone() == 0, "recall")?;
        for (bank, words) in dist.banks.iter_mut().zip(state.banks) {
            *bank = Bank::load(words)?;
        }
        for (index, &home) in state.home.iter().enumerate() {
            let homed = dist.banks.get(index / 32).map_or(0, |b| b.active | b.in_lr) >> (index % 32) & 1 != 0;
            check(home < dist.cpus || (home == NOBODY && !homed), "home")?;
        }
        dist.enables = state.enables;
        dist.recall = state.recall;
        dist.ignored = state.ignored;
        dist.priority = state.priority;
        dist.route = state.route;
        dist.home = state.home;
        Ok(dist)
    }
}

impl Redist {
    /// Its state.
    pub fn save(&self) -> RedistState {
        RedistState {
            version: REDIST_STATE_VERSION,
            cpu: self.cpu as u32,
            cpus: self.cpus as u32,
            lr_count: self.lr_count as u32,
            waker: self.waker,
            enables: self.enables,
            held: self.held as u32,
            flags: self.flags(),
            vtimer: self.vtimer as u32,
            ignored: self.ignored,
            bell: self.bell,
            bank: self.bank.save(),
            priority: self.priority,
            lr: self.hw.map(|lr| lr.0),
        }
    }

    fn flags(&self) -> u32 {
        [self.more, self.recall, self.kernels == 0, self.parked]
            .iter()
            .rev()
            .fold(0, |bits, on| bits << 1 | u32::from(*on))
    }

    /// From a saved state. Refused: another version, numbers out of range, list registers that this model would not
    /// have written.
    pub fn load(state: &RedistState) -> Result<Self, LoadError> {
        if state.version != REDIST_STATE_VERSION {
            return Err(Version(state.version));
        }
        let cpus = cpu_count(state.cpus)?;
        check(state.cpu < state.cpus, "cpu")?;
        check((MIN_LRS as u32..=MAX_LRS as u32).contains(&state.lr_count), "lr_count")?;
        check(state.waker == 0 || state.waker == PROCESSOR_SLEEP | CHILDREN_ASLEEP, "waker")?;
        check(state.enables & !(ENABLE_GRP0 | ENABLE_GRP1) == 0, "enables")?;
        check(state.flags <= 15, "flags")?;
        let new = if state.flags & 4 == 0 { Self::new } else { Self::without_kernel_timer };
        let mut fresh = new(state.cpu as u8, cpus, state.lr_count as u8);
        fresh.set_bell(state.bell);
        check(fresh.bell == state.bell, "bell")?;
        fresh.parked = state.flags & 8 != 0;
        check(!fresh.parked || parkable(state), "parked")?;
        check(state.vtimer <= if fresh.kernels != 0 { 3 } else { 0 }, "vtimer")?;
        let usable = u32::from(fresh.usable);
        check(state.held & !usable == 0, "held")?;
        let bank = Bank::load(state.bank)?;
        check(bank.edge & SGIS == SGIS && bank.parked == 0, "edge")?;
        check((bank.latch | bank.active) & fresh.kernels == 0, "bank")?;
        check(private_in_lrs(state, &fresh)? == bank.in_lr, "in_lr")?;
        Ok(Self {
            bank,
            priority: state.priority,
            waker: state.waker,
            enables: state.enables,
            hw: state.lr.map(Lr),
            held: state.held as u16,
            stale: stale(state, usable),
            more: state.flags & 1 != 0,
            recall: state.flags & 2 != 0,
            vtimer: state.vtimer as u8,
            ignored: state.ignored,
            ..fresh
        })
    }
}

/// List registers of the `usable` ones that hold something but no interrupt of the model.
fn stale(state: &RedistState, usable: u32) -> u16 {
    let filled = state.lr.iter().enumerate().filter(|(_, lr)| **lr != 0).fold(0, |mask, (n, _)| mask | 1 << n);
    (filled & usable & !state.held) as u16
}

/// Whether the doorbell can be where it is said to be parked.
fn parkable(state: &RedistState) -> bool {
    let [_, _, lr, ..] = state.lr.map(Lr);
    state.bell != 0 && state.held >> BELL_LR & 1 != 0 && lr.intid() == state.bell && lr.0 & Lr::EOI == 0
}

/// Private interrupts in the list registers that hold one, each of which is checked. None is one of the kernel's. Only the
/// parked doorbell can be neither pending nor active.
fn private_in_lrs(state: &RedistState, fresh: &Redist) -> Result<u32, LoadError> {
    let mut private = 0u32;
    for (n, &raw) in state.lr.iter().enumerate().filter(|(n, _)| state.held >> n & 1 != 0) {
        let lr = Lr(raw);
        let known = Lr::PENDING | Lr::ACTIVE | Lr::GROUP1 | Lr::EOI | 0xff << 48 | 0xffff_ffff;
        let bit = 1u32.checked_shl(lr.intid()).unwrap_or(0);
        let holds = !lr.invalid() || fresh.parked_lr() >> n & 1 != 0;
        let valid = holds && raw & !known == 0 && lr.intid() < INTIDS && bit & fresh.kernels == 0;
        let others = state.lr.iter().enumerate().filter(|&(m, _)| m != n && state.held >> m & 1 != 0);
        let unique = others.into_iter().all(|(_, &other)| Lr(other).intid() != lr.intid());
        check(valid && unique, "lr")?;
        private |= bit;
    }
    Ok(private)
}
