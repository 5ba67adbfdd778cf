//! Slots and memory for tests, and the kernel's accounting before and after each.

use crate::{shared, thread};
use abi::boot::slot;
use abi::cap::{CAP_SLOTS, Kind, rights};
use abi::syscall::{Status, counter};
use rt::boot::{frequency, map_pack};
use rt::sys::{self, Result, create};

/// READ and WRITE.
pub const RW: u64 = rights::READ | rights::WRITE;
/// Own domain.
pub const SELF: u64 = slot::SELF;
/// The machine.
pub const MACHINE: u64 = slot::MACHINE;

/// Frames that exist throughout; `(slot, pages)`. Never donated by a test unless to a child's pool.
pub mod frame {
    /// The page of [`crate::shared`], mapped for good.
    pub const SHARED: u64 = 33;
    /// Pools of children.
    pub const POOL: [u64; 4] = [34, 35, 36, 37];
    /// Stacks of children.
    pub const STACK: [u64; 4] = [38, 39, 40, 41];
    /// One page each.
    pub const PAGE: [u64; 4] = [42, 43, 44, 45];
    /// Shared pages of vCPUs, mapped for good from [`super::VCPU_PAGES`].
    pub const VCPU: [u64; 4] = [46, 47, 48, 49];
    /// Memory of guests, mapped for good from [`super::GUEST_RAM`].
    pub const GUEST: [u64; 2] = [50, 51];
    /// [`super::SMALL_PAGES`] pages.
    pub const SMALL: u64 = 52;
    /// Three times 2 MiB, so that a block fits in.
    pub const BIG: u64 = 53;
    /// Memory for `tests::oracle`, which splits it.
    pub const ORACLE: u64 = 54;
    /// The PL031 of the machine, a device.
    pub const RTC: u64 = 55;
    /// Left by `tests::frames`, which splits it off [`SPLIT`].
    pub const SPLIT_REST: u64 = 56;
    /// Two pages, until `tests::frames` splits them.
    pub const SPLIT: u64 = 57;
}

/// Pages of each of [`frame::POOL`].
pub const POOL_PAGES: u64 = 64;
/// Pages of each of [`frame::STACK`].
pub const STACK_PAGES: u64 = 2;
/// Pages of [`frame::SMALL`].
pub const SMALL_PAGES: u64 = 16;
/// Pages of [`frame::BIG`].
pub const BIG_PAGES: u64 = 3 * 512;
/// Pages of [`frame::ORACLE`].
pub const ORACLE_PAGES: u64 = 64;
/// Pages of each of [`frame::GUEST`].
pub const GUEST_PAGES: u64 = 16;
/// Where the vCPUs' pages are mapped.
pub const VCPU_PAGES: u64 = 0x7c_6000_0000;
/// Where the guests' memory is mapped, a GiB apart from each other.
pub const GUEST_RAM: u64 = 0x60_0000_0000;
/// Where tests map what they like in this domain.
pub const WINDOW: u64 = 0x7c_9000_0000;
/// The PL031 of QEMU's `virt` machine, and its interrupt.
pub const RTC: (u64, u64) = (0x0901_0000, 34);
/// A notification that nobody signals: [`crate::thread::wait_until`] sleeps on it.
pub const PAUSE: u64 = 60;
/// A notification that threads of tests signal.
pub const DONE: u64 = 61;
/// First slot that tests use as they like.
pub const FREE: u64 = 64;

/// Free RAM: slot and pages, from whose end frames are cut.
struct Ram {
    slot: u64,
    pages: u64,
}

impl Ram {
    fn largest() -> Self {
        let ranges = (slot::RAM..).map_while(|slot| Some(Self { slot, pages: sys::frame_info(slot).ok()?.pages }));
        ranges.max_by_key(|ram| ram.pages).unwrap_or(Self { slot: slot::RAM, pages: 0 })
    }

    fn cut(&mut self, slot: u64, pages: u64) -> Result {
        self.pages -= pages;
        sys::frame_split(self.slot, self.pages, slot)
    }
}

/// Cores that run.
pub fn cores() -> u64 {
    read_counter(counter::CORES)
}

/// Makes the frames and maps what stays mapped.
pub fn setup() -> Result {
    map_pack().ok_or(Status::BadArg)?;
    let mut ram = Ram::largest();
    ram.cut(frame::SHARED, 1)?;
    for n in 0..4 {
        ram.cut(frame::POOL[n], POOL_PAGES)?;
        ram.cut(frame::STACK[n], STACK_PAGES)?;
        ram.cut(frame::PAGE[n], 1)?;
        ram.cut(frame::VCPU[n], 1)?;
        let address = VCPU_PAGES + ((n as u64) << abi::PAGE_SHIFT);
        sys::map(frame::VCPU[n], SELF, address, 0, 1, RW)?;
    }
    for (n, slot) in frame::GUEST.into_iter().enumerate() {
        ram.cut(slot, GUEST_PAGES)?;
        sys::map(slot, SELF, GUEST_RAM + ((n as u64) << 30), 0, GUEST_PAGES, RW)?;
    }
    ram.cut(frame::SMALL, SMALL_PAGES)?;
    ram.cut(frame::BIG, BIG_PAGES)?;
    ram.cut(frame::ORACLE, ORACLE_PAGES)?;
    ram.cut(frame::SPLIT, 2)?;
    create::device(frame::RTC, MACHINE, RTC.0, 1)?;
    create::notification(PAUSE)?;
    create::notification(DONE)?;
    thread::make_idle(cores())?;
    sys::map(frame::SHARED, SELF, shared::ADDRESS, 0, 1, RW)
}

