//! The word of a notification.
//!
//! ```text
//!            signal               begin_wait
//!  bits != 0 <------- 0 --------------------------> WAITING
//!      |  try_take    ^   signal: bits, waker wakes    |
//!      +--------------+ <------------------------------+ cancel_wait: 0, the waiter timed out
//! ```
//! WAITING and bits are never set together, and whoever takes WAITING away, signaller or time-out, alone wakes the
//! waiter. There is one waiter at a time; it stores its identity where signallers find it before [`NotifyWord::begin_wait`].
//! A waiter for good (a vCPU) sets WAITING again whenever it takes the bits ([`NotifyWord::rearm`]).

use crate::sync::{AtomicU64, Ordering};

/// A waiter is blocked.
const WAITING: u64 = 1 << 63;

/// Bits 0..=62: payload, bit 63: a waiter is blocked. All zeros is idle.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct NotifyWord(AtomicU64);

impl NotifyWord {
    /// Adds `bits` (bit 63 is ignored). True: the caller took WAITING away and must wake the waiter.
    ///
    /// Release: what the caller wrote before is seen by who takes the bits. Acquire: the waiter's identity is seen.
    #[inline]
    pub fn signal(&self, bits: u64) -> bool {
        let bits = bits & !WAITING;
        if bits == 0 {
            return false;
        }
        let mut old = self.0.load(Ordering::Relaxed);
        while let Err(now) =
            self.0.compare_exchange_weak(old, (old | bits) & !WAITING, Ordering::AcqRel, Ordering::Relaxed)
        {
            old = now;
        }
        old & WAITING != 0
    }

    /// Takes the bits without waiting. None if there are none, or while another waits.
    pub fn try_take(&self) -> Option<u64> {
        let bits = self.0.fetch_and(WAITING, Ordering::AcqRel) & !WAITING;
        (bits != 0).then_some(bits)
    }

    /// Sets WAITING: the caller blocks until it is woken, then calls [`Self::finish_wait`].
    ///
    /// # Errors
    /// The bits, taken, if there were any: do not block. 0: another waits already.
    pub fn begin_wait(&self) -> Result<(), u64> {
        loop {
            match self.0.compare_exchange(0, WAITING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(old) if old & WAITING != 0 => return Err(0),
                // Another thread may have polled the bits away meanwhile: then begin anew.
                Err(_) => match self.finish_wait() {
                    0 => {}
                    bits => return Err(bits),
                },
            }
        }
    }

    /// Binds the word to a waiter that never blocks, or takes its bits again: WAITING is set, so that the next signaller
    /// wakes it.
    pub fn rearm(&self) -> u64 {
        self.0.swap(WAITING, Ordering::AcqRel) & !WAITING
    }

    /// Ends a wait by time-out or destruction. True: the caller took WAITING away and wakes the waiter, without bits.
    /// False: a signaller was first and wakes it.
    pub fn cancel_wait(&self) -> bool {
        self.0.fetch_and(!WAITING, Ordering::AcqRel) & WAITING != 0
    }

    /// The bits, taken, after the waiter was woken.
    pub fn finish_wait(&self) -> u64 {
        self.0.swap(0, Ordering::AcqRel)
    }
}
