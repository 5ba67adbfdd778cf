//! Guests of a few instructions, and their vCPUs. This domain is their VMM.
//!
//! A vCPU's handler runs the [`Handler`] of its test. [`stepping`] is the usual one: a kick lets the guest go on, any
//! other exit parks the vCPU and sets its bit in [`DONE`]; [`Vcpu::step`] does one such round from a thread.
#![allow(unsafe_code, reason = "memory of guests, handler stacks and entries")]

use crate::check;
use crate::env::{DONE, FREE, GUEST_PAGES, GUEST_RAM, MACHINE, VCPU_PAGES, after_ms, frame};
use crate::outcome::Outcome;
use abi::PAGE_SIZE;
use abi::cap::rights::{EXEC, READ, WRITE};
use abi::syscall::{RESUME_PARK, RESUME_RUN};
use abi::vcpu::{RegFrame, VcpuPage, reason, sys as sysreg};
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};
use rt::sys::{self, create};
use rt::volatile::Volatile;

/// Where the memory of guests is in their physical address space.
pub const RAM: u64 = 0x4000_0000;
/// SPSR: EL1h, all interrupts masked.
pub const EL1H: u64 = 0x3c5;
/// Most vCPUs.
pub const MAX: usize = 4;
const STACK: usize = 8 << 10;
/// First of the doorbells' slots, and their number.
pub const DOORBELLS: (u32, u32) = (FREE as u32 + 300, 4);

/// What a handler does: gives the action for `VCPU_RESUME`.
pub type Handler = fn(Vcpu) -> u64;

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: each stack is used by the handler of the one vCPU with its number.
unsafe impl Sync for Stack {}
static STACKS: [Stack; MAX] = [const { Stack(UnsafeCell::new([0; STACK])) }; MAX];
static HANDLERS: [AtomicUsize; MAX] = [const { AtomicUsize::new(0) }; MAX];
static EXITS: [AtomicUsize; MAX] = [const { AtomicUsize::new(0) }; MAX];

rt::vcpu_handler!(entry, handle);

extern "C" fn handle(n: u64) -> u64 {
    let n = n as usize % MAX;
    EXITS[n].fetch_add(1, Ordering::Relaxed);
    // SAFETY: `Vcpu::make` has stored a `Handler`.
    let handler = unsafe { core::mem::transmute::<usize, Handler>(HANDLERS[n].load(Ordering::Acquire)) };
    handler(Vcpu(n))
}

/// See the module.
pub fn stepping(v: Vcpu) -> u64 {
    if v.exit().reason == reason::KICK {
        return RESUME_RUN;
    }
    let _ = sys::signal(DONE, v.bit());
    RESUME_PARK
}

/// Sets the vCPU's bit in [`DONE`] and parks, whatever came.
pub fn parking(v: Vcpu) -> u64 {
    let _ = sys::signal(DONE, v.bit());
    RESUME_PARK
}

/// What the kernel says of an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// `abi::vcpu::reason`.
    pub reason: u64,
    /// ESR_EL2.
    pub esr: u64,
    /// FAR_EL2.
    pub far: u64,
    /// Faulting IPA.
    pub ipa: u64,
}

impl Exit {
    /// Exception class.
    pub fn class(&self) -> u64 {
        self.esr >> 26
    }

    /// Whether it is HVC #`immediate`.
    pub fn is_hvc(&self, immediate: u64) -> bool {
        self.reason == reason::SYNC && self.class() == 0x16 && self.esr & 0xffff == immediate
    }
}

/// A vCPU, by number.
#[derive(Clone, Copy)]
pub struct Vcpu(pub usize);

impl Vcpu {
    /// Its slot.
    pub const fn slot(self) -> u64 {
        FREE + 320 + 2 * self.0 as u64
    }

    /// Slot of its scheduling context.
    pub const fn sched(self) -> u64 {
        self.slot() + 1
    }

    fn bit(self) -> u64 {
        1 << self.0
    }

    /// Makes it in `space` on `core`; its guest is at the start of [`RAM`], EL1h, all registers 0.
    pub fn make(n: usize, space: u64, core: u64, priority: u64, handler: Handler) -> Outcome<Self> {
        Self::make_as(n, space, core, priority, handler, 0)
    }

    /// As [`Self::make`], with `flags` for CREATE beside the affinity.
    pub fn make_as(n: usize, space: u64, core: u64, priority: u64, handler: Handler, flags: u64) -> Outcome<Self> {
        let v = Self(n);
        (0..512).for_each(|word| v.word(8 * word).set(0));
        v.set_elr(RAM);
        v.set_spsr(EL1H);
        create::sched_context(v.sched(), MACHINE, core, priority, 0)?;
        create::vcpu(v.slot(), space, v.sched(), frame::VCPU[n], n as u64 | flags)?;
        v.configure(handler, 0)?;
        Ok(v)
    }

    /// Sets its handler and CNTVOFF_EL2.
    pub fn configure(self, handler: Handler, cntvoff: u64) -> Outcome {
        HANDLERS[self.0].store(handler as usize, Ordering::Release);
        let stack = STACKS[self.0].0.get() as u64 + STACK as u64;
        // SAFETY: the entry is made by `vcpu_handler!`; the stack is this vCPU's alone.
        unsafe {
            sys::vcpu_handler(self.slot(), entry as *const () as u64, stack, self.0 as u64, DOORBELLS, cntvoff)?;
        }
        Ok(())
    }

    /// Replaces the handler's function; the next exit gets it.
    pub fn handler(self, handler: Handler) {
        HANDLERS[self.0].store(handler as usize, Ordering::Release);
    }

    /// Exits so far.
    pub fn exits(self) -> usize {
        EXITS[self.0].load(Ordering::Relaxed)
    }

