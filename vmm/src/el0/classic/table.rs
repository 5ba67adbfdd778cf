//! Stores to page tables that are followed (`shadow = "traced"`): done here, for the guest, with an atomic access.

use super::super::memory::Memory;
use super::super::plan::Plan;
use super::abort::{self, Fault};
use super::frame::Live;
use super::memory::World;
use super::vcpus::{Classic, Engine};
use classic::cpu::Frame;
use devices::a64::{self, Atomic, DataAccess, Kind};

/// The guest's instruction at PC stores to a table at `ipa`. What is no plain store of one register or an atomic of up to
/// eight bytes, it does by itself, after the table is followed no longer.
pub fn write(classic: &'static Classic, engine: &'static Engine, fault: &Fault, ipa: u64) {
    let Some(word) = abort::instruction(classic, engine, fault) else { return };
    let mut world = World::new(&engine.map);
    match store(classic, engine, ipa, word) {
        Some(bytes) => {
            classic.live().skip();
            engine.shadow.lock().table_written(ipa, bytes, &mut world);
        }
        None => engine.shadow.lock().forget(ipa, &mut world),
    }
    classic.state.lock().views = engine.shadow.lock().views(classic.own.index);
}

/// Does it: how many bytes were written.
fn store(classic: &Classic, engine: &Engine, ipa: u64, word: u32) -> Option<u64> {
    let ram = engine.map.ram;
    let mut live = classic.live();
    match a64::decode_any(word).ok()? {
        DataAccess::Plain(access) => {
            let plan = Plan::new(access, &live, |_| 0);
            let doublewords = access.store && access.size == 3 && matches!(access.kind, Kind::General { .. });
            if !doublewords || !ipa.is_multiple_of(access.bytes()) {
                return None;
            }
            for (n, value) in (0..).zip(plan.stored()) {
                ram.write_u64(ipa.wrapping_add(8 * n), value)?;
            }
            plan.write_back(|n, value| live.set_x(n, value), |sp| classic.own.page.set_sp(sp));
            Some(access.bytes())
        }
        DataAccess::Atomic(atomic) => modify(ram, &mut live, &atomic, ipa),
    }
}

fn modify(ram: Memory, live: &mut Live, atomic: &Atomic, ipa: u64) -> Option<u64> {
    let bytes = atomic.bytes();
    if bytes > 8 || !ipa.is_multiple_of(bytes) {
        return None;
    }
    let (slot, shift) = (ipa & !7, (ipa & 7) * 8);
    let mask = u64::MAX >> (64 - 8 * bytes) << shift;
    loop {
        let whole = ram.read_u64(slot)?;
        let outcome = atomic.apply(u128::from((whole & mask) >> shift), |n| Frame::x(live, n))?;
        let new = outcome.memory.map_or(whole, |value| whole & !mask | (value as u64) << shift & mask);
        if ram.replace_u64(slot, whole, new)? {
            outcome.registers.into_iter().flatten().for_each(|(n, value)| live.set_x(n, value));
            return Some(bytes);
        }
    }
}
