//! Split virtqueues (2.7), the device's side.
//!
//! ```text
//!   driver: table[head] …, avail.ring[avail.idx++] = head, notify      next_avail ──▶ Chain
//!   device: used.ring[used.idx++] = (head, bytes written), interrupt   ◀── finish
//! ```
//! The chain at `next_avail` stays there until it is finished: one that waits (for room, for data) needs no other state.

use super::chain::Chain;
use super::regs::AVAIL_NO_INTERRUPT;
use super::{Broken, MAX_QUEUE_SIZE, Memory};
use crate::LoadError;
use core::sync::atomic::{Ordering, fence};

/// State of a [`Queue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct QueueState {
    /// Descriptor table.
    pub descriptors: u64,
    /// Driver area: the available ring.
    pub driver: u64,
    /// Device area: the used ring.
    pub device: u64,
    /// Descriptors: a power of two, at most [`MAX_QUEUE_SIZE`].
    pub size: u16,
    /// 1: the driver has set it up.
    pub ready: u16,
    /// Chains taken so far, modulo 2^16.
    pub next_avail: u16,
    /// Chains given back so far, modulo 2^16.
    pub next_used: u16,
}

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    state: QueueState,
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Queue {
    /// As after reset.
    pub const fn new() -> Self {
        let state = QueueState {
            descriptors: 0,
            driver: 0,
            device: 0,
            size: MAX_QUEUE_SIZE,
            ready: 0,
            next_avail: 0,
            next_used: 0,
        };
        Self { state }
    }

    /// Whether the driver has set it up.
    pub fn is_ready(&self) -> bool {
        self.state.ready != 0
    }

    /// Its registers, while the driver sets it up.
    pub(super) fn registers(&mut self) -> Option<&mut QueueState> {
        (!self.is_ready()).then_some(&mut self.state)
    }

    /// Ends the set-up. Sizes and alignments as in 2.7 and 2.7.5–2.7.8.
    pub(super) fn enable(&mut self) -> Result<(), Broken> {
        let state = &mut self.state;
        let sized = state.size.is_power_of_two() && state.size <= MAX_QUEUE_SIZE;
        let aligned =
            state.descriptors.is_multiple_of(16) && state.driver.is_multiple_of(2) && state.device.is_multiple_of(4);
        if !sized || !aligned {
            return Err(Broken);
        }
        (state.ready, state.next_avail, state.next_used) = (1, 0, 0);
        Ok(())
    }

    pub(super) fn disable(&mut self) {
        self.state.ready = 0;
    }

    /// The next chain, which stays the next one until [`Queue::finish`]; none: there is none.
    pub fn next(&self, memory: &impl Memory, indirect: bool) -> Result<Option<Chain>, Broken> {
        let state = &self.state;
        if state.ready == 0 {
            return Ok(None);
        }
        let index = memory.load(field(state.driver, 2)?).ok_or(Broken)?;
        match index.wrapping_sub(state.next_avail) {
            0 => return Ok(None),
            waiting if waiting > state.size => return Err(Broken),
            _ => {}
        }
        let slot = u64::from(state.next_avail & (state.size - 1));
        let head = memory.load(field(state.driver, 4 + 2 * slot)?).ok_or(Broken)?;
        Chain::read(memory, state.descriptors, state.size, head, indirect).map(Some)
    }

    /// Gives the chain that [`Queue::next`] gave back, with so many bytes written. Whether the driver wants an interrupt.
    pub fn finish(&mut self, memory: &impl Memory, chain: &Chain, written: u32) -> Result<bool, Broken> {
        let state = &mut self.state;
        if state.ready == 0 {
            return Err(Broken);
        }
        let slot = u64::from(state.next_used & (state.size - 1));
        let element = u64::from(chain.head) | u64::from(written) << 32;
        memory.write(field(state.device, 4 + 8 * slot)?, &element.to_le_bytes()).ok_or(Broken)?;
        state.next_avail = state.next_avail.wrapping_add(1);
        state.next_used = state.next_used.wrapping_add(1);
        memory.store(field(state.device, 2)?, state.next_used).ok_or(Broken)?;
        // The index is out before the look at the flag: a driver that sets the flag back looks at the index after that
        // (2.7.7.2), so that one of the two sees the other.
        fence(Ordering::SeqCst);
        let flags = memory.load(state.driver).ok_or(Broken)?;
        Ok(flags & AVAIL_NO_INTERRUPT == 0)
    }

    /// Its state.
    pub fn save(&self) -> QueueState {
        self.state
    }

    /// From a saved state.
    pub fn load(state: &QueueState) -> Result<Self, LoadError> {
        if state.ready > 1 {
            return Err(LoadError::Field("ready"));
        }
        let mut queue = Self { state: *state };
        if state.ready == 1 {
            queue.enable().map_err(|_| LoadError::Field("queue"))?;
            (queue.state.next_avail, queue.state.next_used) = (state.next_avail, state.next_used);
        }
        Ok(queue)
    }
}

fn field(area: u64, offset: u64) -> Result<u64, Broken> {
    area.checked_add(offset).ok_or(Broken)
}
