//! Syscalls: two short matches, without and with the management lock, and one function per call, here or with its
//! objects (`abi::syscall` documents each).

use crate::arch::sysreg;
use crate::core_local::{Core, Mode};
use crate::frame::FrameRef;
use crate::memory::{self, MANAGEMENT, MapArgs};
use crate::object::{Domain, Entity, Frame, Irq, Notification, Obj, RunState, Vcpu, Which};
use crate::shadow::Place;
use crate::{caps, create, destroy, domain, gic, ipc, log, notify, power, sched, space, state, stats, switch};
use abi::cap::rights;
use abi::syscall::{self as sc, Status, counter, stop};
use core::sync::atomic::{AtomicU64, Ordering};

/// Bits that a signal sets: the badge's one, or those given.
pub fn signal_bits(badge: u64, bits: u64) -> u64 {
    match badge {
        0 => bits & ((1 << 62) - 1),
        1..=62 => 1 << (badge - 1),
        _ => 1 << ((badge - 1) % 62),
    }
}

/// Ok: the status is Ok, or comes when the caller is woken.
type Outcome = Result<(), Status>;

/// One syscall under way.
struct Call {
    core: &'static Core,
    domain: Obj<Domain>,
    frame: FrameRef,
}

/// The current entity executed SVC.
#[inline(always)]
pub fn dispatch(core: &'static Core) {
    let frame = FrameRef(core.frame.get());
    let number = frame.x(8);
    if number == sc::VCPU_RESUME
        && let (Mode::Handler, Some(Which::Vcpu(v))) = (core.mode.get(), core.current.get().map(Entity::which))
    {
        return resume(core, v, frame.x(0));
    }
    general(core, frame, number);
}

#[inline(always)]
fn resume(core: &'static Core, v: Obj<Vcpu>, action: u64) {
    if action == sc::RESUME_RUN {
        return switch::resume(core, v);
    }
    suspend(core, v, action);
}

#[cold]
fn suspend(core: &'static Core, v: Obj<Vcpu>, action: u64) {
    let wait = action == sc::RESUME_WAIT;
    if !wait {
        v.shared().set_bell(0); // it would let the guest run
    }
    let ready = wait && switch::install_pending(v);
    if ready || switch::has_news(v) {
        return switch::resume(core, v);
    }
    switch::end_handler(core, v);
    let state = if wait { RunState::Wfi } else { RunState::Parked };
    sched::block(core, Entity(Obj::at(v.addr())), state);
}

/// Not in line: what it needs of stack and registers is more than a doorbell should pay for.
#[inline(never)]
fn general(core: &'static Core, frame: FrameRef, number: u64) {
    let Some(domain) = core.current.get().and_then(|e| e.domain.get()) else { return };
    let call = Call { core, domain, frame };
    let arguments = [0, 1, 2, 3, 4, 5].map(|n| frame.x(n));
    // A call that blocks leaves its results later: x0 is Ok unless it says otherwise.
    frame.set_x(0, Status::Ok as u64);
    if let Err(status) = call.run(number, arguments) {
        frame.set_x(0, status as u64);
    }
}

impl Call {
    fn run(&self, number: u64, a: [u64; 6]) -> Outcome {
        let (core, d) = (self.core, self.domain);
        match number {
            sc::VCPU_RESUME => Err(Status::BadState),
            sc::CALL => ipc::call(core, caps::get_badged(d, a[0], rights::WRITE)?),
            sc::RECV => ipc::receive(core, caps::get(d, a[0], rights::READ)?),
            sc::REPLY_RECV => ipc::reply_receive(core, caps::get(d, a[0], rights::READ)?),
            sc::SIGNAL => self.signal(a),
            sc::WAIT => self.wait(a),
            sc::YIELD => self.give_way(),
            sc::VCPU_KICK => self.kick(a),
            sc::VCPU_TIMER => self.vcpu_timer(a),
            sc::VCPU_STATE => self.vcpu_state(a),
            sc::IRQ_ACK => self.irq_ack(a),
            sc::EXIT => self.exit(a),
            sc::LOG => self.log(a),
            sc::POWER => self.power(a),
            sc::CAP_INFO => self.cap_info(a),
            sc::ID_REGISTER => self.id_register(a),
            _ => {
                let _guard = MANAGEMENT.lock();
                self.manage(number, a)
            }
        }
    }

