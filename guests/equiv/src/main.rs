//! Equivalence guest.
#![no_std]
#![no_main]
use guest_base as _;
/// Entry from the boot code.
#[allow(unsafe_code)] // The boot code calls this symbol.
#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    guest_base::psci::system_off()
}
