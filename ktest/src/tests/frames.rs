//! Frames and translations: MAP, UNMAP, REVOKE, FRAME_SPLIT, DONATE, FRAME_INFO, TRANSLATE.

use crate::child::{Child, Role};
use crate::env::{FREE, RW, SELF, SMALL_PAGES, WINDOW, Window, frame, raw, status};
use crate::outcome::Outcome;
use crate::shared::word;
use crate::thread::wait_until;
use crate::{check, check_eq, run, tests};
use abi::cap::rights::{ALL, EXEC, READ, WRITE};
use abi::syscall::{self as sc, Status, frame as state};
use abi::{IPA_BITS, PAGE_SIZE};
use rt::sys::{self, create};

tests! {
    1 map_translates_each_page_with_its_rights;
    1 map_refuses_what_is_out_of_range;
    1 map_does_not_replace;
    1 map_rights_are_those_of_the_capability;
    1 map_uses_blocks_and_unmap_removes_them;
    1 map_in_steps_is_one_attachment;
    1 last_attachment_slot_takes_a_long_map;
    1 frame_with_all_attachments_is_full;
    1 unmap_wants_the_address_of_the_map;
    1 revoke_removes_every_attachment;
    1 revoked_memory_faults_where_it_was_mapped;
    1 split_keeps_the_first_pages;
    1 donated_memory_cannot_be_mapped;
    1 donated_memory_comes_back_zeroed;
    1 only_the_owner_splits_donates_and_revokes;
    1 device_frames_are_mapped_never_donated;
    1 ram_is_no_device;
}

const SPACE: u64 = FREE;
const BASE: u64 = 0x4000_0000;

fn map_translates_each_page_with_its_rights() -> Outcome {
    create::space(SPACE)?;
    let physical = sys::frame_info(frame::SMALL)?.physical;
    for (n, rights) in [READ, READ | WRITE, READ | EXEC, READ | WRITE | EXEC].into_iter().enumerate() {
        let address = BASE + n as u64 * 0x10_0000;
        sys::map(frame::SMALL, SPACE, address, 3, 5, rights)?;
        for page in 0..5 {
            let got = sys::translate(SPACE, address + page * PAGE_SIZE + 0x123)?;
            check_eq!(got, physical + (3 + page) * PAGE_SIZE + rights, "translation");
        }
        for outside in [address - 1, address + 5 * PAGE_SIZE] {
            check_eq!(status(sys::translate(SPACE, outside)), Status::NotMapped, "beside the map");
        }
    }
    check_eq!(sys::frame_info(frame::SMALL)?.attachments, 4, "attachments");
    Ok(())
}

fn map_refuses_what_is_out_of_range() -> Outcome {
    create::space(SPACE)?;
    let pages = SMALL_PAGES;
    let bad = [
        (BASE + 1, 0, 1, READ),
        (BASE + PAGE_SIZE - 1, 0, 1, READ),
        (BASE, 0, 0, READ),
        (BASE, 0, pages + 1, READ),
        (BASE, pages, 1, READ),
        (BASE, 1, pages, READ),
        (BASE, u64::MAX, 1, READ),
        (BASE, 1, u64::MAX, READ),
        (BASE, u64::MAX, u64::MAX, READ),
        (BASE, 0, 1 << 52, READ),
        (BASE, 0, 1 << 63, READ),
        (1 << IPA_BITS, 0, 1, READ),
        ((1 << IPA_BITS) - PAGE_SIZE, 0, 2, READ),
        (!0xfff, 0, 1, READ),
        (1 << 63, 0, 1, READ),
        (BASE, 0, 1, 0),
        (BASE, 0, 1, WRITE),
        (BASE, 0, 1, EXEC),
        (BASE, 0, 1, ALL),
        (BASE, 0, 1, READ | 16),
        (BASE, 0, 1, u64::MAX),
    ];
    for (address, first, count, rights) in bad {
        let [got, done, ..] = raw(sc::MAP, [frame::SMALL, SPACE, address, first, count, rights]);
        check!(
            got == Status::BadArg as u64 && done == 0,
            "map({address:#x}, {first:#x}, {count:#x}, {rights:#x}): {got}, {done} pages"
        );
    }
    check_eq!(sys::frame_info(frame::SMALL)?.attachments, 0, "attachments");
    sys::map(frame::SMALL, SPACE, (1 << IPA_BITS) - PAGE_SIZE, 0, 1, READ)?;
    sys::map(frame::SMALL, SPACE, 0, 0, 1, READ)?;
    for address in [1 << IPA_BITS, 1 << 48, u64::MAX] {
        check_eq!(status(sys::translate(SPACE, address)), Status::NotMapped, "no such address");
    }
    Ok(())
}

