//! What a domain may not do ends it and nothing else: the watcher is told, ESR, ELR and FAR are right.

use crate::child::{Child, Role};
use crate::env::{self, MACHINE, SELF, WINDOW};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::{sleep_ms, wait_until};
use crate::{check, check_eq, hostile, tests};
use abi::syscall::{Status, counter, stop};
use rt::sys::{self, DomainInfo};

tests! {
    1 privileged_instructions_end_a_domain;
    1 memory_that_is_not_mapped_ends_a_domain;
    1 text_is_not_writable_and_data_not_executable;
    1 others_go_on_when_a_domain_faults;
    1 exit_stops_a_domain_with_its_code;
    1 a_stopped_domain_is_not_started_again;
}

const DATA_ABORT: u64 = 0x24;
const INSTRUCTION_ABORT: u64 = 0x20;
const FP: u64 = 0x07;
const TRANSLATION: u64 = 0b01;
const PERMISSION: u64 = 0b11;

fn class(info: &DomainInfo) -> u64 {
    info.esr >> 26
}

/// Bits 5:2 of the fault status code: kind of fault, without the level.
fn fault_kind(info: &DomainInfo) -> u64 {
    (info.esr >> 2) & 0xf
}

fn privileged_instructions_end_a_domain() -> Outcome {
    for (n, case) in hostile::ALL.iter().enumerate() {
        let child = Child::spawn(0, 0, 5, Role::Hostile, n as u64)?;

        let info = child.stopped(5000);

        check!(info.is_ok(), "`{}` did not stop the domain", case.name);
        let info = info?;
        check_eq!(info.reason, stop::FAULT, case.name);
        // FP traps by CPACR_EL1 first, which is the last guest's and reports class 0 under TGE.
        let class = class(&info);
        let expected = class == case.class || case.class == FP && class == 0;
        check!(expected, "`{}`: class {class:#x}", case.name);
        check!(info.elr == case.run as *const () as u64, "`{}`: ELR {:#x}", case.name, info.elr);
        check_eq!(word(0).get(), 0, case.name);
        child.destroy()?;
    }
    Ok(())
}

fn accessing(role: Role, address: u64) -> Outcome<DomainInfo> {
    word(1).set(address);
    let child = Child::spawn(0, 0, 5, role, 0)?;
    let info = child.stopped(5000);
    check!(info.is_ok(), "access to {address:#x} did not stop the domain");
    child.destroy()?;
    Ok(info?)
}

fn memory_that_is_not_mapped_ends_a_domain() -> Outcome {
    let image = sys::counter(MACHINE, counter::IMAGE_BASE)?;
    let physical = sys::frame_info(env::frame::PAGE[0])?.physical;
    let devices = [0x0800_0000, 0x080a_0000, 0x0900_0000, 0x0901_0000];
    let inside = [0, 0x10_0000_0000, WINDOW, rt::boot::PACK, image, physical, (1 << 39) - 8];

    for address in devices.into_iter().chain(inside) {
        for role in [Role::Load, Role::Store] {
            let info = accessing(role, address)?;
            check!(class(&info) == DATA_ABORT, "{address:#x}: class {:#x}", class(&info));
            check!(fault_kind(&info) == TRANSLATION, "{address:#x}: ESR {:#x}", info.esr);
            check_eq!(info.far, address, "FAR");
            check!(info.esr & 1 << 6 == if role == Role::Store { 1 << 6 } else { 0 }, "WnR of {:#x}", info.esr);
        }
    }
    for address in [1 << 39, 1 << 40, 0x8000_0000_0000, 0xffff_ffff_8000_0000, u64::MAX - 7] {
        for role in [Role::Load, Role::Store] {
            let info = accessing(role, address)?;
            check!(class(&info) == DATA_ABORT, "{address:#x}: class {:#x}", class(&info));
            check_eq!(info.far, address, "FAR");
        }
    }
    Ok(())
}

fn text_is_not_writable_and_data_not_executable() -> Outcome {
    let text = accessing as *const () as u64 & !7;

    let write = accessing(Role::Store, text)?;
    let read = {
        word(1).set(text);
        let child = Child::spawn(0, 0, 5, Role::Load, 0)?;
        check!(wait_until(5000, || word(0).get() > 0) && child.runs(), "text is not readable");
        child.destroy()?;
        word(0).set(0);
        word(2).get()
    };

    check_eq!((class(&write), fault_kind(&write)), (DATA_ABORT, PERMISSION), "write to text");
    check!(read != 0, "text reads 0");
    let child = Child::make(0, 0, 5)?;
    // The shared page is data: a thread that starts there executes it.
    sys::destroy(child.thread)?;
    // SAFETY: the thread is another domain's.
    #[allow(unsafe_code, reason = "a hostile entry point")]
    unsafe {
        sys::create::thread(child.thread, child.domain, child.sched, crate::shared::ADDRESS + 64, 0)?;
    }
    sys::thread_start(child.thread, 0)?;
    let execute = child.stopped(5000)?;
    check_eq!((class(&execute), fault_kind(&execute)), (INSTRUCTION_ABORT, PERMISSION), "execution of data");
    check_eq!(execute.elr, crate::shared::ADDRESS + 64, "ELR");
    Ok(())
}

fn others_go_on_when_a_domain_faults() -> Outcome {
    let last = crate::env::cores() - 1;
    let other = Child::spawn(1, last, 5, Role::Spin, 9)?;
    for n in 0..10 {
        let child = Child::spawn(0, 0, 6, Role::Hostile, n)?;
        check!(child.stopped(5000).is_ok(), "not stopped");
        let before = word(9).get();
        check!(wait_until(5000, || word(9).get() != before), "the other domain does not run");
        check!(other.runs(), "the other domain stopped too");
        child.destroy()?;
    }
    Ok(())
}

fn exit_stops_a_domain_with_its_code() -> Outcome {
    let child = Child::spawn(0, 0, 5, Role::Exit, 0xabcd)?;

    let info = child.stopped(5000)?;

    check_eq!((info.reason, info.esr), (stop::EXIT, 0xabcd), "reason and code");
    check_eq!(sys::domain_info(SELF)?.reason, stop::RUNNING, "this domain");
    Ok(())
}

fn a_stopped_domain_is_not_started_again() -> Outcome {
    let child = Child::spawn(0, 0, 5, Role::Exit, 1)?;
    child.stopped(5000)?;

    child.start(Role::Spin, 3)?;
    sleep_ms(5);

    check_eq!(word(3).get(), 0, "count of the stopped domain");
    check_eq!(env::status(sys::wait(child.watch, 0)), Status::Timeout, "a second notification");
    Ok(())
}
