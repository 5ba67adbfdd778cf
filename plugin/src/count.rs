//! Instrumentation: each translated instruction gets an inline counter, chosen when it is translated.
//!
//! QEMU never shares a translation between exception levels, so the level at translation is the level of every
//! execution: telling levels apart costs nothing at run time.
#![allow(unsafe_code)] // Calls into QEMU.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use crate::api::{self, Array, Counter, Insn, Register, Scoreboard, Tb};
use crate::args::{self, Args};
use crate::report::{self, Counts, LEVELS};

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)] // QEMU's name.
static qemu_plugin_version: c_int = api::VERSION;

/// Executions (and writes) of one range and level: the counters of a scoreboard element.
struct Board {
    score: AtomicPtr<Scoreboard>,
    ranges: usize,
}

impl Board {
    fn new(ranges: usize) -> Self {
        let size = (ranges + 1) * LEVELS * size_of::<u64>();
        // SAFETY: QEMU allocates and keeps the board; it lives until QEMU ends.
        let score = unsafe { api::qemu_plugin_scoreboard_new(size) };
        Self { score: AtomicPtr::new(score), ranges }
    }

    fn counter(&self, range: usize, el: usize) -> Counter {
        Counter { score: self.score.load(Relaxed), offset: (range * LEVELS + el) * size_of::<u64>() }
    }

    fn counts(&self) -> Counts {
        // SAFETY: the counters lie inside of the board's elements.
        let sum = |range, el| unsafe { api::qemu_plugin_u64_sum(self.counter(range, el)) };
        (0..=self.ranges).map(|range| std::array::from_fn(|el| sum(range, el))).collect()
    }
}

/// What was counted while counting was on. Boards run all the time; a window is a difference of two sums.
#[derive(Default)]
struct Windows {
    /// Sums at the start of the open window, executions then writes.
    open: Option<[Counts; 2]>,
    closed: [Counts; 2],
}

struct State {
    args: Args,
    executed: Board,
    writes: Board,
    windows: Mutex<Windows>,
    marks: Mutex<Vec<Counts>>,
    /// Handle of the register `cpsr`.
    cpsr: AtomicPtr<Register>,
}

static STATE: OnceLock<State> = OnceLock::new();

impl State {
    fn new(args: Args) -> Self {
        let zero: Counts = vec![[0; LEVELS]; args.ranges.len() + 1];
        let zero = [zero.clone(), zero];
        let open = args.start.is_none().then(|| zero.clone());
        Self {
            executed: Board::new(args.ranges.len()),
            writes: Board::new(args.ranges.len()),
            windows: Mutex::new(Windows { open, closed: zero }),
            marks: Mutex::default(),
            cpsr: AtomicPtr::default(),
            args,
        }
    }

    fn now(&self) -> [Counts; 2] {
        [self.executed.counts(), self.writes.counts()]
    }

    fn start(&self) {
        let mut windows = self.windows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        windows.open.get_or_insert_with(|| self.now());
    }

    fn stop(&self) {
        let mut windows = self.windows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let Some(before) = windows.open.take() else {
            return;
        };
        let now = self.now();
        let pairs = now.iter().flatten().flatten().zip(before.iter().flatten().flatten());
        for (closed, (now, before)) in windows.closed.iter_mut().flatten().flatten().zip(pairs) {
            *closed += now - before;
        }
    }

    fn mark(&self) {
        self.marks.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(self.executed.counts());
    }

    fn write_report(&self) {
        self.stop();
        let marks = self.marks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let windows = self.windows.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let [executed, writes] = &windows.closed;
        let text = report::json(&self.args.ranges, executed, self.args.writes.then_some(writes), &marks);
        if let Err(error) = std::fs::write(&self.args.out, text) {
            eprintln!("plugin: {}: {error}", self.args.out);
        }
    }

    /// Exception level of the vCPU that is translating.
    fn exception_level(&self) -> usize {
        let handle = self.cpsr.load(Relaxed);
        if handle.is_null() {
            return 0;
        }
        let pstate = read_register(handle);
        // PSTATE as SPSR shows it (Arm ARM, SPSR_EL1): M[4] is AArch32, of which guests have EL0 and EL1 only.
        match pstate & 0x1f {
            0x10 => 0,
            mode if mode & 0x10 != 0 => 1,
            mode => (mode >> 2 & 3) as usize,
        }
    }

