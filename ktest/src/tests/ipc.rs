//! Endpoints: CALL, RECV, REPLY_RECV, and what is told when one side ends.

use crate::child::{Child, GRANTED, Role};
use crate::env::{DONE, FREE, SELF, after_ms, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{self, settle, slots, wait_until};
use crate::{check, check_eq, tests};
use abi::cap::rights;
use abi::syscall::{Status, stop};
use rt::sys::{self, create};

tests! {
    1 call_and_reply_carry_words_and_badge;
    1 call_between_domains;
    1 callers_are_served_in_order;
    1 call_and_receive_need_their_rights;
    1 second_receiver_is_refused;
    1 receive_before_the_reply_is_refused;
    1 dead_server_tells_its_caller;
    1 faulting_server_tells_its_caller;
    1 dead_caller_leaves_the_server_alive;
    1 dead_caller_in_the_queue_is_not_served;
    1 dead_first_caller_of_a_chain_leaves_the_servers_alive;
    1 dead_middle_server_of_a_chain_tells_its_caller;
    1 destroyed_endpoint_tells_both_sides;
    2 call_from_another_core_is_refused;
    1 server_runs_with_its_callers_priority;
    1 many_calls;
}

const EP: u64 = FREE;
const EP2: u64 = FREE + 1;
const BADGED: u64 = FREE + 2;
/// A scheduling context that names core 0 or 1 for endpoints.
const CORE: u64 = FREE + 3;

fn endpoint(slot: u64, core: u64) -> Outcome {
    if status(sys::cap_info(CORE)) != Status::Ok {
        create::sched_context(CORE, crate::env::MACHINE, core, 1, 0)?;
    }
    Ok(create::endpoint(slot, CORE)?)
}

/// Serves `endpoint` for ever: adds 1 to each word; counts in word 0. Its end's status comes to word 1.
fn server(endpoint: u64) {
    let mut next = sys::recv(endpoint);
    while let Ok((words, badge)) = next {
        word(0).set(word(0).get() + 1);
        word(2).set(badge);
        next = sys::reply_recv(endpoint, words.map(|w| w.wrapping_add(1)));
    }
    word(1).set(100 + status(next) as u64);
}

/// Calls `endpoint`: status to word 3, first word of the reply to word 4.
fn caller(endpoint: u64) {
    let result = sys::ipc_call(endpoint, [7, 8, 9, 10]);
    word(4).set(result.map_or(0, |words| words[0]));
    word(3).set(100 + status(result) as u64);
    let _ = sys::signal(DONE, 1);
}

/// Takes one call and never replies.
fn silent_server(endpoint: u64) {
    let _ = sys::recv(endpoint);
    word(0).set(1);
    loop {
        word(5).set(word(5).get() + 1);
    }
}

fn call_and_reply_carry_words_and_badge() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 5, server, EP)?;
    settle(0)?;

    check_eq!(sys::ipc_call(EP, [1, u64::MAX, 3, 1 << 63])?, [2, 0, 4, (1 << 63) + 1], "reply");
    check_eq!(word(2).get(), 0, "badge");
    sys::copy(SELF, BADGED, EP, rights::WRITE, 0x4_5678)?;
    check_eq!(sys::ipc_call(BADGED, [0; 4])?, [1; 4], "reply to the badged call");
    check_eq!(word(2).get(), 0x4_5678, "badge of the badged call");
    Ok(())
}

fn call_between_domains() -> Outcome {
    endpoint(EP, 0)?;
    let serving = Child::make(0, 0, 5)?;
    serving.grant(GRANTED, EP, rights::READ, 0)?;
    serving.start(Role::Serve, 9)?;
    settle(0)?;
    for (n, badge) in [(1, 77), (2, 78)] {
        let calling = Child::make(n, 0, 4)?;
        calling.grant(GRANTED, EP, rights::WRITE, badge)?;
        calling.start(Role::Call, 0)?;
        check!(wait_until(5000, || word(0).get() > 0), "the call does not come back");
        let got = [1, 2, 3, 4, 5].map(|n| word(n).get());
        check_eq!(got, [0, 11, badge, 30, 40], "status and reply");
        calling.destroy()?;
        word(0).set(0);
    }
    check_eq!(word(9).get(), 2, "calls served");
    Ok(())
}

/// Writes its number into the sequence from word 10 on when its call comes back.
fn numbered_caller(n: u64) {
    let _ = sys::ipc_call(EP, [n, 0, 0, 0]);
}

/// Writes the first words of three calls into words 10 to 12.
fn recorder(endpoint: u64) {
    let mut next = sys::recv(endpoint);
    for n in 0..3 {
        let Ok((words, _)) = next else { break };
        word(10 + n).set(words[0]);
        next = sys::reply_recv(endpoint, words);
    }
}

fn callers_are_served_in_order() -> Outcome {
    endpoint(EP, 0)?;
    for n in 0..3 {
        thread::spawn(n, 0, 5, numbered_caller, 50 + n as u64)?;
        settle(0)?;
    }

    thread::spawn(3, 0, 9, recorder, EP)?;

    check!(wait_until(5000, || !thread::runs(0) && !thread::runs(1) && !thread::runs(2)), "not served");
    check_eq!([10, 11, 12].map(|n| word(n).get()), [50, 51, 52], "order");
    Ok(())
}

