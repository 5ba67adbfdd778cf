//! A Linux program without a library: does what an operating system does most, `N` times each, between marks.
//!
//! `sosia bench --engines` counts, from outside, what runs between one mark and the next: a mark is the execution of the
//! one instruction at [`loops_mark`], whose address the program's ELF file tells. First an empty pair of marks.
//!
//! | row | one operation |
//! |---|---|
//! | `syscall` | getppid |
//! | `page_fault` | first store to a page of a fresh anonymous mapping |
//! | `mprotect` | a page made read-only, made writable again, and written |
//! | `fork` | a child that exits at once, waited for |
//! | `switch` | a byte to another process and one back, over two pipes |
#![no_std]
#![no_main]

mod linux;

use linux::{MAP_ANONYMOUS_PRIVATE, READ, WRITE};

const PAGE: u64 = 4096;

/// Operations per row; the host tool divides by the same numbers, which it reads from the program's output.
const SYSCALLS: u64 = 1000;
const PAGES: u64 = 512;
const PROTECTS: u64 = 200;
const FORKS: u64 = 40;
const SWITCHES: u64 = 200;

type Row = (&'static str, u64, fn(u64));

const ROWS: [Row; 6] = [
    ("empty", 1, |_| {}),
    ("syscall", SYSCALLS, syscalls),
    ("page_fault", PAGES, page_faults),
    ("mprotect", PROTECTS, protects),
    ("fork", FORKS, forks),
    ("switch", SWITCHES, switches),
];

/// Where the kernel enters the program.
#[allow(unsafe_code, reason = "the linker calls it by this name")]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    for (name, n, work) in ROWS {
        // Once before, so that what is done only the first time is not in the figure.
        work(n.min(8));
        loops_mark();
        work(n);
        loops_mark();
        print(name, n);
    }
    linux::exit(0)
}

/// One instruction that the counter of instructions knows by its address.
#[allow(unsafe_code, reason = "its address is looked up by name")]
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn loops_mark() {
    core::hint::black_box(());
}

fn syscalls(n: u64) {
    (0..n).for_each(|_| {
        linux::getppid();
    });
}

fn page_faults(n: u64) {
    let base = linux::mmap(n * PAGE, READ | WRITE, MAP_ANONYMOUS_PRIVATE);
    (0..n).for_each(|page| linux::store(base + page * PAGE));
    linux::munmap(base, n * PAGE);
}

fn protects(n: u64) {
    let base = linux::mmap(PAGE, READ | WRITE, MAP_ANONYMOUS_PRIVATE);
    linux::store(base);
    for _ in 0..n {
        linux::mprotect(base, PAGE, READ);
        linux::mprotect(base, PAGE, READ | WRITE);
        linux::store(base);
    }
    linux::munmap(base, PAGE);
}

fn forks(n: u64) {
    for _ in 0..n {
        if linux::fork() == 0 {
            linux::exit(0);
        }
        linux::wait();
    }
}

fn switches(n: u64) {
    let (there, back) = (linux::pipe(), linux::pipe());
    if linux::fork() == 0 {
        for _ in 0..n {
            linux::read_byte(there[0]);
            linux::write(back[1], b"x");
        }
        linux::exit(0);
    }
    for _ in 0..n {
        linux::write(there[1], b"x");
        linux::read_byte(back[0]);
    }
    linux::wait();
    there.into_iter().chain(back).for_each(linux::close);
}

/// `LOOP row=NAME n=N`.
fn print(name: &str, n: u64) {
    let mut digits = [0u8; 20];
    let (mut left, mut start) = (n, digits.len());
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (left % 10) as u8;
        (left, start) = (left / 10, at);
        if left == 0 {
            break;
        }
    }
    for part in [b"LOOP row=", name.as_bytes(), b" n=", digits.get(start..).unwrap_or_default(), b"\n"] {
        linux::write(1, part);
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    linux::exit(101)
}
