//! The crash record that the kernel prints when it faults itself: lines of `key=value`, between two marker lines, so
//! that a tool (`sosia decode`) can read it from any console log.
//!
//! ```text
//! SOSIA-CRASH begin version=1
//! core=0 kind=sync esr=0x… elr=0x… far=0x… spsr=0x… sp=0x…
//! x0=0x… … x30=0x…
//! message=…
//! SOSIA-CRASH end
//! ```
//! `elr` and return addresses are link-time addresses of the kernel (0x8000_0000_0000…).

/// First line of a record.
pub const BEGIN: &str = "SOSIA-CRASH begin version=1";
/// Last line of a record.
pub const END: &str = "SOSIA-CRASH end";