fn call_and_receive_need_their_rights() -> Outcome {
    endpoint(EP, 0)?;
    sys::copy(SELF, EP2, EP, rights::READ, 0)?;
    sys::copy(SELF, BADGED, EP, rights::WRITE, 0)?;

    check_eq!(status(sys::ipc_call(EP2, [0; 4])), Status::NoRights, "call");
    check_eq!(status(sys::recv(BADGED)), Status::NoRights, "receive");
    check_eq!(status(sys::reply_recv(BADGED, [0; 4])), Status::NoRights, "reply and receive");
    check_eq!(status(sys::recv(DONE)), Status::BadKind, "receive on a notification");
    Ok(())
}

fn second_receiver_is_refused() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 5, server, EP)?;
    settle(0)?;

    check_eq!(status(sys::recv(EP)), Status::Taken, "receive");
    check_eq!(status(sys::reply_recv(EP, [0; 4])), Status::Taken, "reply and receive");
    check_eq!(sys::ipc_call(EP, [1; 4])?, [2; 4], "call of the first");
    Ok(())
}

/// Takes a call and receives again without a reply: status to word 5; then replies.
fn impatient_server(endpoint: u64) {
    let _ = sys::recv(endpoint);
    word(5).set(100 + status(sys::recv(endpoint)) as u64);
    let _ = sys::reply_recv(endpoint, [5; 4]);
}

fn receive_before_the_reply_is_refused() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 5, impatient_server, EP)?;
    settle(0)?;

    check_eq!(sys::ipc_call(EP, [1; 4])?, [5; 4], "reply");
    check_eq!(word(5).get(), 100 + Status::BadState as u64, "status of the receive");
    Ok(())
}

fn dead_server_tells_its_caller() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 5, silent_server, EP)?;
    thread::spawn(1, 0, 5, caller, EP)?;
    check!(wait_until(5000, || word(0).get() == 1), "the server has no call");

    sys::destroy(slots(0).0)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the caller still waits");
    check_eq!(word(3).get(), 100 + Status::Dead as u64, "status of the call");
    Ok(())
}

fn faulting_server_tells_its_caller() -> Outcome {
    endpoint(EP, 0)?;
    let dying = Child::make(0, 0, 5)?;
    dying.grant(GRANTED, EP, rights::READ, 0)?;
    dying.start(Role::DieServing, 0)?;
    settle(0)?;

    check_eq!(status(sys::ipc_call(EP, [0; 4])), Status::Dead, "call");
    check_eq!(dying.stopped(5000)?.reason, stop::FAULT, "reason");
    thread::spawn(0, 0, 5, server, EP)?;
    settle(0)?;
    check_eq!(sys::ipc_call(EP, [1; 4])?, [2; 4], "call of the next server");
    Ok(())
}

/// Takes one call, waits for [`BADGED`], replies, serves on.
fn slow_server(endpoint: u64) {
    let Ok((words, _)) = sys::recv(endpoint) else { return };
    word(0).set(1);
    let _ = sys::wait(BADGED, u64::MAX);
    word(6).set(1);
    if sys::reply_recv(endpoint, words).is_ok() {
        word(7).set(1);
        let _ = sys::reply_recv(endpoint, [9; 4]);
    }
}

fn dead_caller_leaves_the_server_alive() -> Outcome {
    for waits in [true, false] {
        endpoint(EP, 0)?;
        create::notification(BADGED)?;
        let main = if waits { slow_server } else { silent_server };
        thread::spawn(0, 0, 5, main, EP)?;
        thread::spawn(1, 0, 6, caller, EP)?;
        check!(wait_until(5000, || word(0).get() == 1), "the server has no call");

        sys::destroy(slots(1).0)?;
        sys::destroy(slots(1).1)?;

        if waits {
            sys::signal(BADGED, 1)?;
            check!(wait_until(5000, || word(6).get() == 1), "the server does not go on");
            settle(0)?;
            check_eq!(sys::ipc_call(EP, [1; 4])?, [9; 4], "next call");
        } else {
            let before = word(5).get();
            check!(wait_until(5000, || word(5).get() > before + 100), "the server does not run");
        }
        crate::env::clean_up();
        crate::shared::clear();
    }
    Ok(())
}

fn dead_caller_in_the_queue_is_not_served() -> Outcome {
    endpoint(EP, 0)?;
    for n in 0..3 {
        thread::spawn(n, 0, 5, numbered_caller, 50 + n as u64)?;
        settle(0)?;
    }

    sys::destroy(slots(1).0)?;
    thread::spawn(3, 0, 9, recorder, EP)?;

    check!(wait_until(5000, || !thread::runs(0) && !thread::runs(2)), "not served");
    check_eq!([10, 11, 12].map(|n| word(n).get()), [50, 52, 0], "order");
    Ok(())
}