/// What the kernel accounts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accounts {
    /// Objects.
    pub objects: u64,
    /// VMIDs.
    pub vmids: u64,
    /// Pages in pools.
    pub pool: u64,
    /// Free ones of them.
    pub free: u64,
    /// Attachments.
    pub attachments: u64,
}

/// Reads a counter; one that cannot be read is all ones.
pub fn read_counter(which: u64) -> u64 {
    sys::counter(MACHINE, which).unwrap_or(u64::MAX)
}

/// The accounts now.
pub fn accounts() -> Accounts {
    Accounts {
        objects: read_counter(counter::OBJECTS),
        vmids: read_counter(counter::VMIDS),
        pool: read_counter(counter::POOL_PAGES),
        free: read_counter(counter::POOL_FREE),
        attachments: read_counter(counter::ATTACHMENTS),
    }
}

/// Destroys all objects in slots from [`FREE`] on, and detaches the frames that tests map.
pub fn clean_up() {
    const ORDER: [Kind; 8] = [
        Kind::Domain,
        Kind::Vcpu,
        Kind::Thread,
        Kind::Irq,
        Kind::Endpoint,
        Kind::Notification,
        Kind::Space,
        Kind::SchedContext,
    ];
    for kind in ORDER {
        for slot in FREE..CAP_SLOTS {
            let Ok((found, rights, _)) = sys::cap_info(slot) else {
                continue;
            };
            if found == kind as u64 && rights == rights::ALL && slot_is_foreign(slot, kind) {
                let _ = sys::destroy(slot);
            }
        }
    }
    for slot in FREE..CAP_SLOTS {
        let _ = sys::delete(slot);
    }
    let _ = sys::wait(DONE, 0);
    let reused = [frame::SMALL, frame::BIG, frame::ORACLE, frame::RTC];
    let pages = frame::PAGE.into_iter().chain(frame::STACK).chain(frame::POOL);
    for slot in reused.into_iter().chain(pages) {
        let _ = sys::revoke(slot);
    }
}

/// Whether the slot does not name this domain or its first thread, which `DESTROY` must not be called with.
fn slot_is_foreign(slot: u64, kind: Kind) -> bool {
    match kind {
        // Of this domain's own capabilities, tests make copies with fewer rights or a badge only.
        Kind::Domain | Kind::Thread => sys::cap_info(slot).is_ok_and(|(_, _, badge)| badge == 0),
        _ => true,
    }
}

/// A mapping of this domain that goes when it is dropped.
pub struct Window {
    frame: u64,
    /// Where it is.
    pub address: u64,
}

impl Window {
    /// Maps all `pages` of `frame` at [`WINDOW`] + `offset`.
    pub fn open(frame: u64, offset: u64, pages: u64, rights: u64) -> Result<Self> {
        let window = Self { frame, address: WINDOW + offset };
        sys::map(frame, SELF, window.address, 0, pages, rights)?;
        Ok(window)
    }

    /// Word `n`, which is mapped.
    #[allow(unsafe_code, reason = "memory that this window maps")]
    pub fn word(&self, n: u64) -> &rt::volatile::Volatile<u64> {
        // SAFETY: callers stay inside of the pages that they mapped, which stay mapped as long as `self`.
        unsafe { &*((self.address + 8 * n) as *const rt::volatile::Volatile<u64>) }
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = sys::unmap(self.frame, SELF, self.address);
    }
}

/// The status of a call, as a status.
pub fn status<T>(result: Result<T>) -> Status {
    result.err().unwrap_or(Status::Ok)
}

/// Any syscall's x0–x5 with arguments that cannot touch this domain's memory: see the callers.
#[allow(unsafe_code, reason = "hostile arguments")]
pub fn raw(number: u64, arguments: [u64; 6]) -> [u64; 6] {
    // SAFETY: tests name in memory calls only frames that Rust code does not use, and windows made for it.
    unsafe { sys::raw(number, arguments) }
}

/// Ticks of the physical counter.
#[allow(unsafe_code, reason = "reads a counter")]
pub fn now() -> u64 {
    let ticks;
    // SAFETY: reads a counter.
    unsafe { core::arch::asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack)) };
    ticks
}

/// The time in `ms` milliseconds.
pub fn after_ms(ms: u64) -> u64 {
    now() + frequency() / 1000 * ms
}
