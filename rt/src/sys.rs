//! System calls: one function each (see `abi::syscall` for what they mean).
//!
//! They are safe functions where the kernel keeps this domain's memory as Rust knows it: [`map`] never replaces what is
//! mapped. Whoever makes a pointer into memory that was mapped argues at that place that it stays mapped.
#![allow(unsafe_code, reason = "SVC")]

use abi::syscall::{self as nr, Status};
use core::arch::asm;

/// What a call gives, or why not.
pub type Result<T = ()> = core::result::Result<T, Status>;

/// Any system call: number and x0–x5; gives x0–x5. For tests with hostile arguments.
///
/// # Safety
/// The call must not take away, give away or replace memory that this domain's Rust code uses, nor start a thread in
/// this domain on anything but a function and a free stack.
#[inline]
pub unsafe fn raw(number: u64, arguments: [u64; 6]) -> [u64; 6] {
    let [mut x0, mut x1, mut x2, mut x3, mut x4, mut x5] = arguments;
    // SAFETY: the kernel keeps all registers but x0–x5 (`abi::syscall`); memory is the caller's promise.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") x0, inlateout("x1") x1, inlateout("x2") x2,
            inlateout("x3") x3, inlateout("x4") x4, inlateout("x5") x5,
            in("x8") number,
            options(nostack),
        );
    }
    [x0, x1, x2, x3, x4, x5]
}

/// The status with this number; `BadSyscall` for a number that is none.
#[must_use]
pub const fn to_status(n: u64) -> Status {
    use Status::*;
    const ALL: [Status; 16] = [
        Ok, BadSyscall, BadCap, BadKind, NoRights, BadArg, NoMemory, Taken, Full, Dead, Again, Timeout, WrongCore,
        BadState, NotOwner, NotMapped,
    ];
    if n < ALL.len() as u64 { ALL[n as usize] } else { BadSyscall }
}

/// A call that this module's own functions make: each has memory safety by its meaning.
#[inline]
fn call(number: u64, arguments: [u64; 6]) -> Result<[u64; 5]> {
    // SAFETY: no call of this module takes memory that Rust code uses but by the slot of a frame or domain that its
    // caller names and answers for (see the module's documentation); thread entries are `unsafe` functions here.
    let [x0, x1, x2, x3, x4, x5] = unsafe { raw(number, arguments) };
    match to_status(x0) {
        Status::Ok => Ok([x1, x2, x3, x4, x5]),
        status => Err(status),
    }
}

/// The same call until the kernel is done.
fn until_done(number: u64, arguments: [u64; 6]) -> Result {
    loop {
        match call(number, arguments) {
            Err(Status::Again) => {}
            other => return other.map(drop),
        }
    }
}

/// Calls an endpoint with four words; gives the reply's.
pub fn ipc_call(endpoint: u64, words: [u64; 4]) -> Result<[u64; 4]> {
    let [a, b, c, d] = words;
    call(nr::CALL, [endpoint, a, b, c, d, 0]).map(|[a, b, c, d, _]| [a, b, c, d])
}

/// Waits for a call; gives its words and the badge.
pub fn recv(endpoint: u64) -> Result<([u64; 4], u64)> {
    call(nr::RECV, [endpoint, 0, 0, 0, 0, 0]).map(|[a, b, c, d, badge]| ([a, b, c, d], badge))
}

/// Replies to the last caller, then waits for the next call.
pub fn reply_recv(endpoint: u64, words: [u64; 4]) -> Result<([u64; 4], u64)> {
    let [a, b, c, d] = words;
    call(nr::REPLY_RECV, [endpoint, a, b, c, d, 0]).map(|[a, b, c, d, badge]| ([a, b, c, d], badge))
}

/// Signals a notification.
pub fn signal(notification: u64, bits: u64) -> Result {
    call(nr::SIGNAL, [notification, bits, 0, 0, 0, 0]).map(drop)
}

/// Waits for a notification until `deadline` (CNTPCT ticks; 0: poll, `u64::MAX`: for ever); gives the bits.
pub fn wait(notification: u64, deadline: u64) -> Result<u64> {
    call(nr::WAIT, [notification, deadline, 0, 0, 0, 0]).map(|[bits, ..]| bits)
}

/// Gives the rest of the time slice away.
#[inline]
pub fn yield_now() {
    let _ = call(nr::YIELD, [0; 6]);
}

/// Makes a vCPU exit to its handler.
#[inline]
pub fn vcpu_kick(vcpu: u64) -> Result {
    call(nr::VCPU_KICK, [vcpu, 0, 0, 0, 0, 0]).map(drop)
}

/// Arms the kernel timer of the handler's own vCPU (CNTPCT ticks; `u64::MAX`: disarm).
pub fn vcpu_timer(vcpu: u64, deadline: u64) -> Result {
    call(nr::VCPU_TIMER, [vcpu, deadline, 0, 0, 0, 0]).map(drop)
}