fn map_does_not_replace() -> Outcome {
    create::space(SPACE)?;
    sys::map(frame::SMALL, SPACE, BASE + 2 * PAGE_SIZE, 0, 2, READ)?;

    check_eq!(status(sys::map(frame::PAGE[0], SPACE, BASE + 3 * PAGE_SIZE, 0, 1, RW)), Status::Taken, "page");
    check_eq!(status(sys::map(frame::SMALL, SPACE, BASE, 4, 8, RW)), Status::Taken, "range");
    check_eq!(sys::translate(SPACE, BASE + 3 * PAGE_SIZE)? & 7, READ, "rights of what was there");
    // What a failed map has done is recorded, and can be removed.
    check_eq!(status(sys::unmap(frame::SMALL, SPACE, BASE)), Status::Ok, "unmap of the part");
    check_eq!(status(sys::translate(SPACE, BASE)), Status::NotMapped, "removed part");
    Ok(())
}

fn map_rights_are_those_of_the_capability() -> Outcome {
    create::space(SPACE)?;
    for have in 0..=ALL {
        sys::copy(SELF, FREE + 1, frame::PAGE[0], have, 0)?;
        for want in [READ, READ | WRITE, READ | EXEC] {
            let expected = if want & !have == 0 { Status::Ok } else { Status::NoRights };
            check_eq!(status(sys::map(FREE + 1, SPACE, BASE, 0, 1, want)), expected, "map");
            let _ = sys::unmap(frame::PAGE[0], SPACE, BASE);
        }
        sys::delete(FREE + 1)?;
    }
    sys::copy(SELF, FREE + 2, SPACE, READ, 0)?;
    check_eq!(status(sys::map(frame::PAGE[0], FREE + 2, BASE, 0, 1, READ)), Status::NoRights, "space");
    Ok(())
}

/// First page of [`frame::BIG`] at a multiple of 2 MiB.
fn aligned() -> Result<u64, Status> {
    let physical = sys::frame_info(frame::BIG)?.physical;
    Ok((physical.next_multiple_of(2 << 20) - physical) / PAGE_SIZE)
}

fn map_uses_blocks_and_unmap_removes_them() -> Outcome {
    create::space(SPACE)?;
    let first = aligned()?;
    let free = sys::domain_info(SELF)?.free;

    // One call, one step: 512 pages in one descriptor of level 2, which needs one table.
    let [got, done, ..] = raw(sc::MAP, [frame::BIG, SPACE, BASE, first, 512, RW]);

    check_eq!((got, done), (Status::Ok as u64, 512), "map of a block");
    check_eq!(free - sys::domain_info(SELF)?.free, 1, "tables");
    let physical = sys::frame_info(frame::BIG)?.physical + first * PAGE_SIZE;
    for offset in [0, 0x1000, 0x1f_f000] {
        check_eq!(sys::translate(SPACE, BASE + offset)?, (physical + offset) | RW, "in the block");
    }
    sys::unmap(frame::BIG, SPACE, BASE)?;
    check_eq!(status(sys::translate(SPACE, BASE)), Status::NotMapped, "unmapped block");
    check_eq!(sys::domain_info(SELF)?.free, free, "tables after unmap");
    Ok(())
}

