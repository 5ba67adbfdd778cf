//! Entry points from the kernel into Rust, and the end of a domain that panics.
#![allow(unsafe_code, reason = "entry points are assembly")]

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

/// Bytes of the first domain's stack.
pub const STACK: usize = 32 << 10;

/// The first domain's stack.
#[repr(C, align(4096))]
pub struct Stack(UnsafeCell<[u8; STACK]>);

impl Stack {
    /// A new one.
    pub const fn zeros() -> Self {
        Self(UnsafeCell::new([0; STACK]))
    }
}

// SAFETY: nothing in Rust names what is in it; the first thread's stack pointer does.
unsafe impl Sync for Stack {}

/// Code given to `EXIT` by a panic.
pub const PANIC_EXIT: u64 = 101;

/// Makes `$main`, a `fn(argument: u64) -> !`, the first code of the domain.
///
/// The kernel has set the stack pointer and x0 (the argument given at the thread's start); all else is undefined. With
/// `own_stack` the domain's image has a stack of [`STACK`] bytes (`domain.ld`): the first domain's, which nobody makes one
/// for.
#[macro_export]
macro_rules! main {
    ($main:path) => {
        $crate::main!($main, "");
    };
    ($main:path, own_stack) => {
        #[unsafe(link_section = ".stack")]
        #[used]
        static __RT_STACK: $crate::Stack = $crate::Stack::zeros();
        $crate::main!($main, "adrp x1, __stack_top; add sp, x1, :lo12:__stack_top");
    };
    ($main:path, $stack:literal) => {
        #[allow(unsafe_code, reason = "the entry point is assembly")]
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".text._start")]
        extern "C" fn _start(argument: u64) -> ! {
            extern "C" fn __rt_start(argument: u64) -> ! {
                const START: fn(u64) -> ! = $main;
                START(argument)
            }
            // x29, x30 = 0 end the chain of frames.
            ::core::arch::naked_asm!($stack, "mov x29, xzr", "mov x30, xzr", "b {main}", main = sym __rt_start)
        }
    };
}

/// Defines `$entry`, the entry point of a vCPU's handler, around `$handler`, an `extern "C" fn(argument: u64) -> u64` (or of another type of one
/// word)
/// that returns the action for `VCPU_RESUME`.
///
/// The kernel enters with x0 = argument and sp = top of the handler's stack at each exit of the guest; nothing is kept
/// from one exit to the next.
#[macro_export]
macro_rules! vcpu_handler {
    ($entry:ident, $handler:path) => {
        #[allow(unsafe_code, reason = "the entry point is assembly")]
        #[unsafe(naked)]
        extern "C" fn $entry() -> ! {
            ::core::arch::naked_asm!(
                "bl {handler}",
                "mov x8, #{resume}",
                "svc #0",
                // Only a handler may resume: anyone else ends here.
                "brk #1",
                handler = sym $handler,
                resume = const $crate::abi::syscall::VCPU_RESUME,
            )
        }
    };
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    crate::log!("{info}");
    crate::sys::exit(PANIC_EXIT)
}