/// Configures the handler of a parked vCPU. `doorbells` is (first slot, count).
///
/// # Safety
/// `entry` must be made by [`vcpu_handler!`](crate::vcpu_handler!) and `stack` the top of a stack that nothing else
/// uses, with room for the handler.
pub unsafe fn vcpu_handler(
    vcpu: u64,
    entry: u64,
    stack: u64,
    argument: u64,
    doorbells: (u32, u32),
    cntvoff: u64,
) -> Result {
    let doorbells = u64::from(doorbells.0) | u64::from(doorbells.1) << 32;
    call(nr::VCPU_HANDLER, [vcpu, entry, stack, argument, doorbells, cntvoff]).map(drop)
}

/// Binds a notification to a vCPU for good: its signals kick the vCPU.
pub fn vcpu_bind(vcpu: u64, notification: u64) -> Result {
    call(nr::VCPU_BIND, [vcpu, notification, 0, 0, 0, 0]).map(drop)
}

/// Copies all kernel-held state of the handler's own vCPU into its page.
pub fn vcpu_save(vcpu: u64) -> Result {
    call(nr::VCPU_STATE, [vcpu, nr::STATE_SAVE, 0, 0, 0, 0]).map(drop)
}

/// Loads the kernel-held state of the handler's own vCPU from its page.
pub fn vcpu_load(vcpu: u64) -> Result {
    call(nr::VCPU_STATE, [vcpu, nr::STATE_LOAD, 0, 0, 0, 0]).map(drop)
}

/// The functions that make objects; `slot` must be empty.
pub mod create {
    use super::{Result, Status, call, nr};
    use abi::cap::Kind;

    fn create(kind: Kind, slot: u64, [a, b, c, d]: [u64; 4]) -> Result {
        call(nr::CREATE, [kind as u64, slot, a, b, c, d]).map(drop)
    }

    /// A domain with an empty pool and an empty table.
    pub fn domain(slot: u64) -> Result {
        create(Kind::Domain, slot, [0; 4])
    }

    /// A guest translation.
    pub fn space(slot: u64) -> Result {
        create(Kind::Space, slot, [0; 4])
    }

    /// The translations of a classic guest; `wall` is a space behind the shadow roots, or none.
    pub fn classic_space(slot: u64, wall: Option<u64>) -> Result {
        let how = nr::SPACE_CLASSIC | if wall.is_some() { nr::SPACE_STAGE2 } else { 0 };
        create(Kind::Space, slot, [how, wall.unwrap_or(0), 0, 0])
    }

    /// A stopped thread.
    ///
    /// # Safety
    /// If `domain` is the caller's own, `entry` must be a function that takes one word and does not return, and
    /// `stack` the top of a stack that nothing else uses.
    pub unsafe fn thread(slot: u64, domain: u64, sched: u64, entry: u64, stack: u64) -> Result {
        create(Kind::Thread, slot, [domain, sched, entry, stack])
    }

    /// A parked vCPU; `page` is the frame that becomes its `VcpuPage`.
    pub fn vcpu(slot: u64, space: u64, sched: u64, page: u64, affinity: u64) -> Result {
        create(Kind::Vcpu, slot, [space, sched, page, affinity])
    }

    /// A scheduling context; `slice` in CNTPCT ticks, 0: 10 ms.
    pub fn sched_context(slot: u64, machine: u64, core: u64, priority: u64, slice: u64) -> Result {
        create(Kind::SchedContext, slot, [machine, core | priority << 8, slice, 0])
    }

    /// As [`sched_context`], with a budget of `limit` = (ticks, period in ticks), each below 2^32.
    pub fn budgeted(slot: u64, machine: u64, core: u64, priority: u64, slice: u64, limit: (u64, u64)) -> Result {
        if limit.0.max(limit.1) >> 32 != 0 {
            return Err(Status::BadArg);
        }
        create(Kind::SchedContext, slot, [machine, core | priority << 8, slice, limit.0 | limit.1 << 32])
    }

    /// An endpoint served on the core of `sched`.
    pub fn endpoint(slot: u64, sched: u64) -> Result {
        create(Kind::Endpoint, slot, [sched, 0, 0, 0])
    }

    /// A notification.
    pub fn notification(slot: u64) -> Result {
        create(Kind::Notification, slot, [0; 4])
    }

    /// A level-triggered physical interrupt that sets `bit` of `notification`.
    pub fn irq(slot: u64, machine: u64, intid: u64, notification: u64, bit: u64) -> Result {
        create(Kind::Irq, slot, [machine, intid, notification, bit])
    }

