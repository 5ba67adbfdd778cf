//! Device registers as reset leaves them, then their writable bits. Runs before anything uses a device.
//!
//! Zero is the default and is not dumped: a line is a register that reads as something else, or an access that
//! aborts. Windows are read in words from end to end, and in other widths where registers are.
#![allow(unsafe_code)] // Access functions are assembly.

use core::arch::global_asm;

use guest_base::machine::{GICD, GICR, RTC, UART};

use crate::report::Report;
use guest_base::guard::{self, Taken};

unsafe extern "C" {
    static device_load_8: u8;
    static device_load_16: u8;
    static device_load_32: u8;
    static device_load_64: u8;
    static device_store_32: u8;
    static device_store_64: u8;
}

// (address) → value; (address, value).
global_asm!(
    r#"
    .pushsection .text.device_access, "ax"
device_load_8:
    ldrb    w0, [x0]
    ret
device_load_16:
    ldrh    w0, [x0]
    ret
device_load_32:
    ldr     w0, [x0]
    ret
device_load_64:
    ldr     x0, [x0]
    ret
device_store_32:
    str     w1, [x0]
    ret
device_store_64:
    str     x1, [x0]
    ret
    .popsection
"#
);

fn load(width: u32, address: u64) -> Result<u64, Taken> {
    let function = match width {
        8 => &raw const device_load_8,
        16 => &raw const device_load_16,
        32 => &raw const device_load_32,
        _ => &raw const device_load_64,
    };
    guard::call(function as u64, [address, 0, 0, 0]).map(|[value, _]| value)
}

fn store(width: u32, address: u64, value: u64) -> Result<(), Taken> {
    let function = if width == 64 { &raw const device_store_64 } else { &raw const device_store_32 };
    guard::call(function as u64, [address, value, 0, 0]).map(|_| ())
}

/// A window of device registers.
struct Window {
    name: &'static str,
    base: u64,
    size: u64,
    /// Offsets that are also read as byte, half-word and double word.
    probes: &'static [u64],
    /// Registers whose bits are tested: offset and width.
    writable: &'static [(u64, u32)],
    /// Offset of a register that depends on time.
    volatile: Option<u64>,
}

/// GICD (IHI 0069 chapter 12): registers for SPIs 32 to 63. Clear registers follow their set registers.
const GICD_WRITABLE: &[(u64, u32)] = &[
    (0x0000, 32), // GICD_CTLR
    (0x0004, 32), // GICD_TYPER
    (0x0008, 32), // GICD_IIDR
    (0x0010, 32), // GICD_STATUSR
    (0x0080, 32), // GICD_IGROUPR0: RES0, the redistributor has it
    (0x0084, 32), // GICD_IGROUPR1
    (0x0104, 32), // GICD_ISENABLER1
    (0x0184, 32), // GICD_ICENABLER1
    (0x0204, 32), // GICD_ISPENDR1
    (0x0284, 32), // GICD_ICPENDR1
    (0x0304, 32), // GICD_ISACTIVER1
    (0x0384, 32), // GICD_ICACTIVER1
    (0x0400, 32), // GICD_IPRIORITYR0: RES0
    (0x0420, 32), // GICD_IPRIORITYR8
    (0x0820, 32), // GICD_ITARGETSR8: RES0 with affinity routing
    (0x0c08, 32), // GICD_ICFGR2
    (0x0d04, 32), // GICD_IGRPMODR1
    (0x0e08, 32), // GICD_NSACR2
    (0x6100, 64), // GICD_IROUTER32
];

/// GICR, RD_base and SGI_base (IHI 0069 chapter 12).
const GICR_WRITABLE: &[(u64, u32)] = &[
    (0x0_0000, 32), // GICR_CTLR
    (0x0_0010, 32), // GICR_STATUSR
    (0x0_0014, 32), // GICR_WAKER
    (0x0_0070, 64), // GICR_PROPBASER
    (0x0_0078, 64), // GICR_PENDBASER
    (0x1_0080, 32), // GICR_IGROUPR0
    (0x1_0100, 32), // GICR_ISENABLER0
    (0x1_0180, 32), // GICR_ICENABLER0
    (0x1_0200, 32), // GICR_ISPENDR0
    (0x1_0280, 32), // GICR_ICPENDR0
    (0x1_0300, 32), // GICR_ISACTIVER0
    (0x1_0380, 32), // GICR_ICACTIVER0
    (0x1_0400, 32), // GICR_IPRIORITYR0: SGIs
    (0x1_0418, 32), // GICR_IPRIORITYR6: PPIs 24 to 27
    (0x1_0c00, 32), // GICR_ICFGR0
    (0x1_0c04, 32), // GICR_ICFGR1
    (0x1_0d00, 32), // GICR_IGRPMODR0
    (0x1_0e00, 32), // GICR_NSACR
];

