//! Answers of PSCI and SMCCC calls, by HVC and by SMC, as far as the machine has the conduit.
#![allow(unsafe_code)] // The calls are assembly.

use core::arch::global_asm;

use crate::report::Report;
use guest_base::guard;

unsafe extern "C" {
    static firmware_hvc: u8;
    static firmware_smc: u8;
}

// (function, x1, x2, x3) → x0, and in x1 whether x4 to x17 were kept as SMCCC 1.1 asks (DEN0028 2.6).
global_asm!(
    r#"
    .macro FIRMWARE_CALL conduit
    .irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    mov     x\n, #(\n * 0x101)
    .endr
    \conduit #0
    mov     x1, #0
    .irp n, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
    mov     x2, #(\n * 0x101)
    cmp     x\n, x2
    cinc    x1, x1, ne
    .endr
    ret
    .endm

    .pushsection .text.firmware, "ax"
firmware_hvc:
    FIRMWARE_CALL hvc
firmware_smc:
    FIRMWARE_CALL smc
    .popsection
"#
);

/// Name, function identifier and arguments.
type Call = (&'static str, u64, [u64; 3]);

const CALLS: &[Call] = &[
    ("version", 0x8400_0000, [0; 3]),
    ("version.smc64", 0xc400_0000, [0; 3]),
    ("cpu_on.self", 0xc400_0003, [0, 0x4020_0000, 0]),
    ("cpu_on.absent", 0xc400_0003, [0x3f, 0x4020_0000, 0]),
    ("cpu_on.mpidr_res1", 0xc400_0003, [0x8000_0000, 0x4020_0000, 0]),
    ("affinity_info.self", 0xc400_0004, [0, 0, 0]),
    ("affinity_info.level1", 0xc400_0004, [0, 1, 0]),
    ("affinity_info.absent", 0xc400_0004, [0x3f, 0, 0]),
    ("migrate", 0xc400_0005, [0; 3]),
    ("migrate_info_type", 0x8400_0006, [0; 3]),
    ("migrate_info_up_cpu", 0xc400_0007, [0; 3]),
    ("features.version", 0x8400_000a, [0x8400_0000, 0, 0]),
    ("features.cpu_suspend32", 0x8400_000a, [0x8400_0001, 0, 0]),
    ("features.cpu_suspend64", 0x8400_000a, [0xc400_0001, 0, 0]),
    ("features.cpu_off", 0x8400_000a, [0x8400_0002, 0, 0]),
    ("features.cpu_on32", 0x8400_000a, [0x8400_0003, 0, 0]),
    ("features.cpu_on64", 0x8400_000a, [0xc400_0003, 0, 0]),
    ("features.affinity_info32", 0x8400_000a, [0x8400_0004, 0, 0]),
    ("features.affinity_info64", 0x8400_000a, [0xc400_0004, 0, 0]),
    ("features.migrate", 0x8400_000a, [0xc400_0005, 0, 0]),
    ("features.migrate_info_type", 0x8400_000a, [0x8400_0006, 0, 0]),
    ("features.migrate_info_up_cpu", 0x8400_000a, [0xc400_0007, 0, 0]),
    ("features.system_off", 0x8400_000a, [0x8400_0008, 0, 0]),
    ("features.system_reset", 0x8400_000a, [0x8400_0009, 0, 0]),
    ("features.psci_features", 0x8400_000a, [0x8400_000a, 0, 0]),
    ("features.cpu_freeze", 0x8400_000a, [0x8400_000b, 0, 0]),
    ("features.cpu_default_suspend", 0x8400_000a, [0xc400_000c, 0, 0]),
    ("features.node_hw_state", 0x8400_000a, [0xc400_000d, 0, 0]),
    ("features.system_suspend", 0x8400_000a, [0xc400_000e, 0, 0]),
    ("features.set_suspend_mode", 0x8400_000a, [0x8400_000f, 0, 0]),
    ("features.stat_residency", 0x8400_000a, [0xc400_0010, 0, 0]),
    ("features.stat_count", 0x8400_000a, [0xc400_0011, 0, 0]),
    ("features.system_reset2", 0x8400_000a, [0xc400_0012, 0, 0]),
    ("features.mem_protect", 0x8400_000a, [0x8400_0013, 0, 0]),
    ("features.mem_protect_check", 0x8400_000a, [0xc400_0014, 0, 0]),
    ("features.system_off2", 0x8400_000a, [0xc400_0015, 0, 0]),
    ("features.smccc_version", 0x8400_000a, [0x8000_0000, 0, 0]),
    ("features.unknown", 0x8400_000a, [0x8400_dead, 0, 0]),
    ("smccc.version", 0x8000_0000, [0; 3]),
    ("smccc.arch_features.version", 0x8000_0001, [0x8000_0000, 0, 0]),
    ("smccc.arch_features.soc_id", 0x8000_0001, [0x8000_0002, 0, 0]),
    ("smccc.arch_features.workaround_1", 0x8000_0001, [0x8000_8000, 0, 0]),
    ("smccc.arch_features.workaround_2", 0x8000_0001, [0x8000_7fff, 0, 0]),
    ("smccc.arch_features.workaround_3", 0x8000_0001, [0x8000_3fff, 0, 0]),
    ("trng.version", 0x8400_0050, [0; 3]),
    ("trng.features", 0x8400_0051, [0x8400_0053, 0, 0]),
    ("pv_time.features", 0xc500_0020, [0xc500_0021, 0, 0]),
    ("vendor_hyp.uid", 0x8600_ff01, [0; 3]),
    ("unknown", 0x8400_dead, [0; 3]),
    ("unknown.smc64", 0xc400_dead, [0; 3]),
    ("unknown.yielding", 0x0400_0001, [0; 3]),
    ("garbage", 0xffff_ffff_ffff_ffff, [0; 3]),
    ("garbage.high", 0x1234_5678_8400_0000, [0; 3]),
];

/// Dumps the answers by both conduits.
pub fn run(report: &mut Report) {
    for (conduit, function) in [("hvc", &raw const firmware_hvc), ("smc", &raw const firmware_smc)] {
        for &(name, identifier, [x1, x2, x3]) in CALLS {
            match guard::call(function as u64, [identifier, x1, x2, x3]) {
                Ok([x0, 0]) => report.line(format_args!("psci.{conduit}.{name}={x0:#x}")),
                Ok([x0, changed]) => report.line(format_args!("psci.{conduit}.{name}={x0:#x} changed={changed}")),
                Err(taken) => report.line(format_args!("psci.{conduit}.{name}=UNDEF esr={:#010x}", taken.esr)),
            }
        }
    }
}
