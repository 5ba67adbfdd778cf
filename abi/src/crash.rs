//! The crash record that the kernel prints when it faults itself: words `key=0x…`, between two marker lines, so that a
//! tool (`sosia decode`) can read it from any console log.
//!
//! ```text
//! SOSIA-CRASH begin version=2
//!  core=0x0 kind=0x4 esr=0x… elr=0x… far=0x… spsr=0x…
//! SOSIA-CRASH end
//! ```
//! `kind` is the index of the vector that was taken, and `x=0x…` 32 times (x0–x30, SP) follow; or it is 8, the kernel
//! stopped itself, and `line=0x…` of the source or a line `message=…` follow. `elr` and return addresses are link-time
//! addresses of the kernel (0x8000_0000_0000…).

/// First line of a record.
pub const BEGIN: &str = "SOSIA-CRASH begin version=2";
/// Last line of a record.
pub const END: &str = "SOSIA-CRASH end";