/// Takes a call on [`EP`] and calls [`EP2`] in turn: status to word 8; then replies and serves once more.
fn middle_server(_: u64) {
    let _ = sys::recv(EP);
    word(8).set(100 + status(sys::ipc_call(EP2, [1; 4])) as u64);
    if sys::reply_recv(EP, [6; 4]).is_ok() {
        let _ = sys::reply_recv(EP, [66; 4]);
    }
}

/// caller (2) → middle (1) → slow server (0), which waits for [`BADGED`] or spins.
fn chain(last: thread::Main) -> Outcome {
    endpoint(EP, 0)?;
    endpoint(EP2, 0)?;
    create::notification(BADGED)?;
    thread::spawn(0, 0, 5, last, EP2)?;
    thread::spawn(1, 0, 6, middle_server, 0)?;
    settle(0)?;
    thread::spawn(2, 0, 7, caller, EP)?;
    check!(wait_until(5000, || word(0).get() == 1), "the call does not reach the last server");
    Ok(())
}

fn dead_first_caller_of_a_chain_leaves_the_servers_alive() -> Outcome {
    for last in [slow_server, silent_server] {
        chain(last)?;

        sys::destroy(slots(2).0)?;
        sys::destroy(slots(2).1)?;

        if core::ptr::fn_addr_eq(last, slow_server as thread::Main) {
            sys::signal(BADGED, 1)?;
            check!(wait_until(5000, || word(8).get() == 100), "the last server does not reply");
            settle(0)?;
            check_eq!(sys::ipc_call(EP, [1; 4])?, [66; 4], "next call");
        } else {
            let before = word(5).get();
            check!(wait_until(5000, || word(5).get() > before + 100), "the last server does not run");
        }
        crate::env::clean_up();
        crate::shared::clear();
    }
    Ok(())
}

fn dead_middle_server_of_a_chain_tells_its_caller() -> Outcome {
    chain(slow_server)?;

    sys::destroy(slots(1).0)?;
    sys::destroy(slots(1).1)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the caller still waits");
    check_eq!(word(3).get(), 100 + Status::Dead as u64, "status of the call");
    sys::signal(BADGED, 1)?;
    check!(wait_until(5000, || word(6).get() == 1), "the last server does not go on");
    settle(0)?;
    check_eq!(sys::ipc_call(EP2, [1; 4])?, [9; 4], "next call of the last server");
    Ok(())
}

fn destroyed_endpoint_tells_both_sides() -> Outcome {
    endpoint(EP, 0)?;
    endpoint(EP2, 0)?;
    thread::spawn(0, 0, 5, server, EP)?;
    thread::spawn(1, 0, 5, caller, EP2)?;
    settle(0)?;

    sys::destroy(EP)?;
    sys::destroy(EP2)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the caller still waits");
    check_eq!(word(3).get(), 100 + Status::Dead as u64, "status of the call");
    check!(wait_until(5000, || word(1).get() != 0), "the server still waits");
    check_eq!(word(1).get(), 100 + Status::Dead as u64, "status of the receive");
    Ok(())
}

fn call_from_another_core_is_refused() -> Outcome {
    endpoint(EP, 1)?;

    check_eq!(status(sys::ipc_call(EP, [0; 4])), Status::WrongCore, "call");
    check_eq!(status(sys::recv(EP)), Status::WrongCore, "receive");
    check_eq!(status(sys::reply_recv(EP, [0; 4])), Status::WrongCore, "reply and receive");
    thread::spawn(0, 1, 5, server, EP)?;
    thread::spawn(1, 1, 5, caller, EP)?;
    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "no reply on the endpoint's core");
    check_eq!((word(3).get(), word(4).get()), (100, 8), "status and reply");
    Ok(())
}

fn spinner(n: u64) {
    loop {
        word(n as usize).set(word(n as usize).get() + 1);
    }
}

fn server_runs_with_its_callers_priority() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 3, server, EP)?;
    settle(0)?;
    // A spinner above the server, a caller above the spinner.
    thread::spawn(1, 0, 5, spinner, 9)?;
    thread::spawn(2, 0, 7, caller, EP)?;

    check!(sys::wait(DONE, after_ms(5000)).is_ok(), "the server waits behind the spinner");
    check_eq!((word(3).get(), word(4).get()), (100, 8), "status and reply");
    Ok(())
}

/// Calls [`EP`] 1,000 times, counts wrong replies in word `n`.
fn busy_caller(n: u64) {
    for round in 0..1000u64 {
        let reply = sys::ipc_call(EP, [round, n, 0, 0]);
        if reply != Ok([round + 1, n + 1, 1, 1]) {
            word(n as usize).set(word(n as usize).get() + 1);
        }
    }
}

fn many_calls() -> Outcome {
    endpoint(EP, 0)?;
    thread::spawn(0, 0, 3, server, EP)?;
    for n in 1..4 {
        thread::make(n, 0, 4 + n as u64 % 2, busy_caller, 20 + n as u64)?;
    }
    (1..4).try_for_each(thread::go)?;

    check!(wait_until(20_000, || (1..4).all(|n| !thread::runs(n))), "not done");
    check_eq!([21, 22, 23].map(|n| word(n).get()), [0; 3], "wrong replies");
    check_eq!(word(0).get(), 3000, "calls");
    Ok(())
}
