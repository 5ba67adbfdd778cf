//! The part of QEMU's plugin interface that is used here (QEMU 10, `qemu-plugin.h`), declared by hand.
#![allow(unsafe_code)] // Declarations of foreign functions.

use std::ffi::{c_char, c_int, c_uint, c_void};

/// API level: QEMU from 9.2 on.
pub const VERSION: c_int = 4;
/// `QEMU_PLUGIN_CB_NO_REGS`.
pub const CB_NO_REGS: c_int = 0;
/// `QEMU_PLUGIN_INLINE_ADD_U64`.
pub const INLINE_ADD_U64: c_int = 0;
/// `QEMU_PLUGIN_MEM_W`.
pub const MEM_W: c_int = 2;

/// An opaque type of QEMU's.
macro_rules! opaque {
    ($($name:ident),*) => { $(#[repr(C)] pub struct $name { _private: [u8; 0] })* };
}
opaque!(Tb, Insn, Scoreboard, Register);

/// `qemu_plugin_u64`: one counter of each vCPU.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Counter {
    pub score: *mut Scoreboard,
    pub offset: usize,
}

/// `qemu_plugin_reg_descriptor`.
#[repr(C)]
pub struct RegisterDescriptor {
    pub handle: *mut Register,
    pub name: *const c_char,
    pub feature: *const c_char,
}

/// GLib's `GArray` and `GByteArray`.
#[repr(C)]
pub struct Array<T> {
    pub data: *mut T,
    pub len: c_uint,
}

pub type TbTranslated = unsafe extern "C" fn(u64, *mut Tb);
pub type VcpuCallback = unsafe extern "C" fn(u64, c_uint);
pub type ExecCallback = unsafe extern "C" fn(c_uint, *mut c_void);
pub type UserCallback = unsafe extern "C" fn(u64, *mut c_void);

unsafe extern "C" {
    pub fn qemu_plugin_register_vcpu_init_cb(id: u64, callback: VcpuCallback);
    pub fn qemu_plugin_register_vcpu_tb_trans_cb(id: u64, callback: TbTranslated);
    pub fn qemu_plugin_register_atexit_cb(id: u64, callback: UserCallback, data: *mut c_void);
    pub fn qemu_plugin_tb_n_insns(tb: *const Tb) -> usize;
    pub fn qemu_plugin_tb_get_insn(tb: *const Tb, index: usize) -> *mut Insn;
    pub fn qemu_plugin_insn_vaddr(insn: *const Insn) -> u64;
    pub fn qemu_plugin_register_vcpu_insn_exec_cb(
        insn: *mut Insn,
        callback: ExecCallback,
        flags: c_int,
        data: *mut c_void,
    );
    pub fn qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn: *mut Insn, op: c_int, entry: Counter, value: u64);
    pub fn qemu_plugin_register_vcpu_mem_inline_per_vcpu(
        insn: *mut Insn,
        access: c_int,
        op: c_int,
        entry: Counter,
        value: u64,
    );
    pub fn qemu_plugin_scoreboard_new(element_size: usize) -> *mut Scoreboard;
    pub fn qemu_plugin_u64_sum(entry: Counter) -> u64;
    pub fn qemu_plugin_get_registers() -> *mut Array<RegisterDescriptor>;
    pub fn qemu_plugin_read_register(handle: *mut Register, buffer: *mut Array<u8>) -> c_int;
    // GLib, which QEMU itself is linked with.
    pub fn g_byte_array_new() -> *mut Array<u8>;
    pub fn g_byte_array_set_size(array: *mut Array<u8>, length: c_uint) -> *mut Array<u8>;
    pub fn g_array_free(array: *mut Array<RegisterDescriptor>, free_segment: c_int) -> *mut c_char;
}