    /// Kicks it and waits for the exit after that.
    pub fn step(self) -> Outcome<Exit> {
        sys::vcpu_kick(self.slot())?;
        self.wait()
    }

    /// Waits until its handler sets its bit in [`DONE`]; other bits are given back.
    pub fn wait(self) -> Outcome<Exit> {
        let end = after_ms(10_000);
        let mut others = 0;
        loop {
            let bits = sys::wait(DONE, end);
            check!(bits.is_ok(), "vCPU {} does not exit", self.0);
            let bits = bits?;
            others |= bits & !self.bit();
            if bits & self.bit() != 0 {
                sys::signal(DONE, others)?;
                return Ok(self.exit());
            }
        }
    }

    /// The word of its page at `offset`.
    pub fn word(self, offset: usize) -> &'static Volatile<u64> {
        let page = VCPU_PAGES + self.0 as u64 * PAGE_SIZE;
        // SAFETY: `env::setup` maps the pages for good; the offset is inside.
        unsafe { &*((page + (offset % 4096) as u64) as *const Volatile<u64>) }
    }

    /// x`n`.
    pub fn x(self, n: usize) -> u64 {
        self.word(8 * n).get()
    }

    /// Sets x`n`.
    pub fn set_x(self, n: usize, value: u64) {
        self.word(8 * n).set(value);
    }

    /// Where the guest goes on.
    pub fn elr(self) -> u64 {
        self.word(offset_of!(RegFrame, elr)).get()
    }

    /// Sets where the guest goes on.
    pub fn set_elr(self, elr: u64) {
        self.word(offset_of!(RegFrame, elr)).set(elr);
    }

    /// Its SPSR.
    pub fn spsr(self) -> u64 {
        self.word(offset_of!(RegFrame, spsr)).get()
    }

    /// Sets its SPSR.
    pub fn set_spsr(self, spsr: u64) {
        self.word(offset_of!(RegFrame, spsr)).set(spsr);
    }

    /// The exit block.
    pub fn exit(self) -> Exit {
        Exit {
            reason: self.word(offset_of!(VcpuPage, exit.reason)).get(),
            esr: self.word(offset_of!(VcpuPage, exit.esr)).get(),
            far: self.word(offset_of!(VcpuPage, exit.far)).get(),
            ipa: self.word(offset_of!(VcpuPage, exit.ipa)).get(),
        }
    }

    /// Word of list register `n`.
    pub fn lr(self, n: usize) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.lr) + 8 * n)
    }

    /// Word of list registers to install.
    pub fn dirty(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.dirty))
    }

    /// Word of the wanted ICH_HCR_EL2.
    pub fn hcr(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.hcr))
    }

    /// Word of how to inject the virtual timer.
    pub fn timer(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.timer))
    }

    /// System register `index` of the state block.
    pub fn sys(self, index: usize) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, state.sys) + 8 * (index % sysreg::COUNT))
    }

    /// Half `n` (0..64) of the vector registers in the state block.
    pub fn vector(self, n: usize) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, state.v) + 8 * n)
    }

    /// Word of the bits of its bound notification.
    pub fn bells(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.bells))
    }

    /// Word of the doorbell that the kernel delivers.
    pub fn bell(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, irq.bell))
    }

    /// First word of the state block: version, FPCR.
    pub fn version(self) -> &'static Volatile<u64> {
        self.word(offset_of!(VcpuPage, state))
    }

    /// Loads the guest's registers x0–x30 into an array.
    pub fn registers(self) -> [u64; 31] {
        core::array::from_fn(|n| self.x(n))
    }
}

/// Makes a space with the memory of guest `n`.
pub fn space(slot: u64, n: usize) -> Outcome {
    create::space(slot)?;
    sys::map(frame::GUEST[n], slot, RAM, 0, GUEST_PAGES, READ | WRITE | EXEC)?;
    Ok(())
}

/// Word at `offset` of guest `n`'s memory.
pub fn ram(n: usize, offset: u64) -> &'static Volatile<u32> {
    let address = GUEST_RAM + ((n as u64) << 30) + offset % (GUEST_PAGES * PAGE_SIZE) / 4 * 4;
    // SAFETY: `env::setup` maps the memory for good; the offset is inside.
    unsafe { &*(address as *const Volatile<u32>) }
}

/// Puts a program at the start of guest `n`'s memory, the rest becomes 0.
pub fn load(n: usize, program: &[u32]) {
    let words = GUEST_PAGES * PAGE_SIZE / 4;
    for word in 0..words {
        ram(n, 4 * word).set(program.get(word as usize).copied().unwrap_or(0));
    }
    rt::cache::clean_to_poc(GUEST_RAM + ((n as u64) << 30), GUEST_PAGES * PAGE_SIZE);
}

/// Defines functions that give the instructions of a guest's program.
#[macro_export]
macro_rules! programs {
    ($($(#[$doc:meta])* $name:ident $($line:literal)*;)*) => {
        $(
            $(#[$doc])*
            #[allow(unsafe_code, reason = "instructions as data")]
            fn $name() -> &'static [u32] {
                #[unsafe(naked)]
                extern "C" fn code() {
                    core::arch::naked_asm!(
                        ".arch_extension fp", ".arch_extension simd",
                        $($line,)* ".inst 0xffffffff", ".arch_extension nofp")
                }
                let start = code as *const () as *const u32;
                let mut words = 0;
                // SAFETY: the program is in this domain's text, up to the word that ends it, which is no instruction.
                unsafe {
                    while start.add(words).read() != u32::MAX {
                        words += 1;
                    }
                    core::slice::from_raw_parts(start, words)
                }
            }
        )*
    };
}
