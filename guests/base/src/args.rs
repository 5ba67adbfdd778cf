//! The command line: `/chosen` `bootargs` of the device tree, as words `key=value`.
#![allow(unsafe_code, reason = "The boot loader's device tree is named by its address.")]

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node as _, Property as _};

/// Most bytes that a device tree may have.
const MAX_SIZE: usize = 2 << 20;

/// The command line; empty without one.
///
/// `dtb` is what `guest_main` was given.
pub fn command_line(dtb: u64) -> &'static str {
    find(dtb).unwrap_or_default()
}

/// The value of a word `key=value`.
pub fn value(line: &'static str, key: &str) -> Option<&'static str> {
    line.split_ascii_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The value of a word `key=value` that is a decimal number, else `default`.
pub fn number(line: &'static str, key: &str, default: u64) -> u64 {
    value(line, key).and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn find(dtb: u64) -> Option<&'static str> {
    if dtb == 0 || !dtb.is_multiple_of(8) {
        return None;
    }
    // SAFETY: the boot protocol puts a device tree there, whose header of 40 bytes starts with magic and size.
    let header: &'static [u8; 8] = unsafe { &*(dtb as *const [u8; 8]) };
    let size = u32::from_be_bytes(*header.last_chunk()?) as usize;
    if header.first_chunk() != Some(&[0xd0, 0x0d, 0xfe, 0xed]) || size > MAX_SIZE {
        return None;
    }
    // SAFETY: as above; nobody writes to it.
    let bytes: &'static [u8] = unsafe { core::slice::from_raw_parts(dtb as *const u8, size) };
    let chosen = Fdt::new(bytes).ok()?.find_node("/chosen")?;
    chosen.properties().find(|property| property.name() == "bootargs")?.value_as::<&str>().ok()
}
