//! What a guest has in registers while threads of other domains run on its core.

use crate::child::{Child, Role};
use crate::env::FREE;
use crate::guest::{self, Vcpu, stepping};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::wait_until;
use crate::{check, check_eq, programs, tests};

tests! {
    1 thread_pointers_are_hidden_from_other_domains;
}

programs! {
    /// Sets its thread pointers, then reads TPIDR_EL0 into x2 before each call.
    owns "msr TPIDR_EL0, x0" "msr TPIDRRO_EL0, x1" "1: mrs x2, TPIDR_EL0" "mrs x3, TPIDRRO_EL0" "hvc #0" "b 1b";
}

const SECRETS: (u64, u64) = (0x1111_2222_3333_4444, 0x5555_6666_7777_8888);

fn thread_pointers_are_hidden_from_other_domains() -> Outcome {
    guest::space(FREE, 0)?;
    guest::load(0, owns());
    let v = Vcpu::make(0, FREE, 0, 5, stepping)?;
    v.set_x(0, SECRETS.0);
    v.set_x(1, SECRETS.1);
    v.step()?;

    let child = Child::spawn(0, 0, 5, Role::ThreadPointers, 0)?;
    check!(wait_until(5000, || word(0).get() != 0), "the child does not run");
    check_eq!([word(1).get(), word(2).get()], [0, 0], "TPIDR_EL0 and TPIDRRO_EL0 in another domain");
    child.destroy()?;

    v.step()?;
    check_eq!((v.x(2), v.x(3)), SECRETS, "the guest's own after another domain wrote TPIDR_EL0");
    Ok(())
}
