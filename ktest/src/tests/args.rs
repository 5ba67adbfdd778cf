//! Each syscall with arguments that are wrong in one way: the status is the one that `abi::syscall` documents.

use crate::outcome::Outcome;
use crate::tests;

tests! {}

#[allow(dead_code)]
fn none() -> Outcome {
    Ok(())
}
