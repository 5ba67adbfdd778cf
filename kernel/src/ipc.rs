//! Endpoints: synchronous call and reply on one core. The server runs on its caller's scheduling context.

use crate::core_local::Core;
use crate::frame::FrameRef;
use crate::object::{Endpoint, Entity, Obj, RunState, SchedContext, Thread, links};
use crate::sched;
use abi::syscall::Status;

links!(CallerLinks, Thread, link);

/// A thread's registers while it does not run.
pub fn frame(t: Obj<Thread>) -> FrameRef {
    FrameRef(t.frame.as_ptr() as u64)
}

/// A thread as what is scheduled.
pub fn entity(t: Obj<Thread>) -> Entity {
    Entity(Obj::at(t.addr()))
}

fn copy_words(from: Obj<Thread>, to: Obj<Thread>) {
    (1..5).for_each(|n| frame(to).set_x(n, frame(from).x(n)));
    frame(to).set_x(0, Status::Ok as u64);
}

/// CALL by the current thread.
pub fn call(core: &Core, (ep, badge): (Obj<Endpoint>, u64)) -> Result<(), Status> {
    let caller = sched::current_thread(core)?;
    if ep.core.get() != core.index.get() {
        return Err(Status::WrongCore);
    }
    caller.badge.set(badge);
    caller.endpoint.set(Some(ep));
    if let Some(server) = ep.receiver.take() {
        deliver(core, caller, server);
    } else {
        ep.callers.with(|l| l.push_back(&mut CallerLinks, caller.addr()));
        sched::block(core, entity(caller), RunState::Calling);
    }
    Ok(())
}

/// Gives a call to a server, with the caller's scheduling context.
fn deliver(core: &Core, caller: Obj<Thread>, server: Obj<Thread>) {
    copy_words(caller, server);
    frame(server).set_x(5, caller.badge.get());
    caller.endpoint.set(None);
    caller.server.set(Some(server));
    server.caller.set(Some(caller));
    server.endpoint.set(None);
    let lent = caller.running_on.take();
    caller.common.state.set(RunState::Calling);
    server.running_on.set(lent);
    sched::make_ready(core, entity(server));
}

/// RECV by the current thread, which owes no reply.
pub fn receive(core: &Core, ep: Obj<Endpoint>) -> Result<(), Status> {
    let server = sched::current_thread(core)?;
    check_free(core, ep)?;
    if server.caller.get().is_some() {
        return Err(Status::BadState);
    }
    wait_for_call(core, server, ep);
    Ok(())
}

/// Whether a thread of this core may wait for calls.
fn check_free(core: &Core, ep: Obj<Endpoint>) -> Result<(), Status> {
    match ep.receiver.get() {
        _ if ep.core.get() != core.index.get() => Err(Status::WrongCore),
        Some(_) => Err(Status::Taken),
        None => Ok(()),
    }
}

fn wait_for_call(core: &Core, server: Obj<Thread>, ep: Obj<Endpoint>) {
    sched::block(core, entity(server), RunState::Receiving);
    server.running_on.set(None);
    match ep.callers.with(|l| l.pop_front(&mut CallerLinks)) {
        Some(caller) => deliver(core, Obj::at(caller), server),
        None => {
            server.endpoint.set(Some(ep));
            ep.receiver.set(Some(server));
        }
    }
}

/// REPLY_RECV by the current thread.
pub fn reply_receive(core: &Core, ep: Obj<Endpoint>) -> Result<(), Status> {
    let server = sched::current_thread(core)?;
    check_free(core, ep)?;
    if let Some(caller) = server.caller.take() {
        copy_words(server, caller);
        give_back(core, server, caller);
    }
    wait_for_call(core, server, ep);
    Ok(())
}

/// The caller goes on, with the scheduling context that it lent.
fn give_back(core: &Core, server: Obj<Thread>, caller: Obj<Thread>) {
    caller.server.set(None);
    caller.running_on.set(server.running_on.take());
    sched::make_ready(core, entity(caller));
}

/// A thread of this core stops: whoever calls it or serves it is told.
pub fn abandon(core: &Core, t: Obj<Thread>) {
    if let Some(server) = t.server.take() {
        server.caller.set(None);
        t.running_on.set(reclaim(core, server));
        frame(t).set_x(0, Status::Again as u64);
    }
    if let Some(caller) = t.caller.take() {
        frame(caller).set_x(0, Status::Dead as u64);
        give_back(core, t, caller);
    }
    if let Some(ep) = t.endpoint.take() {
        if ep.receiver.get() == Some(t) {
            ep.receiver.set(None);
        } else {
            ep.callers.with(|l| l.remove(&mut CallerLinks, t.addr()));
        }
        frame(t).set_x(0, Status::Again as u64);
    }
}

/// Takes the lent scheduling context back from the last in a chain of servers that starts with `first`; it goes on with
/// that one's own.
fn reclaim(core: &Core, first: Obj<Thread>) -> Option<Obj<SchedContext>> {
    let mut last = first;
    while let Some(next) = last.server.get() {
        last = next;
    }
    let ready = last.common.state.get() == RunState::Ready;
    if ready {
        sched::block(core, entity(last), RunState::Ready);
    }
    let lent = last.running_on.replace(first.common.sched.get());
    if ready {
        sched::make_ready(core, entity(last));
    }
    lent
}

/// The endpoint is destroyed: who waits on it is told, one at a time; `true` when nobody does. On its core.
pub fn close(core: &Core, ep: Obj<Endpoint>) -> bool {
    let caller = ep.callers.with(|l| l.pop_front(&mut CallerLinks)).map(Obj::at);
    let waits = caller.or_else(|| ep.receiver.take());
    waits.inspect(|t| end_wait(core, *t)).is_none()
}

fn end_wait(core: &Core, t: Obj<Thread>) {
    t.endpoint.set(None);
    frame(t).set_x(0, Status::Dead as u64);
    sched::make_ready(core, entity(t));
}