    /// A frame of device memory.
    pub fn device(slot: u64, machine: u64, physical: u64, pages: u64) -> Result {
        create(Kind::Frame, slot, [machine, physical, pages, 0])
    }
}

/// Copies the capability in `source` to `slot` of `domain`.
pub fn copy(domain: u64, slot: u64, source: u64, rights: u64, badge: u64) -> Result {
    call(nr::COPY, [domain, slot, source, rights, badge, 0]).map(drop)
}

/// Empties a slot.
pub fn delete(slot: u64) -> Result {
    call(nr::DELETE, [slot, 0, 0, 0, 0, 0]).map(drop)
}

/// Destroys an object with all capabilities to it.
pub fn destroy(slot: u64) -> Result {
    let step = || call(nr::DESTROY, [slot, 0, 0, 0, 0, 0]).map(drop);
    match step() {
        // The slot is empty when another caller's help has ended the destruction.
        Err(Status::Again) => loop {
            match step() {
                Err(Status::Again) => {}
                Ok(()) | Err(Status::BadCap) => return Ok(()),
                other => return other,
            }
        },
        other => other,
    }
}

/// Splits a frame: `pages` stay in it, the rest comes to `rest`, an empty slot.
pub fn frame_split(frame: u64, pages: u64, rest: u64) -> Result {
    call(nr::FRAME_SPLIT, [frame, pages, rest, 0, 0, 0]).map(drop)
}

/// Attaches `pages` of `frame` from page `first` on to a domain or space at `address`.
///
/// What a failure leaves mapped can be removed with [`unmap`].
pub fn map(frame: u64, space: u64, address: u64, first: u64, pages: u64, rights: u64) -> Result {
    let mut done = 0;
    loop {
        let address = address.wrapping_add(done << abi::PAGE_SHIFT);
        let arguments = [frame, space, address, first.wrapping_add(done), pages.wrapping_sub(done), rights];
        // SAFETY: the kernel refuses to map over what is mapped.
        let [x0, step, ..] = unsafe { raw(nr::MAP, arguments) };
        match to_status(x0) {
            Status::Ok => return Ok(()),
            Status::Again => done = done.wrapping_add(step),
            status => return Err(status),
        }
    }
}

/// Detaches what [`map`] attached at `address`.
pub fn unmap(frame: u64, space: u64, address: u64) -> Result {
    until_done(nr::UNMAP, [frame, space, address, 0, 0, 0])
}

/// Removes all attachments of a frame.
pub fn revoke(frame: u64) -> Result {
    until_done(nr::REVOKE, [frame, 0, 0, 0, 0, 0])
}

/// Donates a frame to a domain's pool.
pub fn donate(frame: u64, domain: u64) -> Result {
    until_done(nr::DONATE, [frame, domain, 0, 0, 0, 0])
}

/// One call of SHADOW_MAP or SHADOW_UNMAP after another, each from where the last one stopped.
fn shadow(number: u64, space: u64, root: u64, pages: u64, place: impl Fn(u64) -> [u64; 3]) -> Result {
    let mut done = 0u64;
    loop {
        let [va, ipa, rights] = place(done << abi::PAGE_SHIFT);
        let arguments = [space, root | pages.wrapping_sub(done) << 16, va, ipa, rights, 0];
        // SAFETY: shadow roots translate for guests only.
        let [x0, step, ..] = unsafe { raw(number, arguments) };
        match to_status(x0) {
            Status::Ok => return Ok(()),
            Status::Again => done = done.wrapping_add(step),
            status => return Err(status),
        }
    }
}

/// Enters `pages` (at least 1) of a classic space from `ipa` on into a shadow root, at `va` and what follows.
///
/// A failure may leave the first of them entered.
pub fn shadow_map(space: u64, root: u64, va: u64, ipa: u64, pages: u64, rights: u64) -> Result {
    shadow(nr::SHADOW_MAP, space, root, pages, |done| [va.wrapping_add(done), ipa.wrapping_add(done), rights])
}

/// Removes `pages` (at least 1) from a shadow root.
pub fn shadow_unmap(space: u64, root: u64, va: u64, pages: u64) -> Result {
    shadow(nr::SHADOW_UNMAP, space, root, pages, |done| [va.wrapping_add(done), 0, 0])
}

/// Removes all of a shadow root.
pub fn shadow_clear(space: u64, root: u64) -> Result {
    until_done(nr::SHADOW_UNMAP, [space, root, 0, 0, 0, 0])
}

/// Starts a thread, or lets it go on.
pub fn thread_start(thread: u64, argument: u64) -> Result {
    call(nr::THREAD, [thread, nr::THREAD_START, argument, 0, 0, 0]).map(drop)
}

/// Stops a thread.
pub fn thread_stop(thread: u64) -> Result {
    call(nr::THREAD, [thread, nr::THREAD_STOP, 0, 0, 0, 0]).map(drop)
}

