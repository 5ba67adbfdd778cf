//! What a test gives: nothing, or the reason of its failure with the place in the source.

use abi::syscall::Status;
use core::fmt::{self, Write};
use core::panic::Location;

/// Bytes of a reason; what is longer is cut.
const LENGTH: usize = 112;

/// Why a test failed.
pub struct Failure {
    text: [u8; LENGTH],
    used: usize,
}

/// Result of a test.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// With this reason, at `place`.
    pub fn new(reason: fmt::Arguments, place: &Location) -> Self {
        let mut failure = Self { text: [0; LENGTH], used: 0 };
        // Cutting the text is no error.
        let file = place.file().rsplit('/').next().unwrap_or("?");
        let _ = write!(failure, "{file}:{}: {reason}", place.line());
        failure
    }

    /// The reason.
    pub fn text(&self) -> &str {
        core::str::from_utf8(self.text.get(..self.used).unwrap_or(&[])).unwrap_or("?")
    }
}

impl Write for Failure {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for (place, byte) in self.text[self.used..].iter_mut().zip(text.bytes()) {
            *place = if byte.is_ascii() { byte } else { b'?' };
            self.used += 1;
        }
        Ok(())
    }
}

impl From<Status> for Failure {
    #[track_caller]
    fn from(status: Status) -> Self {
        Self::new(format_args!("status {status:?}"), Location::caller())
    }
}

/// Ends the test with a reason unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err($crate::outcome::Failure::new(
                format_args!($($reason)+),
                core::panic::Location::caller(),
            ));
        }
    };
}

/// Ends the test unless both are equal; both are in the reason.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr, $what:expr) => {
        match (&$left, &$right) {
            (left, right) => $crate::check!(left == right, "{}: {:x?}, expected {:x?}", $what, left, right),
        }
    };
}
