//! What the user describes: systems (`systems/*.toml`) and QEMU machines (`machines/*.toml`).

mod error;
mod profile;
mod size;
mod system;
mod time;

pub use error::{ConfigError, Source};
pub use profile::Profile;
pub use size::{parse_size, show_size};
#[cfg(test)]
pub use system::{Bell, Port, Shared};
pub use system::{Classic, Engine, Initrd, Kernel, Links, Restart, Shadow, Share, System, Vm, VmOptions};
pub use time::{parse_time, show_time};