    /// Calls under the management lock.
    fn manage(&self, number: u64, a: [u64; 6]) -> Outcome {
        let d = self.domain;
        match number {
            sc::VCPU_BIND => notify::bind(caps::get(d, a[0], rights::WRITE)?, caps::get(d, a[1], rights::READ)?),
            sc::CREATE => create::create(d, a[0], a[1], [a[2], a[3], a[4], a[5]]),
            sc::COPY => create::copy(d, a[0], a[1], a[2], a[3], a[4]),
            sc::DELETE => self.delete(a),
            sc::DESTROY => destroy::destroy(d, a[0]),
            sc::FRAME_SPLIT => memory::split(d, a[0], a[1], a[2]),
            sc::MAP => self.map(a),
            sc::UNMAP => self.unmap(a),
            sc::SHADOW_MAP => self.progress(Place::new(d, a)?.map(a[3], a[4])),
            sc::SHADOW_UNMAP => self.progress(Place::new(d, a)?.unmap()),
            sc::REVOKE => memory::revoke(memory::owned(d, a[0])?),
            sc::DONATE => memory::donate(d, a[0], caps::get(d, a[1], rights::WRITE)?),
            sc::THREAD => create::control(d, a[0], a[1], a[2]),
            sc::VCPU_HANDLER => create::handler(d, a[0], [a[1], a[2], a[3], a[4], a[5]]),
            sc::WATCH => self.watch(a),
            sc::DOMAIN_INFO => self.results(&domain::info(caps::get(d, a[0], rights::READ)?)),
            sc::FRAME_INFO => self.frame_info(a),
            sc::TRANSLATE => self.results(&[space::translate(d, a[0], a[1])?]),
            sc::COUNTER => self.counter(a),
            sc::SCHED_INFO => self.results(&sched::info(caps::get(d, a[0], rights::READ)?)),
            _ => Err(Status::BadSyscall),
        }
    }

    fn results(&self, values: &[u64]) -> Outcome {
        for (n, value) in values.iter().enumerate() {
            self.frame.set_x(n + 1, *value);
        }
        Ok(())
    }

    fn signal(&self, a: [u64; 6]) -> Outcome {
        let (n, badge) = caps::get_badged(self.domain, a[0], rights::WRITE)?;
        notify::signal(n, signal_bits(badge, a[1]));
        Ok(())
    }

    fn wait(&self, a: [u64; 6]) -> Outcome {
        let n: Obj<Notification> = caps::get(self.domain, a[0], rights::READ)?;
        notify::wait(self.core, n, a[1])?.map_or(Ok(()), |bits| self.results(&[bits]))
    }

    fn give_way(&self) -> Outcome {
        sched::rotate(self.core);
        Ok(())
    }

    fn kick(&self, a: [u64; 6]) -> Outcome {
        let v: Obj<Vcpu> = caps::get(self.domain, a[0], rights::WRITE)?;
        v.kicked.store(true, Ordering::Release);
        sched::wake(Entity(Obj::at(v.addr())));
        Ok(())
    }

    /// The vCPU whose handler is the caller.
    fn own_vcpu(&self, slot: u64, wanted: u64) -> Result<Obj<Vcpu>, Status> {
        let v: Obj<Vcpu> = caps::get(self.domain, slot, wanted)?;
        let current = self.core.current.get().map(Entity::addr) == Some(v.addr());
        if current && self.core.mode.get() == Mode::Handler { Ok(v) } else { Err(Status::BadState) }
    }

    fn vcpu_timer(&self, a: [u64; 6]) -> Outcome {
        let v = self.own_vcpu(a[0], rights::WRITE)?;
        v.vmm_deadline.set(a[1]);
        sched::arm_vcpu(self.core, v);
        Ok(())
    }

    fn delete(&self, a: [u64; 6]) -> Outcome {
        let slot = caps::slot(self.domain, a[0]).ok_or(Status::BadCap)?;
        if slot.swap(0, Ordering::AcqRel) == 0 { Err(Status::BadCap) } else { Ok(()) }
    }