fn map_in_steps_is_one_attachment() -> Outcome {
    create::space(SPACE)?;
    let pages = 600;

    // An odd address: no blocks, so that it takes several steps.
    sys::map(frame::BIG, SPACE, BASE + PAGE_SIZE, 0, pages, RW)?;

    check_eq!(sys::frame_info(frame::BIG)?.attachments, 1, "attachments");
    let physical = sys::frame_info(frame::BIG)?.physical;
    for page in 0..pages {
        let got = sys::translate(SPACE, BASE + (page + 1) * PAGE_SIZE)?;
        check_eq!(got, (physical + page * PAGE_SIZE) | RW, "translation");
    }
    sys::unmap(frame::BIG, SPACE, BASE + PAGE_SIZE)?;
    for page in 0..pages {
        check_eq!(status(sys::translate(SPACE, BASE + (page + 1) * PAGE_SIZE)), Status::NotMapped, "unmapped");
    }
    Ok(())
}

/// Attaches single pages of [`frame::BIG`] until all but `spare` slots are taken; the kernel has 82.
fn fill_attachments(spare: u64) -> Outcome<u64> {
    let mut used = 0;
    while status(sys::map(frame::BIG, SPACE, BASE + 2 * used * PAGE_SIZE, 0, 1, READ)) == Status::Ok {
        used += 1;
        check!(used < 1000, "the table never fills");
    }
    for n in 0..spare {
        sys::unmap(frame::BIG, SPACE, BASE + 2 * n * PAGE_SIZE)?;
    }
    Ok(used)
}

fn last_attachment_slot_takes_a_long_map() -> Outcome {
    create::space(SPACE)?;
    fill_attachments(1)?;

    let result = status(sys::map(frame::BIG, SPACE, 2 * BASE + PAGE_SIZE, 0, 100, READ));

    check_eq!(result, Status::Ok, "map of 100 pages");
    check_eq!(status(sys::map(frame::BIG, SPACE, 3 * BASE, 0, 1, READ)), Status::Full, "one more");
    Ok(())
}

fn frame_with_all_attachments_is_full() -> Outcome {
    create::space(SPACE)?;
    let used = fill_attachments(0)?;

    check_eq!(sys::frame_info(frame::BIG)?.attachments, used, "attachments");
    check_eq!(status(sys::map(frame::BIG, SPACE, 3 * BASE, 0, 1, READ)), Status::Full, "one more");
    check_eq!(status(sys::translate(SPACE, 3 * BASE)), Status::NotMapped, "what was refused");
    sys::revoke(frame::BIG)?;
    check_eq!(sys::frame_info(frame::BIG)?.attachments, 0, "attachments after revoke");
    Ok(())
}

fn unmap_wants_the_address_of_the_map() -> Outcome {
    create::space(SPACE)?;
    sys::map(frame::SMALL, SPACE, BASE, 0, 4, READ)?;

    for address in [BASE + PAGE_SIZE, BASE + 1, 0, u64::MAX] {
        check_eq!(status(sys::unmap(frame::SMALL, SPACE, address)), Status::NotMapped, "unmap");
    }
    check_eq!(status(sys::unmap(frame::PAGE[0], SPACE, BASE)), Status::NotMapped, "another frame");
    check_eq!(status(sys::unmap(frame::SMALL, SELF, BASE)), Status::NotMapped, "another space");
    check_eq!(status(sys::unmap(frame::SMALL, SPACE, BASE)), Status::Ok, "the address of the map");
    check_eq!(status(sys::unmap(frame::SMALL, SPACE, BASE)), Status::NotMapped, "second unmap");
    Ok(())
}

