//! The tests, by object.

use crate::run::Test;

mod aarch32;
mod args;
mod bell;
mod bind;
mod budgets;
mod caps;
mod classic;
mod destroy;
mod frames;
mod hidden;
mod hostile;
mod ipc;
mod irq;
mod isolation;
mod notify;
mod oracle;
mod quota;
mod threads;
mod vcpu;
mod vhostile;
mod vstate;

/// A module's tests.
#[macro_export]
macro_rules! tests {
    ($($cores:literal $name:ident;)*) => {
        /// The tests of this module.
        pub static TESTS: &[$crate::run::Test] = &[$($crate::run::Test {
            name: concat!(stringify!($name)),
            cores: $cores,
            run: $name,
        }),*];
    };
}

/// All tests in order.
pub static ALL: &[&[Test]] = &[
    caps::TESTS,
    args::TESTS,
    frames::TESTS,
    notify::TESTS,
    threads::TESTS,
    budgets::TESTS,
    ipc::TESTS,
    irq::TESTS,
    isolation::TESTS,
    quota::TESTS,
    destroy::TESTS,
    vcpu::TESTS,
    vstate::TESTS,
    bell::TESTS,
    bind::TESTS,
    aarch32::TESTS,
    classic::TESTS,
    hidden::TESTS,
    vhostile::TESTS,
    hostile::TESTS,
    oracle::TESTS,
];