    fn instrument(&self, insn: *mut Insn, el: usize) {
        // SAFETY: QEMU's instruction is valid during the translation callback; the counters outlive the program.
        unsafe {
            let pc = api::qemu_plugin_insn_vaddr(insn);
            let at = |trigger: Option<args::Trigger>| trigger.is_some_and(|trigger| trigger.matches(pc, el));
            // Callbacks come before the counter, in the order of registration: the instruction that starts is
            // counted, the one that stops is not.
            let none = std::ptr::null_mut();
            if at(self.args.stop) {
                api::qemu_plugin_register_vcpu_insn_exec_cb(insn, stop_reached, api::CB_NO_REGS, none);
            }
            if at(self.args.start) {
                api::qemu_plugin_register_vcpu_insn_exec_cb(insn, start_reached, api::CB_NO_REGS, none);
            }
            if at(self.args.mark) {
                api::qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_reached, api::CB_NO_REGS, none);
            }
            let range = report::range_index(&self.args.ranges, pc);
            let executed = self.executed.counter(range, el);
            api::qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, api::INLINE_ADD_U64, executed, 1);
            if self.args.writes {
                let writes = self.writes.counter(range, el);
                api::qemu_plugin_register_vcpu_mem_inline_per_vcpu(insn, api::MEM_W, api::INLINE_ADD_U64, writes, 1);
            }
        }
    }
}

fn read_register(handle: *mut Register) -> u64 {
    thread_local! {
        // SAFETY: GLib allocates; one buffer per thread, kept.
        static BUFFER: *mut Array<u8> = unsafe { api::g_byte_array_new() };
    }
    BUFFER.with(|&buffer| {
        // SAFETY: the handle came from QEMU's own list; the buffer is this thread's, and `data` has `len` bytes.
        unsafe {
            api::g_byte_array_set_size(buffer, 0);
            api::qemu_plugin_read_register(handle, buffer);
            let bytes = std::slice::from_raw_parts((*buffer).data, (*buffer).len as usize);
            bytes.iter().take(8).rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
        }
    })
}

unsafe extern "C" fn start_reached(_vcpu: c_uint, _data: *mut c_void) {
    STATE.get().inspect(|state| state.start());
}

unsafe extern "C" fn stop_reached(_vcpu: c_uint, _data: *mut c_void) {
    STATE.get().inspect(|state| state.stop());
}

unsafe extern "C" fn mark_reached(_vcpu: c_uint, _data: *mut c_void) {
    STATE.get().inspect(|state| state.mark());
}

unsafe extern "C" fn at_exit(_id: u64, _data: *mut c_void) {
    STATE.get().inspect(|state| state.write_report());
}

unsafe extern "C" fn vcpu_init(_id: u64, _vcpu: c_uint) {
    let Some(state) = STATE.get() else { return };
    // SAFETY: QEMU returns an array of `len` descriptors that the caller frees; names are C strings that it keeps.
    unsafe {
        let registers = api::qemu_plugin_get_registers();
        let descriptors = std::slice::from_raw_parts((*registers).data, (*registers).len as usize);
        let cpsr = descriptors.iter().find(|descriptor| CStr::from_ptr(descriptor.name) == c"cpsr");
        if let Some(descriptor) = cpsr {
            state.cpsr.store(descriptor.handle, Relaxed);
        }
        api::g_array_free(registers, 1);
    }
}

unsafe extern "C" fn translated(_id: u64, tb: *mut Tb) {
    let Some(state) = STATE.get() else { return };
    let el = state.exception_level();
    // SAFETY: the block is valid during this callback, and has that many instructions.
    unsafe {
        for index in 0..api::qemu_plugin_tb_n_insns(tb) {
            state.instrument(api::qemu_plugin_tb_get_insn(tb, index), el);
        }
    }
}

/// Called by QEMU when it loads the plugin; anything but 0 ends QEMU.
///
/// # Safety
/// `argv` has `argc` C strings that live as long as QEMU.
#[unsafe(no_mangle)]
unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _info: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let count = usize::try_from(argc).unwrap_or(0);
    // SAFETY: as the function's own contract says.
    let arguments: Vec<_> = (0..count).map(|index| unsafe { CStr::from_ptr(*argv.add(index)) }).collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let args = match args::parse(arguments.iter().map(|argument| argument.as_ref())) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("plugin: {error}");
            return 1;
        }
    };
    STATE.get_or_init(|| State::new(args));
    // SAFETY: the callbacks have QEMU's signatures and live as long as the plugin.
    unsafe {
        api::qemu_plugin_register_vcpu_init_cb(id, vcpu_init);
        api::qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
        api::qemu_plugin_register_atexit_cb(id, at_exit, std::ptr::null_mut());
    }
    0
}