fn revoke_removes_every_attachment() -> Outcome {
    for n in 0..3 {
        create::space(SPACE + n)?;
        sys::map(frame::SMALL, SPACE + n, BASE, n, 8, READ)?;
    }
    sys::map(frame::SMALL, SELF, WINDOW, 0, 2, READ)?;

    sys::revoke(frame::SMALL)?;

    check_eq!(sys::frame_info(frame::SMALL)?.attachments, 0, "attachments");
    for n in 0..3 {
        for page in 0..8 {
            check_eq!(status(sys::translate(SPACE + n, BASE + page * PAGE_SIZE)), Status::NotMapped, "space");
        }
    }
    check_eq!(status(sys::translate(SELF, WINDOW)), Status::NotMapped, "own domain");
    check_eq!(status(sys::revoke(frame::SMALL)), Status::Ok, "revoke of nothing");
    Ok(())
}

fn revoked_memory_faults_where_it_was_mapped() -> Outcome {
    const AT: u64 = 0x7c_a000_0000;
    let last = crate::env::cores() - 1;
    for unmap in [false, true] {
        word(0).set(0);
        word(1).set(AT);
        let child = Child::make(0, last, 5)?;
        sys::map(frame::PAGE[0], child.domain, AT, 0, 1, RW)?;
        // The child loads the word again and again through its TLB, on another core if there is one.
        child.start(Role::Load, 0)?;
        check!(wait_until(5000, || word(0).get() > 1000), "the child does not run");

        if unmap {
            sys::unmap(frame::PAGE[0], child.domain, AT)?;
        } else {
            sys::revoke(frame::PAGE[0])?;
        }

        let info = child.stopped(5000)?;
        check_eq!((info.esr >> 26, info.far), (0x24, AT), "class and FAR");
        child.destroy()?;
    }
    Ok(())
}

fn split_keeps_the_first_pages() -> Outcome {
    let before = sys::frame_info(frame::SPLIT)?;
    for keep in [0, 2, 3, u64::MAX] {
        check_eq!(status(sys::frame_split(frame::SPLIT, keep, frame::SPLIT_REST)), Status::BadArg, "split");
    }
    check_eq!(status(sys::frame_split(frame::SPLIT, 1, frame::SPLIT)), Status::Taken, "taken slot");
    check_eq!(status(sys::frame_split(frame::SPLIT, 1, 512)), Status::BadArg, "no slot");
    {
        let _window = Window::open(frame::SPLIT, 0, 1, READ)?;
        check_eq!(status(sys::frame_split(frame::SPLIT, 1, frame::SPLIT_REST)), Status::BadState, "mapped");
    }

    sys::frame_split(frame::SPLIT, 1, frame::SPLIT_REST)?;
    run::leaves(1);

    let (kept, rest) = (sys::frame_info(frame::SPLIT)?, sys::frame_info(frame::SPLIT_REST)?);
    check_eq!((kept.physical, kept.pages), (before.physical, 1), "kept part");
    check_eq!((rest.physical, rest.pages), (before.physical + PAGE_SIZE, 1), "rest");
    check_eq!(sys::cap_info(frame::SPLIT_REST)?.1, ALL, "rights of the rest");
    check_eq!(status(sys::frame_split(frame::SPLIT, 1, FREE)), Status::BadArg, "split of one page");
    Ok(())
}

fn donated_memory_cannot_be_mapped() -> Outcome {
    create::domain(FREE + 1)?;
    {
        let _window = Window::open(frame::SMALL, 0, 1, READ)?;
        check_eq!(status(sys::donate(frame::SMALL, FREE + 1)), Status::BadState, "mapped memory");
    }

    sys::donate(frame::SMALL, FREE + 1)?;

    check_eq!(sys::frame_info(frame::SMALL)?.state, state::DONATED, "state");
    check_eq!(status(sys::map(frame::SMALL, SELF, WINDOW, 0, 1, READ)), Status::BadState, "map");
    check_eq!(status(sys::donate(frame::SMALL, FREE + 1)), Status::BadState, "second donation");
    check_eq!(status(sys::frame_split(frame::SMALL, 1, FREE + 2)), Status::BadState, "split");
    check_eq!(sys::domain_info(FREE + 1)?.pool, SMALL_PAGES, "pages of the pool");
    check_eq!(sys::domain_info(FREE + 1)?.free, SMALL_PAGES, "free pages of the pool");
    Ok(())
}

