//! System calls of Linux on arm64 (include/uapi/asm-generic/unistd.h). A call that must not fail ends the program.
#![allow(unsafe_code, reason = "system calls are assembly")]

/// PROT_READ.
pub const READ: u64 = 1;
/// PROT_WRITE.
pub const WRITE: u64 = 2;
/// MAP_PRIVATE | MAP_ANONYMOUS.
pub const MAP_ANONYMOUS_PRIVATE: u64 = 0x22;
const SIGCHLD: u64 = 17;

fn call(number: u64, a: [u64; 6]) -> i64 {
    let result;
    // SAFETY: the callers below pass what each call wants; memory that a call changes is theirs.
    unsafe {
        core::arch::asm!(
            "svc #0",
            in("x8") number,
            inout("x0") a[0] => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5],
            options(nostack)
        );
    }
    result
}

/// The same where a failure ends the program with the call's number.
fn must(number: u64, a: [u64; 6]) -> u64 {
    match u64::try_from(call(number, a)) {
        Ok(value) => value,
        Err(_) => exit(number),
    }
}

/// getppid.
pub fn getppid() -> u64 {
    must(173, [0; 6])
}

/// exit_group.
pub fn exit(code: u64) -> ! {
    loop {
        call(94, [code, 0, 0, 0, 0, 0]);
    }
}

/// mmap of `size` bytes anywhere.
pub fn mmap(size: u64, protection: u64, flags: u64) -> u64 {
    must(222, [0, size, protection, flags, u64::MAX, 0])
}

/// munmap.
pub fn munmap(address: u64, size: u64) {
    must(215, [address, size, 0, 0, 0, 0]);
}

/// mprotect.
pub fn mprotect(address: u64, size: u64, protection: u64) {
    must(226, [address, size, protection, 0, 0, 0]);
}

/// Stores a byte at an address of a mapping of ours.
pub fn store(address: u64) {
    // SAFETY: the callers store inside of what `mmap` gave them.
    unsafe { (address as *mut u8).write_volatile(1) };
}

/// fork: clone with SIGCHLD; 0 in the child.
pub fn fork() -> u64 {
    must(220, [SIGCHLD, 0, 0, 0, 0, 0])
}

/// wait4 for any child.
pub fn wait() {
    must(260, [u64::MAX, 0, 0, 0, 0, 0]);
}

/// pipe2: the end to read from, the end to write to.
pub fn pipe() -> [u64; 2] {
    let mut ends = [0u32; 2];
    must(59, [ends.as_mut_ptr() as u64, 0, 0, 0, 0, 0]);
    ends.map(u64::from)
}

/// close.
pub fn close(file: u64) {
    must(57, [file, 0, 0, 0, 0, 0]);
}

/// read of one byte.
pub fn read_byte(file: u64) {
    let mut byte = 0u8;
    must(63, [file, (&raw mut byte) as u64, 1, 0, 0, 0]);
}

/// write.
pub fn write(file: u64, bytes: &[u8]) {
    must(64, [file, bytes.as_ptr() as u64, bytes.len() as u64, 0, 0, 0]);
}