/// Acknowledges an interrupt, so that it can fire again.
pub fn irq_ack(irq: u64) -> Result {
    call(nr::IRQ_ACK, [irq, 0, 0, 0, 0, 0]).map(drop)
}

/// Has `bit` of `notification` set when `domain` stops.
pub fn watch(domain: u64, notification: u64, bit: u64) -> Result {
    call(nr::WATCH, [domain, notification, bit, 0, 0, 0]).map(drop)
}

/// What the kernel knows of a domain.
#[derive(Clone, Copy, Debug)]
pub struct DomainInfo {
    /// Why it stopped: `abi::syscall::stop`.
    pub reason: u64,
    /// ESR of the fault, or the code of `EXIT`.
    pub esr: u64,
    /// Address of the faulting instruction.
    pub elr: u64,
    /// Faulting address.
    pub far: u64,
    /// Pages in its pool.
    pub pool: u64,
    /// Pages of them that are free.
    pub free: u64,
}

/// Asks about a domain.
pub fn domain_info(domain: u64) -> Result<DomainInfo> {
    let [reason, esr, elr, far, pages] = call(nr::DOMAIN_INFO, [domain, 0, 0, 0, 0, 0])?;
    Ok(DomainInfo { reason, esr, elr, far, pool: pages >> 32, free: pages & 0xffff_ffff })
}

/// Ends this domain.
pub fn exit(code: u64) -> ! {
    loop {
        let _ = call(nr::EXIT, [code, 0, 0, 0, 0, 0]);
    }
}

/// Writes the first `length` bytes to the kernel's log.
pub fn log(machine: u64, bytes: &[u8; 32], length: usize) -> Result {
    let mut words = [0u64; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let [a, b, c, d] = words;
    call(nr::LOG, [machine, length as u64, a, b, c, d]).map(drop)
}

/// Powers the machine off.
pub fn power_off(machine: u64) -> Result {
    call(nr::POWER, [machine, nr::POWER_OFF, 0, 0, 0, 0]).map(drop)
}

/// Resets the machine.
pub fn power_reset(machine: u64) -> Result {
    call(nr::POWER, [machine, nr::POWER_RESET, 0, 0, 0, 0]).map(drop)
}

/// What the kernel knows of a frame.
#[derive(Clone, Copy, Debug)]
pub struct FrameInfo {
    /// Physical address.
    pub physical: u64,
    /// Pages.
    pub pages: u64,
    /// `abi::syscall::frame`.
    pub state: u64,
    /// Attachments.
    pub attachments: u64,
}

/// Asks about a frame.
pub fn frame_info(frame: u64) -> Result<FrameInfo> {
    let [physical, pages, state, attachments, _] = call(nr::FRAME_INFO, [frame, 0, 0, 0, 0, 0])?;
    Ok(FrameInfo { physical, pages, state, attachments })
}

/// Asks what a slot holds: kind, rights, badge.
pub fn cap_info(slot: u64) -> Result<(u64, u64, u64)> {
    call(nr::CAP_INFO, [slot, 0, 0, 0, 0, 0]).map(|[kind, rights, badge, ..]| (kind, rights, badge))
}

/// Translates an address of a domain or space: physical page | rights.
pub fn translate(space: u64, address: u64) -> Result<u64> {
    call(nr::TRANSLATE, [space, address, 0, 0, 0, 0]).map(|[page, ..]| page)
}

/// Reads one of the kernel's counters: `abi::syscall::counter`.
pub fn counter(machine: u64, counter: u64) -> Result<u64> {
    call(nr::COUNTER, [machine, counter, 0, 0, 0, 0]).map(|[value, ..]| value)
}

/// Reads an ID register (op0=3, op1=0, CRn=0) by CRm << 3 | op2, 8..64; 0 for those that the core does not have.
pub fn id_register(index: u64) -> u64 {
    call(nr::ID_REGISTER, [index, 0, 0, 0, 0, 0]).map_or(0, |[value, ..]| value)
}

/// What a scheduling context used and missed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SchedInfo {
    /// Ticks that it ran.
    pub run: u64,
    /// Ticks that it was ready and did not run.
    pub stolen: u64,
    /// A vCPU's handler runs or is preempted on it.
    pub in_handler: bool,
    /// Times that it was chosen.
    pub chosen: u64,
    /// Times that its budget ran out.
    pub depleted: u64,
}

/// Asks for the account of a scheduling context.
pub fn sched_info(sched: u64) -> Result<SchedInfo> {
    let [run, stolen, flags, chosen, depleted] = call(nr::SCHED_INFO, [sched, 0, 0, 0, 0, 0])?;
    Ok(SchedInfo { run, stolen, in_handler: flags & 1 != 0, chosen, depleted })
}