fn donated_memory_comes_back_zeroed() -> Outcome {
    let words = SMALL_PAGES * PAGE_SIZE / 8;
    {
        let window = Window::open(frame::SMALL, 0, SMALL_PAGES, RW)?;
        (0..words).for_each(|n| window.word(n).set(!n));
    }
    create::domain(FREE + 1)?;
    sys::donate(frame::SMALL, FREE + 1)?;
    // Tables and objects are made in the memory, so that it has content when it comes back.
    sys::map(frame::PAGE[0], FREE + 1, BASE, 0, 1, READ)?;
    sys::destroy(FREE + 1)?;

    check_eq!(sys::frame_info(frame::SMALL)?.state, state::MAPPABLE, "state");
    let window = Window::open(frame::SMALL, 0, SMALL_PAGES, READ)?;
    for n in 0..words {
        check!(window.word(n).get() == 0, "word {n} is {:#x}", window.word(n).get());
    }
    Ok(())
}

fn only_the_owner_splits_donates_and_revokes() -> Outcome {
    create::domain(FREE + 1)?;
    for rights in [0, RW, ALL & !READ, ALL & !WRITE, ALL & !EXEC] {
        sys::copy(SELF, FREE + 2, frame::SMALL, rights, 0)?;
        check_eq!(status(sys::frame_split(FREE + 2, 1, FREE + 3)), Status::NoRights, "split");
        check_eq!(status(sys::donate(FREE + 2, FREE + 1)), Status::NoRights, "donate");
        check_eq!(status(sys::revoke(FREE + 2)), Status::NoRights, "revoke");
        sys::delete(FREE + 2)?;
    }
    sys::copy(SELF, FREE + 2, FREE + 1, READ, 0)?;
    check_eq!(status(sys::donate(frame::SMALL, FREE + 2)), Status::NoRights, "domain without WRITE");
    Ok(())
}

fn device_frames_are_mapped_never_donated() -> Outcome {
    let info = sys::frame_info(frame::RTC)?;
    check_eq!((info.physical, info.state), (crate::env::RTC.0, state::DEVICE), "device");
    {
        let window = Window::open(frame::RTC, 0, 1, RW)?;
        // PL031 RTCPeriphID0 (DDI 0224C 3.3.9).
        check_eq!(window.word(0xfe0 / 8).get() & 0xff, 0x31, "PeriphID0");
    }
    create::domain(FREE + 1)?;
    check_eq!(status(sys::donate(frame::RTC, FREE + 1)), Status::BadState, "donation");
    check_eq!(status(sys::map(frame::RTC, SELF, WINDOW, 0, 1, READ | EXEC)), Status::BadArg, "executable");
    Ok(())
}

fn ram_is_no_device() -> Outcome {
    use crate::env::MACHINE;
    use abi::syscall::counter;
    let ram = sys::frame_info(frame::SMALL)?.physical;
    let image = sys::counter(MACHINE, counter::IMAGE_BASE)?;
    let bad = [
        (ram, 1),
        (image, 1),
        (image - PAGE_SIZE, 2),
        (0x4000_0000, 1),
        (0x3fff_f000, 2),
        (0x0800_0000, 1),
        (0x080a_0000, 1),
        (0, 0x10_0000),
        (0x0901_0001, 1),
        (0x0901_0800, 1),
        (0x0901_0000, 0),
        (0x0901_0000, u64::MAX),
        (0x0901_0000, 1 << 52),
        (!0xfff, 1),
        (1 << 47, 1),
    ];
    for (base, pages) in bad {
        let result = status(create::device(FREE, MACHINE, base, pages));
        check!(result == Status::BadArg, "device at {base:#x}, {pages:#x} pages: {result:?}");
    }
    Ok(())
}
