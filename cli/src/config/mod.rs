//! What the user describes: systems (`systems/*.toml`) and QEMU machines (`machines/*.toml`).

mod error;
mod profile;
mod size;
mod system;

pub use error::{ConfigError, Source};
pub use profile::Profile;
pub use size::{parse_size, show_size};
pub use system::{Initrd, Kernel, System, Vm, VmOptions};