    fn map(&self, a: [u64; 6]) -> Outcome {
        self.results(&[0])?;
        let f: Obj<Frame> = caps::get(self.domain, a[0], a[5] & rights::ALL)?;
        let target = caps::translation(self.domain, a[1], rights::WRITE)?;
        let args = MapArgs { ipa: a[2], first: a[3], pages: a[4], rights: a[5] };
        self.progress(memory::map(f, target, &args))
    }

    /// Pages done, and whether there are more.
    fn progress(&self, step: Result<(u64, bool), Status>) -> Outcome {
        let (done, more) = step?;
        self.results(&[done])?;
        if more { Err(Status::Again) } else { Ok(()) }
    }

    fn unmap(&self, a: [u64; 6]) -> Outcome {
        let f: Obj<Frame> = caps::get(self.domain, a[0], rights::READ)?;
        let target = caps::translation(self.domain, a[1], rights::WRITE)?;
        memory::unmap(f, target, a[2])
    }

    #[inline(never)]
    fn vcpu_state(&self, a: [u64; 6]) -> Outcome {
        match a[1] {
            sc::STATE_SAVE => state::save(self.core, self.own_vcpu(a[0], rights::READ)?),
            sc::STATE_LOAD => state::load(self.core, self.own_vcpu(a[0], rights::WRITE)?),
            _ => Err(Status::BadArg),
        }
    }

    fn irq_ack(&self, a: [u64; 6]) -> Outcome {
        let i: Obj<Irq> = caps::get(self.domain, a[0], rights::WRITE)?;
        gic::deactivate(i.intid.get());
        Ok(())
    }

    fn watch(&self, a: [u64; 6]) -> Outcome {
        let d: Obj<Domain> = caps::get(self.domain, a[0], rights::WRITE)?;
        let n: Obj<Notification> = caps::get(self.domain, a[1], rights::WRITE)?;
        if a[2] > 61 {
            return Err(Status::BadArg);
        }
        d.watch.set(Some(n));
        d.watch_bits.set(1 << a[2]);
        Ok(())
    }

    fn exit(&self, a: [u64; 6]) -> Outcome {
        domain::stop(self.core, stop::EXIT, [a[0], 0, 0]);
        Ok(())
    }

    fn log(&self, a: [u64; 6]) -> Outcome {
        caps::machine(self.domain, a[0], rights::READ)?;
        if a[1] > 32 {
            return Err(Status::BadArg);
        }
        let words = [a[2], a[3], a[4], a[5]].into_iter();
        log::bytes(words.flat_map(u64::to_le_bytes).take(a[1] as usize));
        Ok(())
    }

    fn power(&self, a: [u64; 6]) -> Outcome {
        caps::machine(self.domain, a[0], rights::WRITE)?;
        match a[1] {
            sc::POWER_OFF => power::off(),
            sc::POWER_RESET => power::reset(),
            _ => Err(Status::BadArg),
        }
    }

    fn frame_info(&self, a: [u64; 6]) -> Outcome {
        let f: Obj<Frame> = caps::get(self.domain, a[0], 0)?;
        let attachments = f.attachments.with(|t| t.iter().count()) as u64;
        self.results(&[f.base.get(), f.pages.get(), f.state.get(), attachments])
    }

    fn cap_info(&self, a: [u64; 6]) -> Outcome {
        let cap = caps::word(self.domain, a[0])?;
        if cap.is_null() {
            return Err(Status::BadCap);
        }
        self.results(&[cap.kind() as u64, cap.rights(), cap.badge()])
    }

    fn counter(&self, a: [u64; 6]) -> Outcome {
        caps::machine(self.domain, a[0], rights::READ)?;
        let pool_free = || domain::all().map(|d| u64::from(d.pool.with(|p| p.free()))).sum();
        let kept = |reading: &AtomicU64| reading.load(Ordering::Relaxed);
        let value = match a[1] {
            counter::POOL_FREE => pool_free(),
            counter::GUEST_HCR => self.core.guest_hcr.get(),
            which => stats::get(which).map(kept).ok_or(Status::BadArg)?,
        };
        self.results(&[value])
    }

    fn id_register(&self, a: [u64; 6]) -> Outcome {
        if a[0] >= 64 {
            return Err(Status::BadArg);
        }
        self.results(&[sysreg::read_id(a[0] >> 3, a[0] & 7)])
    }
}
