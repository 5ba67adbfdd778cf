//! What was checked, and what was wrong.

use core::fmt::Arguments;
use guest_base::uart;

/// Counts checks and prints what fails.
#[derive(Default)]
pub struct Report {
    /// How many were made.
    pub checks: u32,
}

impl Report {
    /// One check.
    pub fn check(&mut self, right: bool, wrong: Arguments) {
        self.checks += 1;
        if !right {
            uart::line(format_args!("WRONG {wrong}"));
        }
    }
}