const WINDOWS: &[Window] = &[
    Window {
        name: "gicd",
        base: GICD,
        size: 0x1_0000,
        probes: &[0x0, 0x1, 0x2, 0x4, 0x8, 0x84, 0x104, 0x400, 0x420, 0x421, 0x422, 0xc08, 0x6100, 0x6104, 0xffe8],
        writable: GICD_WRITABLE,
        volatile: None,
    },
    Window {
        name: "gicr",
        base: GICR,
        size: 0x2_0000,
        probes: &[0x0, 0x4, 0x8, 0xc, 0x14, 0x70, 0x78, 0xffe8, 0x1_0080, 0x1_0400, 0x1_0401, 0x1_0402, 0x1_0c04],
        writable: GICR_WRITABLE,
        volatile: None,
    },
    Window {
        name: "uart",
        base: UART,
        size: 0x1000,
        probes: &[0x0, 0x18, 0x19, 0x1a, 0x30, 0x34, 0xfe0],
        // ILPR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, MIS, DMACR (DDI 0183 3.2).
        writable: &[
            (0x20, 32),
            (0x24, 32),
            (0x28, 32),
            (0x2c, 32),
            (0x30, 32),
            (0x34, 32),
            (0x38, 32),
            (0x3c, 32),
            (0x40, 32),
            (0x48, 32),
        ],
        volatile: None,
    },
    Window {
        name: "rtc",
        base: RTC,
        size: 0x1000,
        probes: &[0x4, 0x5, 0xc, 0x10, 0xfe0],
        // RTCMR, RTCCR, RTCIMSC (DDI 0224 3.2); RTCLR would set the time.
        writable: &[(0x4, 32), (0xc, 32), (0x10, 32)],
        volatile: Some(0),
    },
    // No device is plugged into the last virtio-mmio transport.
    Window { name: "virtio31", base: 0x0a00_3e00, size: 0x200, probes: &[0x0], writable: &[], volatile: None },
    // Addresses that nothing answers.
    Window { name: "hole.0f", base: 0x0f00_0000, size: 0x10, probes: &[0x0, 0x1], writable: &[], volatile: None },
    Window { name: "hole.0c", base: 0x0c00_0000, size: 0x10, probes: &[0x0], writable: &[], volatile: None },
    Window { name: "hole.up", base: 0x3f_0000_0000, size: 0x10, probes: &[0x0], writable: &[], volatile: None },
];

/// Dumps all windows: all values first, then the write tests.
pub fn run(report: &mut Report) {
    for window in WINDOWS {
        for offset in (0..window.size).step_by(4) {
            value(report, window, 32, offset);
        }
        for &offset in window.probes {
            for width in [8, 16, 32, 64] {
                let swept = width == 32 && offset % 4 == 0;
                if !swept {
                    value(report, window, width, offset);
                }
            }
        }
    }
    for window in WINDOWS {
        for &(offset, width) in window.writable {
            writable_bits(report, window, offset, width);
        }
    }
}

fn value(report: &mut Report, window: &Window, width: u32, offset: u64) {
    let name = window.name;
    match load(width, window.base + offset) {
        Ok(0) => (),
        Ok(_) if window.volatile == Some(offset & !3) => {
            report.line(format_args!("{name}.r{width}.{offset:#06x}=volatile"));
        }
        Ok(value) => report.line(format_args!("{name}.r{width}.{offset:#06x}={value:#x}")),
        Err(taken) => report.line(format_args!("{name}.r{width}.{offset:#06x}=abort esr={:#010x}", taken.esr)),
    }
}

/// Reports what reads back after all ones and after all zeros, then writes the old value back.
fn writable_bits(report: &mut Report, window: &Window, offset: u64, width: u32) {
    let (name, address) = (window.name, window.base + offset);
    let test = || {
        let before = load(width, address)?;
        store(width, address, u64::MAX)?;
        let ones = load(width, address)?;
        store(width, address, 0)?;
        let zeros = load(width, address)?;
        store(width, address, before)?;
        Ok((ones, zeros))
    };
    match test() {
        Ok((ones, zeros)) => report.line(format_args!("{name}.w{width}.{offset:#06x}={ones:#x}/{zeros:#x}")),
        Err(Taken { esr, .. }) => report.line(format_args!("{name}.w{width}.{offset:#06x}=abort esr={esr:#010x}")),
    }
}
